"""An account whose margin follows another venue's rule: said in the notes, in the certificate and in the headline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.reports.headline import headline

SAID = "Margin by another venue's rule: okx/a follows binance, which is binance's"
QUOTES = (
    "timestamp,venue,instrument,bid,ask,mark,index,funding_8h\n"
    "2026-03-06T10:00:00Z,okx,BTC-USDT-SWAP,99999,100001,100000,100000,0.0001\n"
    "2026-03-06T10:00:00Z,hyperliquid,BTC,99999,100001,100000,100000,0.0001\n"
)


def book(venue: str, margin: str, quantity: float = -1.0) -> dict[str, Any]:
    name = "BTC-USDT-SWAP" if venue == "okx" else "BTC"
    cash = [{"asset": "USDT" if venue == "okx" else "USDC", "amount": 200_000.0}]
    held = [{"instrument": name, "quantity": quantity}] if quantity else []
    account = {"name": "a", "venue": venue, "margin": margin, "collateral": cash, "positions": held}
    return {"name": "b", "accounts": [account]}


@pytest.fixture
def market(tmp_path: Path) -> ho.Market:
    (tmp_path / "quotes.csv").write_text(QUOTES, encoding="utf-8")
    return ho.read_market(tmp_path / "quotes.csv")


def test_a_proposal_says_it_in_notes_certificate_and_headline(market: ho.Market) -> None:
    said = "Margin by another venue's rule: hyperliquid/a follows dydx"
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta(underlying="BTC").within(-0.1, 0.1)],
        scenarios={"kind": "parametric", "count": 100, "vol": {"BTC": 0.6}},
        lots="ideal",
    )
    proposal = policy.propose(ho.Book(**book("hyperliquid", "dydx")), market)
    assert any(note.startswith(said) for note in proposal.notes)
    assert any(note.startswith(said) for note in proposal.certificate.notes)
    remains = headline(proposal).danger
    assert remains.sentences[0].startswith(said)
    assert remains.tone != "good"


@pytest.mark.parametrize(
    ("venue", "margin", "of"),
    [
        ("hyperliquid", "paradex", "paradex"),
        ("hyperliquid", "derive_standard", "derive"),
        ("okx", "bybit", "bybit"),
        ("okx", "binance_portfolio", "binance"),
        ("hyperliquid", "dydx", "dydx"),
        ("okx", "okx_portfolio", None),
        ("hyperliquid", "standard", None),
        ("hyperliquid", "hyperliquid:5", None),
        ("hyperliquid", "otc", None),
    ],
)
def test_every_rule_knows_whose_it_is(market: ho.Market, venue: str, margin: str, of: str | None) -> None:
    notes = margin_report(ho.Book(**book(venue, margin, 0.0)), market).notes
    found = [note for note in notes if note.startswith("Margin by another")]
    assert len(found) == (of is not None)
    assert all(f"which is {of}'s" in note for note in found)


def test_the_command_says_it_first(tmp_path: Path, market: ho.Market, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "book.json").write_text(json.dumps(book("okx", "binance")), encoding="utf-8")
    files = ["--book", str(tmp_path / "book.json"), "--market", str(tmp_path / "quotes.csv"), "--json"]
    for command in ("margin", "risk"):
        assert main([command, *files]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["headline"]["sentences"][0].startswith(SAID)
        assert any(note.startswith(SAID) for note in told["notes"])


def test_a_table_that_names_the_rule_is_no_surprise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'as_of = 2026-03-01\nshelf_life_days = 3650\ndefault_margin = "hyperliquid"\n[fees]\nperpetual_taker = 0.0\n'
    names = '[[names]]\nkind = "perpetual"\nform = "{base}-P"\nsettlement = "USDC"\n'
    (tmp_path / "fork.toml").write_text(text + names, encoding="utf-8")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path / "fork.toml"))
    path = tmp_path / "quotes.csv"
    path.write_text(QUOTES.replace("hyperliquid,BTC,", "fork,BTC-P,"), encoding="utf-8")
    for margin, count in (("standard", 0), ("hyperliquid", 0), ("dydx", 1)):
        account = book("fork", margin, 0.0)
        notes = margin_report(ho.Book(**account), ho.read_market(path)).notes
        assert sum(note.startswith("Margin by another") for note in notes) == count
