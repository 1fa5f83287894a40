"""Rows that cones imply hold at every point of the cone, in both orders in which solvers hold a matrix."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from hedgeopt.tail.masters.cones import implied_rows
from hedgeopt.tail.masters.implied import tightened, with_pairs


@pytest.mark.parametrize("lower_triangle", [False, True])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_matrices_meet_the_rows_and_the_rows_bound_what_the_diagonal_bounds(order: int, lower_triangle: bool) -> None:
    i, j = np.triu_indices(order) if lower_triangle else np.tril_indices(order)
    dims = SimpleNamespace(zero=0, nonneg=0, soc=[], psd=[order], exp=0, p3d=[], pnd=[])
    size = len(i)
    rows, sides = implied_rows(-sp.eye_array(size, format="csr"), np.zeros(size), dims, lower_triangle)  # s = x
    r = np.random.default_rng(order)
    for rank in (1, order):
        half = r.normal(size=(order, rank))
        whole = half @ half.T
        held = np.where(i == j, whole[i, j], np.sqrt(2.0) * whole[i, j])
        assert (rows @ held <= sides + 1e-12).all()
    if order > 1:
        broken = np.where(i == j, 1.0, np.sqrt(2.0) * 1.01)
        assert (rows @ broken > sides + 1e-6).any()


@pytest.mark.parametrize("ulps", [1, 5, 16, 300])
@pytest.mark.parametrize("side", [1e-9, 1.0, 1e5])
def test_pairs_that_all_but_cancel_imply_nothing_false(ulps: int, side: float) -> None:
    """``a x - y = 0, (a + d) x - y = d X`` has the one solution x = X, y = a X: inside whatever is implied."""
    for a in (1.0, 3.0, 0.7, 1.0 / 3.0):
        slope = a + ulps * float(np.spacing(a))
        d = Fraction(slope) - Fraction(a)
        right = float(d * Fraction(side))
        x = Fraction(right) / d
        y = Fraction(a) * x
        rows = sp.csr_array(np.array([[a, -1.0], [slope, -1.0]]))
        A, b = with_pairs(sp.vstack([rows, -rows]), np.array([0.0, right, 0.0, -right]))
        lower, upper = tightened(A, b, np.full(2, -np.inf), np.full(2, np.inf))
        for value, low, high in zip((x, y), lower, upper, strict=True):
            assert low == -np.inf or Fraction(low) <= value
            assert high == np.inf or value <= Fraction(high)
