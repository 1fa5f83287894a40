"""Fixed costs against every list there is: a ticket an order, gas of a pool, and what a transfer pays."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.costs.fixed import fixed_costs
from hedgeopt.verify import claim_of, judge
from hedgeopt.verify.ladders import fixed

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
COINS = {"BTC": 80_000.0, "ETH": 3_000.0, "SOL": 150.0}
LOT = 15_000.0


def market(half: dict[str, float]) -> ho.Market:
    items = {
        coin: ho.Perpetual(name=f"{coin}_USDC-PERPETUAL", venue="deribit", underlying=coin, settlement="USDC")
        for coin in COINS
    }
    rows = {
        items[coin].id: {
            "mark_price": price, "bid_price": price * (1 - half[coin]), "ask_price": price * (1 + half[coin]),
            "funding_8h": 0.0, "lot": LOT / price,
        }
        for coin, price in COINS.items()
    }  # fmt: skip
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=[*QUOTE_FIELDS, "lot"])
    quotes["timestamp"] = pd.Timestamp(NOW)
    return ho.Market(NOW, {**COINS, "USDC": 1.0}, {item.id: item for item in items.values()}, quotes)


BOOK = ho.Book(
    accounts=[
        {"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 1e6}]},
        {"name": "cold", "venue": "custody", "tradable": False, "margin": "none", "collateral": [
            {"asset": "BTC", "amount": 0.6}, {"asset": "ETH", "amount": 12.0}, {"asset": "SOL", "amount": 280.0}]},
    ]
)  # fmt: skip


def policy(ticket: float | None, weight: float = 0.05, **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + weight * ho.CVaR(0.9),
        scenarios=ho.ParametricScenarios(count=60, vol=dict.fromkeys(COINS, 0.7), seed=3),
        candidates=ho.Candidates(kinds=("perpetual",), ticket=ticket, max_order_notional=60_000.0),
        lot_gap=0.005,
        **more,
    )


def best_of_all(rules: ho.Policy, quotes: ho.Market, ticket: float) -> tuple[float, np.ndarray]:
    """Every list of up to four lots a side, by arithmetic."""
    e = expose(BOOK, quotes, rules)
    found = []
    lot = e.rows.lot[e.candidate]
    for counts in itertools.product(range(-4, 5), repeat=e.n_candidates):
        x = np.array(counts) * lot
        losses = np.sort(-(e.base_pnl + e.pnl @ x))[::-1]
        tail = losses[:6].mean()  # a tenth of 60
        cost = e.cost_buy @ np.maximum(x, 0) + e.cost_sell @ np.maximum(-x, 0)
        found.append((float(cost + 0.05 * tail + ticket * np.count_nonzero(counts)), x))
    return min(found, key=lambda pair: pair[0])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ticket", [0.0, 20.0, 120.0, 1e5])
def test_the_best_list_is_that_of_all_lists(seed: int, ticket: float) -> None:
    half = dict(zip(COINS, np.random.default_rng(seed).uniform(1e-4, 2e-3, 3), strict=True))
    quotes, rules = market(half), policy(ticket)
    told = ho.propose(BOOK, quotes, rules)
    best, _ = best_of_all(rules, quotes, ticket)
    certificate = told.certificate
    assert certificate.objective == pytest.approx(best, rel=rules.lot_gap)
    assert certificate.lower_bound <= best * (1 + 1e-9)
    assert told.costs["fixed"] == pytest.approx(ticket * len(told.trades))
    summed = (told.objective["weight"] * told.objective["after"]).sum() + told.costs["fixed"]
    assert summed == pytest.approx(certificate.objective, rel=1e-9)
    verdict = judge(claim_of(told.to_dict()), expose(BOOK, quotes, rules), quotes, rules.model_dump(mode="json"))
    assert verdict.valid, verdict
    assert verdict.objective == pytest.approx(certificate.objective, rel=1e-9)


def test_tickets_above_any_benefit_trade_nothing_and_say_why() -> None:
    quotes = market(dict.fromkeys(COINS, 2e-4))
    told = ho.propose(BOOK, quotes, policy(1e5))
    assert told.trades.empty
    assert any("nothing is traded" in note and "candidates.ticket" in note for note in told.certificate.notes)
    assert len(ho.propose(BOOK, quotes, policy(None)).trades) > 0


def test_a_false_sum_of_fixed_costs_is_found() -> None:
    quotes, rules = market(dict.fromkeys(COINS, 2e-4)), policy(5.0)
    data = ho.propose(BOOK, quotes, rules).to_dict()
    assert data["costs"]["fixed"] > 0
    data["costs"]["fixed"] = 0.0
    verdict = judge(claim_of(data), expose(BOOK, quotes, rules), quotes, rules.model_dump(mode="json"))
    assert any("fixed" in line for line in verdict.wrong)


def test_a_ticket_asks_for_whole_lots_and_for_trading_costs() -> None:
    assert policy(0.0, lots="ideal").whole
    assert not policy(None, lots="ideal").whole
    with pytest.raises(InputError, match=r"candidates\.ticket.*transaction_cost"):
        ho.Policy(minimize=ho.CVaR(0.9), candidates=ho.Candidates(ticket=1.0))
    with pytest.raises(InputError, match="ticket"):
        ho.Candidates(ticket=-1.0)


def test_gas_and_bridges_are_fixed_costs_too() -> None:
    """In the program's arrays and in the verifier's sum, for any list."""
    spot = ho.Spot(name="ETH_USDC", venue="uniswap", asset="ETH")
    quotes = market(dict.fromkeys(COINS, 2e-4))
    row = {"mark_price": 3_000.0, "bid_price": 2_999.0, "ask_price": 3_001.0, "timestamp": pd.Timestamp(NOW), "lot": 0.01}
    table = pd.concat([quotes.quotes, pd.DataFrame.from_dict({spot.id: row}, orient="index")])
    quotes = ho.Market(NOW, quotes.prices, {**quotes.instruments, spot.id: spot}, table)
    pool = {
        "kind": "pool",
        "timestamp": NOW.isoformat(),
        "venue": "uniswap",
        "instrument": spot.name,
        "fee": 0.003,
        "base_reserve": 1_000.0,
    }
    quotes = quotes.with_depth({**pool, "quote_reserve": 3e6, "gas_usd": 14.0})
    wallet = {"name": "chain", "venue": "uniswap", "margin": "none", "collateral": [{"asset": "USDC", "amount": 1e5}]}
    link = {"source": "main", "target": "chain", "asset": "USDC", "fixed_cost": 7.0}
    book = ho.Book(accounts=[*(a.model_dump() for a in BOOK.accounts), wallet], links=[link])
    rules = policy(5.0).model_copy(update={"candidates": ho.Candidates(kinds=("perpetual", "spot"), ticket=5.0)})
    e = expose(book, quotes, rules)
    each = {e.rows.instruments[row].name: cost for row, cost in zip(e.candidate, fixed_costs(e, 5.0), strict=True)}
    assert sorted(each.values()) == [5.0, 5.0, 5.0, 7.0, 19.0]
    assert each[spot.name] == 19.0
    assert not fixed_costs(e, None).any()
    for x in np.random.default_rng(1).integers(0, 2, (20, e.n_candidates)).astype(float):
        assert fixed(rules.model_dump(mode="json"), e, x) == pytest.approx(fixed_costs(e, 5.0) @ x)
