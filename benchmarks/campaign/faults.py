"""Faults injected one at a time into the solver: each must be noticed by the verifier, whoever else notices."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmarks.campaign.registry import campaign

COUNT = 67
"""Faults of tests/verify/faults.py."""


@campaign(
    "faults",
    about="hedgeopt verify on proposals that were made with a fault in terms, limits, encodings, program, tail or tables",
    full=COUNT,
    sample=1,
    never=tuple(f"{seen}, {said} by the product" for seen in ("missed", "idle") for said in ("refused", "certified")),
    sources=("hedgeopt", "tests/verify/faults.py", "tests/verify/worlds.py"),
    repeatable=False,
)
def fault(number: int) -> str:
    """The fault of this number, shown on its world."""
    from hedgeopt.inputs.chain.reader import read_market
    from tests.conftest import toy_desk, write_toy_chain
    from tests.verify.faults import FAULTS
    from tests.verify.test_faults import outcome

    assert len(FAULTS) == COUNT
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        market = read_market(write_toy_chain(Path(folder) / "chain.csv"))
        return outcome(list(FAULTS.values())[number], toy_desk(), market, patch)
