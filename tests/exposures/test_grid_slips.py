"""Products by a grid: taken under any contract whatever the sign of their value, and slips of their units are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.columns import QUOTE_FIELDS

NOW, INDEX = datetime(2026, 3, 6, 10, tzinfo=UTC), 92_000.0
VALUES = [-9_000.0, 8_000.0, 10_000.0, -7_000.0]
GRID: dict[str, Any] = {
    "kind": "grid", "name": "range note", "underlying": "BTC", "spots": [50e3, 80e3, 92e3, 150e3], "vol": 0.55,
    "values": [[VALUES]],
}  # fmt: skip


def _market() -> ho.Market:
    terms = {"underlying": "BTC", "settlement": "USDC", "expiry": "2026-03-27T08:00:00Z", "right": "call"}
    items = [ho.Option(name=f"BTC-27MAR26-{k}-C", venue="bybit", strike=k, **terms) for k in (80_000, 92_000, 100_000)]
    given = {"mark_iv": 0.5, "underlying_price": INDEX, "index_price": INDEX, "mark_price": 3000.0}
    row = {name: given.get(name, np.nan) for name in QUOTE_FIELDS if name != "timestamp"} | {"timestamp": pd.Timestamp(NOW)}
    table = pd.DataFrame([row] * 3, columns=list(QUOTE_FIELDS), index=[item.id for item in items])
    return ho.Market(NOW, {"BTC": INDEX, "USDC": 1.0}, {item.id: item for item in items}, table)


def _book(margin: str = "otc", quantity: float = 5.0, **changes: Any) -> ho.Book:
    positions = [{"instrument": {**GRID, **changes}, "quantity": quantity}]
    return ho.Book(accounts=[{"name": "notes", "venue": "issuer", "margin": margin, "positions": positions}])


RULES = ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6}), lots="ideal")


@pytest.mark.parametrize("margin", ["otc", "none"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_owed_by_a_product_is_no_debt_of_coins(margin: str, sign: float) -> None:
    """A product's negative value counts in equity; an account under stress, where the value turns, is reported too."""
    book = _book(margin, values=[[[sign * value for value in VALUES]]])
    exposures = expose(book, _market(), RULES, trades=False)
    assert exposures.equity[0] == pytest.approx(5.0 * sign * 10_000.0)
    for label, worth in zip(exposures.stress, exposures.stress_account_pnl[:, 0], strict=True):
        assert np.isfinite(worth), label
    assert len(ho.margin_report(book, _market(), RULES).accounts) == 1


def test_a_negative_quantity_of_a_product_stays_refused() -> None:
    with pytest.raises(ho.InputError, match="cannot be short"):
        expose(_book(quantity=-1.0), _market(), RULES, trades=False)


SLIPS = [
    (
        "spots",
        {"spots": [50.0, 80.0, 92.0, 150.0]},
        r"does not hold the index of BTC, 92,000 \(got 150.0\).*1000 times these",
    ),
    ("spots", {"spots": [50e6, 80e6, 92e6, 150e6]}, "0.001 times these"),
    ("vol", {"vol": 55.0}, r"5,500 % a year is more than 500 % \(got 55.0\); give a decimal: 0.55 for 55 %"),
    ("vol", {"vol": 0.0055}, r"options on BTC have 0.5 to 0.5 at the money \(got 0.0055\)"),
    ("values", {"settlement": "BTC"}, r"one unit would be worth up to 9.2e\+08 USD, 10,000 BTC.*settlement \"USD\""),
    (
        "days",
        {"days": [0.0, 30 / 365], "values": [[VALUES], [[0.9 * value for value in VALUES]]]},
        r"ends within its first day \(got 0.0821.*\); give days as days: 0, 30 where these are years",
    ),
    (
        "days",
        {"days": [0.0, 30 / 365, 2.0], "values": [[[k * value for value in VALUES]] for k in (1.0, 0.5, 0.4)]},
        r"values change by 6.083e\+04 a day, and their curvature and size account for .*give days as days: 0, 30, 730",
    ),
    ("scenarios.melt-up", {"scenarios": {"melt-up": -7e6}}, "no value of the grid is more than 10,000"),
]


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize(("field", "changes", "words"), SLIPS)
def test_slips_of_units_are_refused(field: str, changes: dict[str, Any], words: str, strictness: Any) -> None:
    with pytest.raises(
        ho.InputError, match=f"book: account 'notes': range note: {field}: cannot be meant: .*{words}"
    ) as found:
        resolve(_book(**changes), _market(), strictness)
    assert "\n" not in str(found.value)


def test_in_its_units_each_is_read() -> None:
    coins = [[[value / INDEX for value in VALUES]]]
    for changes in (
        {},
        {"vol": None},
        {"vol": 0.9},
        {"settlement": "BTC", "values": coins},
        {"scenarios": {"melt-up": -45e3}},
        {"days": [0.0, 30.0], "values": [[VALUES], [[0.9 * value for value in VALUES]]]},
        {"days": [0.0, 0.5, 1.0], "values": [[[k * value for value in VALUES]] for k in (1.0, 0.7, 0.5)]},  # its last day
    ):
        assert len(resolve(_book(**changes), _market()).positions) == 1


def test_an_index_that_left_the_grid_is_refused_or_noted() -> None:
    spots = {"spots": [30e3, 50e3, 60e3, 90e3]}
    with pytest.raises(ho.InputError, match="give spots in US dollars for 1 BTC, from below to above it"):
        resolve(_book(**spots), _market())
    assert any("its end slope is continued" in note for note in resolve(_book(**spots), _market(), "lenient").notes)


def test_a_scenario_that_is_not_in_the_run_is_noted() -> None:
    wrong, right = ({"scenarios": {name: -4_000.0}} for name in ("melt up", "melt-up"))
    told = [expose(_book(**changes), _market(), RULES, trades=False).notes for changes in (wrong, right)]
    assert [any("gives a P&L for 'melt up', which is no stress scenario" in note for note in notes) for notes in told] == [
        True,
        False,
    ]
