"""Replies saved without their instrument, and coins that a venue names by number: named by another file, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.cli import main

from . import replies
from .replies import MS, save

NAME = "BTC-USD-260327-100000-C"


def book(row: int = 4) -> dict[str, Any]:
    """The order book of the fifth option, without its channel."""
    ticker = replies.okx("tickers")["data"][row]
    levels = {"bids": [[ticker["bidPx"], "500", "0", "1"]], "asks": [[ticker["askPx"], "300", "0", "1"]]}
    return {"code": "0", "msg": "", "data": [{**levels, "ts": str(MS)}]}


def slim() -> dict[str, Any]:
    (one,) = [row for name, row in replies.derive_tickers()["result"]["tickers"].items() if name == "BTC-20260327-100000-C"]
    return {"instrument_ticker": one, "timestamp": MS}


def others(folder: Path) -> list[Path]:
    return [save(folder, form, replies.okx(form)) for form in ("summary", "marks", "instruments", "index")]


def test_the_quote_with_the_same_bid_and_ask_names_an_order_book(tmp_path: Path) -> None:
    paths = [save(tmp_path, "book", book()), save(tmp_path, "tickers", replies.okx("tickers")), *others(tmp_path)]
    found = ho.import_payloads(*paths)
    assert (
        f"book: a reply without its instrument is of {NAME} (another file quotes it at the same bid and ask)" in found.notes
    )
    assert found.quotes.set_index("instrument").loc[NAME, "bid_size"] == 500.0
    with pytest.raises(ho.InputError, match=r"book: data\.instrument.*the other files name 10 .*--instrument NAME"):
        ho.import_payloads(paths[0], *paths[2:])
    named = ho.import_payloads(paths[0], *paths[2:], instrument=NAME)
    assert named.quotes.set_index("instrument").loc[NAME, "ask"] > 0
    assert ho.read_market(paths[0], *paths[2:], instrument=NAME).quote("bid_size", f"okx:{NAME}") == 5.0


def test_the_only_instrument_of_the_other_files_names_it(tmp_path: Path) -> None:
    mark = replies.okx("marks")
    mark["data"] = mark["data"][4:5]
    found = ho.import_payloads(save(tmp_path, "book", book()), save(tmp_path, "mark", mark))
    assert any(f"is of {NAME} (the only one" in note for note in found.notes)
    far = replies.okx("tickers")
    far["data"] = [{**far["data"][4], "bidPx": "0.4", "askPx": "0.5"}]
    with pytest.raises(ho.InputError, match="not that of the other files"):
        ho.import_payloads(save(tmp_path, "book", book()), save(tmp_path, "far", far))


def test_an_option_is_told_by_its_own_vol_mark_and_delta(tmp_path: Path) -> None:
    listed = [
        {"instrument_name": f"BTC-20260327-{strike:.0f}-{right}", "instrument_type": "option", "amount_step": "0.01",
         "minimum_amount": "0.01", "tick_size": "1", "is_active": True}
        for strike, right in replies.options()
    ]  # fmt: skip
    found = ho.import_payloads(save(tmp_path, "slim", slim()), save(tmp_path, "list", listed))
    assert list(found.quotes["instrument"]) == ["BTC-20260327-100000-C"]
    without = [row for row in listed if row["instrument_name"] != "BTC-20260327-100000-C"]
    with pytest.raises(ho.InputError, match="not that of the other files"):
        ho.import_payloads(tmp_path / "slim", save(tmp_path, "list", without))
    with pytest.raises(ho.InputError, match="is not the instrument of the reply"):
        ho.import_payloads(tmp_path / "slim", instrument="BTC-20260327-110000-C")


def test_a_name_that_nothing_needs_and_one_for_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ho.InputError, match="--instrument: names nothing"):
        ho.import_payloads(save(tmp_path, "tickers", replies.okx("tickers")), instrument=NAME)
    two = [save(tmp_path, name, book(row)) for name, row in (("one", 4), ("two", 5))]
    with pytest.raises(ho.InputError, match=r"--instrument: is one name, and 2 replies have none \(one, two\)"):
        ho.import_payloads(*two, instrument=NAME)
    stored = {"BTC-USDT-SWAP": book()["data"][0]}
    assert list(ho.import_payloads(save(tmp_path, "stored", stored)).quotes["instrument"]) == ["BTC-USDT-SWAP"]


def test_the_command_takes_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path, "book.json", book())
    assert main(["import", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "--instrument NAME" in capsys.readouterr().err
    assert main(["import", str(path), "--out", str(tmp_path / "out"), "--instrument", "BTC-USDT-SWAP"]) == 0
    assert "is of BTC-USDT-SWAP (--instrument)" in capsys.readouterr().out
    assert main(["import", str(path), "--out", str(tmp_path / "out"), "--instrument", NAME]) == 2
    assert "nothing to write: 1 left out: options without a forward" in capsys.readouterr().err


SPOT_META = [
    {"tokens": [{"name": "USDC", "index": 0, "szDecimals": 8, "weiDecimals": 8},
                {"name": "PURR", "index": 1, "szDecimals": 0, "weiDecimals": 5},
                {"name": "HYPE", "index": 150, "szDecimals": 2, "weiDecimals": 8}],
     "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
                  {"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False}]},
    [{"coin": "PURR/USDC", "markPx": "0.2", "midPx": "0.2", "prevDayPx": "0.2", "dayNtlVlm": "1", "circulatingSupply": "1"},
     {"coin": "@107", "markPx": "25.5", "midPx": "25.5", "prevDayPx": "25", "dayNtlVlm": "1", "circulatingSupply": "1"}],
]  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
def test_pairs_by_number_are_named_by_the_spot_meta(whole: bool, tmp_path: Path) -> None:
    spot = {"balances": [{"coin": "@107", "token": 150, "total": "3", "hold": "0", "entryNtl": "0"},
                         {"coin": "PURR", "token": 1, "total": "2000", "hold": "0", "entryNtl": "0"}]}  # fmt: skip
    path = save(tmp_path, "spot.json", spot)
    meta = save(tmp_path, "meta.json", SPOT_META if whole else SPOT_META[0])
    for paths in ((path, meta), (meta, path)):
        found = ho.import_payloads(*paths)
        assert found.book is not None
        held = {one.asset: one.amount for one in found.book.accounts[0].collateral}
        assert held == {"HYPE": 3.0, "PURR": 2000.0}
        assert "@107 at hyperliquid is HYPE, by the venue's list of pairs" in found.notes
        assert not any("not known" in note for note in found.notes)
    alone = ho.import_payloads(path)
    assert any("@107" in note and 'give the reply to {"type": "spotMeta"} too' in note for note in alone.notes)
    broken = json.loads(json.dumps(SPOT_META[0]))
    broken["universe"][1]["tokens"] = [151, 0]
    with pytest.raises(ho.InputError, match="tokens: is no pair of two tokens of the list"):
        ho.import_payloads(path, save(tmp_path, "broken.json", broken))


def test_every_command_with_a_market_takes_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path) for path in (save(tmp_path, "book", book()), *others(tmp_path))]
    given = [word for path in paths for word in ("--market", path)]
    assert main(["check", *given]) == 2
    assert "--instrument NAME" in capsys.readouterr().err
    assert main(["check", *given, "--instrument", NAME]) == 0
    assert main(["scenarios", "describe", *given, "--instrument", NAME]) == 0
    for command in ("solve", "verify", "risk", "margin", "check", "scenarios sample", "import"):
        capsys.readouterr()
        assert main([*command.split(), "--help"]) == 0
        assert "--instrument" in capsys.readouterr().out, command
