"""Shadow prices of curved limits and under curved objectives, through the hedge program: what a limit's change is worth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program


def policy(*limits: object, squared: bool = False) -> ho.Policy:
    parts = ho.TransactionCost() + 0.5 * ho.CVaR(0.95)
    return ho.Policy(
        minimize=parts + 1e-6 * ho.Variance() if squared else parts,
        subject_to=[*limits, ho.OrderLimit(notional=4e6)],
        candidates=ho.Candidates(min_delta=0.3),
        scenarios=ho.ParametricScenarios(count=100, seed=3),
        lots="ideal",
    )


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    return expose(toy_book, toy_market, policy())


def slope_and_price(e: Exposures, make: Callable[[float], ho.Policy], name: str, at: float) -> tuple[float, float]:
    """Central difference of the optimum in the limit's side, and the limit's shadow price."""
    step = 1e-3 * abs(at)
    low, middle, high = (solve_program(Program(make(side), e), e) for side in (at - step, at, at + step))
    assert all(f.certificate.valid for f in (low, middle, high))
    prices = [side.dual for side in middle.sides if name in side.name.lower()]
    return (high.certificate.objective - low.certificate.objective) / (2 * step), max(prices)


def test_a_limit_under_a_sum_of_squares_is_worth_its_shadow_price(exposures: Exposures) -> None:
    """The objective holds a variance, and the delta must be three coins from where that wants it."""
    slope, price = slope_and_price(
        exposures, lambda least: policy(ho.Delta("BTC").within(least, 10.0), squared=True), "delta", 3.0
    )
    assert price > 0
    assert price == pytest.approx(slope, rel=2e-2)


def test_a_limit_on_a_sum_of_squares_is_worth_its_shadow_price(exposures: Exposures) -> None:
    e = exposures
    free = solve_program(Program(policy(), e), e)
    most = 0.8 * float(np.var(e.base_pnl + e.pnl @ free.trades))
    slope, price = slope_and_price(e, lambda limit: policy(ho.Variance() <= limit), "variance", most)
    assert price > 0
    assert price == pytest.approx(-slope, rel=2e-2)
