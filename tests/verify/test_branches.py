"""What is asked only where collateral leaves is checked there, and the bound is one over every choice of what leaves."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.program import branches

from .worlds import World, network_market

LINK = {"source": "bn", "target": "hl", "asset": "USDC", "cost_rate": 1e-4}


def world(cash: float, short: float, dollars: float, *limits: Any) -> World:
    """Binance with ``cash`` and a short at Hyperliquid; every coin of delta is worth ``dollars``."""
    collateral = [{"asset": "USDC", "amount": cash}], [{"asset": "USDC", "amount": 50_000.0}]
    short_of = [{"instrument": "BTC-hyperliquid", "quantity": -short}] if short else []
    accounts = [
        {"name": "bn", "venue": "binance", "margin": "binance:20", "collateral": collateral[0]},
        {
            "name": "hl",
            "venue": "hyperliquid",
            "margin": "hyperliquid:20",
            "collateral": collateral[1],
            "positions": short_of,
        },
    ]
    policy = ho.Policy(
        minimize=ho.TransactionCost() - dollars * ho.Delta("BTC"),
        subject_to=[*limits, ho.OrderLimit(quantity=500.0)],
        scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6, "ETH": 0.8}),
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("BTC", "ETH")),
        lots="ideal",
    )
    return World(ho.Book(accounts=accounts, links=[LINK]), network_market(), policy)


SAVE = ho.MarginUtilisation(account="hl")


def test_the_rules_of_leaving_are_not_asked_where_nothing_leaves() -> None:
    """312 BTC bought with 10,000 USD posted: nothing could be withdrawn, and nothing is."""
    one = world(10_000.0, 0.0, 300.0)
    told = one.told()
    assert not told["transfers"]
    assert one.verdict(told).valid, one.verdict(told)


@pytest.mark.parametrize("short", [30.0, 100.0])
@pytest.mark.parametrize("dollars", [0.0, 45.0, 60.0, 300.0])
def test_the_optimum_is_proven_over_every_choice(short: float, dollars: float) -> None:
    one = world(200_000.0, short, dollars, SAVE)
    verdict = one.verdict(one.told())
    assert verdict.valid, verdict


@pytest.mark.parametrize("dollars", [80.0, 300.0])
def test_an_answer_that_did_not_look_at_the_other_choice_is_not_proven(
    dollars: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the first branch, in which collateral is sent, is believed. Sending nothing is better."""
    one = world(200_000.0, 30.0, dollars, SAVE)
    best = one.told()["certificate"]["objective"]
    monkeypatch.setattr(branches._Search, "_hopeless", lambda self, bound: self.best is not None)
    monkeypatch.setattr(branches._Search, "_certified", lambda self, solution: solution)
    told = one.told()
    assert told["certificate"]["objective"] > best + 1.0
    verdict = one.verdict(told)
    assert not verdict.valid
    assert verdict.exit_code == 4
    assert verdict.lower_bound <= best + 1e-6 * abs(best)


def test_branches_that_leave_a_choice_out_prove_nothing() -> None:
    one = world(200_000.0, 30.0, 60.0, SAVE)
    told, e = one.told(), one.exposures()
    assert len(told["proof"]["branches"]) == 2
    for k in range(2):
        fewer = copy.deepcopy(told)
        del fewer["proof"]["branches"][k]
        verdict = one.verdict(fewer, e)
        assert not verdict.valid
        assert any("leaves out a choice" in line for line in verdict.unproven)
    for name in ("shut", "used"):  # the rules of a choice count only where it is made
        swapped = copy.deepcopy(told)
        for row in swapped["proof"]["branches"]:
            row[name] = []
        assert not one.verdict(swapped, e).valid
    told["proof"]["branches"][0]["shut"] = [["hl", "USDC"]]
    with pytest.raises(ho.InputError, match="no account and asset"):
        one.verdict(told, e)


def test_a_transfer_out_is_asked_for() -> None:
    """The rule of leaving is missing from the table although something leaves."""
    one = world(200_000.0, 100.0, 45.0, SAVE)
    told, e = one.told(), one.exposures()
    assert told["transfers"]
    told["limits"] = [row for row in told["limits"] if not row["limit"].startswith("withdrawal")]
    assert any("withdrawal bn is missing" in line for line in one.verdict(told, e).wrong)


def test_two_accounts_at_one_venue_verify(toy_book: ho.Book, toy_market: ho.Market) -> None:
    """Rows of sizes over accounts that do not bind stand in no table."""
    spare = ho.Account(name="spare", venue="deribit", collateral=(ho.Collateral(asset="BTC", amount=50.0),))
    book = toy_book.model_copy(update={"accounts": (*toy_book.accounts, spare)})
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC").within(-1.0, 1.0), ho.OrderLimit(notional=3e5, only=("perpetual",))],
        scenarios=ho.ParametricScenarios(count=50, seed=7),
        candidates=ho.Candidates(kinds=("perpetual", "future"), underlyings=("BTC", "ETH")),
        lots="ideal",
    )
    one = World(book, toy_market, policy)
    told, e = one.told(), one.exposures()
    assert one.verdict(told, e).valid, one.verdict(told, e)
    binding = [row for row in told["limits"] if "over accounts" in row["limit"]]
    assert binding
    told["limits"] = [row for row in told["limits"] if row not in binding]
    assert any("over accounts is missing" in line for line in one.verdict(told, e).wrong)


def test_the_multipliers_of_branches_are_read() -> None:
    """Where the table's multipliers prove nothing, those of the branches do."""
    one = world(200_000.0, 30.0, 60.0, SAVE)
    told, e = one.told(), one.exposures()
    for row in told["limits"]:
        row["shadow_price"] = 0.0
    assert one.verdict(told, e).valid
    told["proof"]["multipliers"] = [{"limits": [], "tails": []} for _ in told["proof"]["multipliers"]]
    assert not one.verdict(json.loads(json.dumps(told)), e).valid
