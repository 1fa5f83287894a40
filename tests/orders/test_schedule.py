"""Slices over time: the paper's numbers, its closed form, brute force on small programs, whole lots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.orders.legs import legs_in
from hedgeopt.orders.over_time import _at_once
from hedgeopt.orders.schedule import almgren_chriss, in_whole_lots_over_time, optimal_slices

from .conftest import solved

# Almgren and Chriss 2000, section 4: S = 50, 30 % a year, 5 million shares a day, spread 1/8, T = 5 days, N = 5.
X, T, N, SIGMA, GAMMA, ETA, EPSILON = 1e6, 5.0, 5, 0.95, 2.5e-7, 2.5e-6, 0.0625
TILDE = ETA - GAMMA * (T / N) / 2.0


def test_the_papers_kappa_and_costs() -> None:
    """lambda = 1e-6: kappa is 0.61 a day, half-life 1.6 days (section 3); the least cost of the paper's figure 1."""
    left = almgren_chriss(X, N, 1.0, SIGMA, TILDE, 1e-6)
    kappa = np.arccosh((left[0] + left[2]) / (2.0 * left[1]))  # x_0 + x_2 = 2 cosh(kappa tau) x_1
    assert kappa == pytest.approx(0.61, abs=0.005)
    assert 1.0 / kappa == pytest.approx(1.6, abs=0.05)
    even = almgren_chriss(X, N, 1.0, SIGMA, TILDE, 0.0)
    assert even.tolist() == [1e6, 8e5, 6e5, 4e5, 2e5, 0.0]
    # minimum impact, equation 10: gamma X^2 / 2 + epsilon X + (eta - gamma tau / 2) X^2 / T
    traded = -np.diff(even)
    cost = 0.5 * GAMMA * X**2 + EPSILON * X + TILDE * float(traded @ traded)
    assert cost == pytest.approx(0.5 * GAMMA * X**2 + EPSILON * X + TILDE * X**2 / T, rel=1e-12)
    assert cost == pytest.approx(662_500.0, rel=1e-12)
    # and its variance, equation 11: sigma^2 X^2 T (1 - 1/N)(1 - 1/2N) / 3
    assert SIGMA**2 * float(even[1:] @ even[1:]) == pytest.approx(SIGMA**2 * X**2 * T * 0.8 * 0.9 / 3.0, rel=1e-12)


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-7, 1e-6, 2e-6, 1e-5])
@pytest.mark.parametrize("intervals", [1, 2, 5, 12])
def test_the_program_is_the_closed_form(risk_aversion: float, intervals: int) -> None:
    tau = T / intervals
    eta = ETA - GAMMA * tau / 2.0
    slices = optimal_slices([X], intervals, tau, [[SIGMA**2]], [eta], risk_aversion)
    left = X - np.concatenate([[0.0], np.cumsum(slices[:, 0])])
    assert left == pytest.approx(almgren_chriss(X, intervals, tau, SIGMA, eta, risk_aversion), abs=2e-5 * X)


def test_a_long_horizon_does_not_overflow() -> None:
    left = almgren_chriss(1.0, 500, 10.0, 5.0, 1e-6, 1.0)
    assert np.isfinite(left).all()
    assert left[1] < 1e-6


def test_legs_that_hedge_each_other_are_traded_in_step() -> None:
    """Opposite legs with one risk factor: nothing is gained by haste, both spread evenly; apart they hurry."""
    factor = np.array([[1.0, 1.0], [1.0, 1.0]])
    together = optimal_slices([10.0, -10.0], 4, 1.0, factor, [1e-3, 1e-3], 1.0)
    assert together == pytest.approx(np.outer(np.ones(4), [2.5, -2.5]), abs=1e-4)
    apart = optimal_slices([10.0, -10.0], 4, 1.0, np.eye(2), [1e-3, 1e-3], 1.0)
    assert apart[0, 0] > 9.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_other_schedule_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, root, eta = rng.uniform(1, 5, 2) * [1, -1], rng.normal(size=(2, 2)), rng.uniform(0.1, 1.0, 2)
    cov, aversion = root @ root.T, float(rng.uniform(0.0, 2.0))

    def value(slices: np.ndarray) -> float:
        left = x - np.cumsum(slices, axis=0)
        return float((eta * slices**2).sum() + aversion * sum(row @ cov @ row for row in left[:-1]))

    best = value(optimal_slices(x, 3, 1.0, cov, eta, aversion))
    for _ in range(300):
        other = rng.dirichlet(np.ones(3), size=2).T * x
        assert value(other) >= best - 1e-6 * max(best, 1.0)


@given(lots=st.integers(1, 200), parts=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6))
def test_slices_in_lots_add_up(lots: int, parts: list[float]) -> None:
    share = np.array(parts) / max(sum(parts), 1e-9) if sum(parts) else np.full(len(parts), 1.0 / len(parts))
    quantity = float(f"{-0.1 * lots:.10g}")
    out = in_whole_lots_over_time((share * quantity)[:, None], [quantity], [0.1])
    assert out.sum() == pytest.approx(quantity, abs=1e-9)
    assert np.abs(out / 0.1 - np.round(out / 0.1)).max() < 1e-9
    assert (out <= 0.0).all()


@given(lots=st.integers(5, 200), parts=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6))
def test_no_slice_is_below_the_smallest_order(lots: int, parts: list[float]) -> None:
    quantity = float(f"{-0.1 * lots:.10g}")
    slices = np.array(parts)[:, None] / sum(parts) * quantity
    out = in_whole_lots_over_time(slices, [quantity], [0.1], [0.5])
    assert out.sum() == pytest.approx(quantity, abs=1e-9)
    assert all(q == 0.0 or q <= -0.5 + 1e-9 for q in out[:, 0])


def test_the_half_spread_is_no_impact() -> None:
    """Without ladder or impact law nothing is paid beyond the quote, whatever the half-spread: only the floor is left."""
    s = solved("whole")
    listed = legs_in(s.proposal, s.book, s.market)
    notional = listed.e.rows.notional[listed.e.candidate[listed.keep]]
    assert _at_once(listed.e, listed.keep, listed.x) == pytest.approx(1e-8 * np.abs(listed.x) * notional, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"intervals": 0}, "intervals"),
        ({"tau": 0.0}, "tau"),
        ({"eta": [0.0]}, "eta"),
        ({"risk_aversion": -1.0}, "risk_aversion"),
        ({"quantities": [0.0]}, "quantities"),
        ({"covariance": [[-1.0]]}, "covariance"),
    ],
)
def test_what_is_no_such_program_is_refused(change: dict[str, Any], field: str) -> None:
    good = {"quantities": [1.0], "intervals": 2, "tau": 1.0, "covariance": [[1.0]], "eta": [1.0], "risk_aversion": 1.0}
    with pytest.raises(ho.InputError, match=field):
        optimal_slices(**{**good, **change})
