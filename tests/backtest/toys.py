"""Markets with known answers: priced here by scipy, not by hedgeopt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.option import Option
from hedgeopt.models.pricing.perpetual import Perpetual

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
EXPIRY = datetime(2026, 3, 27, 8, 0, tzinfo=UTC)


def black(forward: float, strike: float, years: float, vol: float, right: str) -> float:
    sign = 1.0 if right == "call" else -1.0
    if years <= 0:
        return max(sign * (forward - strike), 0.0)
    d1 = np.log(forward / strike) / (vol * np.sqrt(years)) + 0.5 * vol * np.sqrt(years)
    return float(sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - vol * np.sqrt(years)))))


def market(
    moment: datetime,
    index: float,
    *,
    vol: float = 0.6,
    strikes: Sequence[float] = (80_000.0,),
    expiries: Sequence[datetime] = (EXPIRY,),
    half: float = 0.0005,
    perpetual: float | None = None,
    funding: float = np.nan,
    venue: str = "deribit",
    settlement: str = "BTC",
    quoted: bool = True,
    source: str = "toy",
) -> Market:
    """BTC options and a perpetual, forward at the index; half-spread ``half`` coins (a share on the perpetual)."""
    instruments: dict[str, Any] = {}
    rows = {}
    for expiry in expiries:
        if expiry <= moment:
            continue
        years = (expiry - moment).total_seconds() / (365 * 86_400)
        for strike in strikes:
            for right in ("call", "put"):
                name = f"BTC-{expiry:%d%b%y}-{strike:.0f}-{right[0]}".upper()
                item = Option(
                    name=name,
                    venue=venue,
                    underlying="BTC",
                    settlement=settlement,
                    expiry=expiry,
                    strike=strike,
                    right=right,
                )
                unit = index if settlement == "BTC" else 1.0
                mark = black(index, strike, years, vol, right) / unit
                gap = half * (1.0 if settlement == "BTC" else index)
                instruments[item.id] = item
                rows[item.id] = {
                    "bid_price": mark - gap if quoted and mark > gap else np.nan,
                    "ask_price": mark + gap if quoted else np.nan,
                    "mark_price": mark,
                    "mark_iv": vol,
                    "underlying_price": index,
                    "open_interest": 1_000.0,
                }
    future = Perpetual(name="BTC-PERPETUAL", venue=venue, underlying="BTC", settlement=settlement)
    mark = index if perpetual is None else perpetual
    instruments[future.id] = future
    rows[future.id] = {
        "bid_price": mark * (1 - half) if quoted else np.nan,
        "ask_price": mark * (1 + half) if quoted else np.nan,
        "mark_price": mark,
        "funding_8h": funding,
        "open_interest": 1e9,
    }
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(moment)
    return Market(moment, {"BTC": index}, instruments, quotes, source)


def path(prices: Sequence[float], hours: float = 24.0, **options: Any) -> list[Market]:
    """One snapshot per price."""
    return [market(START + timedelta(hours=hours * k), price, **options) for k, price in enumerate(prices)]


@dataclass
class Given:
    """A book source that opens what it is given."""

    collateral: dict[str, float] = field(default_factory=lambda: {"BTC": 20.0})
    positions: dict[str, float] = field(default_factory=dict)
    venue: str = "deribit"
    margin: str = "standard"
    extra: tuple[Account, ...] = ()
    links: tuple[Any, ...] = ()
    name: str = "given"

    def open(self, market: Market) -> Book:
        account = Account(
            name="main",
            venue=self.venue,
            margin=self.margin,
            collateral=tuple(Collateral(asset=a, amount=n) for a, n in self.collateral.items()),
            positions=tuple(Position(instrument=i, quantity=q) for i, q in self.positions.items()),
        )
        return Book(name=self.name, accounts=(account, *self.extra), links=self.links)

    def flow(self, market: Market, book: Book, step: int, days: float) -> list[Any]:
        return []


class Scripted:
    """Orders by step number."""

    name = "scripted"

    def __init__(self, orders: dict[int, Sequence[Any]]) -> None:
        self.orders = orders

    def decide(self, state: Any) -> Any:
        return self.orders.get(state.step, ())


def rows_of(market: Market) -> pd.DataFrame:
    """A snapshot as rows of a recorded chain; the perpetual is left out, as it is in the recorded files."""
    rows = []
    for key, item in market.instruments.items():
        if item.kind != "option":
            continue
        quote = market.quotes.loc[key]
        rows.append(
            {
                "timestamp": pd.Timestamp(market.timestamp),
                "currency": item.underlying,
                "instrument_name": item.name,
                "option_type": item.right,
                "strike": item.strike,
                "expiry": pd.Timestamp(item.expiry),
                **{name: quote[name] for name in ("bid_price", "ask_price", "mark_price", "mark_iv", "underlying_price")},
                "index_price": market.prices[item.underlying],
                "open_interest": quote["open_interest"],
                "volume": 1.0,
            }
        )
    return pd.DataFrame(rows)
