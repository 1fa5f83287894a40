"""Side, signed size, signed value and P&L of a position go one way, in every form of positions of every venue, or it is
refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.inputs.importing import import_payloads
from hedgeopt.inputs.payloads.recognise import FORMS

from .replies import save

EXAMPLES = Path(__file__).parent / "examples"
FIGURES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, str, str]]] = {
    "deribit-positions": (
        ("size", "size_currency"), ("direction",), ("average_price", "mark_price", "floating_profit_loss")
    ),
    "okx-positions": (("optVal",), (), ("avgPx", "markPx", "upl")),
    "bybit-positions": ((), ("side",), ("avgPrice", "markPrice", "unrealisedPnl")),
    "derive-positions": (("amount", "mark_value"), (), ("average_price", "mark_price", "unrealized_pnl")),
    "binance-option-positions": (("quantity",), ("side",), ("entryPrice", "markPrice", "unrealizedPNL")),
    "binance-futures-positions": (
        ("positionAmt", "notional"), ("positionSide",), ("entryPrice", "markPrice", "unRealizedProfit")
    ),
    "ccxt-positions": ((), ("side",), ("entryPrice", "markPrice", "unrealizedPnl")),
    "hyperliquid-clearinghouse-state": (("szi",), (), ("entryPx", "positionValue", "unrealizedPnl")),
}  # fmt: skip
"""Of each form: numbers with the position's sign, words of its side, and the names of entry, mark and P&L."""
MINUS = {
    "okx-positions": ("notionalUsd", "pos"),
    "bybit-positions": ("positionValue", "size"),
    "binance-option-positions": ("markValue",),
    "ccxt-positions": ("notional", "contracts"),
}
"""Numbers that some replies give without a sign: a minus on a long position tells."""
OTHER = {"buy": "sell", "sell": "buy", "Buy": "Sell", "Sell": "Buy", "LONG": "SHORT", "SHORT": "LONG", "long": "short",
         "short": "long"}  # fmt: skip


def rows(value: Any, key: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if key in value:
            yield value
        for one in value.values():
            yield from rows(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from rows(one, key)


def turned(value: Any) -> Any:
    return str(-float(value)) if isinstance(value, str) else -value


def book(form: str, reply: Any, folder: Path) -> ho.Book:
    beside = [EXAMPLES / "okx-instruments.json"] if form.startswith("okx") else []
    found = import_payloads(save(folder, "reply.json", reply), *beside, venue="bybit" if form.startswith("ccxt") else None)
    assert found.book is not None
    return found.book


def cases() -> Iterator[tuple[str, int, str]]:
    for form, (signed, words, (entry, _, profit)) in FIGURES.items():
        reply = json.loads((EXAMPLES / f"{form}.json").read_text())
        for k, row in enumerate(rows(reply, entry)):
            for key in (*signed, *words):
                if row.get(key) not in (None, "", "net"):
                    yield form, k, key
            for key in MINUS.get(form, ()):
                yield form, k, key
            yield form, k, profit


def test_every_form_of_positions_is_in_the_table() -> None:
    forms = {one.name.lower().replace(" ", "-") for one in FORMS if one.holds == "positions"}
    forms = {one for one in forms if not one.startswith(("aave", "uniswap"))}  # reserves and liquidity have no side
    assert forms <= {*FIGURES}, forms - {*FIGURES}


@pytest.mark.parametrize("form", FIGURES)
def test_figures_that_agree_are_booked(form: str, tmp_path: Path) -> None:
    """The example, and the same with a move and its P&L."""
    _, _, (entry, _, profit) = FIGURES[form]
    reply = json.loads((EXAMPLES / f"{form}.json").read_text())
    plain = book(form, copy.deepcopy(reply), tmp_path)
    for row in rows(reply, entry):
        row[profit] = 0
    held = book(form, reply, tmp_path)
    quantities = [[one.quantity for account in each.accounts for one in account.positions] for each in (plain, held)]
    assert quantities[0] == quantities[1]


@pytest.mark.parametrize(("form", "k", "key"), list(cases()))
def test_a_figure_of_the_other_direction_is_refused(form: str, k: int, key: str, tmp_path: Path) -> None:
    _, _, (entry, mark, profit) = FIGURES[form]
    reply = json.loads((EXAMPLES / f"{form}.json").read_text())
    row = list(rows(reply, entry))[k]
    if key == profit:
        _lose(form, row, entry, mark, profit)
    elif isinstance(row[key], str) and row[key] in OTHER:
        row[key] = OTHER[row[key]]
    elif key in MINUS.get(form, ()):
        for word, long in (("side", "Buy"), ("side", "LONG"), ("side", "long"), ("quantity", "2"), ("posSide", "long")):
            if word in row and (word == "quantity" or OTHER.get(row[word]) == long):
                row[word] = long
        if row.get("posSide") == "net":
            row.update(pos=str(abs(float(row["pos"]))), optVal=row["optVal"].lstrip("-"))
            if key == "pos":
                row["posSide"] = "long"
        row[key] = turned(abs(float(row[key])))
        row[profit] = 0
    else:
        row[key] = turned(row[key])
    with pytest.raises(ho.InputError) as error:
        book(form, reply, tmp_path)
    text = str(error.value)
    assert error.value.file == "reply.json", text
    assert error.value.fix, text
    assert key != profit or f"{profit}: is the P&L of a" in text
    assert "\n" not in text


def _lose(form: str, row: dict[str, Any], entry: str, mark: str, profit: str) -> None:
    """A gain of five per cent in the price, and a P&L of the other sign; units do not matter."""
    short = any(str(row.get(key)) in ("Sell", "sell", "SHORT", "short") for key in ("side", "direction"))
    short = short or any(str(row.get(key, "")).startswith("-") for key in ("pos", "amount", "positionAmt", "szi"))
    price = float(row[mark]) / float(row["szi"]) if form.startswith("hyper") else float(row[mark])
    row[entry] = str(price / 1.05)
    if form.startswith("bybit"):
        row["positionValue"] = str(float(row["size"]) * float(row[entry]))
    amount = abs(
        float(row.get("pos") or row.get("size") or row.get("amount") or row.get("positionAmt") or row.get("szi") or 1)
    )
    row[profit] = str((1 if short else -1) * amount * price * 0.05 / 1.05)


ATTACKS = [
    (
        {"symbol": "BTCUSDT", "positionAmt": "0.5", "entryPrice": "99000", "markPrice": "100010.0",
         "unRealizedProfit": "-505.0", "notional": "-50005.0"},
        r"notional: is that of a short position, positionAmt 0.5 of a long one \(got -50005.0\)",
    ),
    (
        {"symbol": "BTCUSDT", "positionAmt": "0.5", "entryPrice": "99000", "markPrice": "100010.0",
         "unRealizedProfit": "-505.0", "notional": "50005.0"},
        r"unRealizedProfit: is the P&L of a short position from entryPrice 99000 to markPrice 100010, and positionAmt 0.5 "
        r"is that of a long one \(got -505.0\)",
    ),
    (
        {"symbol": "BTC-260327-100000-C", "side": "LONG", "quantity": "-2", "entryPrice": "5938.83",
         "markPrice": "5938.8261", "markValue": "-11877.6522", "unrealizedPNL": "0"},
        r"quantity: is that of a short position, side LONG of a long one \(got -2.0\)",
    ),
    (
        {"symbol": "BTC/USDT:USDT", "contracts": 20.0, "contractSize": 0.1, "side": "long", "markPrice": 100010.0,
         "entryPrice": 99000.0, "notional": 200020.0, "unrealizedPnl": -2020.0, "timestamp": 1772791200000, "info": {}},
        r"unrealizedPnl: is the P&L of a short position from entryPrice",
    ),
    (
        {"instrument_name": "BTC-PERPETUAL", "size": 50.0, "direction": "zero", "average_price": 1e5, "kind": "future",
         "mark_price": 1e5},
        r"direction: is neither buy nor sell, and size is 50 \(got 'zero'\)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("row", "words"), ATTACKS)
def test_both_values_are_named(row: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ho.InputError, match=words):
        import_payloads(save(tmp_path, "reply.json", [row]), venue="bybit" if "contractSize" in row else None)


INVERSE = {"symbol": "BTCUSD", "side": "Sell", "size": "100000", "avgPrice": "99000", "markPrice": "100010",
           "positionValue": "1.0101", "unrealisedPnl": "-.0102"}  # fmt: skip


def _bybit(folder: Path, category: str, **changes: str) -> list[str]:
    reply = {"retCode": 0, "retMsg": "OK", "result": {"category": category, "list": [{**INVERSE, **changes}]},
             "time": 1772791200000}  # fmt: skip
    return [note for note in import_payloads(save(folder, "reply.json", reply)).notes if "unrealised P&L" in note]


def test_the_pnl_of_an_inverse_contract_is_compared_in_coins(tmp_path: Path) -> None:
    """100,000 USD sold at 99,000 lose 100,000 * (1/99,000 - 1/100,010) = .010201 BTC at 100,010."""
    assert "-0.010201 coins" in _bybit(tmp_path, "inverse")[0]
    assert "agrees with" in _bybit(tmp_path, "inverse")[0]
    assert "differs from" in _bybit(tmp_path, "inverse", unrealisedPnl="-.0150")[0]
    with pytest.raises(ho.InputError, match="unrealisedPnl: is the P&L of a long position from avgPrice 99000"):
        _bybit(tmp_path, "inverse", unrealisedPnl=".0102")


def test_a_linear_pnl_of_the_wrong_sign_is_refused_and_of_another_amount_noted(tmp_path: Path) -> None:
    linear = {"symbol": "BTCUSDT", "size": "0.5", "side": "Buy", "positionValue": "49500"}
    assert "differs from" in _bybit(tmp_path, "linear", **linear, unrealisedPnl="400")[0]
    with pytest.raises(ho.InputError, match=r"unrealisedPnl: is the P&L of a short position .* side Buy is that of a long"):
        _bybit(tmp_path, "linear", **linear, unrealisedPnl="-505")


def test_a_pnl_within_rounding_or_since_the_last_settlement_is_no_contradiction(tmp_path: Path) -> None:
    linear = {"symbol": "BTCUSDT", "size": "0.5", "side": "Buy", "avgPrice": "100000", "positionValue": "50000"}
    assert _bybit(tmp_path, "linear", **linear, unrealisedPnl="-4")
    row = {"instrument_name": "BTC-PERPETUAL", "size": 50_000.0, "direction": "buy", "average_price": 90_000.0,
           "settlement_price": 102_000.0, "kind": "future", "mark_price": 1e5, "floating_profit_loss": -0.01}  # fmt: skip
    assert ho.read_book([row]).accounts[0].positions[0].quantity == 50_000.0
    with pytest.raises(ho.InputError, match="floating_profit_loss"):
        ho.read_book([{**row, "settlement_price": 98_000.0}])
