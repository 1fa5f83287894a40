"""Tables on narrow terminals: columns that explain each other go together, and a unit goes with its number."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import hedgeopt as ho
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.measures.risk import risk_report
from hedgeopt.reports.fitted import FittedTable
from hedgeopt.reports.margin import margin_tables
from hedgeopt.reports.terminal import proposal_report, risk_report_table

STORED = Path(__file__).parents[1] / "program" / "stored" / "2"
TOGETHER = [("worst stress", "left over in it"), ("worst stress", "P&L in it")]


def text_of(shown: object, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(shown)
    return console.export_text()


def test_columns_named_together_go_together() -> None:
    table = FittedTable("t", ("name", "left"), ("in", "left"), ("loss", "right"), drop=(("in", "loss"),))
    table.add_row("a-long-name", "2020-03-12", "1,234,567")
    assert "1,234,567" in text_of(table, 60)
    narrow = text_of(table, 26)
    assert "2020-03-12" not in narrow
    assert "1,234,567" not in narrow
    assert "not shown at 26 columns: in, loss" in " ".join(narrow.split())


def test_the_text_of_a_dropped_column_moves_into_another() -> None:
    table = FittedTable("t", ("name", "left"), ("value", "right"), ("unit", "left"), drop=("unit",), into={"unit": "name"})
    table.add_row("gamma", "−0.0005", "BTC/USD")
    table.add_row("a rather long name", "2.8", "x")
    table.add_row("none", "3", "")
    wide, narrow = text_of(table, 60), text_of(table, 34)
    assert "gamma, BTC/USD" not in wide
    assert "gamma, BTC/USD" in narrow
    assert "none," not in narrow
    assert "not shown" not in narrow  # nothing is lost


def test_a_column_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no column 'cost'"):
        FittedTable("t", ("name", "left"), drop=("cost",))
    with pytest.raises(ValueError, match="no column 'unit'"):
        FittedTable("t", ("name", "left"), into={"unit": "name"})


@pytest.fixture(scope="module")
def reports(toy_book: ho.Book, toy_market: ho.Market) -> list[Any]:
    coins = [{"asset": "ETH", "amount": 100.0}, {"asset": "USDC", "amount": -200_000.0}]
    loan = ho.Book(accounts=[{"name": "a-loan-with-a-name", "venue": "aave", "collateral": coins}])
    policy = ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=50), lots="ideal")
    tagged = toy_book.model_copy(update={"accounts": (toy_book.accounts[0].model_copy(update={"tags": ("desk",)}),)})
    return [
        *(margin_tables(margin_report(book, toy_market)) for book in (toy_book, loan)),
        risk_report_table(risk_report(ho.expose(tagged, toy_market, policy))),
        *(proposal_report(ho.read_proposal(STORED / f"{name}.json")) for name in ("example", "network", "loan")),
    ]


@pytest.mark.parametrize("width", [20, 24, 32, 40, 48, 56, 60, 70, 80, 200])
def test_no_report_leaves_a_number_without_what_it_is_of(reports: list[Any], width: int) -> None:
    tables = [part for shown in reports for part in shown.renderables if isinstance(part, FittedTable)]
    assert len(tables) > 20
    for table in tables:
        names = [name for name, _ in table.columns]
        left_out = table._fitted(names, table._rows, width)[2]  # what another column takes up is shown
        shown = [name for k, name in enumerate(names) if k not in left_out]
        for pair in TOGETHER:
            if set(pair) <= set(names):
                assert (pair[0] in shown) == (pair[1] in shown), table.title
        assert "unit" in shown or "unit" not in names, table.title
        if width == 200:
            assert shown == names
        told = text_of(table, width)
        assert all(f"{name}" in " ".join(told.split()) or width < 60 for name in set(names) - set(shown))
