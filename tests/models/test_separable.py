"""Separable lower bounds: exact minima over boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from hedgeopt.models.separable import Separable


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 3))
def test_minimum_over_a_box_equals_coordinate_search(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    f = Separable(
        rng.normal(size=n),
        float(rng.normal()),
        rng.exponential(size=(k, n)) if k else None,
        rng.normal(size=(k, n)) if k else None,
    )
    lower, upper = -rng.exponential(size=n), rng.exponential(size=n)
    found = 0.0
    for i in range(n):  # convex in each coordinate: golden section finds its minimum

        def along(v: float, i: int = i) -> float:
            x = np.zeros(n)
            x[i] = v
            return f(x) - f(np.zeros(n))

        inside = minimize_scalar(along, bounds=(lower[i], upper[i]), method="bounded", options={"xatol": 1e-10}).fun
        found += min(inside, along(lower[i]), along(upper[i]))
    assert f.minimum(lower, upper) == pytest.approx(found + f(np.zeros(n)), abs=1e-7)


def test_sum_and_scaling_are_pointwise() -> None:
    f = Separable(np.array([1.0, -2.0]), 3.0, np.array([[1.0, 0.5]]), np.array([[0.0, 1.0]]))
    g = Separable(np.array([0.0, 1.0]), -1.0)
    x = np.array([0.7, 2.0])
    assert (f + g)(x) == pytest.approx(f(x) + g(x))
    assert f.scaled(2.5)(x) == pytest.approx(2.5 * f(x))
    with pytest.raises(ValueError, match="not convex"):
        f.scaled(-1.0)
