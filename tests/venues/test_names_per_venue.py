"""Names of each venue, drawn at random: a name reads back as the same instrument, with the settlement of its venue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.venues.deribit.names import write_name
from hedgeopt.venues.known import PARSERS
from hedgeopt.venues.unified import native_name, parse_unified

SETTLED = {
    "deribit": ("{base}", "USDC"),
    "okx": ("{base}",),
    "bybit": ("USDC", "USDT"),
    "derive": ("USDC",),
    "binance": ("USDT",),
}

days = st.integers(0, 3000).map(lambda n: datetime(2024, 1, 1, 8, tzinfo=UTC) + timedelta(days=n))
strikes = st.one_of(st.integers(1, 10**6).map(float), st.integers(1, 9999).map(lambda n: n / 1000))
coins = st.sampled_from(["BTC", "ETH", "SOL", "XRP", "DOGE", "AVAX"])


def named(venue: str, symbol: str) -> Any:
    """The instrument by the venue's name for a unified symbol."""
    return PARSERS[venue](native_name(symbol, venue), venue=venue)


@settings(max_examples=120, deadline=None)
@given(
    day=days,
    strike=strikes,
    coin=coins,
    right=st.sampled_from("CP"),
    venue=st.sampled_from(sorted(SETTLED)),
    k=st.integers(0, 1),
)
def test_an_options_name_reads_back(day: datetime, strike: float, coin: str, right: str, venue: str, k: int) -> None:
    settlement = SETTLED[venue][k % len(SETTLED[venue])].format(base=coin)
    quote = "USD" if settlement == coin else settlement
    symbol = f"{coin}/{quote}:{settlement}-{day:%y%m%d}-{strike:.10f}".rstrip("0").rstrip(".") + f"-{right}"
    item = named(venue, symbol)
    assert (item.underlying, item.settlement, item.expiry) == (coin, settlement, day)
    assert item.strike == pytest.approx(strike, rel=1e-9)
    assert item.right == ("call" if right == "C" else "put")
    assert item.venue == venue


@settings(max_examples=60, deadline=None)
@given(day=days, coin=coins, venue=st.sampled_from(["deribit", "okx", "binance"]))
def test_a_futures_name_reads_back(day: datetime, coin: str, venue: str) -> None:
    item = named(venue, f"{coin}/USD:{coin}-{day:%y%m%d}")
    assert item.inverse
    assert item.expiry == day


def test_one_name_two_venues() -> None:
    deribit, bybit = (PARSERS[venue]("BTC-28JUN24-70000-C", venue=venue) for venue in ("deribit", "bybit"))
    assert deribit.inverse
    assert bybit.settlement == "USDC"
    assert PARSERS["okx"]("BTC-USD-240628-70000-C", venue="okx").inverse
    assert PARSERS["binance"]("BTC-240628-70000-C", venue="binance").settlement == "USDT"


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=24), venue=st.sampled_from(sorted(PARSERS)))
def test_any_text_is_an_instrument_or_refused(text: str, venue: str) -> None:
    try:
        item = PARSERS[venue](text, venue=venue)
    except InputError:
        return
    assert item.name == text


@pytest.mark.parametrize(
    "name",
    ["BTC-USD-240631-70000-C", "BTC-USD-240628-0-C", "BTC-USD-240628-70000-X", "BTC-USD-240628-70000", "BTC--SWAP", ""],
)
def test_names_of_no_instrument_at_okx(name: str) -> None:
    with pytest.raises(InputError):
        PARSERS["okx"](name, venue="okx")


def test_deribits_decimal_strikes() -> None:
    item = PARSERS["deribit"]("XRP_USDC-28JUN24-0d625-C", venue="deribit")
    assert item.strike == 0.625
    assert write_name(item) == "XRP_USDC-28JUN24-0d625-C"


def test_unified_symbols() -> None:
    assert parse_unified("BTC/USD:BTC", "okx").inverse
    with pytest.raises(InputError):
        parse_unified("BTC-USD", "okx")


def test_inverse_quarterlies_of_bybit_settle_on_the_last_friday_of_their_month() -> None:
    for name, day in (("BTCUSDH24", (2024, 3, 29)), ("BTCUSDZ26", (2026, 12, 25)), ("ETHUSDM25", (2025, 6, 27))):
        item = PARSERS["bybit"](name, venue="bybit")
        assert item.inverse
        assert (item.kind, item.name, item.settlement) == ("future", name, name[:3])
        assert item.expiry == datetime(*day, 8, tzinfo=UTC)
    with pytest.raises(InputError, match="BTCUSDA24"):
        PARSERS["bybit"]("BTCUSDA24", venue="bybit")
