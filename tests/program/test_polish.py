"""A band without width is met to a few eps: trades that a solver leaves beside it are moved onto it."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.box import trade_box
from hedgeopt.program.certificate import FEASIBILITY, relative_violation
from hedgeopt.program.certified import solve_program
from hedgeopt.program.polish import onto_limits
from hedgeopt.program.program import Program


@pytest.mark.parametrize("seed", range(5))
def test_rounding_beside_a_zero_band_is_taken_back(toy_book: ho.Book, toy_market: ho.Market, seed: int) -> None:
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        subject_to=[ho.Delta("BTC").within(0, 0), ho.Vega("ETH").within(-50, 50), ho.OrderLimit(notional=4e6)],
        candidates=ho.Candidates(min_delta=0.3),
        scenarios=ho.ParametricScenarios(count=60, seed=3),
        lots="ideal",
    )
    e = expose(toy_book, toy_market, policy)
    program, box = Program(policy, e), trade_box(policy, e)
    right = solve_program(program, e).trades
    rng = np.random.default_rng(seed)
    beside = np.where(right != 0.0, right + 1e-9 * rng.normal(size=len(right)) * program.scale, right)
    beside = np.clip(beside, box.lower, box.upper)
    assert max(map(relative_violation, program.sides(e, beside))) > 10 * FEASIBILITY
    moved = onto_limits(program, e, box, beside)
    assert max(map(relative_violation, program.sides(e, moved))) <= 0.5 * FEASIBILITY
    assert (moved[right == 0.0] == 0.0).all()
    assert np.abs((moved - beside) / program.scale).max() <= 1e-7
