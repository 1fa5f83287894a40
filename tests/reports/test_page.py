"""The proposal page: self-contained, whole, escaped, and its numbers are the proposal's."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.measures.price_profile import spot_profile
from hedgeopt.reports.headline import headline
from hedgeopt.reports.rows import limit_rows
from hedgeopt.reports.words import number

VOID = {"meta", "br", "link", "img", "input", "hr"}


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> ho.Market:
    path = tmp_path_factory.mktemp("market") / "market.csv"
    path.write_text(example_files()["market.csv"])
    return ho.read_market(path)


@pytest.fixture(scope="module")
def solved(tmp_path_factory, market) -> ho.Solved:
    folder = tmp_path_factory.mktemp("example")
    for name, text in example_files().items():
        (folder / name).write_text(text.replace("short-gamma market maker", "maker <b>&amp;</b> co"))
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC").within(-2, 2), ho.Delta("ETH").within(-60, 60), ho.Gamma("BTC") >= -0.002],
        scenarios=ho.ParametricScenarios(count=400),
        lots="ideal",
    )
    return ho.solve(ho.read_book(folder / "book.json"), market, policy)


@pytest.fixture(scope="module")
def proposal(solved) -> ho.Proposal:
    return solved.proposal


@pytest.fixture(scope="module")
def page(proposal) -> str:
    return proposal.to_html()


class Checker(HTMLParser):
    """Every element closed, ids unique, references to ids answered; collects what could load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.handle_attributes(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_attributes(tag, attrs)

    def handle_attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("link", "iframe", "img", "object", "base")
        assert tag != "script" or not attrs  # inline, and allowed by its hash alone
        for name, value in attrs:
            text = value or ""
            assert not name.startswith("on")
            assert name != "style"
            if name == "id":
                self.ids.append(text)
            elif name in ("href", "xlink:href", "src", "action"):
                (self.references if text.startswith("#") else self.loads).append(text.removeprefix("#"))
            self.references += re.findall(r"url\(#([^)]+)\)", text)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_well_formed_and_self_contained(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert checker.loads == []
    assert len(checker.ids) == len(set(checker.ids))
    assert set(checker.references) <= set(checker.ids)
    assert set(re.findall(r"https?://[^\"'\s)<]+", page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in page


def test_plots_are_there(page):
    assert page.count("<svg") == 2 * 4  # two underlyings, losses, Greeks; for wide screens and for phones
    assert page.count('role="img" aria-label="') == page.count("<svg")
    for word in ("BTC move", "ETH move", "VaR", "CVaR", "before", "after"):
        assert word in page


def test_text_from_files_is_escaped(page):
    assert "maker <b>" not in page
    assert "maker &lt;b&gt;&amp;amp;" in page


def test_headline_first(page, proposal):
    words, page = headline(proposal), re.sub(r"</?span[^>]*>", "", page)
    assert f"{len(proposal.trades)} trade" in words.trades
    assert (
        page.index("trades:") < page.index(words.danger.sentences[0]) < page.index(words.certificate) < page.index("<table")
    )
    assert number(proposal.costs["transaction"]) in words.cost


def test_every_trade_and_limit_is_shown(page, proposal):
    for name in proposal.trades["instrument"]:
        assert name in page
    for row in limit_rows(proposal):
        assert row.name in page


def test_a_band_is_one_row_and_a_binding_side_shows_its_price(proposal):
    rows = {row.name: row for row in limit_rows(proposal)}
    assert list(rows) == ["delta BTC", "delta ETH", "gamma BTC"]
    assert rows["delta BTC"].bound == "−2 … 2"
    assert rows["delta BTC"].breached
    assert rows["gamma BTC"].bound == "≥ −0.002"
    assert rows["gamma BTC"].binding
    assert rows["gamma BTC"].shadow_price


@pytest.mark.parametrize("asset", ["BTC", "ETH"])
def test_profile_slope_is_the_delta_and_bend_the_gamma(solved, proposal, market, asset):
    """Independent of how the profile is summed: P&L'(0) = delta * S and P&L''(0) = gamma * S^2, by central differences."""
    h = 1e-3
    profile = spot_profile(solved.exposures, solved.x, asset, np.array([-h, 0.0, h]))
    price = market.price(asset)
    for pnl, report in ((profile.before, proposal.before), (profile.after, proposal.after)):
        low, middle, high = pnl
        assert middle == pytest.approx(0.0, abs=1e-6)
        # coins are valued at the moved price, so inverse contracts add 2 * delta_coin bends: the slope alone is exact
        assert (high - low) / (2 * h) == pytest.approx(report.greeks[asset]["delta"] * price, rel=2e-3, abs=2e-3 * price)


def test_profile_agrees_with_a_stress_scenario_of_one_coin(solved, market):
    """At a move of zero in the other coin and no vol change, full revaluation must equal the exposures' own."""
    from hedgeopt.exposures.build import build_exposures
    from hedgeopt.exposures.resolve import resolve
    from hedgeopt.models.scenarios.set import ScenarioSet

    e = solved.exposures
    moves = np.array([-0.3, 0.2])
    spot = np.ones((2, 2))
    spot[:, 0] = 1 + moves
    one = ScenarioSet("BTC alone", ("BTC", "ETH"), spot, np.zeros((2, 2)), 0.0, labels=("down", "up"))
    book = ho.Book(
        accounts=[
            {
                "name": "a",
                "venue": "deribit",
                "collateral": [{"asset": "BTC", "amount": 62.0}, {"asset": "ETH", "amount": 900.0}],
                "positions": [
                    {"instrument": item.name, "quantity": q}
                    for item, q in zip(e.rows.instruments, e.rows.quantity, strict=True)
                    if q
                ],
            }
        ]
    )
    candidates = [e.rows.instruments[row] for row in e.candidate]
    other = build_exposures(resolve(book, market), candidates, one, one)
    profile = spot_profile(e, solved.x, "BTC", moves)
    assert profile.before == pytest.approx(other.stress_base, rel=1e-9)
    order = {item.name: n for n, item in enumerate(candidates)}
    assert len(order) == len(solved.x)
    assert profile.after == pytest.approx(other.stress_base + other.stress_pnl @ solved.x, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1234567.8, "1,234,568"), (-12.3456, "−12.35"), (0.001234, "0.001234"),
        (1.5e-7, "1.50e−07"), (-1.5e-7, "−1.50e−07"), (-1e12, "−1.000e12"), (99e9, "99,000,000,000"),
        (999.96, "1000"), (float("nan"), "–"), (None, "–"), (float("inf"), "∞"), (2.0, "2"), (-0.6, "−0.6"), (100.0, "100"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(value, text):
    assert number(value) == text
