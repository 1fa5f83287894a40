"""Which instruments may be traded: what is held can always be closed."""

from __future__ import annotations

from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.exposures.candidates import choose_candidates
from hedgeopt.exposures.resolve import resolve

STRICT = {"min_delta": 0.45, "max_days": 20.0, "max_relative_spread": 0.01}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = tmp_path_factory.mktemp("example")
    for name, text in example_files().items():
        (folder / name).write_text(text)
    return ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")


def held_and_quoted(book: Any, market: Any) -> set[str]:
    items = (
        market.instrument(a.venue, p.instrument) for a in book.accounts for p in a.positions if isinstance(p.instrument, str)
    )
    both = market.quotes[["bid_price", "ask_price"]].notna().all(axis=1)
    return {item.id for item in items if both[item.id]}


def test_what_is_held_may_be_closed_whatever_the_screens_of_new_hedges_say(example: Any) -> None:
    book, market = example
    held = held_and_quoted(book, market)
    assert held
    chosen = {item.id for item in choose_candidates(resolve(book, market), ho.Candidates(**STRICT))}
    assert held <= chosen
    without = {item.id for item in choose_candidates(resolve(book, market), ho.Candidates(held=False, **STRICT))}
    assert not held <= without
    assert chosen - without <= held


@pytest.mark.parametrize("rule", [{"names": ("BTC-*",)}, {"kinds": ("perpetual",)}, {"underlyings": ("ETH",)}])
def test_rules_of_what_may_be_traded_at_all_hold_for_positions_too(example: Any, rule: dict[str, Any]) -> None:
    book, market = example
    for item in choose_candidates(resolve(book, market), ho.Candidates(**rule)):
        if "names" in rule:
            assert item.name.startswith("BTC-")
        elif "kinds" in rule:
            assert item.kind == "perpetual"
        else:
            assert item.underlying == "ETH"
