"""Combos in a book of ours are booked as their legs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.payloads.deribit_names import legs_of


def book(*positions: tuple[str, float], venue: str = "deribit", **more: Any) -> dict[str, Any]:
    held = [{"instrument": name, "quantity": quantity, **more} for name, quantity in positions]
    return {"name": "combos", "accounts": [{"name": "main", "venue": venue, "positions": held}]}


@pytest.mark.parametrize(
    ("name", "legs"),
    [
        ("BTC-FS-29APR22_PERP", [("BTC-29APR22", 2.0), ("BTC-PERPETUAL", -2.0)]),  # docs.deribit.com, get_combo_details
        ("BTC-CS-29MAY26-70000_75000", [("BTC-29MAY26-70000-C", 2.0), ("BTC-29MAY26-75000-C", -2.0)]),
        ("ETH-STRD-29MAY26-2000", [("ETH-29MAY26-2000-C", 2.0), ("ETH-29MAY26-2000-P", 2.0)]),
        ("BTC-CCAL-25DEC26_31JUL26-115000", [("BTC-25DEC26-115000-C", 2.0), ("BTC-31JUL26-115000-C", -2.0)]),
        ("BTC-PDIAG-26JUN26_29MAY26-60000_55000", [("BTC-26JUN26-60000-P", 2.0), ("BTC-29MAY26-55000-P", -2.0)]),
        ("BTC-CSR23-29MAY26-70000_80000", [("BTC-29MAY26-70000-C", 4.0), ("BTC-29MAY26-80000-C", -6.0)]),
        ("SOL_USDC-GUTS-29MAY26-80_90d5", [("SOL_USDC-29MAY26-80-C", 2.0), ("SOL_USDC-29MAY26-90d5-P", 2.0)]),
    ],
)
def test_a_combo_is_its_legs(name: str, legs: list[tuple[str, float]], tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(book((name, 2.0), (legs[0][0], 5.0))), encoding="utf-8")
    found = ho.read_book(path)
    held = found.accounts[0].positions
    assert [(p.name, p.quantity, p.lot) for p in held] == [*((leg, q, name) for leg, q in legs), (legs[0][0], 5.0, None)]
    assert any(f"{name} is booked as its legs: {legs[0][1] / 2.0:+g} {legs[0][0]}" in note for note in found.notes)


def test_tables_and_lots_too() -> None:
    given = book(("BTC-PS-29MAY26-70000_60000", -1.0), lot="a")
    (one, _) = ho.read_book(given).accounts[0].positions
    assert one.lot == "BTC-PS-29MAY26-70000_60000 a"
    found = ho.read_book(ho.Book.model_validate(given).to_frame()).accounts[0].positions
    assert [(p.name, p.quantity) for p in found] == [("BTC-29MAY26-70000-P", -1.0), ("BTC-29MAY26-60000-P", 1.0)]


def worth(name: str, forward: float) -> float:
    """Intrinsic value of one combo in coins."""
    total = 0.0
    for leg, amount in legs_of(name) or []:
        *_, strike, right = leg.split("-")
        gain = (forward - float(strike)) * (1.0 if right == "C" else -1.0)
        total += amount * max(gain, 0.0) / forward
    return total


@pytest.mark.parametrize(
    ("name", "forward", "mark"),
    [  # marks of Deribit where time value is next to nothing, or cancels: recorded November 2022 and January 2025
        ("BTC-CSR13-17JAN25-50000_55000", 100_947.0, -0.86082998),
        ("BTC-BOX-30DEC22-17000_20000", 16_420.0, 0.1827),
        ("BTC-REV-31JAN25-60000", 96_060.0, 0.375428),
    ],
)
def test_legs_are_worth_the_venues_mark(name: str, forward: float, mark: float) -> None:
    assert worth(name, forward) == pytest.approx(mark, abs=2e-4)


@pytest.mark.parametrize(
    ("name", "sign"),  # of the recorded mark
    [
        ("BTC-CBUT-28MAR25-90000_95000_100000", 1),
        ("BTC-PCOND-24JAN25-35000_50000_65000_80000", 1),
        ("BTC-ICOND-31JAN25-82000_84000_98000_100000", -1),
    ],
)
def test_wings_are_bought_as_the_sign_of_marks_says(name: str, sign: int) -> None:
    found = [sign * worth(name, forward) for forward in range(20_000, 150_000, 500)]
    assert min(found) >= -1e-12 < max(found)
    amounts = [amount for _, amount in legs_of(name) or []]
    assert sum(amounts) == 0.0
    assert amounts[0] == amounts[-1] == 1.0


@pytest.mark.parametrize(
    "name",
    [
        "BTC-RR-29MAY26-60000_80000",  # which side is bought stands nowhere that we know of
        "BTC-IBUT-29SEP23-5000_22000_80000",
        "BTC-CBUT-29MAY26-60000_70000",  # a strike is missing
        "BTC-CS-29MAY26_26JUN26-70000_75000",
        "BTC-CCAL-29MAY26-70000",
        "BTC-FS-29MAY26",
    ],
)
def test_a_shape_that_is_not_known_is_left_to_the_valuation(name: str) -> None:
    found = ho.read_book(book((name, 1.0), ("BTC-PERPETUAL", 10.0)))
    assert [p.name for p in found.accounts[0].positions] == [name, "BTC-PERPETUAL"]
    market = ho.read_market(io.StringIO(example_files()["market.csv"]))
    lenient = resolve(found, market, "lenient")
    assert any(f"set aside, not in any figure: 1 {name}" in n and "book its legs" in n for n in lenient.notes)
    with pytest.raises(ho.InputError, match=r"is a combo whose name does not tell its legs.*book its legs"):
        resolve(found, market, "strict")


def test_other_names_and_venues_stay() -> None:
    for one in (book(("BTC-PERPETUAL", 1.0), ("BTC-29MAY26-70000-C", 1.0)), book(("BTC-FS-29MAY26_PERP", 1.0), venue="x")):
        found = ho.read_book(one)
        assert [p.name for p in found.accounts[0].positions] == [p["instrument"] for p in one["accounts"][0]["positions"]]
        assert found.notes == ()


def _positions(name: str, size: float = 3.0) -> dict[str, Any]:
    row = {"instrument_name": name, "kind": "option_combo", "size": size, "direction": "buy", "average_price": 0.01,
           "mark_price": 0.01, "index_price": 92_150.0, "delta": 0.5}  # fmt: skip
    return {"jsonrpc": "2.0", "id": 1, "result": [row]}


def _combo(name: str, *legs: tuple[str, float], **more: Any) -> dict[str, Any]:
    told = [{"instrument_name": leg, "amount": amount} for leg, amount in legs]
    times = {"state_timestamp": 1772791200000, "creation_timestamp": 1772700000000}
    return {
        "jsonrpc": "2.0",
        "id": 3,
        "result": {"id": name, "instrument_id": 9, "state": "active", **times, "legs": told} | more,
    }


RR = "BTC-RR-27MAR26-80000_100000"
LEGS = ("BTC-27MAR26-80000-P", -1), ("BTC-27MAR26-100000-C", 1)


@pytest.mark.parametrize("first", ["positions", "combos"])
def test_legs_of_any_shape_come_from_the_venues_reply(first: str) -> None:
    """get_combos and get_combo_details give the legs that a name does not tell, in whatever order the files are."""
    replies = [_positions(RR), _combo(RR, *LEGS)]
    found = ho.import_payloads(*(replies if first == "positions" else reversed(replies)))
    held = {p.instrument: p.quantity for p in found.book.accounts[0].positions}
    assert held == {leg: 3.0 * amount for leg, amount in LEGS}
    assert any(f"{RR} is booked as its legs: -1 BTC-27MAR26-80000-P, +1 BTC-27MAR26-100000-C" in n for n in found.notes)


def test_without_the_reply_the_combo_is_refused_or_set_aside_by_strictness() -> None:
    found = ho.read_book(_positions(RR))
    assert any(f"the name {RR} does not tell the legs" in note and "public/get_combos" in note for note in found.notes)
    market = ho.read_market(io.StringIO(example_files()["market.csv"]))
    assert any(f"set aside, not in any figure: 3 {RR}" in note for note in resolve(found, market, "lenient").notes)
    with pytest.raises(ho.InputError, match=r"is a combo whose name does not tell its legs"):
        resolve(found, market, "strict")


@pytest.mark.parametrize(
    ("name", "legs", "words"),
    [
        (RR, LEGS[:1], "is no combo of two or more instruments"),
        (RR, (LEGS[0], (RR, 1)), "is no combo of two or more instruments"),
        (RR, (LEGS[0], (LEGS[1][0], 100_000)), "legs.amount: .*is no such amount"),
        (RR, (LEGS[0], (LEGS[1][0], 0.5)), "legs.amount: .*is no such amount"),
        ("BTC-CS-27MAR26-80000_100000", (("BTC-27MAR26-80000-C", -1), ("BTC-27MAR26-100000-C", 1)), "which legs are bought"),
    ],
)
def test_legs_that_cannot_be_meant_are_refused(name: str, legs: Any, words: str) -> None:
    with pytest.raises(ho.InputError, match=words):
        ho.import_payloads(_positions(name), _combo(name, *legs))
