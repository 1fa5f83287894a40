"""What a notebook shows and takes: one line, escaped tables, figures, presets, sums in limits, scenarios as tables."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt import _extras

FILES = ho.example_files()


@pytest.fixture(scope="module")
def market() -> ho.Market:
    return ho.read_market(io.StringIO(FILES["market.csv"]))


@pytest.fixture(scope="module")
def book() -> ho.Book:
    return ho.read_book(io.StringIO(FILES["book.json"]))


def policy(*limits: Any, **settings: Any) -> ho.Policy:
    drawn = settings.pop("scenarios", ho.ParametricScenarios(count=300, seed=1))
    return ho.Policy(
        ho.TransactionCost(), [ho.Delta("BTC").within(-5, 5), *limits], scenarios=drawn, **settings, lots="ideal"
    )


@pytest.fixture(scope="module")
def proposal(book: ho.Book, market: ho.Market) -> ho.Proposal:
    return policy().propose(book, market)


def test_everything_is_one_short_line(book: ho.Book, market: ho.Market, proposal: ho.Proposal) -> None:
    solved = ho.solve(book, market, policy())
    huge = book.model_copy(update={"accounts": book.accounts * 200})
    for thing in (
        market, book, huge, huge.accounts[0], policy(), proposal, proposal.certificate, proposal.after, proposal.figures,
        proposal.plot, solved, solved.program, solved.exposures, ho.draw(policy().scenarios, ["BTC"], market),
        ho.CVaR(0.9) + ho.Carry(), ho.Delta("BTC") <= 5,
    ):  # fmt: skip
        for text in (repr(thing), str(thing)):
            assert len(text) <= 500
            assert "\n" not in text


def test_html_is_escaped_and_takes_the_notebooks_colours(book: ho.Book, market: ho.Market, proposal: ho.Proposal) -> None:
    evil = "<script>alert(1)</script>"
    named = ho.read_book(json.loads(FILES["book.json"]) | {"name": evil})
    shown = ho.Proposal(**{**vars(proposal), "book": evil, "trades": proposal.trades.assign(instrument=evil)})
    for thing in (named, policy(name=evil), shown, market, proposal.certificate):
        html = thing._repr_html_()
        assert "<script>" not in html
        assert html.count("<table") == html.count("</table>")
        assert "color:inherit" in html
        assert "#000" not in html and "white" not in html  # noqa: PT018
    assert "&lt;script&gt;" in named._repr_html_()


def test_plots_are_drawn_from_the_proposal_alone(proposal: ho.Proposal, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = ho.Proposal.from_json(proposal.to_json())
    for name in ("pnl", "losses", "greeks", "trades", "stresses", "limits"):
        figure = getattr(stored.plot, name)()
        figure.savefig(io.BytesIO(), format="png", dpi=20)
        assert figure.axes
    lines = stored.plot.pnl("BTC").axes[0].lines
    np.testing.assert_array_equal(lines[2].get_ydata(), proposal.figures.profiles[0].after)  # type: ignore[union-attr]
    with pytest.raises(ho.InputError, match="did you mean 'BTC'"):
        stored.plot.pnl("BTCC")
    monkeypatch.setattr(_extras, "installed", lambda package: False)
    with pytest.raises(ho.InputError, match=r"needs matplotlib, which is not installed.*pip install"):
        stored.plot.losses()


def test_a_sum_is_limited_like_a_term(book: ho.Book, market: ho.Market) -> None:
    both = ho.Delta("BTC") + 0.03 * ho.Delta("ETH")
    rules = policy(both <= 2.0, ho.Vega("BTC") - ho.Vega("ETH") >= -3_000.0, ho.CVaR(0.99) + 0.5 * ho.CVaR(0.9) <= 400_000.0)
    found = rules.propose(book, market)
    limits = found.limits.set_index("limit")["after"]
    greeks = found.after.greeks
    assert found.certificate.valid
    assert limits["delta BTC + 0.03 delta ETH"] == pytest.approx(greeks["BTC"]["delta"] + 0.03 * greeks["ETH"]["delta"])
    assert limits["vega BTC - vega ETH"] == pytest.approx(greeks["BTC"]["vega"] - greeks["ETH"]["vega"])
    assert limits["delta BTC + 0.03 delta ETH"] <= 2.0 + 1e-8
    assert ho.read_policy(io.StringIO(rules.to_toml())) == rules == pickle.loads(pickle.dumps(rules))
    assert (sum([ho.Delta("BTC"), ho.Delta("ETH")]) / 2 <= 1).name == "0.5 delta BTC + 0.5 delta ETH"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: -5 <= ho.Delta("BTC") + ho.Delta("ETH") <= 5, r"has no truth value.*within\(lower, upper\)"),
        (lambda: ho.Delta("BTC") + ho.Vega("BTC") <= 5, "adds up one unit"),
        (lambda: ho.Margin("deribit") + ho.Margin("deribit") <= 1, "no sum can hold"),
        (lambda: ho.TransactionCost() - ho.CVaR(0.9) <= 5, "cannot have the negative weight"),
        (lambda: ho.TransactionCost() + ho.CVaR(0.9) >= 5, "a lower limit would not be"),
        (lambda: ho.Delta("BTC") + 3 <= 5, "only terms add up"),
        (lambda: ho.Delta("BTC") <= ho.Delta("ETH"), "put all terms on the left"),
        (lambda: (ho.Delta("BTC") + ho.Delta("ETH")) * float("nan") <= 1, "is not finite"),
        (lambda: ho.Delta("BTC") / 0 <= 1, "is 0"),
        (lambda: ho.Delta("BTC") + ho.Delta("ETH") < 1, "is not how limits are written"),
    ],
)
def test_a_sum_that_is_none_is_refused(write: Any, words: str) -> None:
    with pytest.raises(ho.InputError, match=words):
        write()


RETURNS = pd.DataFrame(0.03 * np.random.default_rng(0).standard_t(4, (200, 2)), columns=["BTC", "ETH"]).clip(lower=-0.9)


def test_scenarios_come_as_tables_and_sets(book: ho.Book, market: ho.Market) -> None:
    rules = policy(ho.CVaR(0.9) <= 150_000.0)
    one = rules.propose(book, market, scenarios=RETURNS)
    drawn = ho.draw(RETURNS, ["BTC", "ETH"], market)
    np.testing.assert_allclose(drawn.price_factor("ETH"), 1.0 + RETURNS["ETH"])
    two = policy(ho.CVaR(0.9) <= 150_000.0, scenarios=drawn).propose(book, market)
    assert one.scenario_digest == two.scenario_digest
    assert one.trades.equals(two.trades)
    assert ho.read_policy(one.policy).scenarios == rules.with_scenarios(RETURNS).scenarios
    assert ho.Proposal.from_json(one.to_json()) == one


def test_probabilities_weigh_scenarios(book: ho.Book, market: ho.Market) -> None:
    twice = pd.concat([RETURNS, RETURNS.head(50)], ignore_index=True)
    weights = np.where(np.arange(200) < 50, 2.0, 1.0) / 250.0
    noiseless = {"vol_of_vol": 0.0, "noise": "none"}
    rules = [policy(scenarios=s) for s in (
        ho.given_returns(twice, **noiseless), ho.given_returns(RETURNS, probabilities=weights, **noiseless),
        ho.given_returns(RETURNS.assign(probability=weights), **noiseless),
    )]  # fmt: skip
    tails = [ho.risk_report(ho.expose(book, market, rule, trades=False)).cvar["0.95"] for rule in rules]
    assert tails[0] == pytest.approx(tails[1], rel=1e-9)
    assert tails[1] == tails[2]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (RETURNS - 2.0, "scenarios.BTC, row 1: is not a finite simple return above -1"),
        (RETURNS.assign(BTC="x"), "is not a finite simple return"),
        (RETURNS.assign(BTC=np.nan), "is not a finite simple return"),
        (RETURNS.assign(probability=0.1), "sum to 1"),
        (RETURNS.iloc[:0], "holds no rows"),
        (RETURNS[[]].assign(probability=1 / 200), "holds no asset"),
        (np.zeros((3, 2)), "must be scenarios, not ndarray"),
        (pd.concat({"a": RETURNS}, axis=1), "layered columns"),
    ],
)
def test_scenarios_that_are_none_are_refused(given: Any, words: str) -> None:
    with pytest.raises(ho.InputError, match=words):
        policy(scenarios=given)


def test_suggestions_are_of_the_market_at_hand(book: ho.Book, market: ho.Market) -> None:
    with pytest.raises(ho.InputError, match=r"unknown asset \(got 'BTCC'\); did you mean 'BTC'\? known: BTC, ETH"):
        policy(scenarios=RETURNS.assign(BTCC=0.0)).propose(book, market)


@pytest.mark.parametrize("name", ["delta", "delta-vega", "tail", "crash"])
def test_presets_hedge_and_are_policies(name: str, book: ho.Book, market: ho.Market) -> None:
    rules = ho.presets.PRESETS[name](book, market, seed=2)
    assert ho.read_policy(io.StringIO(rules.to_toml())) == rules
    found = rules.with_scenarios(ho.ParametricScenarios(count=500)).propose(book, market)
    assert found.certificate.valid
    before, after = (abs(report.greeks["BTC"]["delta"]) for report in (found.before, found.after))
    assert after < 0.3 * before


def test_a_preset_with_nothing_to_hedge_is_refused(market: ho.Market) -> None:
    cash = {"accounts": [{"name": "a", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 1e6}]}]}
    with pytest.raises(ho.InputError, match="holds nothing that the preset delta would hedge"):
        ho.presets.delta(ho.read_book(cash), market)
