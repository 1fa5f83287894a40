"""An account that is lent nothing buys for what it has: in the program, by the plain rule, in verify and in backtests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.execution import execute
from hedgeopt.backtest.policies.protocol import Order
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.valuation import value
from hedgeopt.errors import CertificateError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.data import table
from hedgeopt.models.pricing.option import Option
from hedgeopt.models.pricing.spot import Spot
from hedgeopt.program.plain_limits import plain_sides
from hedgeopt.verify import claim_of, judge

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SPOT = Spot(name="ETH_USDC", venue="deribit", asset="ETH")
PUT = Option(name="ETH-27MAR26-2000-P", venue="deribit", underlying="ETH", settlement="ETH",
             expiry=datetime(2026, 3, 27, 8, tzinfo=UTC), strike=2_000.0, right="put")  # fmt: skip
PERPETUAL = ho.Perpetual(name="ETH-PERPETUAL", venue="deribit", underlying="ETH", settlement="ETH")
PUT_MARK = 0.065728


def market() -> ho.Market:
    rows = {
        SPOT.id: {"mark_price": 2_000.0, "bid_price": 1_999.0, "ask_price": 2_001.0},
        PERPETUAL.id: {"mark_price": 2_000.0},
        PUT.id: {
            "mark_price": PUT_MARK,
            "bid_price": 0.0650,
            "ask_price": 0.0665,
            "mark_iv": 0.63,
            "underlying_price": 2_000.0,
        },
    }
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    items = {item.id: item for item in (SPOT, PERPETUAL, PUT)}
    return ho.Market(NOW, {"ETH": 2_000.0, "USDC": 1.0, "USD": 1.0}, items, quotes, "toy")


def book(short: float = -400_000.0, margin: str = "none", **coins: float) -> ho.Book:
    """A desk short 200 ETH that trades nothing, and a wallet at the venue with ``coins``."""
    posted = tuple(ho.Collateral(asset=asset, amount=amount) for asset, amount in coins.items())
    held = (ho.Position(instrument="ETH-PERPETUAL", quantity=short),)
    dollars = (ho.Collateral(asset="USDC", amount=1e6),)
    desk = ho.Account(name="desk", venue="deribit", margin="portfolio", tradable=False, collateral=dollars, positions=held)
    return ho.Book(accounts=(desk, ho.Account(name="wallet", venue="deribit", margin=margin, collateral=posted)))


def policy(*limits: Any, name: str = "ETH_USDC", **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.95),
        subject_to=list(limits),
        candidates=ho.Candidates(names=(name,), kinds=("spot", "option"), max_order_notional=1e9),
        scenarios=ho.ParametricScenarios(count=200, vol={"ETH": 0.7}),
        **more,
        lots="ideal",
    )


def fee() -> float:
    return 2_000.0 * table("deribit")["fees"]["spot_taker"]


def test_the_wallet_spends_what_it_has_and_no_more() -> None:
    """Every ETH bought lowers the tail of 200 short: 100,000 dollars buy 100,000 / (ask + fee) of them."""
    most = 100_000.0 / (2_001.0 + fee())
    for coins in ({"USDC": 100_000.0}, {"USDC": 60_000.0, "USDT": 40_000.0}):
        found = policy().propose(book(**coins), market())
        assert found.trades["quantity"].tolist() == pytest.approx([most], rel=1e-6)
        assert found.certificate.valid
        told = json.loads(found.to_json())
        row_of = next(row for row in told["limits"] if "to pay with" in row["limit"])
        assert row_of["after"] <= 100_000.0 * (1 + 1e-9)
    # a desk that may owe (portfolio margin) buys all 200
    other = policy().propose(book(margin="portfolio", USDC=100_000.0), market())
    assert other.trades["quantity"].sum() > 2 * most


def test_it_cannot_be_made_to_buy_more() -> None:
    most = 100_000.0 / (2_001.0 + fee())
    ok = policy(ho.Delta("ETH") >= -200.0 + 0.999 * most).propose(book(USDC=100_000.0), market())
    assert ok.certificate.valid
    with pytest.raises(ho.InfeasibleError):
        policy(ho.Delta("ETH") >= -200.0 + 1.001 * most).propose(book(USDC=100_000.0), market())


def test_premiums_are_paid_in_the_coin_they_are_asked_in() -> None:
    """A put that settles in ETH: dollars buy none; 2 ETH buy 2 / (mark + (cost + fee) / index)."""
    long = 2_000_000.0
    none = policy(name=PUT.name).propose(book(long, USDC=1e6), market())
    assert none.trades.empty
    some = policy(name=PUT.name).propose(book(long, ETH=2.0), market())
    fees = table("deribit")["fees"]
    charged = min(fees["option_rate"], fees["option_cap"] * PUT_MARK)  # coins
    half = 0.0665 - min(0.5 * (0.0650 + 0.0665), PUT_MARK)
    assert some.trades["quantity"].tolist() == pytest.approx([2.0 / (PUT_MARK + half + charged)], rel=1e-6)


def test_the_plain_rule_and_the_verifier_see_a_purchase_on_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the constraint the program buys 200; neither the certificate nor verify believes it."""
    rules, held, quotes = policy(), book(USDC=100_000.0), market()
    e = expose(held, quotes, rules)
    (side,) = [plain.side for plain in plain_sides(rules, e, np.array([60.0]))]
    assert side.violation == pytest.approx(60.0 * (2_001.0 + fee()) - 100_000.0)
    monkeypatch.setattr("hedgeopt.program.limits.purses", lambda e: [])
    with pytest.raises(CertificateError, match="to pay with"):
        rules.propose(held, quotes)
    monkeypatch.setattr("hedgeopt.program.certificate.plain_sides", lambda *_, **__: [])
    told = json.loads(rules.propose(held, quotes).to_json())
    verdict = judge(claim_of(told), e, quotes, rules.model_dump(mode="json"))
    assert not verdict.valid
    assert any("to pay with" in line for line in verdict.broken)


def test_a_transfer_out_leaves_less_to_pay_with() -> None:
    held = book(USDC=100_000.0)
    link = ho.Link(source="wallet", target="desk", asset="USDC", delay_hours=0.0)
    linked = held.model_copy(update={"links": (link,)})
    e = expose(linked, market(), policy())
    x = np.zeros(e.n_candidates)
    trade, sent = (1 - int(e.links.candidate[0])), int(e.links.candidate[0])
    x[trade], x[sent] = 10.0, 90_000.0
    (side,) = [plain.side for plain in plain_sides(policy(), e, x) if "to pay with" in plain.side.name]
    assert side.value == pytest.approx(90_000.0 + 10.0 * (2_001.0 + fee()))
    found = policy().propose(linked, market())
    assert found.trades["quantity"].sum() == pytest.approx(100_000.0 / (2_001.0 + fee()), rel=1e-6)


def test_a_backtest_refuses_orders_that_cannot_be_paid() -> None:
    quotes = market()
    portfolio = Portfolio(book(USDC=100_000.0), quotes)

    def worth() -> Any:
        return value(portfolio.book(NOW), quotes)

    order = Order(account="wallet", instrument="ETH_USDC", quantity=60.0)
    fills, events, _ = execute(portfolio, quotes, [order], worth(), worth, None)
    assert not fills
    assert events[0]["kind"] == "order_refused"
    assert "dollars short to pay with" in events[0]["reason"]
    fills, events, _ = execute(portfolio, quotes, [order.__class__("wallet", "ETH_USDC", 40.0)], worth(), worth, None)
    assert [fill.quantity for fill in fills] == [40.0]
