"""Combos in a book of ours are booked as their legs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho


def book(*positions: tuple[str, float], venue: str = "deribit", **more: Any) -> dict[str, Any]:
    held = [{"instrument": name, "quantity": quantity, **more} for name, quantity in positions]
    return {"name": "combos", "accounts": [{"name": "main", "venue": venue, "positions": held}]}


@pytest.mark.parametrize(
    ("name", "legs"),
    [
        ("BTC-FS-29APR22_PERP", [("BTC-29APR22", 2.0), ("BTC-PERPETUAL", -2.0)]),  # docs.deribit.com, get_combo_details
        ("BTC-CS-29MAY26-70000_75000", [("BTC-29MAY26-70000-C", 2.0), ("BTC-29MAY26-75000-C", -2.0)]),
        ("ETH-STRD-29MAY26-2000", [("ETH-29MAY26-2000-C", 2.0), ("ETH-29MAY26-2000-P", 2.0)]),
    ],
)
def test_a_combo_is_its_legs(name: str, legs: list[tuple[str, float]], tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(book((name, 2.0), (legs[0][0], 5.0))), encoding="utf-8")
    found = ho.read_book(path)
    held = found.accounts[0].positions
    assert [(p.name, p.quantity, p.lot) for p in held] == [*((leg, q, name) for leg, q in legs), (legs[0][0], 5.0, None)]
    assert any(f"{name} is booked as its legs: +1 {legs[0][0]}" in note for note in found.notes)


def test_tables_and_lots_too() -> None:
    given = book(("BTC-PS-29MAY26-70000_60000", -1.0), lot="a")
    (one, _) = ho.read_book(given).accounts[0].positions
    assert one.lot == "BTC-PS-29MAY26-70000_60000 a"
    found = ho.read_book(ho.Book.model_validate(given).to_frame()).accounts[0].positions
    assert [(p.name, p.quantity) for p in found] == [("BTC-29MAY26-70000-P", -1.0), ("BTC-29MAY26-60000-P", 1.0)]


def test_a_shape_that_is_not_known_is_left_to_the_valuation() -> None:
    name = "BTC-CBUT-29MAY26-60000_70000_80000"
    found = ho.read_book(book((name, 1.0), ("BTC-PERPETUAL", 10.0)))
    assert [p.name for p in found.accounts[0].positions] == [name, "BTC-PERPETUAL"]


def test_other_names_and_venues_stay() -> None:
    for one in (book(("BTC-PERPETUAL", 1.0), ("BTC-29MAY26-70000-C", 1.0)), book(("BTC-FS-29MAY26_PERP", 1.0), venue="x")):
        found = ho.read_book(one)
        assert [p.name for p in found.accounts[0].positions] == [p["instrument"] for p in one["accounts"][0]["positions"]]
        assert found.notes == ()
