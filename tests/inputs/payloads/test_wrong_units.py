"""The unit-slip matrix: each form of reply, each wrong unit, refused; and other bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.inputs.importing import import_payloads

from . import replies
from .replies import INDEX, save

FORMS: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "deribit": (
        replies.deribit_summary,
        {"vol": "mark_iv", "mark": "mark_price", "forward": "underlying_price", "index": "estimated_delivery_price",
         "time": "creation_timestamp"},
    ),
    "okx summary": (lambda: replies.okx("summary"), {"vol": "markVol", "forward": "fwdPx", "time": "ts"}),
    "okx marks": (lambda: replies.okx("marks"), {"mark": "markPx", "time": "ts"}),
    "bybit": (
        replies.bybit_tickers,
        {"vol": "markIv", "mark": "markPrice", "forward": "underlyingPrice", "index": "indexPrice", "time": "time"},
    ),
    "derive": (replies.derive_tickers, {"vol": "i", "mark": "M m", "forward": "f", "index": "I", "time": "t"}),
    "binance": (replies.binance_stream, {"vol": "vo", "mark": "mp", "index": "i", "time": "E"}),
    "ccxt": (
        replies.ccxt_greeks,
        {"vol": "markImpliedVolatility", "mark": "markPrice", "forward": "underlyingPrice", "time": "timestamp"},
    ),
}  # fmt: skip
SLIPS: dict[str, tuple[float, ...]] = {
    "vol": (100.0, 0.01),
    "mark": (INDEX, 1.0 / INDEX, 100.0, 0.01),
    "forward": (1000.0, 0.001),
    "index": (1000.0, 0.001),
    "time": (1000.0, 0.001, 1e6),
}
CASES = [(form, what, factor) for form, (_, columns) in FORMS.items() for what in columns for factor in SLIPS[what]]


def scaled(value: Any, keys: set[str], factor: float) -> Any:
    if isinstance(value, dict):
        return {key: _times(one, factor) if key in keys and _number(one) else scaled(one, keys, factor)
                for key, one in value.items()}  # fmt: skip
    return [scaled(one, keys, factor) for one in value] if isinstance(value, list) else value


def _number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _times(value: Any, factor: float) -> Any:
    number = float(value) * factor
    text: Any = int(number) if number > 1e8 else number
    return str(text) if isinstance(value, str) else text


def others(form: str) -> list[Any]:
    """Replies that the form needs beside it."""
    if not form.startswith("okx"):
        return []
    return [replies.okx(one) for one in ("summary", "tickers", "marks", "index") if one != form.split()[1]]


def market(form: str, value: Any, folder: Path) -> ho.Market:
    paths = [save(folder, f"{k}.json", one) for k, one in enumerate([value, *others(form)])]
    prices = {"BTC": INDEX} if form == "ccxt" else None
    return ho.read_market(*paths, venue="deribit" if form == "ccxt" else None, prices=prices)


@pytest.mark.parametrize("form", FORMS)
def test_right_units_are_taken(form: str, tmp_path: Path) -> None:
    found = market(form, FORMS[form][0](), tmp_path)
    assert not found.doubtful


@pytest.mark.parametrize(("form", "what", "factor"), CASES)
def test_a_wrong_unit_is_refused(form: str, what: str, factor: float, tmp_path: Path) -> None:
    make, columns = FORMS[form]
    with pytest.raises(ho.InputError) as error:
        market(form, scaled(make(), set(columns[what].split()), factor), tmp_path)
    assert "\n" not in str(error.value)
    assert error.value.file is not None


POSITIONS: dict[str, tuple[dict[str, Any], str]] = {
    "deribit": (
        {"instrument_name": "BTC-PERPETUAL", "size": 50_000, "size_currency": 0.5, "direction": "buy", "average_price": 1e5,
         "kind": "future", "mark_price": 1e5},
        "size",
    ),
    "bybit": (
        {"symbol": "BTCUSDT", "side": "Buy", "size": "0.5", "avgPrice": "100000", "positionValue": "50000",
         "markPrice": "100000"},
        "size",
    ),
    "binance": (
        {"symbol": "BTCUSDT", "positionAmt": "0.5", "entryPrice": "100000", "markPrice": "100000", "notional": "50000"},
        "positionAmt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("factor", [1e5, 1e-5, 100.0, 0.01])
@pytest.mark.parametrize("venue", POSITIONS)
def test_positions_in_another_unit_contradict_the_venues_own_figures(venue: str, factor: float) -> None:
    row, column = POSITIONS[venue]
    held = ho.read_book([row]).accounts[0].positions[0]
    assert held.quantity == pytest.approx(50_000 if venue == "deribit" else 0.5)
    with pytest.raises(ho.InputError, match=column):
        ho.read_book([{**row, column: _times(row[column], factor)}])


def test_a_reply_cut_short(tmp_path: Path) -> None:
    text = json.dumps(replies.deribit_summary())
    for end in (len(text) // 3, len(text) // 2, len(text) - 1):
        path = tmp_path / "reply.json"
        path.write_text(text[:end])
        with pytest.raises(ho.InputError, match=r"reply.json"):
            ho.read_market(path)
        with pytest.raises(ho.InputError, match=r"reply.json"):
            import_payloads(path)


def test_replies_minutes_apart_are_refused(tmp_path: Path) -> None:
    old = json.loads(json.dumps(replies.bybit_tickers()))
    old["time"] -= 7 * 60_000
    paths = [save(tmp_path, "deribit.json", replies.deribit_summary()), save(tmp_path, "bybit.json", old)]
    with pytest.raises(ho.InputError, match=r"bybit.json.*7.0 minutes older than deribit.json.*five minutes"):
        ho.read_market(*paths)
    old["time"] += 6 * 60_000
    assert len(ho.read_market(paths[0], save(tmp_path, "bybit.json", old))) == 21


def test_two_venues_with_one_symbol_are_two_instruments(tmp_path: Path) -> None:
    paths = [save(tmp_path, "deribit", replies.deribit_summary()), save(tmp_path, "bybit", replies.bybit_tickers())]
    found = ho.read_market(*paths)
    name = "BTC-27MAR26-90000-C"
    assert found.quote("mark_price", f"bybit:{name}") > 1000 * found.quote("mark_price", f"deribit:{name}")
    table = import_payloads(*paths).quotes
    stripped = table.drop(columns="venue")
    with pytest.raises(ho.InputError, match=r"venue.*--venue"):
        ho.read_market(stripped)


def test_a_name_read_at_the_wrong_venue_contradicts_its_settlement(tmp_path: Path) -> None:
    table = import_payloads(save(tmp_path, "bybit", replies.bybit_tickers())).quotes
    with pytest.raises(ho.InputError, match=r"contradicts the name|settlement"):
        ho.read_market(table.assign(venue="deribit"))


def test_sizes_without_a_multiplier_are_refused(tmp_path: Path) -> None:
    table = import_payloads(save(tmp_path, "bybit", replies.bybit_tickers())).quotes
    with pytest.raises(ho.InputError, match=r"bid_size.*contracts of unknown size.*multiplier"):
        ho.read_market(table.drop(columns="multiplier"))


def test_an_error_of_the_venue_is_said(tmp_path: Path) -> None:
    for reply, words in (
        ({"jsonrpc": "2.0", "error": {"code": 13009, "message": "unauthorized"}}, "unauthorized"),
        ({"retCode": 10003, "retMsg": "API key is invalid", "result": {}}, "API key is invalid"),
    ):
        with pytest.raises(ho.InputError, match=f"error message of the venue.*{words}"):
            import_payloads(save(tmp_path, "reply.json", reply))
