"""The bound of lists in whole lots proven again by the verifier, and refused where a list is better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.verify import claim_of, judge

NAMES = ("BTC-27MAR26-88000-C", "BTC-27MAR26-72000-P", "ETH-26JUN26-3000-C", "BTC-PERPETUAL", "ETH-PERPETUAL")


def policy(most: int, **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        subject_to=[ho.OrderLimit(notional=4e6), ho.MaxTrades(most=most), *more.pop("limits", ())],
        candidates=ho.Candidates(names=NAMES, min_delta=0.01, **more),
        scenarios=ho.ParametricScenarios(count=200, seed=3),
    )


def judged(book: ho.Book, market: ho.Market, rules: ho.Policy, told: dict[str, Any]) -> Any:
    return judge(claim_of(told), expose(book, market, rules), market, rules.model_dump(mode="json"))


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("more", [{}, {"ticket": 500.0}, {"limits": (ho.Vega("BTC").within(-9_000.0, 9_000.0),)}])
def test_a_list_that_counts_trades_is_proven_again(
    toy_book: ho.Book, toy_market: ho.Market, most: int, more: dict[str, Any]
) -> None:
    rules = policy(most, **dict(more))
    told = rules.propose(toy_book, toy_market)
    assert told.certificate.ideal_lower_bound is not None
    assert told.certificate.objective > told.certificate.ideal_lower_bound * (1.0 + rules.lot_gap)
    verdict = judged(toy_book, toy_market, rules, told.to_dict())
    assert verdict.valid, verdict
    assert verdict.exit_code == 0
    assert "HiGHS" in verdict.lists


def test_a_list_that_another_beats_is_not_proven(toy_book: ho.Book, toy_market: ho.Market) -> None:
    """The best single trade, told as the best of two."""
    one, two = policy(1), policy(2)
    told, better = one.propose(toy_book, toy_market), two.propose(toy_book, toy_market)
    assert better.certificate.objective < told.certificate.objective * (1.0 - two.lot_gap)
    data = told.to_dict()
    data["policy"] = two.model_dump(mode="json")
    verdict = judged(toy_book, toy_market, two, data)
    assert verdict.exit_code == 4
    assert not verdict.lists
    assert any("holds every limit" in line for line in verdict.unproven), verdict.unproven


def test_what_multipliers_prove_is_not_searched(toy_book: ho.Book, toy_market: ho.Market) -> None:
    rules = policy(5).model_copy(update={"subject_to": (ho.OrderLimit(notional=4e6),)})
    verdict = judged(toy_book, toy_market, rules, rules.propose(toy_book, toy_market).to_dict())
    assert verdict.valid
    assert not verdict.lists
    assert np.isfinite(verdict.lower_bound)
