"""A synthetic market and book, made from a seed: nothing here was recorded anywhere.

The chain has the shape of a coin-margined venue: listed strikes on several expiries, a vol surface with term structure,
skew and smile, spreads that widen in the wings, missing bids far out of the money, open interest that peaks near round
strikes, perpetuals with funding, and dated futures in contango. The book is what a market maker is left with after a week
of customers buying short-dated options: short gamma and vega in front, some bought back behind, delta hedged with the
perpetual last night.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

import numpy as np

from hedgeopt.files.calls import strict_call
from hedgeopt.models.pricing.black76 import black76_price as price

__all__ = ["MOMENT", "example_files"]

MOMENT = datetime(2026, 3, 6, 10, 0, tzinfo=UTC)
_SEED = 20260306
_DEVIATIONS = np.array([-2.4, -1.9, -1.45, -1.05, -0.7, -0.35, 0.0, 0.35, 0.7, 1.1, 1.55, 2.1])
_EXPIRIES = ("13MAR26", "20MAR26", "27MAR26", "24APR26", "26JUN26", "25SEP26")
_FUTURES = ("27MAR26", "26JUN26", "25SEP26")
_COLUMNS = [
    "timestamp",
    "currency",
    "instrument_name",
    "option_type",
    "strike",
    "expiry",
    "bid_price",
    "ask_price",
    "mark_price",
    "mark_iv",
    "underlying_price",
    "index_price",
    "open_interest",
    "volume",
    "funding_8h",
]


@dataclass(frozen=True)
class _Coin:
    """Index in USD, vol at 7 and 200 days, annual basis, strike steps (near, far), tick, open interest, funding."""

    code: str
    index: float
    vol_near: float
    vol_far: float
    basis: float
    steps: tuple[float, float]
    tick: float
    open_interest: float
    funding: float


_COINS = (
    _Coin("BTC", 92_150.0, 0.47, 0.53, 0.052, (1_000.0, 5_000.0), 0.5, 900.0, 0.00008),
    _Coin("ETH", 3_180.0, 0.66, 0.71, 0.044, (50.0, 200.0), 0.05, 9_000.0, 0.00011),
)


@strict_call
def example_files() -> dict[str, str]:
    """The example's files by name: ``market.csv``, ``book.json``, ``policy.toml``; the same text on every call."""
    rng = np.random.default_rng(_SEED)
    rows = [row for coin in _COINS for row in (*_options(coin, rng), *_futures(coin), _perpetual(coin))]
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return {
        "market.csv": text.getvalue(),
        "book.json": json.dumps(_book(rows, rng), indent=2) + "\n",
        "policy.toml": (files(__package__) / "policy.toml").read_text(encoding="utf-8"),
    }


def _expiry(code: str) -> datetime:
    return datetime.strptime(code, "%d%b%y").replace(hour=8, tzinfo=UTC)


def _years(code: str) -> float:
    return (_expiry(code) - MOMENT).total_seconds() / (365.0 * 86_400.0)


def _atm(coin: _Coin, years: float) -> float:
    return coin.vol_far + (coin.vol_near - coin.vol_far) * float(np.exp(-years / 0.12))


def _smile(coin: _Coin, deviations: np.ndarray, years: float) -> np.ndarray:
    """Vol by standardised log-moneyness: puts dearer than calls, both wings dearer than the middle."""
    skew, curve = -0.055 - 0.02 * np.exp(-years / 0.1), 0.032 + 0.02 * np.exp(-years / 0.08)
    bend = np.sqrt(1.0 + deviations**2) - 1.0
    return _atm(coin, years) * (1.0 + skew * np.tanh(deviations) + 2.0 * curve * bend)


def _options(coin: _Coin, rng: np.random.Generator) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for code in _EXPIRIES:
        years = _years(code)
        forward = round(coin.index * float(np.exp(coin.basis * years)), 2)
        width = _atm(coin, years) * np.sqrt(years)
        step = coin.steps[0] if years < 0.09 else coin.steps[1]
        strikes = np.unique(np.round(forward * np.exp(_DEVIATIONS * width) / step) * step)
        at = np.log(strikes / forward) / width
        vols = np.round(_smile(coin, at, years), 4)
        popularity = np.exp(-0.35 * at**2) * np.where(strikes % (5 * step) == 0, 2.2, 1.0) * np.exp(-0.8 * years)
        for right, letter in (("call", "C"), ("put", "P")):
            is_call = np.full(len(strikes), right == "call")
            marks = price(np.full(len(strikes), forward), strikes, np.full(len(strikes), years), vols, is_call) / forward
            for k, mark in enumerate(marks):
                bid, ask = _quotes(float(mark), float(at[k]), years, rng)
                interest = coin.open_interest * popularity[k] * float(rng.lognormal(0.0, 0.45))
                rows.append(
                    _row(
                        coin,
                        f"{coin.code}-{_expiry(code).day}{code[-5:]}-{strikes[k]:.0f}-{letter}",
                        option_type=right,
                        strike=f"{strikes[k]:.0f}",
                        expiry=_expiry(code).isoformat(),
                        bid_price="" if bid is None else f"{bid:.4f}",
                        ask_price=f"{ask:.4f}",
                        mark_price=f"{mark:.6f}",
                        mark_iv=f"{vols[k]:.4f}",
                        underlying_price=f"{forward:.2f}",
                        open_interest=f"{interest:.1f}",
                        volume=f"{0.06 * interest * float(rng.random()):.1f}",
                    )
                )
    return rows


def _quotes(mark: float, deviation: float, years: float, rng: np.random.Generator) -> tuple[float | None, float]:
    """Bid and ask in coins on the venue's ticks, around the mark; no bid below one tick."""
    half = (0.00022 + 0.011 * mark + 0.0004 * np.sqrt(years)) * (1.0 + 0.22 * abs(deviation)) * (0.8 + 0.5 * rng.random())
    tick = 0.0001 if mark < 0.005 else 0.0005
    bid = np.floor((mark - half) / tick) * tick
    ask = max(np.ceil((mark + half) / tick) * tick, bid + tick)
    return (float(bid) if bid >= tick else None), float(ask)


def _futures(coin: _Coin) -> list[dict[str, object]]:
    rows = []
    for code in _FUTURES:
        mark = coin.index * float(np.exp(coin.basis * _years(code)))
        half = max(coin.tick, 0.00012 * mark)
        prices = _around(mark, half, coin.tick)
        name = f"{coin.code}-{_expiry(code).day}{code[-5:]}"
        rows.append(_row(coin, name, **prices, open_interest=f"{1.5e5 * coin.open_interest * np.exp(-_years(code)):.0f}"))
    return rows


def _perpetual(coin: _Coin) -> dict[str, object]:
    prices = _around(coin.index * 1.0002, coin.tick, coin.tick)
    interest = f"{1.0e6 * coin.open_interest / (1.0 if coin.code == 'BTC' else 20.0):.0f}"
    return _row(coin, f"{coin.code}-PERPETUAL", **prices, open_interest=interest, funding_8h=f"{coin.funding:.6f}")


def _around(mark: float, half: float, tick: float) -> dict[str, object]:
    bid, ask = np.floor((mark - half) / tick) * tick, np.ceil((mark + half) / tick) * tick
    return {"bid_price": f"{bid:.2f}", "ask_price": f"{ask:.2f}", "mark_price": f"{mark:.2f}"}


def _row(coin: _Coin, name: str, **values: object) -> dict[str, object]:
    fixed = {"timestamp": MOMENT.isoformat(), "currency": coin.code, "instrument_name": name}
    return {**fixed, "index_price": f"{coin.index:.2f}", **values}


def _book(rows: list[dict[str, object]], rng: np.random.Generator) -> dict[str, object]:
    """Sixty-odd option positions, mostly short in front, and yesterday's delta hedge."""
    positions: list[dict[str, object]] = []
    for coin in _COINS:
        size = 6.0 if coin.code == "BTC" else 150.0
        for code in _EXPIRIES[:5]:
            years = _years(code)
            quoted = [r for r in rows if r["expiry" if "expiry" in r else "currency"] == _expiry(code).isoformat()]
            listed = [r for r in quoted if r["currency"] == coin.code and 0.06 < _moneyness(r, coin, years) < 2.0]
            chosen = rng.choice(len(listed), size=min(len(listed), 7), replace=False)
            for k in sorted(chosen.tolist()):
                lean = -1.0 if years < 0.09 else (0.55 if rng.random() < 0.5 else -0.6)
                amount = float(np.round(size * lean * rng.lognormal(-0.2, 0.5), 0 if coin.code == "ETH" else 1))
                if amount:
                    positions.append({"instrument": listed[k]["instrument_name"], "quantity": amount})
    hedges = (("BTC-PERPETUAL", -6_400_000.0), ("ETH-PERPETUAL", -2_300_000.0), ("BTC-27MAR26", 800_000.0))
    positions += [{"instrument": name, "quantity": quantity} for name, quantity in hedges]
    account = {
        "name": "main",
        "venue": "deribit",
        "collateral": [
            {"asset": "BTC", "amount": 62.0},
            {"asset": "ETH", "amount": 900.0},
            {"asset": "USDC", "amount": 1_500_000.0},
        ],
        "positions": positions,
    }
    return {"name": "short-gamma market maker (example)", "timestamp": MOMENT.isoformat(), "accounts": [account]}


def _moneyness(row: dict[str, object], coin: _Coin, years: float) -> float:
    forward = coin.index * float(np.exp(coin.basis * years))
    return abs(float(np.log(float(str(row["strike"])) / forward))) / (_atm(coin, years) * float(np.sqrt(years)))
