"""Quantities are coins (USD of inverse contracts) whatever the venue's contract holds, and every surface says so."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import hedgeopt as ho
from hedgeopt.reports.proposal_csv import proposal_csv
from hedgeopt.reports.terminal import proposal_report

HEAD = "timestamp,venue,instrument,bid,ask,bid_size,ask_size,mark,iv,forward,index,multiplier\n"


def _market(path: Path, size: float) -> ho.Market:
    rows = [
        f"2026-03-06T10:00:00Z,bybit,BTC-27MAR26-{strike}-{right},{mark - 5},{mark + 5},{10 / size},{10 / size},{mark},0.5,"
        f"20250,20250,{size}\n"
        for strike, call, put in ((18_500, 2047.9, 297.9), (20_000, 1094.6, 844.6), (21_500, 497.3, 1747.3))
        for right, mark in (("C", call), ("P", put))
    ]
    path.write_text(HEAD + "".join(rows))
    return ho.read_market(path)


def _proposal(path: Path, size: float) -> ho.Proposal:
    held = {"name": "b", "venue": "bybit", "collateral": [{"asset": "USDC", "amount": 1e5}],
            "positions": [{"instrument": "BTC-27MAR26-18500-P", "quantity": -1.0}]}  # fmt: skip
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC").within(-0.01, 0.01)],
        scenarios=ho.ParametricScenarios(count=20, vol={"BTC": 0.6}),
        lots="ideal",
    )
    return ho.propose(ho.Book(accounts=[held]), _market(path, size), policy)


def test_trades_are_coins_whatever_a_contract_holds(tmp_path: Path) -> None:
    small, one = _proposal(tmp_path / "small.csv", 0.01), _proposal(tmp_path / "one.csv", 1.0)
    assert len(small.trades)
    assert small.trades["quantity"].tolist() == pytest.approx(one.trades["quantity"].tolist(), rel=1e-6)
    assert set(small.trades["unit"]) == {"BTC"}
    assert {row["unit"] for row in csv.DictReader(io.StringIO(proposal_csv(small)["trades.csv"]))} == {"BTC"}
    assert {row.unit for row in small.before.positions} == {"coin"}
    console = Console(width=120, file=io.StringIO())
    console.print(proposal_report(small))
    for text in (console.file.getvalue(), re.sub("<[^>]*>", "", small.to_html())):  # type: ignore[attr-defined]
        assert re.search(r"\d BTC\b", text)
        assert not re.search(r"\d ct\b", text)
    (note,) = [note for note in small.notes if "not contracts of the venue" in note]
    assert "one of BTC-27MAR26-18500-C is 0.01 (6 rows of such a size)" in note
    assert not any("not contracts of the venue" in note for note in one.notes)
