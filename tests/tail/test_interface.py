"""What ``problem.solve(method="tail")`` promises: the duals of ``problem.solve()``, its statistics, options, no copies."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.errors import InputError

N = 4


def arrays(seed: int, scenarios: int = 101):
    r = np.random.default_rng(seed)
    return r.normal(size=(scenarios, N)) + 0.05, r.normal(size=scenarios), 0.3 * r.normal(size=N), r


def box(x: cp.Variable) -> list[cp.Constraint]:
    return [x >= -0.4, x <= 0.5, cp.sum(x) == 0.3]


def quadratic(x, losses, cost):
    return cp.Minimize(tail.cvar(losses, 0.87) + cp.sum_squares(x - cost)), box(x)


def limited(x, losses, cost):
    return cp.Maximize(cost @ x - 0.1 * cp.sum_squares(x)), [tail.cvar(losses, 0.87) <= 1.9, *box(x)]


def second_order(x, losses, cost):
    return cp.Minimize(tail.cvar(losses, 0.87) + cost @ x), [cp.norm(x, 2) <= 0.3, *box(x)]


def power(x, losses, cost):
    impact = cp.sum(cp.power(cp.abs(x), 1.5))
    return cp.Minimize(tail.cvar(losses, 0.87) + 0.4 * impact + cp.sum_squares(x)), [impact <= 0.4, *box(x)]


def semidefinite(x, losses, cost):
    column = cp.reshape(x, (N, 1), order="F")
    return cp.Minimize(tail.cvar(losses, 0.87)), [cp.bmat([[np.eye(N), column], [column.T, np.array([[0.1]])]]) >> 0]


FORMS = [quadratic, limited, second_order, power, semidefinite]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_values_and_duals_are_those_of_an_ordinary_solve(form, seed: int) -> None:
    """Strictly convex or curved at the optimum, and a fractional tail: primal and dual solutions are unique."""
    P, base, cost, _ = arrays(seed)
    x = cp.Variable(N)
    problem = cp.Problem(*form(x, -(P @ x) - base, cost))
    problem.solve(solver=cp.CLARABEL)
    want = problem.value, x.value, [c.dual_value for c in problem.constraints]
    problem.solve(method="tail", tolerance=1e-8, threads=1)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(want[0], rel=1e-6)
    assert x.value == pytest.approx(want[1], abs=2e-4)
    for c, dual in zip(problem.constraints, want[2], strict=True):
        assert np.shape(c.dual_value) == np.shape(dual)
        assert np.asarray(c.dual_value) == pytest.approx(np.asarray(dual), abs=3e-3)


def test_duals_of_a_linear_program_are_those_of_an_ordinary_solve() -> None:
    matched = 0
    for seed in range(6):
        P, base, cost, _ = arrays(seed)
        x = cp.Variable(N)
        problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - base, 0.87) + cost @ x), box(x))
        problem.solve(solver=cp.HIGHS)
        simplex = [np.asarray(c.dual_value) for c in problem.constraints]
        problem.solve(solver=cp.CLARABEL)
        # A vertex and the centre of the optimal face agree only where the face is a point.
        unique = all(c.dual_value == pytest.approx(d, abs=1e-5) for c, d in zip(problem.constraints, simplex, strict=True))
        for master in ("SIMPLEX", "INTERIOR", "CLARABEL"):
            problem.solve(method="tail", tolerance=1e-9, master=master, threads=1)
            if unique:
                matched += 1
                for c, dual in zip(problem.constraints, simplex, strict=True):
                    assert c.dual_value == pytest.approx(dual, abs=1e-4)
    assert matched >= 3


def test_every_statistic_is_there() -> None:
    P, base, _, _ = arrays(0)
    x = cp.Variable(N)
    problem = cp.Problem(cp.Maximize(-tail.cvar(-(P @ x) - base, 0.9)), box(x))
    value = problem.solve(method="tail", verbose=False)
    stats = problem.solver_stats.extra_stats
    for name in (
        "gap",
        "lower_bound",
        "upper_bound",
        "passes",
        "rounds",
        "active_scenarios",
        "master_seconds",
        "pass_seconds",
    ):
        assert np.isfinite(stats[name]), name
    # A maximisation: the point's value is the lower of the two.
    assert stats["lower_bound"] == pytest.approx(value)
    assert stats["upper_bound"] >= value - 1e-9
    assert problem.solver_stats.solver_name == f"tail/{stats['master']}"
    assert stats["rounds"] >= 1
    assert stats["active_scenarios"] == 101


def test_importing_hedgeopt_is_enough() -> None:
    code = (
        "import hedgeopt, cvxpy as cp; x = cp.Variable(2); "
        "p = cp.Problem(cp.Minimize(cp.cvar(x, 0.5)), [cp.sum(x) == 1]); print(round(p.solve(method='tail'), 6))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.5"


def test_threads_do_not_change_the_answer() -> None:
    P, base, cost, _ = arrays(2, 30_000)
    values = []
    for threads in (1, 2, 5):
        x = cp.Variable(N)
        problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - base, 0.97) + cost @ x), box(x))
        values.append(problem.solve(method="tail", threads=threads))
    assert values[1:] == pytest.approx(values[:1] * 2, rel=1e-9)
    with pytest.raises(InputError, match="threads"):
        problem.solve(method="tail", threads=0)


@pytest.mark.parametrize("kind", ["float32", "memory-mapped", "float64"])
def test_a_source_is_not_copied(kind: str, tmp_path) -> None:
    rows, columns = 60_000, 20
    P = np.random.default_rng(0).standard_t(4, size=(rows, columns))
    P = P.astype(np.float32) if kind == "float32" else P
    if kind == "memory-mapped":
        np.save(tmp_path / "p.npy", P)
        source = tail.ArraySource.from_npy(tmp_path / "p.npy")
    else:
        source = tail.ArraySource(P)
    matrix = 8 * rows * columns
    x = cp.Variable(columns)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), 0.99)), [cp.sum(x) == 1, x >= 0])
    tracemalloc.start()
    try:
        problem.solve(method="tail", threads=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert problem.status == "optimal"
    # Vectors of S numbers, the coarse levels and the masters' rows: far from a second matrix in float64.
    assert peak < 0.9 * matrix


def test_integers_with_a_tail_limit_and_tilted_scenarios() -> None:
    """Whole lots under a CVaR limit with probabilities, against all 625 plans."""
    P, base, _, r = arrays(5, 40)
    p = r.random(40)
    p /= p.sum()
    cost = np.array([1.0, 1.3, 0.7, 1.1])
    lots = cp.Variable(N, integer=True)
    limit = tail.cvar(-(P @ lots) - 3 * base, 0.8, p) <= 4.2
    problem = cp.Problem(cp.Minimize(cost @ cp.abs(lots)), [limit, lots >= -2, lots <= 2])
    problem.solve(method="tail")
    assert problem.status == "optimal"
    plans = np.stack(np.meshgrid(*[np.arange(-2, 3)] * N), -1).reshape(-1, N)
    best = np.inf
    for plan in plans:
        L = -(P @ plan) - 3 * base
        order = np.argsort(-L)
        share = np.clip(1 - np.concatenate(([0], np.cumsum(p[order] / 0.2)[:-1])), 0, p[order] / 0.2)
        if share @ L[order] <= 4.2:
            best = min(best, cost @ np.abs(plan))
    assert np.isfinite(best)
    assert best > 0
    assert problem.value == pytest.approx(best, rel=1e-6)
