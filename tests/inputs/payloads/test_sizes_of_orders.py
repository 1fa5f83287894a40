"""What venues' lists of instruments say of orders: steps that change with the price, smallest orders in USD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.payloads.bybit_instruments import INSTRUMENTS as BYBIT
from hedgeopt.inputs.payloads.ccxt import MARKETS
from hedgeopt.inputs.payloads.deribit_instruments import INSTRUMENTS as DERIBIT
from hedgeopt.inputs.payloads.form import Findings, Form, Spec
from hedgeopt.inputs.payloads.item import Reading, items_of

DERIBITS = {
    "instrument_name": "BTC-27MAR26-90000-C", "kind": "option", "tick_size": 0.0001, "min_trade_amount": 0.1,
    "contract_size": 1.0, "is_active": True, "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
}  # fmt: skip
"""As Deribit published it with the change of 6 July 2023 (support.deribit.com, article 25944779257373)."""
BYBITS = {
    "symbol": "BTCUSDT", "status": "Trading", "settleCoin": "USDT", "priceFilter": {"tickSize": "0.10"},
    "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "minNotionalValue": "5"},
}  # fmt: skip
CCXTS = {
    "symbol": "BTC/USDT:USDT", "contractSize": 1.0, "precision": {"price": 0.1, "amount": 0.001},
    "limits": {"amount": {"min": 0.001, "max": 100.0}, "cost": {"min": 100.0, "max": None}},
}  # fmt: skip


def spec(form: Form, row: dict[str, Any], venue: str) -> Spec:
    found = Findings(file="reply")
    form.read(list(items_of([row], Reading("reply"), "result")), found, venue)
    (only,) = found.specs.values()
    return only


def test_steps_of_prices_and_smallest_orders_are_read() -> None:
    one = spec(DERIBIT, DERIBITS, "deribit")
    assert (one.tick, one.tick_above, one.coarse_tick) == (0.0001, 0.005, 0.0005)
    more = [*DERIBITS["tick_size_steps"], {"above_price": 0.1, "tick_size": 0.001}]
    one = spec(DERIBIT, {**DERIBITS, "tick_size_steps": more}, "deribit")
    assert (one.tick_above, one.coarse_tick) == (0.005, 0.001), "the largest step is a price of the smaller ones too"
    plain = spec(DERIBIT, {**DERIBITS, "tick_size_steps": []}, "deribit")
    assert plain.tick_above != plain.tick_above
    assert spec(BYBIT, BYBITS, "bybit").min_notional == 5.0
    spot = {**BYBITS, "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.000048", "minOrderAmt": "1"}}
    assert spec(BYBIT, spot, "bybit").min_notional == 1.0
    assert spec(MARKETS, CCXTS, "binance").min_notional == 100.0


def test_a_step_without_its_numbers_is_refused() -> None:
    with pytest.raises(ho.InputError, match=r"tick_size_steps\[0\].above_price: is missing"):
        spec(DERIBIT, {**DERIBITS, "tick_size_steps": [{"tick_size": 0.0005}]}, "deribit")


QUOTE: dict[str, Any] = {
    "timestamp": "2026-03-06T10:00:00Z", "venue": "deribit", "instrument": "BTC-PERPETUAL", "bid": 89_990.0, "ask": 90_000.0,
    "mark": 89_995.0, "index": 90_000.0,
}  # fmt: skip


def smallest(row: dict[str, Any]) -> float:
    book = ho.Book(accounts=[{"name": "a", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 1.0}]}])
    sample = {"kind": "parametric", "count": 50, "vol": {"BTC": 0.5}}
    e = expose(book, ho.read_market([row]), ho.Policy(minimize=ho.TransactionCost(), scenarios=sample))
    (at,) = e.candidate
    return float(e.rows.minimum_size[at])


def test_the_smallest_order_in_dollars_counts_beside_the_smallest_size(tmp_path: Path) -> None:
    assert smallest(QUOTE) == 10.0  # of the venue's table, USD
    assert smallest({**QUOTE, "min_notional": 250.0}) == 250.0
    assert smallest({**QUOTE, "min_notional": 5.0}) == 10.0
    assert smallest({**QUOTE, "min_notional": 250.0, "min_size": 400.0, "multiplier": 1.0}) == 400.0
    market = ho.read_market([{**QUOTE, "min_notional": 250.0, "tick": 0.5, "tick_above": 50_000.0, "coarse_tick": 2.5}])
    market.to_frame().to_csv(tmp_path / "m.csv", index=False)
    again = ho.read_market(tmp_path / "m.csv")
    told = [again.quote(name, "deribit:BTC-PERPETUAL") for name in ("min_notional", "tick_above", "coarse_tick")]
    assert told == [250.0, 50_000.0, 2.5]


TABLE = """extends = "deribit"
as_of = 2026-11-01
shelf_life_days = 90
[lots.perpetual]
"BTC/BTC" = {{ lot = 10.0, {} }}
"""


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ("tick = 0.5, coarse_tick = 2.5", "tick_above: is missing"),
        ("tick = 0.5, tick_above = 100.0, coarse_tick = 0.7", "is no multiple of tick"),
        ("tick = 0.5, tick_above = 100.0, coarse_tick = 0.1", "is no multiple of tick"),
    ],
)
def test_a_table_with_impossible_steps_is_refused(
    sizes: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deribit.toml").write_text(TABLE.format(sizes))
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
    with pytest.raises(ho.InputError, match=words):
        smallest(QUOTE)
