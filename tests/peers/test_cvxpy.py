"""Tests of cvxpy itself, each solve sent through ``method="tail"``: a sample that the day in requirements/as-of draws."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from benchmarks.campaign.peers import MODULES, only_here
from benchmarks.campaign.registry import load
from benchmarks.campaign.store import outcome_of, read

# Modules of a few seconds with many solves; all of them: python -m benchmarks.campaign peers.
QUICK = "test_quadratic.py", "test_shape.py", "test_convolution.py", "test_linear_cone.py", "test_objectives.py"


@pytest.mark.peers
@pytest.mark.slow
def test_a_sample_fails_nowhere_but_without_us(repository: Path) -> None:
    seed = zlib.crc32((repository / "requirements" / "as-of").read_bytes())
    module, entry = QUICK[seed % len(QUICK)], load()["peers"]
    assert only_here(module) == []
    told = read(entry)
    assert told is not None
    assert not entry.forbidden(outcome_of(told, MODULES.index(module)))
