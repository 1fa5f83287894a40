"""The ledger balances, whatever is booked; equity splits exactly into its parts."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.backtest.accruals import accrue, mark_futures
from hedgeopt.backtest.ledger import ASSET_SIDES, SIDES, Ledger
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.quotes import NoQuote
from hedgeopt.backtest.settlement import IndexHistory, settle
from hedgeopt.backtest.valuation import value
from hedgeopt.errors import InputError

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(st.tuples(FINITE, st.sampled_from(SIDES), st.sampled_from(SIDES), st.floats(1e-3, 1e5)), max_size=20)
)
def test_every_entry_balances_and_balances_add_up(entries: list, toys: object) -> None:
    ledger = Ledger()
    for amount, one, other, price in entries:
        ledger.book(toys.START, "main", "BTC", price, [(one, amount), (other, -amount)], "entry")
    frame = ledger.frame()
    if len(frame):
        assert abs(frame.groupby("entry")["amount"].sum()).max() <= 1e-6
    total = sum(ledger.balance("main", "BTC", side) for side in SIDES)
    assert total == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("postings", "price"),
    [([("cash", 1.0)], 1.0), ([("cash", 1.0), ("moon", -1.0)], 1.0), ([("cash", np.nan), ("fees", 1.0)], 1.0),
     ([("cash", 1.0), ("fees", -1.0)], 0.0)],
)  # fmt: skip
def test_refuses_what_does_not_balance(postings: list, price: float, toys: object) -> None:
    ledger = Ledger()
    with pytest.raises(InputError, match="ledger"):
        ledger.book(toys.START, "main", "BTC", price, postings, "wrong")
    assert ledger.frame().empty


def test_rollback_forgets_everything_since(toys: object) -> None:
    ledger = Ledger()
    ledger.book(toys.START, "main", "BTC", 2.0, [("cash", 1.0), ("deposits", -1.0)], "in")
    mark = ledger.checkpoint()
    ledger.book(toys.START, "main", "BTC", 2.0, [("cash", -0.5), ("fees", 0.5)], "fee")
    ledger.rollback(mark)
    assert ledger.balance("main", "BTC") == 1.0
    assert ledger.dollars("fees") == 0.0
    assert len(ledger.frame()) == 2


TRADE = st.tuples(
    st.sampled_from(["BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P", "BTC-PERPETUAL", "BTC-06MAR26-80000-C"]),
    st.floats(-5.0, 5.0).map(lambda x: round(x, 2)),
)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0.9, 1.1), st.lists(TRADE, max_size=3)), min_size=1, max_size=7),
    settlement=st.sampled_from(["BTC", "USDC"]),
)
def test_equity_is_deposits_plus_realised_plus_unrealised_less_costs(steps: list, settlement: str, toys: object) -> None:
    """Random trades over a random path with funding and two expiries: to a cent, at every step."""
    options = {
        "expiries": (toys.START + timedelta(days=4), toys.EXPIRY),
        "settlement": settlement,
        "funding": 2e-4,
        "perpetual": None,
    }
    index, before, portfolio, history = 80_000.0, None, None, IndexHistory()
    for k, (factor, trades) in enumerate(steps):
        index *= factor
        now = toys.market(toys.START + timedelta(days=k), index, **options)
        history.add(now)
        if portfolio is None:
            portfolio = Portfolio(toys.Given(collateral={"BTC": 5.0, "USDC": 100_000.0}).open(now), now)
        else:
            accrue(portfolio, before, now)
            settle(portfolio, now, history)
        mark_futures(portfolio, now)
        for name, quantity in trades:
            if quantity == 0.0:
                continue
            size = quantity * (10_000.0 if name.endswith("PERPETUAL") and settlement == "BTC" else 1.0)
            try:
                portfolio.trade(now, "main", name, size, "test")
            except (NoQuote, InputError):  # expired, or nobody bids
                continue
        worth = value(portfolio.book(now.timestamp), now)
        prices = {"BTC": index, "USDC": 1.0}
        parts = portfolio.ledger.identity(prices, worth.position_value)
        assert parts.equity == pytest.approx(worth.equity, abs=0.005)
        frame = portfolio.ledger.frame()
        booked = frame[frame["side"].isin(ASSET_SIDES)].groupby("currency")["amount"].sum()
        others = frame[~frame["side"].isin(ASSET_SIDES)].groupby("currency")["amount"].sum()
        assert np.allclose(booked, -others, atol=1e-9)
        at_cost = sum(holding.cost for holding in portfolio.holdings.values())
        assert portfolio.ledger.balance("main", settlement, "positions") == pytest.approx(at_cost, abs=1e-9)
        before = now


def test_closing_realises_against_average_cost(toys: object) -> None:
    """Buy 2 at .05 and 2 at .07, sell 3 at .08: realised 3 * (.08 - .06), in marks."""
    now = toys.market(toys.START, 80_000.0, half=0.0)
    portfolio = Portfolio(toys.Given().open(now), now)
    name = "BTC-27MAR26-80000-C"
    marks = []
    for quantity, vol in ((2.0, 0.5), (2.0, 0.7), (-3.0, 0.9)):
        now = toys.market(toys.START, 80_000.0, vol=vol, half=0.0)
        marks.append(toys.black(80_000.0, 80_000.0, 25 / 365, vol, "call") / 80_000.0)
        portfolio.trade(now, "main", name, quantity, "test", charged=False)
    realised = -portfolio.ledger.balance("main", "BTC", "trading")
    assert realised == pytest.approx(3.0 * (marks[2] - 0.5 * (marks[0] + marks[1])), rel=1e-9)
    assert portfolio.holdings["main", f"deribit:{name}"].cost == pytest.approx(0.5 * (marks[0] + marks[1]), rel=1e-9)
