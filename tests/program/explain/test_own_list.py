"""One's own list and the sentences on it: what is forbidden, opposite or repeated, flips a position, or has many digits."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.exposures.expose import expose
from hedgeopt.files.notebook import plain_number, plain_size
from hedgeopt.program.explain.why import _instead, _rise, trade_line
from hedgeopt.reports.headline import headline

FILES = ho.example_files()
BOOK = ho.read_book(io.StringIO(FILES["book.json"]))
MARKET = ho.read_market(io.StringIO(FILES["market.csv"]))
BARRED = "BTC-27MAR26-89000-C"


def policy(*limits: Any, barred: tuple[str, ...] = (BARRED,)) -> ho.Policy:
    return ho.Policy(
        ho.TransactionCost() + 0.02 * ho.CVaR(0.99),
        [ho.Delta("BTC").within(-5, 5), *limits],
        candidates=ho.Candidates(names=("BTC-PERPETUAL", "BTC-27MAR26-9*"), do_not_trade=barred),
        scenarios=ho.ParametricScenarios(count=100, seed=7),
        max_quote_age_seconds=600,
    )


def listed(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["instrument", "side", "quantity"])


def test_what_is_not_allowed_is_broken_by_name_and_in_words() -> None:
    found = ho.evaluate(BOOK, MARKET, policy(), listed(("BTC-PERPETUAL", "sell", 1_200_003.0), (BARRED, "buy", 0.1)))
    assert not found.feasible
    said = found.summary()[1]
    assert f"not allowed: {BARRED} (candidates.do_not_trade)" in said
    assert "whole lots of BTC-PERPETUAL is 1,200,003, not in lots of 10" in said
    assert "<=" not in said
    assert "e+0" not in " ".join(found.summary())
    words = headline(found.proposal, own=True)
    assert words.binding == "Broken: whole lots of BTC-PERPETUAL."
    assert words.certificate == "Your list, not an optimum, and it breaks limits: do not trade on this."


def test_a_count_is_told_beside_another_limit() -> None:
    names = ("BTC-27MAR26-92000-C", "BTC-27MAR26-92000-P", "BTC-27MAR26-96000-P")
    found = ho.evaluate(BOOK, MARKET, policy(ho.MaxTrades(most=2)), listed(*((name, "buy", 0.1) for name in names)))
    said = found.summary()[1]
    assert "number of trades is 3, at most 2" in said
    assert "delta BTC is " in said
    assert ", at most 5 coin" in said
    assert "delta BTC upper" in headline(found.proposal).binding


def test_opposite_rows_are_refused_and_repeated_rows_told() -> None:
    with pytest.raises(ho.InputError, match=r"instrument, row 2: is bought in one row and sold in another"):
        ho.evaluate(BOOK, MARKET, policy(), listed(("BTC-PERPETUAL", "sell", 10.0), ("BTC-PERPETUAL", "buy", 10.0)))
    twice = ho.evaluate(BOOK, MARKET, policy(), listed(("BTC-PERPETUAL", "sell", 10.0), ("BTC-PERPETUAL", "sell", 10.0)))
    assert "rows 1 and 2 are one trade of BTC-PERPETUAL: added up" in twice.remarks


def test_no_equity_left_is_said_so() -> None:
    found = ho.evaluate(BOOK, MARKET, policy(), listed(("BTC-PERPETUAL", "sell", 1e15)))
    assert "inf" not in " ".join(found.summary())
    assert any("equity after is not above 0" in line for line in found.summary())


def test_names_not_quoted_and_per_cent_are_notes() -> None:
    gone = policy(ho.MarginUtilisation(limit=60.0), barred=("BTC-27MAR26-90000-X",))
    notes = expose(BOOK, MARKET, gone).notes
    assert any("'BTC-27MAR26-90000-X' matches no instrument that is quoted today" in note for note in notes)
    assert any("6,000% of equity" in note and "60 % is 0.6" in note for note in notes)
    assert not any(
        "of equity, more than" in note for note in expose(BOOK, MARKET, policy(ho.MarginUtilisation(limit=1.0))).notes
    )
    as_term = expose(BOOK, MARKET, policy(ho.Margin("deribit") <= 60.0)).notes
    assert any("6,000% of equity" in note for note in as_term)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (7_329_020.0, "closes 500,000 and opens 6,829,020"),
        (500_000.0, "closes the position"),
        (1e5, "closes 100,000 of 500,000 held"),
    ],
)
def test_a_trade_through_nothing_closes_and_opens(size: float, said: str) -> None:
    row = {"side": "sell", "quantity": size, "instrument": "BTC-PERPETUAL", "held": 5e5, "closes": size <= 5e5, "helps": "",
           "removal": 1.0, "removal_in_lots": 1.0, "instead": "", "tie": False, "without": ""}  # fmt: skip
    assert f": {said}; " in trade_line(row, "USD")


def test_numbers_keep_the_digits_that_matter() -> None:
    assert plain_size(7_329_023.7) == "7,329,023.7"
    assert plain_number(10_018_123.4) == "10,018,123"
    assert plain_number(999_999.7) == "1,000,000"
    assert plain_size(-0.0) == "0"
    assert plain_number(0.1 + 0.2) == plain_size(0.1 + 0.2) == "0.3"


def test_books_of_one_name_and_many_fields_are_told_whole() -> None:
    a = policy().propose(BOOK, MARKET)
    scenarios = (event for event in a.after.stress)
    many = [ho.StressLoss(scenario=event) <= 1e9 for event in scenarios]
    held = json.loads(FILES["book.json"])
    held["accounts"][0]["positions"].pop()
    smaller = ho.read_book(io.StringIO(json.dumps(held)))
    b = policy(*many, ho.Gamma("BTC") >= -1.0, ho.Vega("BTC") <= 1e7).propose(smaller, MARKET)
    books, policies = ho.compare_proposals(a, b).differs[:2]
    assert books.startswith(f"the books differ: both are named {a.book!r}, equity ")
    assert "e+0" not in books
    assert policies.endswith(f" and {len(many) + 2 - 8} more")


def test_rounding_is_no_rise_and_no_trade_instead() -> None:
    assert _rise(5_197.8, 5_197.8 + 1e-12) == 0.0
    assert _rise(5_197.8, 5_198.8) == pytest.approx(1.0)
    places = SimpleNamespace(rows=SimpleNamespace(notional=np.array([63_844.0, 1.0])), candidate=np.array([0, 1]),
                             links=SimpleNamespace(candidate=np.array([], int)))  # fmt: skip
    case: Any = SimpleNamespace(e=places, name=lambda i: f"coin {i}")
    assert _instead(case, np.array([27.6, 0.0]), np.array([27.6 + 2.8e-13, 0.0])) == ""
    assert _instead(case, np.array([27.6, 0.0]), np.array([28.6, 0.0])) == "buy 1 coin 0"


def test_check_tells_per_cent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    rules = tmp_path / "policy.toml"
    rules.write_text(rules.read_text().replace('kind = "margin_utilisation"', 'kind = "margin_utilisation"\nlimit = 60 #', 1)
                     .replace("\nlimit = 0.", "\n# limit = 0."))  # fmt: skip
    files = [f"--{kind}={tmp_path / name}" for kind, name in (("book", "book.json"), ("market", "market.csv"))]
    assert main(["check", *files, f"--policy={rules}"]) == 0
    assert "6,000% of equity" in capsys.readouterr().out
