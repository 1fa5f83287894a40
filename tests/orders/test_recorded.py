"""Recorded inputs: the crash of 2026-02-05 in whole lots from plan to book, and contracts of OKX from its own list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.orders.apply import apply_fills
from hedgeopt.orders.as_proposed import fills_as_proposed
from hedgeopt.orders.cash import cash_ladder
from hedgeopt.orders.export import export_orders
from hedgeopt.orders.plan import execution_plan
from hedgeopt.orders.send import SentOrder, order_line, read_order_line

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def crash(shared_data: Path) -> tuple[ho.Book, ho.Market, ho.Proposal]:
    folder = shared_data / "deribit-chains"
    market = ho.read_market(folder / "snapshot_crash_20260205.csv", folder / "perp_prices_6h_to_20260415.csv")
    price = market.price("BTC")
    puts = [i for i in market.instruments.values() if i.kind == "option" and i.underlying == "BTC" and i.right == "put"]
    near = [i for i in puts if 10 < 365 * i.years_from(market.timestamp) < 60 and 0.75 < i.strike / price < 0.95]
    held = [ho.Position(instrument=i.name, quantity=-10.0) for i in near[:4]]
    account = ho.Account(name="main", venue="deribit", collateral=[ho.Collateral(asset="BTC", amount=60.0)], positions=held)
    book = ho.Book(name="short puts in the crash", accounts=[account])
    limits = [ho.Delta("BTC").within(55.0, 65.0), ho.Gamma("BTC") >= -2e-4, ho.StressLoss("2020-03-12") <= 3.5e6]
    policy = ho.Policy(ho.TransactionCost() + 0.01 * ho.CVaR(0.95), limits, lots="whole", lot_gap=0.05,
                       scenarios=ho.ParametricScenarios(count=300, seed=3), max_quote_age_seconds=86_400.0)  # fmt: skip
    return book, market, ho.propose(book, market, policy)


def test_from_the_crash_to_orders_and_back(crash: tuple[ho.Book, ho.Market, ho.Proposal]) -> None:
    book, market, proposal = crash
    plan = execution_plan(proposal, book, market, slippage=0.01)
    assert len(plan.legs) >= 2
    assert plan.keeps_limits or plan.advice
    lines = export_orders(proposal, plan, book, market, "deribit", now=proposal.created, allow=["breaks"])
    read = [read_order_line(line, "deribit", market) for line in lines]
    told = sorted((o["instrument"], o["side"], o["quantity"]) for o in read)
    assert told == sorted(proposal.trades[["instrument", "side", "quantity"]].itertuples(index=False, name=None))
    for order, row in zip(read, plan.legs.to_dict("records"), strict=True):
        beyond = (order["limit_price"] / row["quote"] - 1.0) * (1 if order["side"] == "buy" else -1)
        assert -1e-12 <= beyond <= 0.01 + 1e-12
    made = apply_fills(fills_as_proposed(proposal, market), book, proposal, market)
    assert made.complete
    assert proposal.book_after is not None
    (after,) = ho.read_book(proposal.book_after).accounts
    assert [c.amount for c in made.book.accounts[0].collateral] == pytest.approx(
        [c.amount for c in after.collateral], rel=1e-12
    )
    ladder = cash_ladder(made.book, market, days=60)
    assert np.isfinite(ladder.cash["cash"]).all()
    assert ladder.margins["initial"].iloc[-1] <= ladder.margins["initial"].iloc[0]


def test_a_contract_of_okx_is_what_its_list_says(shared_data: Path) -> None:
    """ctVal 1 x ctMult 0.01: 100 contracts are one coin; read with the recorded quotes of the same instruments."""
    from hedgeopt.inputs.payloads.documents import json_of
    from hedgeopt.venues.known import parser

    folder = shared_data / "payloads" / "okx"
    (listed,) = json_of(folder / "http_get_instruments_option.json", "market") or []
    row = listed["data"][0]
    size = float(row["ctVal"]) * float(row["ctMult"])
    item = parser("okx")(row["instId"])
    order = SentOrder("0" * 32, "main", item, "sell", 1.25, 0.0215, contract=size)
    line = json.loads(order_line(order, "okx"))
    assert (line["sz"], line["px"], line["instId"]) == ("125", "0.0215", row["instId"])


def test_sizes_of_contracts_stay_with_the_market() -> None:
    """A table of quotes in contracts: sizes become coins, and the size of a contract is kept for orders."""
    table: list[dict[str, Any]] = [
        {"timestamp": "2026-03-06T10:00:00Z", "venue": "okx", "instrument": "BTC-USDT-SWAP", "bid": 9e4, "ask": 90_001.0,
         "mark": 9e4, "index": 9e4, "lot": 1.0, "tick": 0.1, "min_size": 1.0, "bid_size": 500.0, "multiplier": 0.01},
    ]  # fmt: skip
    market = ho.read_market(table)
    (item,) = market.instruments.values()
    told = [market.quote(name, item.id) for name in ("contract_size", "lot", "bid_size", "tick")]
    assert told == pytest.approx([0.01, 0.01, 5.0, 0.1])
    again = ho.Market.from_frame(market.to_frame())
    assert again.quote("contract_size", item.id) == 0.01
    order = SentOrder("0" * 32, "main", item, "buy", 1.23, 90_001.0, contract=0.01)
    found = read_order_line(order_line(order, "okx"), "okx", market)
    assert (found["instrument"], found["quantity"], found["limit_price"]) == ("BTC-USDT-SWAP", 1.23, 90_001.0)
