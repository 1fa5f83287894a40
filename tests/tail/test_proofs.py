"""What is called proven is so: verdicts, bounds and masters, on programs whose variables have units of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from benchmarks.campaign.tail_bounds import FALSE, bound
from hedgeopt.errors import InputError
from hedgeopt.tail.masters.base import Refusal
from hedgeopt.tail.masters.simplex import SimplexMaster

MANY = int(os.environ.get("HEDGEOPT_PROOFS", "0"))
"""Random programs of each kind; without it a few."""


def solved(problem: cp.Problem, **options: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(method="tail", **options)
    return problem.solver_stats.extra_stats


# --- masters -----------------------------------------------------------------------------------------------------------

AFTER_HIGHS = """
import sys
import cvxpy as cp, numpy as np, hedgeopt.tail as tail
z = cp.Variable(2, integer=True)
given = {} if sys.argv[1] == "default" else {"threads": int(sys.argv[1])}
cp.Problem(cp.Maximize(cp.sum(z)), [z <= 2.5]).solve(solver=cp.HIGHS, **given)
x = cp.Variable(5)
P = np.random.default_rng(0).normal(size=(60, 5))
problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [cp.sum(x) == 1, x >= 0])
problem.solve(method="tail", master="SIMPLEX")
stats = problem.solver_stats.extra_stats
print("answered", stats["master"], len(stats["failures"]), file=sys.stderr)
"""


@pytest.mark.parametrize("threads", ["default", "1", "3"])
def test_the_simplex_lives_after_other_uses_of_highs(threads: str) -> None:
    # HiGHS has one scheduler per process, and whoever comes first sets its threads.
    run = subprocess.run([sys.executable, "-c", AFTER_HIGHS, threads], capture_output=True, text=True, timeout=300)
    assert "answered SIMPLEX 0" in run.stderr, run.stderr[-2000:]


def portfolio(S: int = 60, N: int = 5) -> cp.Problem:
    x = cp.Variable(N)
    P = np.random.default_rng(0).normal(size=(S, N))
    return cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [cp.sum(x) == 1, x >= 0])


def test_a_master_that_breaks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = portfolio()
    want = problem.solve(method="tail")
    monkeypatch.setattr(SimplexMaster, "core", lambda *a: Refusal("failed", "HiGHS did not run", technical=True))
    with pytest.warns(UserWarning, match="SIMPLEX failed: HiGHS did not run; INTERIOR answered"):
        value = problem.solve(method="tail", warm_start=False)
    assert value == pytest.approx(want, rel=1e-6)
    (failure, *_) = problem.solver_stats.extra_stats["failures"]
    assert (failure["master"], failure["technical"]) == ("SIMPLEX", True)


def test_when_all_masters_fail_the_error_tells_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimplexMaster, "core", lambda *a: Refusal("failed", "no luck", technical=True))
    monkeypatch.setattr("hedgeopt.tail.masters.interior.InteriorMaster.core", lambda *a: Refusal("failed", "too steep"))
    monkeypatch.setattr("hedgeopt.tail.masters.call._solve", _broken)
    with pytest.raises(cp.SolverError, match=r"SIMPLEX: no luck; master INTERIOR: too steep; master HIGHS: broken"):
        portfolio().solve(method="tail")


def _broken(*_: Any) -> Any:
    raise cp.SolverError("broken")


# --- verdicts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dust", [0.0, 1e-35, -1e-35, 1e-18, 1e-300])
@pytest.mark.parametrize("size", [1.0, 4e6, 1e11])
def test_dust_decides_nothing(dust: float, size: float) -> None:
    x = cp.Variable(2, nonneg=True)
    rows = [x[0] <= size, x[1] <= 1, x[0] + x[1] <= size, x[1] - 1e-6 * x[0] <= dust]
    problem = cp.Problem(cp.Minimize(-x[0] - x[1]), rows)
    stats = solved(problem)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(-size, rel=1e-9)
    assert stats["proven"]


@pytest.mark.parametrize("dust", [1e-35, 1e-20])
def test_dust_among_the_losses(dust: float) -> None:
    x, P = cp.Variable(3, nonneg=True), np.random.default_rng(1).normal(size=(40, 3)) + 0.2
    want = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.8)), [x <= 5])
    want.solve(solver=cp.HIGHS)
    noise = dust * np.random.default_rng(2).normal(size=40)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - noise, 0.8)), [x <= 5])
    solved(problem)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(want.value, abs=1e-7)


@pytest.mark.parametrize("cost", [1.0, 1e-8, 1e-13])
@pytest.mark.parametrize("far", [1.0, 1e7, 1e12])
def test_a_far_limit_is_a_limit(cost: float, far: float) -> None:
    z, w = cp.Variable(nonneg=True), cp.Variable(nonneg=True)
    problem = cp.Problem(cp.Minimize(-cost * z), [z + w <= far])
    stats = solved(problem)
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(-cost * far, rel=1e-6)
    assert stats["lower_bound"] <= -cost * far * (1 - 1e-9)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_rays_and_conflicts_in_any_unit(unit: float) -> None:
    z, w = cp.Variable(), cp.Variable(nonneg=True)
    for rows, cost, status in (
        ([z / unit - w <= 1], -z / unit + 0.5 * w, "unbounded"),
        ([z / unit - w <= 1], -z / unit + 1.5 * w, "optimal"),
        ([z / unit + w <= 1, z / unit >= 1 + 1e-6], w, "infeasible"),
        ([z / unit + w <= 1, z / unit >= 1 - 1e-6], w, "optimal"),
    ):
        problem = cp.Problem(cp.Minimize(cost), rows)
        solved(problem)
        assert problem.status == status


def test_a_relaxation_without_end_is_not_a_verdict() -> None:
    # Few scenarios lose what the others earn, at exposures far beyond one; with losses in other units as well.
    for unit in (1e-8, 1.0, 1e8):
        r = np.random.default_rng(3)
        P = np.abs(r.normal(size=(4_000, 3))) + 1e-3
        P[::1000] *= -3e3
        y = cp.Variable(3, nonneg=True)
        problem = cp.Problem(cp.Minimize(tail.cvar(-(unit * P @ y), 0.9)), [])
        solved(problem)
        # The four that lose outweigh the rest of the tail: nothing is gained, at any size.
        assert problem.status == "optimal"
        assert problem.value == pytest.approx(0.0, abs=1e-6 * unit)
        free = cp.Problem(cp.Minimize(tail.cvar(-(unit * np.abs(P) @ y), 0.9)), [])
        solved(free)
        assert free.status == "unbounded"


# --- bounds ------------------------------------------------------------------------------------------------------------


def small() -> tuple[np.ndarray, float]:
    P = np.random.default_rng(0).normal(size=(20, 2))
    x = cp.Variable(2)
    return P, float(cp.Problem(cp.Minimize(cp.cvar(-P @ x, 0.8)), [cp.sum(x) == 1, x >= 0]).solve(solver=cp.HIGHS))


@pytest.mark.parametrize(("far", "gain"), [(1.0, 1e-3), (1e5, 1e-3), (1e7, 0.1), (1e7, 1e-4), (1e10, 0.5)])
@pytest.mark.parametrize("kind", ["cone", "rows", "equality"])
def test_a_gain_far_away_is_in_the_gap(far: float, gain: float, kind: str) -> None:
    """A variable in units of its own: optimum ``v + 1 - gain``, all of the gain at ``z = far``."""
    P, best = small()
    x, z, w = cp.Variable(2), cp.Variable(), cp.Variable()
    region = {
        "cone": [cp.norm(cp.hstack([z, w])) <= far],
        "rows": [cp.abs(z) <= far],
        "equality": [z == far * w, cp.abs(w) <= 1],
    }[kind]
    objective = cp.cvar(-P @ x, 0.8) + 1 - (gain / far) * z
    problem = cp.Problem(cp.Minimize(objective), [cp.sum(x) == 1, x >= 0, *region])
    stats = solved(problem)
    true = best + 1 - gain
    assert stats["lower_bound"] <= true + 1e-8
    assert stats["proven"]
    assert problem.value - true <= stats["gap"] * abs(problem.value) + 1e-7
    assert problem.status == ("optimal" if stats["gap"] <= 1e-5 else "optimal_inaccurate")


@pytest.mark.parametrize("cone", [False, True])
def test_no_bound_above_the_optimum(cone: bool) -> None:
    """Against the same program in units of one, whole, in another solver; the campaign ``tail_bounds`` asks more of them."""
    found = [bound(seed, cone) for seed in range(MANY or 12)]
    assert not set(found) & set(FALSE), [(seed, what) for seed, what in enumerate(found) if what in FALSE]
    assert found.count("proven") > 0.5 * len(found)


# --- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_numbers_that_are_none_are_named(bad: float) -> None:
    x, P = cp.Variable(3), np.random.default_rng(0).normal(size=(50, 3))
    risk, plan = tail.cvar(-(P @ x), 0.9), [cp.sum(x) == 1, x >= 0]
    for problem in (
        cp.Problem(cp.Minimize(risk), [*plan, np.array([bad, 1, 1]) @ x <= 4]),
        cp.Problem(cp.Minimize(risk), [cp.sum(x) == bad, x >= 0]),
        cp.Problem(cp.Minimize(risk + np.array([bad, 1, 1]) @ x), plan),
        cp.Problem(cp.Minimize(risk), [*plan, x[0] >= -bad if bad == -np.inf else x[0] <= (bad if bad != np.inf else -bad)]),
        cp.Problem(cp.Minimize(risk + bad * cp.Variable(integer=True)), plan),
    ):
        with pytest.raises(InputError, match="every number of a problem must be finite"):
            problem.solve(method="tail")
    if bad == np.inf:
        cost = cp.Parameter(3, name="cost", value=[bad, 1, 1])
        with pytest.raises(InputError, match=r"^cost: every number"):
            cp.Problem(cp.Minimize(risk + cost @ x), plan).solve(method="tail")
        # No limit is a limit of infinity.
        assert cp.Problem(cp.Minimize(risk), [*plan, x <= np.inf]).solve(method="tail") < np.inf


@pytest.mark.parametrize("tiny", [1e-12, 1e-25])
def test_one_column_in_other_units_hides_no_gap(tiny: float) -> None:
    """An option worth next to nothing that costs as much as others: it sets neither the scale nor the size of the gap."""
    r = np.random.default_rng(4)
    P, base, cost = r.normal(size=(80, 6)), 3 * r.normal(size=80), 0.05 + 0.1 * r.random(6)
    P[:, 5] *= tiny
    found = []
    for cvar in (tail.cvar, cp.cvar):
        x = cp.Variable(6, nonneg=True)
        found.append((cp.Problem(cp.Minimize(cvar(-(P @ x) - base, 0.9) + cost @ x), [x <= 2]), x))
    true = found[1][0].solve(solver=cp.HIGHS)
    problem = found[0][0]
    for master in (None, "SIMPLEX", "INTERIOR"):
        stats = solved(problem, master=master)
        assert stats["lower_bound"] <= true + 1e-7
        assert problem.value == pytest.approx(true, rel=1e-5)


def test_one_column_in_other_units_breaks_no_row() -> None:
    """Rows in which a worthless option counts in thousands hold for the others, too."""
    r = np.random.default_rng(5)
    P, base, cost = 1e5 * r.normal(size=(80, 6)), 3e5 * r.normal(size=80), 1e4 * (0.05 + 0.1 * r.random(6))
    P[:, 4:] *= 1e-30
    margin, cap = np.array([3e3, 2e3, 5e3, 4e3, 1.6e4, 2e4]), np.array([2, 2, 2, 2, 1, 0])
    found = []
    for cvar in (tail.cvar, cp.cvar):
        x = cp.Variable(6, nonneg=True)
        rows = [x <= cap, margin @ cp.abs(x - 0.1) <= 8e3]
        found.append((cp.Problem(cp.Minimize(cvar(-(P @ x) - base, 0.9) + cost @ x), rows), x))
    true = found[1][0].solve(solver=cp.CLARABEL)
    for master in (None, "SIMPLEX"):
        problem, x = found[0]
        solved(problem, master=master, warm_start=False)
        assert margin @ np.abs(x.value - 0.1) <= 8e3 * (1 + 1e-9)
        assert problem.value == pytest.approx(true, rel=1e-6)
