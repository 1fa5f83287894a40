"""What a user's own variables can be at most is proven from their rows: never below what a feasible point has."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from hedgeopt.models.bound import TradeVariables
from hedgeopt.program.cones import OwnRows, canonical
from hedgeopt.program.own_bounds import proven_sizes

N = 4
OWN = {
    "huber": lambda x, b: [cp.sum(cp.huber(x)) <= 0.3],
    "squares": lambda x, b: [cp.sum_squares(x) <= 0.2],
    "turnover": lambda x, b: [cp.norm1(x) <= 0.7],
    "exp": lambda x, b: [cp.sum(cp.exp(x)) <= 5.0],
    "power": lambda x, b: [cp.sum(cp.power(cp.abs(x), 1.5)) <= 0.4],
    "largest": lambda x, b: [cp.sum_largest(x, 2) <= 0.5, cp.sum(b) >= 0.1],
    "semidefinite": lambda x, b: [cp.lambda_max(cp.bmat([[x[0], x[1]], [x[1], x[2]]])) <= 0.3],
}


def rows_of(kind: str) -> OwnRows:
    trades = TradeVariables(cp.Variable(N, nonneg=True), cp.Variable(N, nonneg=True))
    return canonical(OWN[kind](trades.net, trades.buy), trades)


def farthest(rows: OwnRows, along: np.ndarray) -> np.ndarray:
    """The user's own variables of a feasible point that is far out along a direction."""
    v, a = cp.Variable(2 * N), cp.Variable(rows.own.shape[1])
    slack = rows.right - rows.trades @ v - rows.own @ a
    held = [v >= 0, v <= 1, cp.abs(a) <= 1e3]
    for kind, at, parameter in rows.parts():
        part = slack[at]
        if kind == "zero":
            held.append(part == 0)
        elif kind == "nonneg":
            held.append(part >= 0)
        elif kind == "soc":
            held.append(cp.SOC(part[0], part[1:]))
        elif kind == "exp":
            held.append(cp.ExpCone(part[0], part[1], part[2]))
        elif kind == "power":
            held.append(cp.PowCone3D(part[0], part[1], part[2], parameter))
        else:
            diagonal = np.cumsum(np.arange(1, parameter + 1)) - 1
            held.append(part[diagonal] >= 0)  # more than the cone: what is implied by it alone holds there too
    problem = cp.Problem(cp.Maximize(along @ a), held)
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == "optimal"
    return np.asarray(a.value)


@pytest.mark.parametrize("kind", OWN)
def test_no_feasible_point_lies_beyond(kind: str) -> None:
    rows = rows_of(kind)
    sizes = proven_sizes(rows, np.ones(2 * N))
    rng = np.random.default_rng(3)
    for _ in range(15):
        found = farthest(rows, rng.normal(size=len(sizes)) * (rng.random(len(sizes)) < 0.5))
        assert (np.abs(found) <= sizes + 1e-6).all()


def test_bounds_of_a_huber_are_those_of_its_limit() -> None:
    """Squares and absolute values add up to the limit, which therefore bounds each of them."""
    rows = rows_of("huber")
    sizes = proven_sizes(rows, np.ones(2 * N))
    used = np.flatnonzero(np.asarray(abs(rows.own).sum(axis=0)).ravel())
    assert np.isfinite(sizes[used]).all()
    assert sizes[used].min() == pytest.approx(0.15, rel=1e-6)  # 2 |s| <= .3
    assert sizes[used].max() <= 1.0 + 0.15 + 1e-6  # |n| <= |x| + |s|


def test_what_no_row_bounds_is_not_bounded() -> None:
    trades = TradeVariables(cp.Variable(N, nonneg=True), cp.Variable(N, nonneg=True))
    free = cp.Variable(2)
    rows = canonical([free[0] >= trades.net[0], free[0] + free[1] <= 1.0], trades)
    assert proven_sizes(rows, np.ones(2 * N)).tolist() == [np.inf, np.inf]
