"""Collateral that a rule does not know is refused with the file to write: the table of the rule, and not of the account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.measures.margin_report import margin_report

GRID = (
    '[margin]\ntype = "grid"\nmoves = [-0.1, 0.0, 0.1]\nvols = [0.0]\npower = 0.0\nfutures_rate = 0.1\n'
    "short_option_rate = 0.0\ninitial_factor = 1.0\nmaintenance_factor = 1.0\n[haircut]\nUSDT = 0.0\n"
)
QUOTES = "timestamp,venue,instrument,bid,ask,mark,index,funding_8h\n" + "".join(
    f"2026-03-06T10:00:00Z,{venue},{name},99999,100001,100000,100000,0.0001\n"
    for venue, name in (("okx", "BTC-USDT-SWAP"), ("binance", "BTCUSDT"), ("hyperliquid", "BTC"))
)


@pytest.mark.parametrize(
    ("venue", "name", "margin", "file"),
    [
        ("okx", "BTC-USDT-SWAP", "okx_portfolio", "okx_portfolio.toml"),
        ("hyperliquid", "BTC", "standard", "hyperliquid.toml"),
        ("hyperliquid", "BTC", "paradex", "paradex.toml"),
        ("okx", "BTC-USDT-SWAP", "binance", "binance.toml"),
        ("okx", "BTC-USDT-SWAP", "table:{folder}/mine.toml", "mine.toml"),
    ],
)
def test_unknown_collateral_names_the_table_to_write(tmp_path: Path, venue: str, name: str, margin: str, file: str) -> None:
    (tmp_path / "mine.toml").write_text(GRID, encoding="utf-8")
    (tmp_path / "quotes.csv").write_text(QUOTES, encoding="utf-8")
    account: dict[str, Any] = {
        "name": "a",
        "venue": venue,
        "margin": margin.format(folder=tmp_path),
        "collateral": [{"asset": "PEPE", "amount": 3.0}],
        "positions": [{"instrument": name, "quantity": -1.0}],
    }
    market = ho.read_market(tmp_path / "quotes.csv", prices={"PEPE": 1.0})
    with pytest.raises(ho.InputError, match="PEPE of account a is no known collateral") as caught:
        margin_report(ho.Book(accounts=[account]), market)
    said = str(caught.value)
    assert said.startswith(f"{file}: haircut: ")
    assert "[haircut] PEPE = SHARE" in said
    assert "or hold PEPE in another account" in said
    if margin != "table:{folder}/mine.toml":
        assert f'write {file} beside the policy with extends = "{file.removesuffix(".toml")}"' in said
        assert f'tables = ["{file}"]' in said
