"""From venues' replies to a hedge on the command line: held at one venue, hedged at another, with the notes of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.cli import main

from . import replies
from .replies import INDEX, save, worth

POLICY = """
[[minimize]]
term = { kind = "transaction_cost" }
[[subject_to]]
kind = "limit"
term = { kind = "delta", underlying = "BTC" }
lower = -0.05
upper = 0.05
[candidates]
kinds = ["perpetual"]
[scenarios]
kind = "parametric"
count = 200
"""


def bybit_positions() -> dict[str, Any]:
    mark = worth(100_000.0, "C")
    rows = [
        {"symbol": "BTC-27MAR26-100000-C", "side": "Sell", "size": "2", "avgPrice": str(mark), "markPrice": str(mark),
         "positionValue": str(2 * mark), "unrealisedPnl": "0"}
    ]  # fmt: skip
    return {"retCode": 0, "retMsg": "OK", "result": {"category": "option", "list": rows}, "time": replies.MS}


def bybit_wallet() -> dict[str, Any]:
    coin = {"coin": "USDC", "walletBalance": "50000", "equity": "50000", "usdValue": "50000", "cumRealisedPnl": "0"}
    row = {"accountType": "UNIFIED", "totalEquity": "50000", "totalWalletBalance": "50000", "coin": [coin]}
    return {"retCode": 0, "retMsg": "OK", "result": {"list": [row]}, "time": replies.MS}


def test_held_at_bybit_and_hedged_at_deribit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = [save(tmp_path, "positions.json", bybit_positions()), save(tmp_path, "wallet.json", bybit_wallet())]
    account = {"name": "deribit", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 0.2}]}
    found = ho.read_book(*held)
    assert any("Bybit positions" in note for note in found.notes)
    (bybit,) = found.accounts
    bybit = bybit.model_copy(update={"margin": "bybit"})
    book = found.model_copy(update={"accounts": (bybit, ho.Account(**account))})
    path = tmp_path / "book.json"
    path.write_text(book.model_dump_json())
    assert ho.read_book(path) == book  # the notes too
    market = [save(tmp_path, f"{k}.json", make()) for k, make in enumerate((replies.bybit_tickers, replies.deribit_summary))]
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    options = [word for one in market for word in ("--market", str(one))]
    code = main(["solve", "--book", str(path), *options, "--policy", str(policy), "--json", "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert code in (0, None), printed.err
    proposal = json.loads(printed.out)
    (trade,) = proposal["trades"]
    assert (trade["account"], trade["instrument"]) == ("deribit", "BTC-PERPETUAL")
    short = 2.0 * replies.delta(100_000.0, "C") - 0.2  # coins: calls sold at Bybit, less those posted at Deribit
    assert trade["quantity"] / INDEX == pytest.approx(short - 0.05, abs=0.01)
    for note in ("positions.json: Bybit positions, 1 row", "1.json: Deribit book summary, 12 rows"):
        assert note in proposal["notes"]
    for file in held:
        assert any(file.name in note for note in proposal["notes"])


@pytest.mark.parametrize("command", ["risk", "margin", "check"])
def test_commands_print_the_notes_of_an_import(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [command]
    for option, name, value in (
        ("--book", "positions.json", bybit_positions()),
        ("--book", "wallet.json", bybit_wallet()),
        ("--market", "tickers.json", replies.bybit_tickers()),
    ):
        words += [option, str(save(tmp_path, name, value))]
    code = main(words)
    assert code in (0, None), capsys.readouterr().err
    said = " ".join(capsys.readouterr().out.split())
    for name in ("positions.json: Bybit positions", "wallet.json: Bybit wallet", "tickers.json: Bybit option tickers"):
        assert said.count(f"note: {name}") == 1
    assert "equity at Bybit: ours 50,000 USD agrees with the venue's 50,000" in said
