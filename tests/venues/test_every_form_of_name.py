"""Every template of names of every venue, and Deribit's parser: what it writes reads back as the same instrument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.venues.binance.names import FORMS as BINANCE
from hedgeopt.venues.bybit.names import FORMS as BYBIT
from hedgeopt.venues.deribit.names import write_name
from hedgeopt.venues.derive.names import FORMS as DERIVE
from hedgeopt.venues.forms import Forms
from hedgeopt.venues.hyperliquid.names import FORMS as HYPERLIQUID
from hedgeopt.venues.known import PARSERS
from hedgeopt.venues.okx.names import FORMS as OKX

VENUES = {"binance": BINANCE, "bybit": BYBIT, "derive": DERIVE, "hyperliquid": HYPERLIQUID, "okx": OKX}
EVERY = [(venue, k) for venue, forms in VENUES.items() for k in range(len(forms))]
days = st.integers(0, 3000).map(lambda n: datetime(2024, 1, 1, 8, tzinfo=UTC) + timedelta(days=n))
coins = st.sampled_from(["BTC", "ETH", "SOL", "XRP", "DOGE", "1INCH"])
strikes = st.one_of(st.integers(1, 10**6).map(float), st.integers(1, 9999).map(lambda n: n / 1000))


def instrument(venue: str, rule: dict[str, Any], coin: str, day: datetime, strike: float, right: str) -> Any:
    """The instrument that a form is of."""
    family = FAMILIES[rule["kind"]].instrument
    settlement = rule.get("settlement", "").format(base=coin, quote="USDT")
    given_terms = {
        "underlying": coin,
        "asset": coin,
        "settlement": settlement,
        "expiry": day,
        "strike": strike,
        "right": right,
    }
    terms = {key: value for key, value in given_terms.items() if key in family.model_fields and value != ""}
    return family(name="x", venue=venue, **terms)


@pytest.mark.parametrize(("venue", "k"), EVERY)
@settings(max_examples=25, deadline=None)
@given(coin=coins, day=days, strike=strikes, right=st.sampled_from(["call", "put"]))
def test_a_name_written_reads_back(venue: str, k: int, coin: str, day: datetime, strike: float, right: str) -> None:
    rule = VENUES[venue][k]
    item = instrument(venue, rule, coin, day, strike, right)
    try:
        name = Forms(venue, VENUES[venue], venue).written(item)
    except InputError:
        assert "{quote}" in rule["form"]  # never written: the quote is no term of the instrument
        return
    read = PARSERS[venue](name, venue=venue)
    assert read == item.model_copy(update={"name": name})


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["option", "future", "perpetual"]),
    settlement=st.sampled_from(["{base}", "USDC"]),
    coin=coins,
    day=days,
    strike=strikes,
    right=st.sampled_from(["call", "put"]),
)
def test_a_name_of_deribit_reads_back(
    kind: str, settlement: str, coin: str, day: datetime, strike: float, right: str
) -> None:
    item = instrument("deribit", {"kind": kind, "settlement": settlement}, coin, day, strike, right)
    name = write_name(item)
    assert PARSERS["deribit"](name, venue="deribit") == item.model_copy(update={"name": name})


def test_one_symbol_is_another_instrument_at_each_venue() -> None:
    """The terms that its venue means, never those of another."""
    meant = {
        "BTC-28JUN24-70000-C": {"deribit": "BTC", "bybit": "USDC"},
        "BTCUSDT": {"bybit": "USDT", "binance": "USDT"},
        "BTC-240628-70000-C": {"binance": "USDT"},
        "BTC-USD-240628-70000-C": {"okx": "BTC"},
        "BTC-20240628-70000-C": {"derive": "USDC"},
        "BTC": {"hyperliquid": "USDC"},
    }
    for name, venues in meant.items():
        for venue, parse in PARSERS.items():
            try:
                item = parse(name, venue=venue)
            except InputError:
                assert venue not in venues, (name, venue)
                continue
            if venue in venues:
                assert item.settlement == venues[venue], (name, venue)
