"""Threads, forks, interrupts, extreme shapes and levels: each leaves the problem right, and its gap verified."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail


def _long_only(P: np.ndarray, beta: float) -> tuple[cp.Problem, cp.Variable]:
    x = cp.Variable(P.shape[1])
    return cp.Problem(cp.Minimize(tail.cvar(-(P @ x), beta)), [cp.sum(x) == 1, x >= 0]), x


def _solved(seed: int, S: int = 300, N: int = 5) -> float:
    problem, _ = _long_only(np.random.default_rng(seed).normal(size=(S, N)), 0.9)
    problem.solve(method="tail")
    assert problem.status == "optimal"
    return float(problem.value)


def test_threads_and_a_fork_get_the_values_of_one() -> None:
    want = [_solved(seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(_solved, range(6))) == pytest.approx(want, rel=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(1) as child:
            found = child.map_async(_solved, range(2)).get(timeout=300)
    assert found == pytest.approx(want[:2], rel=1e-6)


def test_an_interrupt_leaves_the_problem_as_good_as_new() -> None:
    problem, _ = _long_only(np.random.default_rng(1).normal(size=(20_000, 60)), 0.9)
    begin = time.perf_counter()
    problem.solve(method="tail")
    took, want = time.perf_counter() - begin, problem.value
    timer = threading.Timer(0.3 * took, os.kill, (os.getpid(), signal.SIGINT))
    other, _ = _long_only(np.random.default_rng(1).normal(size=(20_000, 60)), 0.9)
    timer.start()
    try:
        other.solve(method="tail")
        timer.cancel()
        timer.join()  # what it has sent by now arrives here
        time.sleep(0.1)
    except KeyboardInterrupt:
        pass
    timer.join()
    other.solve(method="tail")
    assert (other.status, other.value) == ("optimal", pytest.approx(want, rel=1e-5))


@pytest.mark.parametrize(("S", "N"), [(200_000, 2), (2, 5_000), (1, 1)])
def test_extreme_shapes_are_verified(S: int, N: int) -> None:
    P = np.random.default_rng(2).normal(size=(S, N))
    problem, x = _long_only(P, 0.95)
    problem.solve(method="tail")
    shown = tail.verify(problem)
    assert problem.status == "optimal"
    assert shown.gap <= 1e-5
    L = np.sort(-(P @ x.value))[::-1]
    assert problem.value == pytest.approx(L[: max(S // 20, 1)].mean(), rel=1e-6)


@pytest.mark.parametrize("beta", [0.0, 1e-12, 0.999999, 1.0 - 1e-12])
def test_levels_at_the_ends_are_mean_and_maximum(beta: float) -> None:
    P = np.random.default_rng(3).normal(size=(50, 4))
    problem, x = _long_only(P, beta)
    problem.solve(method="tail")
    L = -(P @ x.value)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(L.mean() if beta < 0.5 else L.max(), rel=1e-6)
    assert tail.verify(problem).gap <= 1e-5


def test_parameters_that_change_change_the_answer() -> None:
    P, x, base = np.random.default_rng(4).normal(size=(200, 3)), cp.Variable(3), cp.Parameter(200)
    problem = cp.Problem(cp.Minimize(tail.cvar(base - P @ x, 0.9)), [cp.norm1(x) <= 2])
    for seed in (0, 1, 0):
        base.value = np.random.default_rng(seed).normal(size=200)
        problem.solve(method="tail")
        y = cp.Variable(3)  # cvxpy cannot begin its cvar from values
        want = cp.Problem(cp.Minimize(cp.cvar(base.value - P @ y, 0.9)), [cp.norm1(y) <= 2]).solve(solver="CLARABEL")
        assert problem.value == pytest.approx(want, rel=1e-5)


def test_a_point_outside_its_rows_verifies_nothing() -> None:
    problem, x = _long_only(np.random.default_rng(5).normal(size=(50, 3)), 0.8)
    problem.solve(method="tail")
    assert tail.verify(problem).gap <= 1e-5
    x.value = 0.5 * x.value
    shown: Any = tail.verify(problem)
    assert shown.violation > 0.1
    assert shown.gap > 0.1


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_a_limit_on_the_mean_counts_in_units_of_the_losses(unit: float) -> None:
    # At beta = 0 every scenario is inside: positions of 1e10 were the unit of the limit, and hid its violation.
    P, x = np.array([[1.0, 2.0], [-1.0, -0.5], [2.0, 0.5], [-1.0, 0.5]]), cp.Variable(2)
    rows = [tail.cvar(-(P / unit) @ x, 0.0) <= -0.3, x >= -unit, x <= unit]
    problem = cp.Problem(cp.Minimize(np.array([1.0, 1.0]) / unit @ x), rows)
    problem.solve(method="tail")
    # The mean of the columns is .25 and .625: only the second earns its cost.
    assert problem.status == "optimal"
    assert x.value / unit == pytest.approx([-1.0, 0.88], abs=1e-6)
    assert problem.value == pytest.approx(-0.12, abs=1e-6)


def test_relative_entropy_of_a_thousand_takes_no_dense_factorisation() -> None:
    N = 1_000
    r, x = np.random.default_rng(6), cp.Variable(N)
    p = r.random(N) / N
    problem = cp.Problem(cp.Minimize(cp.sum(cp.kl_div(x, p / p.sum()))), [cp.sum(x) == 1, r.normal(size=(5, N)) @ x <= 0.02])
    begin = time.process_time()
    problem.solve(method="tail")
    # 90 s where the projection was a dense SVD.
    assert time.process_time() - begin < 10
    assert problem.solver_stats.extra_stats["gap"] <= 1e-5
