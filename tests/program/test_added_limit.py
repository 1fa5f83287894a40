"""A constraint added in cvxpy that nothing meets: one verdict, soon."""

from __future__ import annotations

import io
import time

import cvxpy as cp
import pytest

import hedgeopt as ho
from hedgeopt.errors import InfeasibleError


@pytest.mark.slow
def test_trades_too_few_for_the_limits_are_said_infeasible_at_once() -> None:
    """The interior points ended without a verdict, and a simplex without presolve tried for a minute."""
    files = {name: io.StringIO(text) for name, text in ho.example_files().items()}
    market, book = ho.read_market(files["market.csv"]), ho.read_book(files["book.json"])
    policy = ho.read_policy(files["policy.toml"])
    begin = time.process_time()
    with pytest.raises(InfeasibleError, match="added constraints"):
        ho.solve(book, market, policy, customize=lambda program: program.extend(cp.norm1(program.trades) <= 900))
    assert time.process_time() - begin < 25.0
