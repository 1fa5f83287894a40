"""Summaries and pages: figures by hand, files whole, nothing loaded from elsewhere."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.results.days import crash_days, day_page
from hedgeopt.backtest.results.measures import drawdown, measures
from hedgeopt.backtest.results.summary import summarize, summary_table
from hedgeopt.backtest.results.tear_sheet import tear_sheet, write_pages
from hedgeopt.errors import InputError


def test_measures_by_hand(result):
    steps = result(np.array([100.0, -300.0, 50.0, 250.0])).steps
    found = measures(steps)
    assert found["total_pnl"] == 100.0
    assert found["return"] == pytest.approx(1e-4)
    assert found["worst_step"] == -300.0
    assert found["max_drawdown"] == 300.0
    assert found["cvar_95"] == 300.0
    assert found["max_margin_usage"] == pytest.approx(3e5 / (1e6 - 200))
    assert found["cost"] == 280.0
    assert found["volatility_per_year"] == pytest.approx(np.std([100, -300, 50, 250], ddof=1) * 365**0.5)
    fall = drawdown(steps["pnl"])
    assert (fall.depth, fall.peak, fall.trough, fall.recovered) == (300.0, steps.index[0], steps.index[1], steps.index[3])


def test_equity_gone_is_infinite_usage(result):
    steps = result(np.array([-2e6, 5.0, 5.0])).steps
    assert measures(steps)["max_margin_usage"] == np.inf
    assert summarize(result(np.array([-2e6, 5.0, 5.0]))).to_dict()["measures"]["max_margin_usage"] is None


def test_summary_adds_up_and_is_json(result):
    run = result(np.random.default_rng(0).normal(0, 9000, 60))
    run.events.append({"timestamp": run.steps.index[4], "kind": "stale_mark"})
    summary = summarize(run)
    assert sum(summary.attribution.values()) == pytest.approx(summary.measures["total_pnl"])
    assert json.loads(summary.to_json())["events"] == {"stale_mark": 1}
    assert summary.to_json() == summarize(run).to_json()
    table = summary_table([summary])
    assert table["from_cost"][0] == pytest.approx(-6000.0)
    assert {"p_kupiec", "p_independence", "p_conditional", "p_z1", "p_z2"} <= set(table.columns)


def test_the_horizon_stands_in_the_config(result):
    run = dataclasses.replace(result(np.zeros(100), freq="6h"), config={"horizon_days": 1.0})
    pairs = summarize(run).tail.pairs
    assert len(pairs) == 99
    assert pairs["cvar"].iloc[0] == pytest.approx(20_000.0 / 2.0)  # a day's promise over six hours


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: dataclasses.replace(r, steps=r.steps.iloc[::-1]), "out of order"),
        (lambda r: dataclasses.replace(r, steps=r.steps.tz_localize(None)), "UTC"),
        (lambda r: dataclasses.replace(r, steps=r.steps.assign(pnl=np.nan)), "not finite"),
        (lambda r: dataclasses.replace(r, attribution=r.attribution + 1.0), "does not add up"),
        (lambda r: dataclasses.replace(r, steps=r.steps.iloc[:1]), "fewer than two"),
    ],
)
def test_results_that_are_none_are_refused(result, spoil, words):
    with pytest.raises(InputError, match=words):
        summarize(spoil(result(np.ones(10))))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    from tests.backtest.results.conftest import made_up

    rng = np.random.default_rng(1)
    pnl = rng.normal(0, 9000, 60)
    pnl[35] = -90_000.0
    runs = [made_up(pnl, "nothing"), made_up(0.4 * pnl, "<band> & co")]
    runs[0].steps.loc[runs[0].steps.index[35], "liquidated"] = True
    runs[0].events.append({"timestamp": runs[0].steps.index[35], "kind": "liquidation", "account": "main"})
    out = tmp_path_factory.mktemp("pages")
    write_pages(runs, out)
    return runs, out


def test_everything_is_written(pages):
    _, out = pages
    data = json.loads((out / "summary.json").read_text())
    assert [one["policy"] for one in data["summaries"]] == ["nothing", "<band> & co"]
    assert "2026-02-05" in data["days"]
    assert {path.name for path in (out / "events").iterdir()} == {f"{day}.html" for day in data["days"]}
    assert len(pd.read_csv(out / "summary.csv")) == 2
    assert set(pd.read_csv(out / "comparison.csv")["statistic"]) == {"total_pnl", "volatility", "cvar_95", "max_drawdown"}


def test_pages_are_self_contained_and_escape_names(pages):
    _, out = pages
    for path in [out / "index.html", *(out / "events").iterdir()]:
        page = path.read_text()
        assert "<svg" in page
        assert page.count("<script") == 1  # ours, which the policy of the page allows by its hash
        assert "<band>" not in page
        assert not re.search(r"(src|href)=\"(https?:)?//", page)
        assert not re.search(r"url\(['\"]?http", page)
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))


def test_the_tear_sheet_says_who_was_liquidated_and_links_its_days(pages):
    _, out = pages
    page = (out / "index.html").read_text()
    assert "Liquidated: nothing." in page
    assert 'href="events/2026-02-05.html"' in page
    event = (out / "events" / "2026-02-05.html").read_text()
    assert "the worst policy, nothing, made −90,000 USD" in event
    assert "liquidation: account main" in event


def test_crash_days_are_the_worst_and_the_liquidated(pages):
    runs, _ = pages
    days = crash_days(runs, count=2)
    assert date(2026, 2, 5) in days
    assert days == sorted(days)
    assert len(days) == 2
    with pytest.raises(InputError, match="no steps around"):
        day_page(runs, date(2030, 1, 1))


def test_one_policy_has_nothing_to_compare_and_two_books_no_page(result):
    run = result(np.random.default_rng(2).normal(0, 9000, 30))
    assert "nothing to compare" in tear_sheet([run])
    for runs, words in (
        ([], "no backtest"),
        ([run, run], "name of one policy"),
        ([run, dataclasses.replace(run, policy="b", book="c")], "different books"),
    ):
        with pytest.raises(InputError, match=words):
            tear_sheet(runs)
