"""A type checker sees what users write: terms, sums and comparisons as limits, and the signature of propose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hedgeopt as ho
reveal_type(ho.Delta("BTC") <= 5)
reveal_type(ho.Delta("BTC") + 0.8 * ho.Delta("ETH") <= 5)
reveal_type(ho.CVaR(0.99) + ho.Carry() >= 1)
policy = ho.Policy(ho.TransactionCost() + 0.5 * ho.CVaR(0.99), [ho.Vega("BTC").within(-1, 1)])
reveal_type(policy.propose(ho.read_book("b"), ho.read_market("m")))
policy.propose(ho.read_book("b"), ho.read_market("m"), programme=None)
"""


@pytest.mark.slow
def test_a_users_script_is_typed(repository: Path, tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", f"--cache-dir={tmp_path}", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"MYPYPATH": str(repository)}, cwd=tmp_path
    )
    lines = [line for line in done.stdout.splitlines() if "user.py" in line]
    assert sum('"hedgeopt.constraints.limit.Limit"' in line for line in lines) == 3, done.stdout
    assert sum('"hedgeopt.program.proposal.Proposal"' in line for line in lines) == 1, done.stdout
    assert [line for line in lines if " error: " in line] == [line for line in lines if 'argument "programme"' in line]
