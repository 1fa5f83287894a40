"""Tables of books whose labels are numbers, and markets with one stub quote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.inputs.chain.quote_checks import far_linear_quotes

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def lots(*labels: str) -> ho.Book:
    held = tuple(ho.Position(instrument="BTC-PERPETUAL", quantity=1e4, lot=lot) for lot in labels)
    posted = (ho.Collateral(asset="USDC", amount=1e5),)
    one = ho.Account(name="12", venue="deribit", positions=held, collateral=posted, tags=("2026",), counterparty="44")
    other = ho.Account(name="0" + labels[0], venue="deribit", collateral=posted)
    return ho.Book(accounts=(one, other), name="book")


@pytest.mark.parametrize("plain", [False, True])
def test_labels_that_are_numbers_stay_text(tmp_path: Path, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lots "7", "8" and "007", accounts "12" and "07": through a CSV they are the same book, with pyarrow or without."""
    if plain:
        monkeypatch.setattr("hedgeopt.files.table_file.installed", lambda name: False)
    path, book = tmp_path / "book.csv", lots("7", "8", "007")
    book.to_frame().to_csv(path, index=False)
    assert ho.read_book(path).accounts == book.accounts


def test_a_table_that_pandas_took_for_numbers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    lots("7", "8").to_frame().to_csv(path, index=False)
    book = ho.Book.from_frame(pd.read_csv(path))
    assert [one.lot for one in book.accounts[0].positions] == ["7", "8"]
    assert [one.name for one in book.accounts] == ["12", "7"]


def perpetuals(n: int) -> list[ho.Perpetual]:
    return [ho.Perpetual(name=f"C{k}-SWAP", venue="okx", underlying=f"C{k}", settlement="USDT") for k in range(n)]


def test_one_stub_bid_is_no_unit() -> None:
    """A bid of .02 against a mark of .13 in the only row of its venue is set aside; both sides or three rows are a unit."""
    mark = np.array([0.13])
    assert far_linear_quotes(perpetuals(1), mark, np.array([0.02]), np.array([0.14]), "m.csv") == {0: "bid_price"}
    with pytest.raises(ho.InputError, match=r"ask_price: of C0-SWAP is 100 × its mark, as in 1 of 1"):
        far_linear_quotes(perpetuals(1), mark, np.array([12.9]), np.array([13.0]), "m.csv")
    three = np.full(3, 0.13)
    with pytest.raises(ho.InputError, match=r"bid_price: .* as in 3 of 3"):
        far_linear_quotes(perpetuals(3), three, three / 10.0, three, "m.csv")
    assert not far_linear_quotes(perpetuals(3), three, three * [0.1, 1.0, 1.0], three, "m.csv")


def test_a_market_with_a_stub_bid_is_read_with_a_note() -> None:
    item = ho.Perpetual(name="DOGE-USDT-SWAP", venue="okx", underlying="DOGE", settlement="USDT")
    rows = [
        {"timestamp": NOW, "venue": "okx", "instrument": item.name, "kind": "perpetual", "underlying": "DOGE",
         "settlement": "USDT", "bid": 0.02, "ask": 0.14, "mark": 0.13, "index": 0.13},
    ]  # fmt: skip
    market = ho.read_market(pd.DataFrame(rows))
    assert any("DOGE-USDT-SWAP" in note and "factor of five" in note for note in market.notes)
