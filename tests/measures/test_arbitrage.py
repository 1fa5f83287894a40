"""`hedgeopt check` says where marks admit arbitrage, and is quiet where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hedgeopt.cli import main
from hedgeopt.example import example_files
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.inputs.market import Market
from hedgeopt.measures.arbitrage import arbitrage_notes


def test_a_bump_of_one_vol_is_said_with_its_strike(toy_market: Market) -> None:
    assert arbitrage_notes(toy_market) == []
    quotes = toy_market.quotes.copy()
    quotes.loc["deribit:BTC-27MAR26-80000-C", "mark_iv"] += 0.3  # the forward lies above: the put speaks for the strike
    quotes.loc["deribit:BTC-27MAR26-80000-P", "mark_iv"] += 0.3
    notes = arbitrage_notes(replace(toy_market, quotes=quotes))
    assert any("BTC options settled in BTC: 1 butterfly arbitrages" in note and "/80000/" in note for note in notes)


def test_check_prints_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "market.csv"
    path.write_text(example_files()["market.csv"])
    assert main(["check", f"--market={path}"]) == 0
    assert "arbitrage" not in capsys.readouterr().out


@pytest.mark.realdata
def test_recorded_chains_are_read_whole(shared_data: Path) -> None:
    """Every pair of expiries of a full chain is compared; nothing is worth 10 bp in the calm chain."""
    market = read_market(shared_data / "deribit-chains" / "snapshot_calm_20260115.csv")
    assert arbitrage_notes(market) == []
