"""A fee that nobody has written down is not 0: it is refused where it would be charged, with venue, table and fix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.settlement import IndexHistory, settle
from hedgeopt.backtest.venue_rules import rules
from hedgeopt.errors import InputError
from hedgeopt.models.costs.quotes import unit_fee
from hedgeopt.models.pricing.future import Future

CALL, PUT, PERPETUAL = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P", "BTC-PERPETUAL"


def settled(toys: Any, venue: str, name: str, price: float = 90_000.0) -> Portfolio:
    """Held over its expiry at the venue."""
    market = toys.market(toys.EXPIRY - timedelta(hours=6), 82_000.0, venue=venue, settlement="USDC")
    if name == "future":
        terms = {"venue": venue, "underlying": "BTC", "settlement": "USDC", "expiry": toys.EXPIRY}
        item = Future(name="BTC-27MAR26", **terms)
        market.instruments[item.id] = item
        market.quotes.loc[item.id] = market.quotes.loc[f"{venue}:{PERPETUAL}"]
        name = item.name
    margin = {"deribit": "portfolio", "derive": "derive"}.get(venue, "otc")
    book = toys.Given(collateral={"USDC": 1e6}, positions={name: 1.0}, venue=venue, margin=margin).open(market)
    portfolio = Portfolio(book, market)
    later = toys.market(toys.EXPIRY + timedelta(hours=1), price, venue=venue, settlement="USDC", expiries=())
    history = IndexHistory()
    history.add(later)
    settle(portfolio, later, history)
    return portfolio


@pytest.mark.parametrize("venue", ["derive", "binance", "okx"])
@pytest.mark.parametrize(("name", "key"), [(CALL, "option_rate"), (PUT, "option_rate"), ("future", "future_rate")])
def test_expiry_at_a_venue_without_delivery_fees_is_refused(toys: Any, venue: str, name: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        settled(toys, venue, name)
    line = str(caught.value)
    for word in (f"no delivery fee of {venue} is known", f"{venue}.toml", f"delivery.{key}", "0.0 where it takes none"):
        assert word in line
    assert "\n" not in line


def test_where_the_fee_is_known_it_is_charged(toys: Any) -> None:
    """.015 % of 90,000; a venue that takes none says 0.0."""
    cash = settled(toys, "deribit", CALL).ledger.balance("main", "USDC")
    assert cash == pytest.approx(1e6 + 10_000.0 - 0.00015 * 90_000.0, abs=1e-6)


def test_every_listed_venue_has_every_delivery_fee() -> None:
    for venue, found in rules("delivery").items():
        assert {"option_rate", "option_cap", "future_rate"} <= set(found), venue


@pytest.mark.parametrize("venue", ["okx", "assets"])
def test_so_are_taker_fees(toys: Any, venue: str) -> None:
    """A venue without a table, and one that is named like a table which holds no fees."""
    market = toys.market(toys.EXPIRY - timedelta(days=6), 82_000.0, venue=venue, settlement="USDC")
    item = market.instruments[f"{venue}:{PERPETUAL}"]
    with pytest.raises(InputError, match=rf"{venue}\.toml: fees.*{venue}.*write {venue}\.toml beside the policy"):
        unit_fee(item, market, 82_000.0, 0.0)
