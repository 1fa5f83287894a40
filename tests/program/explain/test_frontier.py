"""Frontiers and stability: points are optima that are solved again, kinks are kinks, intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from tests.program.explain.test_explained import BOOK, MARKET, POLICY, ideal

FEW = POLICY.with_scenarios(ho.ParametricScenarios(count=40, seed=7))


@pytest.fixture(scope="module")
def traced() -> ho.Frontier:
    return ho.frontier(BOOK, MARKET, FEW, of=ho.TransactionCost(), points=8)


def test_points_are_certified_optima(traced: ho.Frontier) -> None:
    points = traced.points
    assert (points["against"].diff().dropna() > 0).all()
    assert (points["of"].diff().dropna() <= 1e-6).all()
    assert (points["slope"].diff().dropna() >= -1e-9).all()
    fields = {name: getattr(FEW, name) for name in ho.Policy.model_fields}
    row = points.iloc[len(points) // 2]
    limited = ho.Policy(**fields | {"minimize": ho.TransactionCost(),
                                    "subject_to": [*FEW.subject_to, ho.CVaR(0.99) <= float(row["against"])]})  # fmt: skip
    assert ideal(limited) == pytest.approx(row["of"], rel=1e-7)


def test_between_kinks_the_frontier_is_a_line(traced: ho.Frontier) -> None:
    points = traced.points
    straight = [k for k in range(len(points) - 1) if points["straight"].iloc[k]]
    assert straight
    assert points["kink"].any()
    k = straight[-1]
    a, b = points.iloc[k], points.iloc[k + 1]
    middle = 0.5 * (a["against"] + b["against"])
    fields = {name: getattr(FEW, name) for name in ho.Policy.model_fields}
    limited = ho.Policy(**fields | {"minimize": ho.TransactionCost(),
                                    "subject_to": [*FEW.subject_to, ho.CVaR(0.99) <= float(middle)]})  # fmt: skip
    assert ideal(limited) == pytest.approx(0.5 * (a["of"] + b["of"]), rel=1e-7)


def test_the_summary_says_where_a_dollar_goes(traced: ho.Frontier) -> None:
    assert len(traced.summary()) <= 10
    assert traced.next_dollar > 0.0
    pytest.importorskip("matplotlib")
    from hedgeopt.reports.frontier_plot import frontier_plot

    assert frontier_plot(traced).startswith("<svg")


def test_stability_tells_noise_from_signal() -> None:
    proposal = POLICY.propose(BOOK, MARKET)
    told = ho.stability(proposal, resamples=4, seeds=2, marks=2)
    assert told.solves == 8
    assert set(proposal.trades["instrument"]) <= set(told.trades["instrument"])
    assert (told.trades["low"] <= told.trades["high"] + 1e-9).all()
    assert ((told.trades["low"] <= 0) & (told.trades["high"] >= 0)).equals(told.trades["noise"])
    assert told.cvar_in == pytest.approx(proposal.after.cvar["0.99"])
    assert np.isfinite(told.optimism)
    again = ho.stability(proposal, resamples=4, seeds=2, marks=2)
    assert again.trades.equals(told.trades)
    steady = told.steady(0.5)
    if told.noise and steady is not None:
        assert set(told.noise) - set(steady.trades["instrument"])
        assert steady.certificate.objective <= proposal.certificate.objective * 1.5


def test_marks_alone_do_not_move_the_tail() -> None:
    told = ho.stability(POLICY.propose(BOOK, MARKET), resamples=0, seeds=0, marks=2)
    assert np.isnan(told.optimism)
    with pytest.raises(ho.InputError, match="nothing is solved again"):
        ho.stability(POLICY.propose(BOOK, MARKET), resamples=0, seeds=0, marks=0)
