"""CVaR in plain numpy: closed forms, the linear program, and the envelope."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import norm

from hedgeopt.models.risk.cvar import feasible_weights, tail_loss, value_at_risk


@pytest.mark.parametrize(
    ("beta", "factor"), [(0.90, 1.754983319), (0.95, 2.062712808), (0.975, 2.337802792), (0.99, 2.665214220)]
)
def test_gaussian_quantile_sample_approaches_the_closed_form(beta: float, factor: float) -> None:
    losses = norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    assert tail_loss(losses, beta) == pytest.approx(factor, rel=2e-4)
    assert value_at_risk(losses, beta) == pytest.approx(norm.ppf(beta), abs=1e-3)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.0, 0.97), st.booleans())
def test_equals_the_rockafellar_uryasev_program(seed: int, n: int, beta: float, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    losses = np.round(rng.normal(size=n), 1)  # rounding makes ties at the VaR level
    p = rng.dirichlet(np.ones(n)) if weighted else None
    probability = np.full(n, 1 / n) if p is None else p
    cost = np.concatenate([[1.0], probability / (1 - beta)])
    solution = linprog(
        cost,
        A_ub=np.column_stack([-np.ones(n), -np.eye(n)]),
        b_ub=-losses,
        bounds=[(None, None)] + [(0, None)] * n,
        method="highs",
    )
    assert tail_loss(losses, beta, p) == pytest.approx(solution.fun, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.floats(0.0, 0.95))
def test_repaired_weights_are_in_the_envelope_and_bound_from_below(seed: int, n: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    q = feasible_weights(rng.normal(size=n) * 0.3, beta)
    assert q.sum() == pytest.approx(1.0)
    assert (q >= 0).all()
    assert (q <= 1 / (n * (1 - beta)) + 1e-12).all()
    losses = rng.normal(size=n)
    assert q @ losses <= tail_loss(losses, beta) + 1e-12


def test_one_scenario_and_beta_zero() -> None:
    assert tail_loss(np.array([3.0]), 0.99) == 3.0
    assert tail_loss(np.array([1.0, 2.0, 6.0]), 0.0) == pytest.approx(3.0)
