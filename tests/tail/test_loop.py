"""The levels and rounds of larger problems: exactness, limits, memory layouts, warm starts, known portfolios."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import norm

import hedgeopt.tail as tail
from hedgeopt.tail.atom import cvar_value


def heavy(scenarios: int, instruments: int, seed: int = 0) -> np.ndarray:
    r = np.random.default_rng(seed)
    return r.standard_t(4, size=(scenarios, 3)) @ r.normal(size=(3, instruments)) * 0.01 + 0.01 * r.standard_t(
        4, size=(scenarios, instruments)
    )


def dual_program(P: np.ndarray, beta: float) -> float:
    """Long-only minimum CVaR by its whole dual: max t, t <= -(q'P)_j, q in the risk envelope."""
    S, N = P.shape
    c = np.append(np.zeros(S), -1.0)
    A = np.hstack((P.T, np.ones((N, 1))))
    cap = 1 / ((1 - beta) * S)
    found = linprog(c, A, np.zeros(N), np.append(np.ones(S), 0)[None, :], [1.0], bounds=[(0, cap)] * S + [(None, None)])
    return -found.fun


@pytest.mark.parametrize(("scenarios", "beta"), [(20_000, 0.95), (20_000, 0.9901), (12_345, 0.5)])
def test_several_levels_equal_the_whole_dual_program(scenarios: int, beta: float) -> None:
    P = heavy(scenarios, 12)
    x = cp.Variable(12)
    problem = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), beta)), [cp.sum(x) == 1, x >= 0])
    value = problem.solve(method="tail")
    stats = problem.solver_stats.extra_stats
    assert value == pytest.approx(dual_program(P, beta), rel=1e-6)
    assert stats["gap"] <= 1e-6
    assert stats["active_scenarios"] < scenarios / 3
    # The certificate holds outside the solver: the bound of the returned weights and the value of the point.
    q = stats["tails"][0].weights
    assert -(q @ P).max() >= value * (1 - 1e-6) - 1e-12
    assert cvar_value(-(P @ x.value), np.full(scenarios, 1 / scenarios), beta)[0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts_and_precisions_of_a_source(order: str, dtype: type, tmp_path) -> None:
    P = np.asarray(heavy(6_000, 5), dtype=dtype, order=order)
    exact = P.astype(float)
    np.save(tmp_path / "p.npy", P)
    want = dual_program(exact, 0.95)
    for source in (tail.ArraySource(P), tail.ArraySource.from_npy(tmp_path / "p.npy")):
        x = cp.Variable(5)
        losses = -(source @ x)
        problem = cp.Problem(cp.Minimize(tail.cvar(losses, 0.95)), [cp.sum(x) == 1, x >= 0])
        assert problem.solve(method="tail", threads=2) == pytest.approx(want, rel=1e-6)
        assert losses.value == pytest.approx(-(exact @ x.value), rel=1e-12)


def test_constrained_tail_over_several_levels() -> None:
    P = heavy(20_000, 10, seed=4)
    mean = np.linspace(-1, 2, 10) * 1e-3
    x = cp.Variable(10)
    risk = tail.cvar(-(P @ x), 0.95)
    limit = risk <= 0.03
    problem = cp.Problem(cp.Maximize(mean @ x), [limit, cp.sum(x) == 1, x >= 0, x <= 0.6])
    value = problem.solve(method="tail")
    assert problem.status == "optimal"
    assert risk.value <= 0.03 * (1 + 1e-7)
    record = problem.solver_stats.extra_stats["tails"][0]
    # Weak duality from the weights alone: max mean'x - m (-(q'P) x - 0.03) over the simplex with caps.
    gain = mean + record.multiplier * (record.weights @ P)
    best = np.sort(gain)[::-1]
    bound = 0.6 * best[0] + 0.4 * best[1] + 0.03 * record.multiplier
    assert bound == pytest.approx(value, rel=2e-6)
    assert bound >= value * (1 - 1e-9)


def test_warm_start_needs_fewer_rounds() -> None:
    P = heavy(20_000, 10)
    x = cp.Variable(10)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.95)), [cp.sum(x) == 1, x >= 0])
    first = problem.solve(method="tail")
    rounds = problem.solver_stats.extra_stats["rounds"]
    assert problem.solve(method="tail") == pytest.approx(first, rel=1e-6)
    assert problem.solver_stats.extra_stats["rounds"] < rounds


def test_verbose_prints_a_line_per_round(capsys: pytest.CaptureFixture[str]) -> None:
    x = cp.Variable(4)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(heavy(300, 4) @ x), 0.9)), [cp.sum(x) == 1, x >= 0])
    problem.solve(method="tail", verbose=True)
    assert capsys.readouterr().out.count("tail: round") == problem.solver_stats.extra_stats["rounds"]


def test_rockafellar_uryasev_2000_portfolio() -> None:
    """Normal returns: the minimum-variance and the minimum-CVaR portfolio agree (their Tables 2, 4 and 5)."""
    mean = np.array([0.0101110, 0.0043532, 0.0137058])
    covariance = np.array(
        [
            [0.00324625, 0.00022983, 0.00420395],
            [0.00022983, 0.00049937, 0.00019247],
            [0.00420395, 0.00019247, 0.00764097],
        ]
    )
    S = 40_000
    # Antithetic draws moment-matched to the paper's mean and covariance.
    z = np.random.default_rng(0).normal(size=(S // 2, 3))
    z = np.vstack((z, -z))
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
    R = mean + z @ np.linalg.cholesky(covariance).T
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(R @ x), 0.95)), [cp.sum(x) == 1, mean @ x >= 0.011, x >= 0])
    problem.solve(method="tail")
    assert x.value == pytest.approx([0.452013, 0.115573, 0.432414], abs=0.03)
    assert x.value @ covariance @ x.value == pytest.approx(0.00378529, rel=0.01)
    closed = -0.011 + np.sqrt(0.00378529) * norm.pdf(norm.ppf(0.95)) / 0.05
    assert closed == pytest.approx(0.115908, abs=1e-5)
    assert problem.value == pytest.approx(closed, rel=0.02)
    assert problem.solver_stats.extra_stats["tails"][0].var == pytest.approx(0.090200, rel=0.03)
