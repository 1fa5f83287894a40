"""No order that is worth nothing, and nothing at all where none is allowed."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho


def policy(*limits: object, **more: object) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + 0.1 * ho.CVaR(0.95),
        subject_to=[ho.OrderLimit(notional=4e6), *limits],
        candidates=ho.Candidates(min_delta=0.1, **more),
        scenarios=ho.ParametricScenarios(count=200, seed=3),
    )


def test_no_trades_are_allowed_and_limits_hold(toy_book: ho.Book, toy_market: ho.Market) -> None:
    told = ho.propose(toy_book, toy_market, policy(ho.MaxTrades(most=0)))
    assert told.trades.empty
    assert told.certificate.valid
    assert told.certificate.gap == pytest.approx(0.0, abs=1e-12)
    assert any("max_trades) is 0" in note for note in told.certificate.notes)


def test_no_trades_are_allowed_and_a_limit_needs_some(toy_book: ho.Book, toy_market: ho.Market) -> None:
    with pytest.raises(ho.InfeasibleError, match=r"no list in whole lots exists .*no trades.* delta BTC"):
        ho.propose(toy_book, toy_market, policy(ho.MaxTrades(most=0), ho.Delta("BTC").within(-0.5, 0.5)))


@pytest.mark.parametrize("fees", ["taker", "maker"])
def test_no_order_is_worth_nothing(toy_book: ho.Book, toy_market: ho.Market, fees: str) -> None:
    solved = ho.solve(toy_book, toy_market, policy(ho.Delta("BTC").within(-0.5, 0.5), fees=fees))
    assert solved.proposal.certificate.valid
    program, e, x = solved.program, solved.exposures, solved.x
    value = program.objective_value(e, x)
    for i in np.flatnonzero(x).tolist():
        without = np.where(np.arange(len(x)) == i, 0.0, x)
        holds = all(side.violation <= 1e-9 * abs(side.limit) for side in program.sides(e, without))
        assert not holds or program.objective_value(e, without) > value + 1e-7 * abs(value)
