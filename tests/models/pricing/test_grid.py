"""Structured products by a grid: exact at its points, no overshoot between them, the end slope beyond."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.grid import GRID, GridProduct
from hedgeopt.models.scenarios.set import ScenarioSet

SPOTS = (1_000.0, 1_500.0, 2_000.0, 2_600.0, 4_000.0)
BASE = {"name": "note", "venue": "issuer", "underlying": "ETH", "spots": SPOTS}


def call(strike: float, ratio: float, days: float) -> list[float]:
    return [max(s - strike, 0.0) * ratio * (1.0 - days / 60.0) for s in SPOTS]


NOTE = GridProduct(
    **BASE,
    vol_ratios=(0.5, 1.0, 2.0),
    days=(0.0, 30.0),
    values=[[call(1_500.0, r, d) for r in (0.5, 1.0, 2.0)] for d in (0.0, 30.0)],
    scenarios={"our crash": -777.0},
)


def test_its_points_and_what_lies_between_them() -> None:
    for t, days in enumerate(NOTE.days):
        for v, ratio in enumerate(NOTE.vol_ratios):
            found = NOTE.value_at(np.array(SPOTS), np.full(5, ratio), days)
            assert found == pytest.approx(np.array(NOTE.values[t][v]))
    fine = np.linspace(1_000.0, 4_000.0, 500)
    curve = NOTE.value_at(fine, np.ones(500), 0.0)
    assert (np.diff(curve) >= -1e-9).all()
    assert (curve >= 0).all()
    assert NOTE.value_at(np.array([2_600.0]), np.array([1.5]), 15.0)[0] == pytest.approx(1_100.0 * 1.5 * 0.75)


def test_beyond_the_ends() -> None:
    slope = float(NOTE.value_at(np.array([4_000.0]), np.ones(1), 0.0, 1)[0])
    assert NOTE.value_at(np.array([6_000.0]), np.ones(1), 0.0)[0] == pytest.approx(2_500.0 + 2_000.0 * slope)
    assert NOTE.value_at(np.array([2_600.0]), np.array([9.0]), 400.0)[0] == pytest.approx(1_100.0 * 2.0 * 0.5)


def test_a_scenario_that_it_names_has_that_pnl(make_market) -> None:
    market = make_market({}, ETH=2_000.0)
    two = np.array([[0.5], [0.5]])
    scenarios = ScenarioSet("s", ("ETH",), two, np.zeros((2, 1)), 0.0, labels=("our crash", "another"))
    out = np.empty((2, 1), order="F")
    GRID.scenario_pnl([NOTE], market, scenarios, out)
    assert out[:, 0] == pytest.approx([-777.0, -500.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spots": (1.0, 1.0), "values": [[[0, 0]]]}, "spots must rise"),
        ({"values": [[[1, 2, 3]]]}, "values must be 1 x 1 x 5"),
        ({"days": (1.0,), "values": [[[1] * 5]]}, "days must begin at 0"),
        ({"vol_ratios": (1.5, 2.0), "values": [[[1] * 5] * 2]}, "vol_ratios must hold 1"),
        ({"values": [[[1, 2, 3, 4, float("nan")]]]}, "must be a finite number"),
    ],
)
def test_slips_are_refused(changes, words) -> None:
    with pytest.raises(InputError, match=words):
        GridProduct(**{**BASE, **changes})
