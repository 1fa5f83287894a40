"""The unit-slip matrix over all forms: each wrong unit is refused, noted, or listed as one that nothing can tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.inputs.payloads.recognise import FORMS
from hedgeopt.inputs.payloads.tables import TABLE_FORMS

from .units import SLIPS, UNITS, WITH, cases, scaled_text

EXAMPLES = Path(__file__).parent / "examples"
NOT_TOLD: tuple[tuple[str, str, str, str], ...] = (
    (".*", ".*", "(size) .*", "nothing in a reply says how large an order or an open interest is"),
    (".*", ".*", "(step) .*", "nothing in a reply says how fine a venue's steps are"),
    (".*", ".*", "(funding) (8 times|1/8 of) the period", "rates of funding differ by more than that from hour to hour"),
    ("deribit-.*", "funding_8h", "(funding) per cent", "a hundred times a small rate is a rate that occurs"),
    ("deribit-.*", "options_value", "(amount) coins for dollars", "an account may hold no options"),
    ("hyperliquid-spot-state", "total", "(amount) .*", "the reply states no worth of its coins"),
    ("binance-option-exchange-information", "unit", "(contract) .*", "no other figure counts in contracts"),
    ("binance-futures-balances", ".*", "(amount) .*", "the reply states no worth of its assets"),
    ("uniswap-v3-positions", "liquidity", "(raw units) gwei", "the chain states no other amount of the position"),
    ("aave-.*", "liquidityRate", "(ray) (wad|per cent of a ray)", "an idle reserve pays next to nothing"),
    ("aave-.*", "variableBorrowRate", "(ray) 100 rays", "rates of some hundred per cent have been paid"),
    ("aave-reserves", "priceInUsd", "(price) 1/price", "a price of ether alone is any number"),
    ("tardis-options-chain", "delta", "(delta) .*", "the column is not read"),
    ("ccxt-ohlcv", "timestamp", "(ms) .*", "the size of a count tells its unit: it is read right"),
)
"""Form, keys, ``(quantity) slip`` and the reason, as patterns. docs/inputs.md has them too."""
NOTED = (
    ("bybit-risk-limits", ".*", "(amount) .*"),
    ("bybit-risk-limits", ".*", "(rate) .*"),
    (".*", ".*", "(funding) (per cent|a year for its period)"),
    ("deribit-(account-summaries|portfolio)", "equity", "(amount) coins for dollars"),
    ("deribit-(account-summaries|portfolio)", "options_value", "(amount) (dollars for coins|cents)"),
)  # fmt: skip
"""Slips that may be right: a note has both figures."""


def path_of(form: str) -> Path:
    (path,) = EXAMPLES.glob(f"{form}.*")
    return path


def taken(form: str, text: str, folder: Path) -> tuple[list[str], pd.DataFrame, Any]:
    """Notes, quotes and the book of a form's text and the replies beside it, imported and read as a market."""
    path = folder / path_of(form).name
    path.write_text(text)
    paths = [path, *(path_of(other) for other in WITH.get(form, ()))]
    linear = form in ("ccxt-positions", "ccxt-balance", "ccxt-markets")
    venue = "bybit" if linear else "deribit" if form.startswith("ccxt") else None
    asset = "BTC" if form in ("yfinance", "ccxt-ohlcv") else None
    found = ho.import_payloads(*paths, venue=venue, asset=asset)
    notes = list(found.notes)
    if len(found.quotes):
        index = found.quotes["index"].notna().any() or form.startswith("okx")
        notes += ho.read_market(*paths, venue=venue, prices=None if index else {"BTC": 100_000.0}).notes
    whole = found.histories if found.histories is not None else found.quotes
    return notes, whole, None if found.book is None else found.book.model_dump(exclude={"notes"})


def outcome(form: str, text: str, folder: Path) -> list[str] | ho.InputError:
    """The notes, or the refusal."""
    try:
        return taken(form, text, folder)[0]
    except ho.InputError as error:
        return error


def listed(rules: tuple[tuple[str, ...], ...], form: str, group: str, quantity: str, slip: str) -> bool:
    told = f"({quantity}) {slip}"
    return any(
        re.fullmatch(rule[0], form)
        and re.fullmatch(rule[1], group)
        and re.fullmatch(rule[2].replace("(", r"\(", 1).replace(")", r"\)", 1), told)
        for rule in rules
    )


def test_every_form_has_an_example_and_its_units() -> None:
    names = {name.lower().replace(" ", "-") for name in (*(f.name for f in FORMS), *(form[0] for form in TABLE_FORMS))}
    assert names == UNITS.keys() == {path.stem for path in EXAMPLES.iterdir()}
    assert len(names) == len(FORMS) + len(TABLE_FORMS)  # no name twice
    assert {form for form in UNITS if not UNITS[form]} == {"okx-position-tiers", "bybit-account-info"}  # hold no number used


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], pd.DataFrame, Any]]:
    """Every example as it should be."""
    folder = tmp_path_factory.mktemp("right")
    return {form: taken(form, path_of(form).read_text(), folder) for form in UNITS}


def test_examples_in_the_right_units_raise_no_doubt(right: dict[str, tuple[list[str], pd.DataFrame, Any]]) -> None:
    for form, (notes, _, _) in right.items():
        doubts = [note for note in notes if re.search("differ|not known, and not used|below the lot|not offered", note)]
        assert not doubts, (form, doubts)


@pytest.mark.parametrize("form", UNITS)
def test_wrong_units(form: str, right: dict[str, tuple[list[str], pd.DataFrame, Any]], tmp_path: Path) -> None:
    text = path_of(form).read_text()
    for name, group, quantity, slip in cases():
        if name != form:
            continue
        cell = (form, group, quantity, slip)
        found = outcome(form, scaled_text(text, group, quantity, slip), tmp_path)
        if isinstance(found, ho.InputError):
            assert "\n" not in str(found), cell
            assert found.file is not None or found.field is not None, (cell, str(found))
            told = listed(NOT_TOLD, *cell) and quantity not in ("size", "step", "funding")
            assert not told, (cell, "is told after all", str(found))
            continue
        if listed(NOT_TOLD, *cell):
            continue
        assert listed(NOTED, *cell), (cell, "passes")
        new = [note for note in found if note not in right[form][0]]
        assert any("is it a decimal" in note or "differs from" in note or "are both of" in note for note in new), cell


def test_times_of_candles_are_read_in_every_unit(
    right: dict[str, tuple[list[str], pd.DataFrame, Any]], tmp_path: Path
) -> None:
    text = path_of("ccxt-ohlcv").read_text()
    for slip in SLIPS["ms"]:
        _, history, _ = taken("ccxt-ohlcv", scaled_text(text, "timestamp", "ms", slip), tmp_path)
        pd.testing.assert_frame_equal(history, right["ccxt-ohlcv"][1])
