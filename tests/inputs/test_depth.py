"""Ladders from files: forms of venues, tables, pools, and what does not belong to the market is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.inputs.depth.forms import read_ladders

WHEN = "2026-03-02T08:00:00Z"
MS = 1_772_438_400_000
BTC = "BTC-PERPETUAL"
POOL: dict[str, Any] = {"kind": "pool", "instrument": "A", "venue": "u", "timestamp": WHEN, "fee": 0.003}


def deribit(name: str = BTC, **more: Any) -> dict[str, Any]:
    row = {"instrument_name": name, "timestamp": MS, "bids": [[80_000.0, 50_000.0], [79_990.0, 9_000.0]],
           "asks": [[80_010.0, 20_000.0], [80_020.0, 70_000.0]]}  # fmt: skip
    return {"jsonrpc": "2.0", "result": {**row, **more}}


def levels(*rows: tuple[str, float, float], name: str = BTC, unit: str = "USD", when: str = WHEN) -> pd.DataFrame:
    same = {"venue": "deribit", "instrument": name, "timestamp": when, "unit": unit}
    return pd.DataFrame([{**same, "side": side, "price": price, "size": size} for side, price, size in rows])


def test_the_best_levels_take_the_place_of_the_quotes(toy_market: ho.Market) -> None:
    deep = toy_market.with_depth(deribit())
    row = deep.quotes.loc[f"deribit:{BTC}"]
    assert (row["bid_price"], row["ask_price"], row["bid_size"], row["ask_size"]) == (80_000.0, 80_010.0, 50_000.0, 20_000.0)
    assert deep.depth[f"deribit:{BTC}"].asks.total == 90_000.0
    assert not toy_market.depth
    assert "bid_size" not in toy_market.quotes.columns


def test_a_reply_a_table_and_their_files_say_the_same(toy_market: ho.Market, tmp_path: Path) -> None:
    table = levels(("bid", 80_000, 50_000), ("ask", 80_010, 20_000), ("bid", 79_990, 9_000), ("ask", 80_020, 70_000))
    (tmp_path / "book.json").write_text(json.dumps(deribit()))
    table.to_csv(tmp_path / "book.csv", index=False)
    asked = [toy_market.with_depth(given) for given in (deribit(), table, tmp_path / "book.json", tmp_path / "book.csv")]
    for one in asked[1:]:
        ours, theirs = (m.depth[f"deribit:{BTC}"] for m in (asked[0], one))
        assert ours.bids.price.tolist() == theirs.bids.price.tolist()
        assert ours.asks.size.tolist() == theirs.asks.size.tolist()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (deribit("BTC-PERPETUEL"), "is no instrument of the market.*BTC-PERPETUAL"),
        (deribit(timestamp=MS + 120_000), "is 120 s from the market's quote"),
        (deribit(asks=[[79_000.0, 1.0]]), "is crossed"),
        (deribit(asks=[[80_020.0, 1.0], [80_010.0, 1.0]]), "sort asks by price, ascending"),
        (deribit(bids=[[80_000.0, -5.0]]), "bids.0.size"),
        (deribit(bids="none"), "is no list of prices and sizes"),
        (deribit(bids=[[0.31, 5.0]], asks=[[0.32, 5.0]]), "far from mark"),
        (levels(("bid", 80_000, 1), unit="contracts"), "counts contracts.*give sizes in USD"),
        (levels(("bid", 80_000, 1), unit="coins"), "counts coins.*give sizes in USD"),
        (levels(("bid", 80_000, 1), ("offer", 80_010, 1)), "row 3: side: is no side"),
        (levels(("bid", 80_000, 1)).drop(columns="size"), "column size: is missing"),
        (levels(("bid", 80_000, 1)).drop(columns="venue"), "names no venue"),
        ({"bids": [["1", "2"]], "asks": [], "ts": str(MS)}, "names no instrument.*NAME="),
        ({"hello": 1}, "is no order book and no pool"),
        ({"kind": "pool", "instrument": "ETH_USDC", "venue": "uniswap", "timestamp": WHEN, "fee": 0.003}, "no reserves"),
        (
            POOL | {"base_reserve": 0, "quote_reserve": 1},
            "base_reserve: must be above 0",
        ),
        (
            POOL | {"base_reserve": 1, "quote_reserve": 1, "x": 1},
            "x: is no field of a pool",
        ),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_refused_in_one_line(toy_market: ho.Market, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        toy_market.with_depth(given)
    assert "\n" not in str(caught.value)


def test_a_ladder_given_twice_is_refused(toy_market: ho.Market) -> None:
    with pytest.raises(InputError, match="given twice"):
        toy_market.with_depth(deribit(), deribit())


def test_forms_of_other_venues_are_read(tmp_path: Path) -> None:
    bybit = {"retCode": 0, "result": {"s": "BTCUSDT", "b": [["27450.5", "1.5"]], "a": [["27451", "1.2"]], "ts": MS}}
    okx = {
        "code": "0",
        "data": [{"asks": [["41006.8", "0.6", "0", "1"]], "bids": [["41006.7", "0.4", "0", "1"]], "ts": str(MS)}],
    }
    hyper = {"coin": "ETH", "time": MS, "levels": [[{"px": "3000", "sz": "2", "n": 1}], [{"px": "3001", "sz": "5", "n": 2}]]}
    found = [next(read_ladders(given, None, "BTC-USDT")) for given in (bybit, okx, hyper)]
    assert [ladder.instrument for ladder, _ in found] == ["bybit:BTCUSDT", "okx:BTC-USDT", "hyperliquid:ETH"]
    assert [float(ladder.asks.size[0]) for ladder, _ in found] == [1.2, 0.6, 5.0]
    assert next(read_ladders(okx, None, "BTC-USD-SWAP"))[1] == "contracts"


@pytest.mark.realdata
def test_recorded_books_are_ladders(shared_data: Path) -> None:
    found = list(read_ladders(shared_data / "orderbooks" / "l2_snapshots_cryptofeed_2021_2022.csv", None))
    assert len(found) == 52
    whole = {ladder.instrument: (ladder, unit) for ladder, unit in found}
    book, unit = whole["bitmex:XBTUSD"]
    assert (len(book.bids), len(book.asks), unit) == (5_542, 3_804, "contracts")
    assert whole["kraken_futures:PI_ETHUSD"][1] == "USD"
    assert whole["deribit:BTC-31DEC21-34000-P"][1] == "coins"
    for name in ("deribit/http_get_order_book.json", "bybit/http_get_orderbook.json"):
        ladder, unit = next(read_ladders(shared_data / "payloads" / name, None))
        assert unit == "ours"
        assert len(ladder.bids)
        assert ladder.bids.price[0] < ladder.asks.price[0]


def test_contracts_are_coins_where_the_market_gives_their_size(toy_market: ho.Market) -> None:
    quotes = toy_market.quotes.assign(contract_size=np.nan)
    quotes.loc[f"deribit:{BTC}", "contract_size"] = 10.0
    sized = replace(toy_market, quotes=quotes)
    given = levels(("bid", 80_000, 5_000), ("ask", 80_010, 2_000), unit="contracts")
    ladder = sized.with_depth(given).depth[f"deribit:{BTC}"]
    assert ladder.bids.size.tolist() == [50_000.0]
    assert ladder.asks.size.tolist() == [20_000.0]
    with pytest.raises(InputError, match="list of instruments"):
        toy_market.with_depth(given)
