"""Markets to replay in the backtest benchmark: recorded chains, and a synthetic one whose candidates stay."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DATA = Path(os.environ.get("HEDGEOPT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CHAIN = DATA / "deribit-chains" / "daily_allstrikes_dev_20251230_20260531.parquet"
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def recorded(chain: Path, steps: int) -> list[Any]:
    from hedgeopt.backtest.chains import ChainReplay

    start = datetime(2026, 1, 20, tzinfo=UTC)
    replay = ChainReplay(
        (chain,), start=start, end=start + timedelta(days=steps), synthetic_perpetuals=True, assets=("BTC",)
    )
    return list(replay)


def synthetic(steps: int, options: int) -> list[Any]:
    """BTC options on ten expiries whose strikes stay, over a random walk of the index, quoted a little around Black-76."""
    from hedgeopt.inputs.columns import QUOTE_FIELDS
    from hedgeopt.inputs.market import Market
    from hedgeopt.models.pricing.black76 import black76_price as price
    from hedgeopt.models.pricing.option import Option
    from hedgeopt.models.pricing.perpetual import Perpetual

    rng = np.random.default_rng(11)
    path = 80_000.0 * np.exp(np.cumsum(0.02 * rng.standard_normal(steps)))
    per_expiry = max(options // 20, 1)
    expiries = [START.replace(hour=8) + timedelta(days=int(d)) for d in np.linspace(20, 300, 10) + steps]
    strikes = np.round(80_000.0 * np.linspace(0.75, 1.3, per_expiry), -2)
    items = [
        Option(
            name=f"BTC-{expiry:%d%b%y}-{strike:.0f}-{right[0]}".upper(), venue="deribit", underlying="BTC", settlement="BTC",
            expiry=expiry, strike=float(strike), right=right,
        )
        for expiry in expiries for strike in strikes for right in ("call", "put")
    ]  # fmt: skip
    perpetual = Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")
    found = []
    for k, index in enumerate(path):
        moment = START + timedelta(days=k)
        years = np.array([i.years_from(moment) for i in items])
        n = len(items)
        strike, call = np.array([i.strike for i in items]), np.array([i.right == "call" for i in items])
        vol = 0.55 + 0.1 * np.abs(np.log(strike / index))
        mark = price(np.full(n, index), strike, years, vol, call) / index
        half = 0.0004 + 0.01 * mark
        quotes = pd.DataFrame(
            {
                "bid_price": np.where(mark > half, mark - half, np.nan), "ask_price": mark + half, "mark_price": mark,
                "mark_iv": vol, "underlying_price": index, "open_interest": 100.0,
            },
            index=[i.id for i in items],
        )  # fmt: skip
        quotes.loc[perpetual.id, ["mark_price", "bid_price", "ask_price"]] = [index, index * 0.9999, index * 1.0001]
        quotes = quotes.reindex(columns=list(QUOTE_FIELDS))
        quotes["timestamp"] = pd.Timestamp(moment)
        found.append(Market(moment, {"BTC": float(index)}, {i.id: i for i in [*items, perpetual]}, quotes, "synthetic"))
    return found
