"""Rows that cones imply hold at every point of the cone, in both orders in which solvers hold a matrix."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from hedgeopt.tail.masters.cones import implied_rows


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
