"""Every accepted way of writing a CVaR program, every refused one, and classes beyond linear programs."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.errors import InputError, UnsupportedForm

S, N = 60, 4
RNG = np.random.default_rng(3)
P = RNG.normal(size=(S, N)) + 0.05
Q = RNG.normal(size=(S, 2))
BASE = RNG.normal(size=S)
W = RNG.random(S) + 0.5


def agree(build, rel: float = 1e-6, solver: str = "CLARABEL", status: str | None = None) -> cp.Problem:
    """``build(cvar)`` with our atom through an ordinary solver against the same through the tail solver."""
    want = build(tail.cvar)
    want.solve(solver=solver)
    got = build(cp.cvar)
    got.solve(method="tail", threads=1)
    assert got.status == (status or want.status)
    assert got.value == pytest.approx(want.value, rel=rel, abs=1e-7)
    return got


def box(*variables):
    return [c for v in variables for c in (v >= -1, v <= 1)]


LOSSES = {
    "matrix": lambda x, z: -(P @ x),
    "offset": lambda x, z: -(P @ x) - BASE,
    "two matrices": lambda x, z: P @ x * 2 - Q @ z / 3 + BASE,
    "row vector": lambda x, z: -(x @ P.T),
    "inner expression": lambda x, z: -(P @ (x[::-1] - 0.1 * cp.sum(z))) - BASE,
    "scenario scaling": lambda x, z: cp.multiply(W, P @ x) + BASE,
    "scalar broadcast": lambda x, z: -(P @ x) + z[0],
    "hstack": lambda x, z: cp.hstack([P[:30] @ x, P[30:] @ x + 1]),
    "slices": lambda x, z: (P @ x)[5:50],
    "variable itself": lambda x, z: cp.hstack([x, z]),
    "sum and difference": lambda x, z: cp.diff(P @ x) + cp.sum(z),
}


@pytest.mark.parametrize("form", LOSSES)
def test_losses_in_every_affine_form(form: str) -> None:
    def build(cvar):
        x, z = cp.Variable(N), cp.Variable(2)
        return cp.Problem(cp.Minimize(cvar(LOSSES[form](x, z), 0.87) + 0.05 * cp.sum(x) + cp.sum(z)), box(x, z))

    agree(build)


def test_sparse_matrix() -> None:
    import scipy.sparse as sp

    A = sp.random_array((S, N), density=0.3, rng=np.random.default_rng(1))
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(tail.cvar(A @ x - BASE, 0.9)), box(x))
    want = problem.solve(solver="HIGHS")
    assert problem.solve(method="tail", threads=1) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda cvar, x: cp.Problem(cp.Maximize(0.3 * cp.sum(x) - 2 * cvar(-(P @ x), 0.91)), box(x)),
        lambda cvar, x: cp.Problem(cp.Minimize(cvar(-(P @ x) - BASE, 0.91) + cvar(P @ x, 0.5)), box(x)),
        lambda cvar, x: cp.Problem(cp.Minimize(cp.maximum(cvar(-(P @ x), 0.91), 0.2) + cp.norm1(x - 0.3)), box(x)),
        lambda cvar, x: cp.Problem(
            cp.Minimize(cp.sum(x)), [cvar(-(P @ x) - BASE, 0.9) + 0.1 * cp.norm1(x) <= 1.8, *box(x)]
        ),
        lambda cvar, x: cp.Problem(
            cp.Minimize(-cp.sum(x) + cvar(P @ x, 0.3)), [cvar(P @ x, 0.9) <= 0.5, cvar(-(P @ x), 0.8) <= 0.7, *box(x)]
        ),
        lambda cvar, x: cp.Problem(cp.Minimize(cvar(-(P @ x) - BASE, 0.9) + cp.sum_squares(x - 0.2)), []),
        lambda cvar, x: cp.Problem(cp.Minimize(cp.square(cp.pos(cvar(-(P @ x) - BASE, 0.9)))), [cp.sum(x) == 1]),
        lambda cvar, x: cp.Problem(cp.Minimize(cvar(-(P @ x) - BASE, 0.9)), [cp.norm(x, 2) <= 0.3]),
        lambda cvar, x: cp.Problem(
            cp.Minimize(cvar(-(P @ x) - BASE, 0.9) + 0.3 * cp.sum(cp.power(cp.abs(x), 1.5))), [cp.sum(x) == 1]
        ),
    ],
    ids=["maximise", "two tails", "inside maximum", "shared row", "tail constraints", "quadratic", "square of tail",
         "second-order cone", "power cone"],
)  # fmt: skip
def test_problem_classes(build) -> None:
    agree(lambda cvar: build(cvar, cp.Variable(N)), rel=3e-6)


def test_mixed_integer() -> None:
    def build(cvar):
        lots = cp.Variable(N, integer=True)
        return cp.Problem(cp.Minimize(cvar(-(P @ lots) - 4 * BASE, 0.9)), [lots >= -5, lots <= 5])

    got = agree(build, solver="HIGHS")
    assert got.solver_stats.extra_stats["proven"]


@pytest.mark.parametrize("master", ["INTERIOR", "HIGHS", "CLARABEL", "SCS"])
def test_masters_agree(master: str) -> None:
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - BASE, 0.9)), box(x))
    want = problem.solve(solver="HIGHS")
    options = {"eps": 1e-8} if master == "SCS" else {}
    problem.solve(method="tail", master=master, threads=1, **options)
    assert problem.value == pytest.approx(want, rel=1e-5)


def test_refused_forms_name_the_expression() -> None:
    x = cp.Variable(N, name="trades")
    cases = [
        (cp.Minimize(-tail.cvar(P @ x, 0.9)), [], "not a convex use.*non-negative weight"),
        (cp.Maximize(tail.cvar(P @ x, 0.9)), [], "not a convex use"),
        (cp.Minimize(cp.sum(x)), [tail.cvar(P @ x, 0.9) == 1], "smaller side"),
        (cp.Minimize(cp.sum(x)), [tail.cvar(P @ x, 0.9) >= 1], "smaller side"),
    ]
    for objective, limits, words in cases:
        with pytest.raises(UnsupportedForm, match="(?s)" + ".*".join(words.split(".*")[:1])):
            cp.Problem(objective, limits).solve(method="tail")


def test_losses_that_are_not_affine_are_left_to_cvxpy() -> None:
    x = cp.Variable(N)
    for risk in (tail.cvar(cp.abs(P @ x - 1.0), 0.9), cp.sum_largest(cp.abs(P @ x - 1.0), 3)):
        problem = cp.Problem(cp.Minimize(risk), box(x))
        want = problem.solve(solver="CLARABEL")
        assert problem.solve(method="tail") == pytest.approx(want, rel=1e-6)
        assert problem.status == "optimal"
        assert problem.solver_stats.extra_stats["proven"]
        assert problem.solver_stats.extra_stats["tails"] == []


def test_refused_data() -> None:
    x = cp.Variable(N)
    with pytest.raises(InputError, match=r"beta"):
        tail.cvar(P @ x, 1.0)
    with pytest.raises(InputError, match="sum to one"):
        tail.cvar(P @ x, 0.5, np.full(S, 2 / S))
    with pytest.raises(InputError, match="nonneg"):
        tail.cvar(P @ x, 0.5, cp.Parameter(S))
    with pytest.raises(InputError, match="one-dimensional"):
        tail.cvar(cp.Variable((3, 2)), 0.5)
    unset = cp.Parameter((S, N), name="pnl")
    with pytest.raises(cp.error.ParameterError, match="pnl"):
        cp.Problem(cp.Minimize(tail.cvar(unset @ x, 0.5)), box(x)).solve(method="tail")
    with pytest.raises(InputError, match="tolerance"):
        cp.Problem(cp.Minimize(tail.cvar(P @ x, 0.5)), box(x)).solve(method="tail", tolerance=0)


def test_the_largest_of_what_is_not_affine_is_no_tail() -> None:
    x, P = cp.Variable(4), np.random.default_rng(1).normal(size=(60, 4))
    found = []
    for cvar, options in ((tail.cvar, {"method": "tail"}), (cp.cvar, {"solver": cp.HIGHS})):
        rows = [cp.sum(x) == 1, cp.sum_largest(cp.abs(x), 2) <= 0.7, cp.sum_largest(cp.abs(x - 0.1), 3) <= 0.8]
        found.append(cp.Problem(cp.Minimize(cvar(-(P @ x), 0.9)), rows).solve(**options))
        x.value = None
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_without_a_tail_it_is_an_ordinary_solve() -> None:
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 1])
    assert problem.solve(method="tail") == pytest.approx(2.0)
    assert problem.constraints[0].dual_value == pytest.approx(np.ones(2))


def test_infeasible_and_unbounded() -> None:
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(tail.cvar(P @ x, 0.9)), [x >= 1, x <= 0])
    assert problem.solve(method="tail") == np.inf
    assert problem.status == "infeasible"
    assert x.value is None
    gain = np.abs(P)
    problem = cp.Problem(cp.Maximize(-tail.cvar(-(gain @ x), 0.9)), [x >= 0])
    assert problem.solve(method="tail") == np.inf
    assert problem.status == "unbounded"
    big = np.abs(np.random.default_rng(0).normal(size=(8000, N)))
    problem = cp.Problem(cp.Minimize(tail.cvar(-(big @ x), 0.9)), [x >= 0])
    assert problem.solve(method="tail") == -np.inf


def test_integer_tail_atom_of_cvxpy_can_be_solved_twice() -> None:
    # cvxpy 1.9.3 raises TypeError on its own second solve when (1 - beta) S is not an integer.
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.777)), box(x))
    assert problem.solve(method="tail") == pytest.approx(problem.solve(method="tail"), rel=1e-6)


def test_new_parameter_values_reuse_the_split() -> None:
    A, b, limit = cp.Parameter((S, N)), cp.Parameter(S), cp.Parameter()
    p = cp.Parameter(S, nonneg=True)
    buy, sell = cp.Variable(N, bounds=[0, 1]), cp.Variable(N, bounds=[0, 1])
    problem = cp.Problem(
        cp.Minimize(tail.cvar(-(A @ (buy - sell)) - b, 0.9, p) + 0.01 * cp.sum(buy + sell)),
        [cp.sum(buy - sell) <= limit],
    )
    r = np.random.default_rng(5)
    for _ in range(4):
        A.value, b.value, limit.value = r.normal(size=(S, N)), r.normal(size=S), r.normal()
        weights = r.random(S)
        p.value = weights / weights.sum()
        got = problem.solve(method="tail", threads=1)
        x = (buy - sell).value
        assert problem.solve(solver="HIGHS") == pytest.approx(got, rel=1e-6, abs=1e-8)
        assert tail.cvar(-(A.value @ x) - b.value, 0.9, p.value).value <= got + 1e-6


def test_parameters_in_the_fallback_form() -> None:
    scale = cp.Parameter(nonneg=True)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Minimize(tail.cvar(cp.hstack([scale * x, P[:20] @ x + scale]), 0.8)), box(x))
    for value in (0.5, 2.0):
        scale.value = value
        got = problem.solve(method="tail", threads=1)
        assert problem.solve(solver="HIGHS") == pytest.approx(got, rel=1e-6)
