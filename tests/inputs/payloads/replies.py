"""Small replies of our own in the forms of venues: BTC at 100,000, options of one expiry at 60 % vol, one moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.models.pricing.black76 import black76_price as price
from hedgeopt.models.pricing.black76 import greeks

STAMP = pd.Timestamp("2026-03-06 10:00", tz="UTC")
MS = STAMP.value // 10**6
EXPIRY = pd.Timestamp("2026-03-27 08:00", tz="UTC")
FORWARD, INDEX, VOL = 100_400.0, 100_000.0, 0.6
STRIKES = (80_000, 90_000, 100_000, 110_000, 120_000)
YEARS = (EXPIRY - STAMP).total_seconds() / (365 * 86_400)


def worth(strike: float, right: str) -> float:
    """USD price of one option."""
    one = [np.array([x], float) for x in (FORWARD, strike, YEARS, VOL)]
    return float(price(one[0], one[1], one[2], one[3], np.array([right == "C"]))[0])


def delta(strike: float, right: str) -> float:
    """N(d1)."""
    one = [np.array([x], float) for x in (FORWARD, strike, YEARS, VOL)]
    return float(greeks(one[0], one[1], one[2], one[3], np.array([right == "C"])).delta[0])


def options() -> list[tuple[float, str]]:
    """Strike and right of each option."""
    return [(float(strike), right) for strike in STRIKES for right in "CP"]


def deribit_summary() -> dict[str, Any]:
    rows = [
        {
            "instrument_name": f"BTC-27MAR26-{strike:.0f}-{right}", "underlying_price": FORWARD,
            "mark_price": worth(strike, right) / FORWARD, "bid_price": round(0.98 * worth(strike, right) / FORWARD, 6),
            "ask_price": round(1.02 * worth(strike, right) / FORWARD, 6), "mark_iv": 100 * VOL, "open_interest": 10.0,
            "volume": 3.0, "volume_usd": 3e5, "creation_timestamp": MS, "estimated_delivery_price": INDEX,
        }
        for strike, right in options()
    ]  # fmt: skip
    rows.append(
        {
            "instrument_name": "BTC-PERPETUAL", "mark_price": 100_010.0, "bid_price": 100_009.5, "ask_price": 100_010.5,
            "open_interest": 1e8, "volume": 900.0, "volume_usd": 9e7, "funding_8h": 1e-5, "creation_timestamp": MS,
            "estimated_delivery_price": INDEX,
        }
    )  # fmt: skip
    rows.append({**rows[0], "instrument_name": "BTC-CS-27MAR26-90000_100000"})
    return {"jsonrpc": "2.0", "result": rows, "testnet": False, "usIn": 1, "usOut": 2, "usDiff": 1}


def okx(form: str) -> dict[str, Any]:
    names = [(f"BTC-USD-260327-{strike:.0f}-{right}", strike, right) for strike, right in options()]
    if form == "summary":
        data = [
            {"instId": n, "instType": "OPTION", "uly": "BTC-USD", "markVol": str(VOL), "fwdPx": str(FORWARD), "bidVol": "",
             "askVol": "", "deltaBS": str(delta(k, r)), "ts": str(MS)}
            for n, k, r in names
        ]  # fmt: skip
    elif form == "tickers":
        data = [
            {"instId": n, "instType": "OPTION", "bidPx": f"{0.98 * worth(k, r) / FORWARD:.6f}", "bidSz": "500",
             "askPx": f"{1.02 * worth(k, r) / FORWARD:.6f}", "askSz": "300", "vol24h": "1000", "ts": str(MS + 900)}
            for n, k, r in names
        ]  # fmt: skip
    elif form == "marks":
        data = [
            {"instId": n, "instType": "OPTION", "markPx": str(worth(k, r) / FORWARD), "ts": str(MS)} for n, k, r in names
        ]
    elif form == "instruments":
        data = [
            {"instId": n, "instType": "OPTION", "ctVal": "1", "ctMult": "0.01", "lotSz": "1", "minSz": "1",
             "tickSz": ".0001", "expTime": str(EXPIRY.value // 10**6), "state": "live"}
            for n, _, _ in names
        ]  # fmt: skip
    elif form == "index":
        data = [{"instId": "BTC-USD", "idxPx": str(INDEX), "ts": str(MS)}]
    elif form == "positions":
        data = [
            {"instId": names[4][0], "instType": "OPTION", "pos": "-250", "posSide": "net", "mgnMode": "cross",
             "markPx": "0.05", "optVal": "-0.125", "notionalUsd": str(250 * 0.01 * INDEX), "idxPx": str(INDEX)}
        ]  # fmt: skip
    else:
        data = [{"totalEq": "200000", "details": [{"ccy": "BTC", "eq": "2", "eqUsd": "200000"}]}]
    return {"code": "0", "msg": "", "data": data}


def bybit_tickers() -> dict[str, Any]:
    rows = [
        {"symbol": f"BTC-27MAR26-{k:.0f}-{r}", "bid1Price": f"{0.98 * worth(k, r):.1f}", "bid1Size": "4", "bid1Iv": "0.59",
         "ask1Price": f"{1.02 * worth(k, r):.1f}", "ask1Size": "0.5", "ask1Iv": "0.61", "markPrice": str(worth(k, r)),
         "markIv": str(VOL), "underlyingPrice": str(FORWARD), "indexPrice": str(INDEX), "openInterest": "12",
         "volume24h": "3", "delta": str(delta(k, r))}
        for k, r in options()
    ]  # fmt: skip
    return {"retCode": 0, "retMsg": "OK", "result": {"category": "option", "list": rows}, "retExtInfo": {}, "time": MS}


def derive_tickers() -> dict[str, Any]:
    """As public/get_tickers: slim, by name."""
    rows = {
        f"BTC-20260327-{k:.0f}-{r}": {
            "t": MS, "b": f"{0.98 * worth(k, r):.2f}", "B": "2", "a": f"{1.02 * worth(k, r):.2f}", "A": "3", "I": str(INDEX),
            "M": str(worth(k, r)), "f": None,
            "option_pricing": {"i": str(VOL), "f": str(FORWARD), "d": str(delta(k, r)), "m": str(worth(k, r))},
            "stats": {"oi": "5", "c": "1"},
        }
        for k, r in options()
    }  # fmt: skip
    return {"result": {"tickers": rows}, "id": 1}


def tardis_chain() -> str:
    """ReplyRows of one second, at Deribit."""
    us = MS * 1000
    lines = [
        "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,bid_amount,"
        "bid_iv,ask_price,ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,vega,theta,rho"
    ]
    for i, (k, r) in enumerate(options()):
        unit = worth(k, r) / FORWARD
        lines.append(
            f"deribit,BTC-27MAR26-{k:.0f}-{r},{us + i},{us + i + 9},{'call' if r == 'C' else 'put'},{k:.0f},"
            f"{EXPIRY.value // 1000},5,{unit:.6f},{0.98 * unit:.6f},1,59,{1.02 * unit:.6f},2,61,{unit:.8f},{100 * VOL:g},"
            f"SYN.BTC-27MAR26,{FORWARD},{delta(k, r):.5f},0,0,0,0"
        )
    return "\n".join(lines) + "\n"


def ccxt_greeks() -> list[dict[str, Any]]:
    return [
        {"symbol": f"BTC/USD:BTC-260327-{k:.0f}-{r}", "timestamp": MS, "datetime": "", "delta": delta(k, r), "bidSize": 1.0,
         "askSize": 2.0, "markImpliedVolatility": 100 * VOL, "bidPrice": 0.98 * worth(k, r) / FORWARD,
         "askPrice": 1.02 * worth(k, r) / FORWARD, "markPrice": worth(k, r) / FORWARD, "underlyingPrice": FORWARD}
        for k, r in options()
    ]  # fmt: skip


def binance_stream() -> list[dict[str, Any]]:
    """The mark stream; it names no forward."""
    return [
        {"s": f"BTC-260327-{k:.0f}-{r}", "mp": str(worth(k, r)), "E": MS, "e": "markPrice", "i": str(INDEX), "P": "0",
         "bo": f"{0.98 * worth(k, r):.1f}", "ao": f"{1.02 * worth(k, r):.1f}", "bq": "1", "aq": "2", "b": "0.59",
         "a": "0.61", "vo": str(VOL), "d": str(delta(k, r))}
        for k, r in options()
    ]  # fmt: skip


def save(folder: Path, name: str, value: Any) -> Path:
    """A file of a reply."""
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path
