"""Unlisted options with a slip of units are refused by field, value and fix, however lenient; in its unit each is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.columns import QUOTE_FIELDS

NOW, EXPIRY = datetime(2026, 3, 6, 10, tzinfo=UTC), datetime(2026, 3, 27, 8, tzinfo=UTC)
INDEX = 92_000.0


def _option(strike: float, name: str = "OTC", venue: str = "desk", **more: Any) -> ho.Option:
    terms = {"underlying": "BTC", "settlement": "USDC", "expiry": EXPIRY, "right": "call"}
    return ho.Option(name=name, venue=venue, strike=strike, **terms, **more)


def _market(*strikes: float, vol: float = 0.5) -> ho.Market:
    items = [_option(strike, f"BTC-27MAR26-{strike:g}-C", "bybit") for strike in strikes]
    given = {"mark_iv": vol, "underlying_price": INDEX, "index_price": INDEX, "mark_price": 3000.0}
    row = {name: given.get(name, np.nan) for name in QUOTE_FIELDS if name != "timestamp"} | {"timestamp": pd.Timestamp(NOW)}
    table = pd.DataFrame([row] * len(items), columns=list(QUOTE_FIELDS), index=[item.id for item in items])
    return ho.Market(NOW, {"BTC": INDEX, "USDC": 1.0}, {item.id: item for item in items}, table)


def _read(item: ho.Option, market: ho.Market, strictness: Any) -> Any:
    account = ho.Account(name="main", venue="desk", margin="otc", positions=(ho.Position(instrument=item, quantity=-2.0),))
    return resolve(ho.Book(accounts=(account,)), market, strictness)


SLIPS = [
    ("vol", {"vol": 62.0}, r"6,200 % a year is more than 500 % \(got 62.0\); give a decimal: 0.62 for 62 %"),
    ("vol", {"vol": 0.0062}, r"the surface of BTC has 0.5 there \(got 0.0062\); give an annual vol as a decimal"),
    ("forward", {"forward": 3200.0}, r"the index of BTC is 92,000 \(got 3200.0\); give US dollars for 1 BTC"),
    ("forward", {"forward": 92.0}, "the index of BTC is 92,000"),
    ("strike", {"strike": 83.1}, r"the index of BTC is 92,000 \(got 83.1\); give US dollars for 1 BTC"),
    ("strike", {"strike": 83.1e6}, "the index of BTC is 92,000"),
]


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize(("field", "given", "words"), SLIPS)
def test_slips_of_units_are_refused(field: str, given: dict[str, float], words: str, strictness: str) -> None:
    item = _option(**{"strike": 95_000.0, **given})
    with pytest.raises(ho.InputError, match=f"book: account 'main': OTC: {field}: cannot be meant: {words}") as found:
        _read(item, _market(80_000.0, 92_000.0, 100_000.0), strictness)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("given", [{}, {"vol": 0.62}, {"vol": 4.9}, {"forward": 150_000.0}, {"strike": 2_000.0}])
def test_the_same_in_their_units_are_read(given: dict[str, float]) -> None:
    holdings = _read(_option(**{"strike": 95_000.0, **given}), _market(80_000.0, 92_000.0, 100_000.0), "strict")
    assert len(holdings.positions) == 1


def test_a_listed_strike_is_the_venues_own() -> None:
    market = _market(500.0, 92_000.0, 100_000.0)
    assert resolve(_named("BTC-27MAR26-500-C"), market).positions[0].strike == 500.0


def _named(name: str) -> ho.Book:
    held = {"name": "b", "venue": "bybit", "positions": [{"instrument": name, "quantity": 1.0}]}
    return ho.Book(accounts=[held])
