"""What is listed is what was certified: every trade and transfer, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.program import assemble as proposing
from hedgeopt.program.box import trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.dust import DUST_USD
from hedgeopt.program.program import Program


def desk(toy_market: ho.Market, coins: float) -> ho.Book:
    return ho.Book(accounts=[{"name": "main", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": coins}]}])


def rules(*limits: object, **more: object) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=limits,
        scenarios=ho.ParametricScenarios(count=50),
        candidates=ho.Candidates(kinds=("perpetual", "future"), underlyings=("BTC",), **more),
        lots="ideal",
    )


def asked_for(answer: ho.Proposal) -> float:
    """Delta in BTC that the listed trades add, from the list alone: inverse contracts of one dollar each."""
    signed = answer.trades["quantity"] * np.where(answer.trades["side"] == "buy", 1.0, -1.0)
    return float((signed / answer.trades["price"]).sum())


@pytest.mark.parametrize("largest", [1e6, 1e9, 1e12])
@pytest.mark.parametrize("dollars", [700.0, 40.0, 2.0])
def test_a_needed_trade_is_listed_however_large_trades_may_be(toy_market: ho.Market, dollars: float, largest: float) -> None:
    index = toy_market.price("BTC")
    policy = rules(ho.Delta("BTC") <= 10.0 - dollars / index, max_order_notional=largest)
    solved = ho.solve(desk(toy_market, 10.0), toy_market, policy)
    answer = solved.proposal
    assert answer.certificate.valid
    assert answer.trades["side"].tolist() == ["sell"]
    assert asked_for(answer) == pytest.approx(-dollars / index, rel=1e-3)  # at the bid instead of the mark
    assert answer.to_dict()["trades"][0]["quantity"] == -solved.x[solved.x != 0.0][0]
    assert answer.after.greeks["BTC"]["delta"] == pytest.approx(10.0 - dollars / index, rel=1e-8)


def test_a_trade_below_a_dollar_is_listed_where_a_limit_needs_it_and_dropped_where_none_does(toy_market: ho.Market) -> None:
    index, cents = toy_market.price("BTC"), 0.3 * DUST_USD
    needed = rules(ho.Delta("BTC") <= 10.0 - cents / index).propose(desk(toy_market, 10.0), toy_market)
    assert needed.trades["notional"].tolist() == pytest.approx([cents], rel=1e-2)
    free = rules(ho.Delta("BTC") <= 10.0).propose(desk(toy_market, 10.0), toy_market)
    assert not len(free.trades)


def test_added_constraints_are_checked_at_the_listed_trades(toy_market: ho.Market) -> None:
    """Sweeping half a dollar away would break the constraint that was added: it stays, and it is listed."""
    cents = 0.5 * DUST_USD

    def at_least(program: Program) -> None:
        program.extend(cp.sum(program.trades) <= -cents)

    policy = rules(ho.Delta("BTC") <= 10.0)
    answer = ho.solve(desk(toy_market, 10.0), toy_market, policy, customize=at_least)
    assert answer.x.sum() <= -cents * (1 - 1e-9)
    assert answer.proposal.trades["quantity"].sum() == pytest.approx(cents, rel=1e-6)
    assert answer.program.trades.value == pytest.approx(answer.x, rel=1e-12, abs=1e-12)
    nothing, _ = certify(answer.program, answer.exposures, trade_box(policy, answer.exposures), 0.0 * answer.x, {})
    assert not nothing.feasible  # although the variables stand where the constraint holds


def test_a_list_that_is_not_the_certified_one_is_refused(toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch) -> None:
    real = proposing.trades_table
    policy, book = rules(ho.Delta("BTC") <= 9.0), desk(toy_market, 10.0)
    for fault in (lambda frame: frame.iloc[1:], lambda frame: frame.assign(quantity=frame["quantity"] * (1 + 1e-9))):
        monkeypatch.setattr(proposing, "trades_table", lambda *given, fault=fault: fault(real(*given)))
        with pytest.raises(ho.CertificateError, match="not the one that was certified"):
            policy.propose(book, toy_market)


def test_limits_and_reports_are_those_of_the_listed_trades(
    toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy
) -> None:
    solved = ho.solve(toy_book, toy_market, toy_policy)
    answer, e = solved.proposal, solved.exposures
    x = proposing.listed(e, answer.trades, answer.transfers)
    assert (x == solved.x).all()
    fresh = Program(toy_policy, e)
    fresh.update(e, trade_box(toy_policy, e))
    after = [side.value for side in fresh.sides(e, x)]
    assert answer.limits["after"].tolist() == pytest.approx(after, rel=1e-12)  # margin is told by the venue's plain rule
    assert answer.certificate.objective == fresh.objective_value(e, x)
    swept = replace(e, lower=e.lower, upper=e.upper)
    assert answer.after.to_dict() == ho.risk_report(swept, x, cost=answer.costs["transaction"]).to_dict()
