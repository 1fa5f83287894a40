"""cvxpy's solvers as masters: values, bounds and statuses in any currency, against the default master."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt.tail as tail
from hedgeopt.tail.masters.call import call
from hedgeopt.tail.masters.cones import into_dual_cone
from hedgeopt.tail.masters.weak import bound_of

N = 6
UNITS = [1e-4, 1.0, 1e6]


def hedge(kind: str, unit: float, scenarios: int = 3_000) -> cp.Problem:
    """A hedge in a currency of ``unit``: the optimal trades are the same in all of them."""
    r = np.random.default_rng(0)
    P = unit * (r.standard_t(4, size=(scenarios, 3)) @ r.normal(size=(3, N)) + 0.3 * r.standard_t(4, size=(scenarios, N)))
    base, root = 3 * unit * r.standard_t(4, size=scenarios), r.normal(size=(N, N))
    buy, sell = cp.Variable(N, nonneg=True), cp.Variable(N, nonneg=True)
    x = buy - sell
    objective = cp.cvar(-(P @ x) - base, 0.95) + 0.01 * unit * cp.sum(buy + sell)
    limits = [buy <= 1, sell <= 1]
    if kind == "quadratic":
        objective += 0.1 * unit * cp.quad_form(x, cp.psd_wrap(root @ root.T))
    if kind == "cone":
        objective += 0.1 * unit * cp.sum(cp.power(cp.abs(x), 1.5))
        limits.append(cp.norm(x) <= 0.8)
    return cp.Problem(cp.Minimize(objective), limits)


@pytest.fixture(scope="module")
def exact() -> dict[str, float]:
    """Optimal values in units of the currency."""
    return {kind: hedge(kind, 1.0).solve(method="tail", tolerance=1e-9) for kind in ("linear", "quadratic", "cone")}


CASES = [(kind, solver) for kind in ("linear", "quadratic") for solver in ("CLARABEL", "OSQP", "SCS", "HIGHS")] + [
    ("linear", "ECOS"), ("linear", "SCIPY"), ("cone", "CLARABEL"), ("cone", "SCS"), ("cone", "ECOS"),
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("kind", "solver"), CASES)
def test_value_and_bound_enclose_the_optimum(kind: str, solver: str, unit: float, exact: dict[str, float]) -> None:
    problem = hedge(kind, unit)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The tail solver stopped|Bound not proven")
        try:
            problem.solve(method="tail", master=solver, threads=1)
        except cp.SolverError:
            # A solver may fail; it may not answer wrongly.
            assert (kind, solver) in [("linear", "OSQP"), ("cone", "ECOS"), ("quadratic", "HIGHS")]
            return
    stats = problem.solver_stats.extra_stats
    want = exact[kind] * unit
    assert stats["master"] == solver
    assert stats["lower_bound"] <= want * (1 + 1e-6)
    assert stats["upper_bound"] >= want * (1 - 1e-6)
    assert problem.value - want <= max(stats["gap"], 1e-6) * abs(want)
    assert problem.status == ("optimal" if stats["gap"] <= 1e-5 else "optimal_inaccurate")
    # HiGHS' active-set method for quadratic programs is less accurate.
    if solver in ("CLARABEL", "SCIPY") or (kind, solver) == ("linear", "HIGHS"):
        assert problem.status == "optimal"
        assert problem.value == pytest.approx(want, rel=2e-6)


def test_a_solver_stopped_early_reports_the_gap_it_left(exact: dict[str, float]) -> None:
    for solver, options in (("SCS", {"eps": 1e-3}), ("CLARABEL", {"max_iter": 8}), ("CLARABEL", {"tol_gap_rel": 1e-2})):
        problem = hedge("linear", 1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                problem.solve(method="tail", master=solver, threads=1, **options)
            except cp.SolverError as error:
                assert solver in str(error)  # noqa: PT017
                continue
        stats = problem.solver_stats.extra_stats
        assert stats["lower_bound"] <= exact["linear"] * (1 + 1e-6)
        assert problem.value <= exact["linear"] + (stats["gap"] + 1e-6) * abs(problem.value)
        assert problem.status == ("optimal" if stats["gap"] <= 1e-5 else "optimal_inaccurate")


def test_infeasible_unbounded_and_undecided() -> None:
    x = cp.Variable(3)
    P = np.abs(np.random.default_rng(1).normal(size=(50, 3)))
    for solver in ("HIGHS", "CLARABEL"):
        infeasible = cp.Problem(cp.Minimize(tail.cvar(P @ x, 0.9)), [cp.sum(x) == 1, x >= 1])
        assert infeasible.solve(method="tail", master=solver) == np.inf
        unbounded = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [x >= 0])
        assert unbounded.solve(method="tail", master=solver) == -np.inf
        # Presolve may call this "infeasible or unbounded": it is infeasible.
        both = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [x >= 0, x[0] - x[1] >= 1, x[1] - x[0] >= 1])
        assert both.solve(method="tail", master=solver) == np.inf
        assert both.status == "infeasible"


def test_a_solver_that_ends_without_a_verdict_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HiGHS ends with kUnknown on some infeasible programs of recorded chains; cvxpy raises a ValueError there."""
    from cvxpy.reductions.solvers.conic_solvers.highs_conif import HIGHS

    monkeypatch.setattr(HIGHS, "STATUS_MAP", {})
    x = cp.Variable(2)
    answer = call(cp.Problem(cp.Minimize(cp.sum(x)), [x >= 1]), "HIGHS", {}, 1e-6, None)
    assert answer.status == "failed"
    assert "without a verdict" in answer.reason
    assert not answer.technical


def test_infeasible_or_unbounded_is_unbounded_only_where_a_point_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from cvxpy.reductions.solvers.conic_solvers.highs_conif import HIGHS

    undecided = dict.fromkeys(HIGHS.STATUS_MAP, cp.settings.INFEASIBLE_OR_UNBOUNDED)
    points = {status: verdict for status, verdict in HIGHS.STATUS_MAP.items() if verdict == cp.OPTIMAL}
    x = cp.Variable(2)
    unbounded = cp.Problem(cp.Minimize(-cp.sum(x)), [x >= 1])
    monkeypatch.setattr(HIGHS, "STATUS_MAP", undecided | points)
    assert call(unbounded, "HIGHS", {}, 1e-6, None).status == "unbounded"
    monkeypatch.setattr(HIGHS, "STATUS_MAP", {status: undecided[status] for status in undecided if status not in points})
    answer = call(unbounded, "HIGHS", {}, 1e-6, None)
    assert (answer.status, answer.technical) == ("failed", False)
    assert "could not tell" in answer.reason


def test_integers_bound_is_the_solvers_own() -> None:
    r = np.random.default_rng(2)
    P, base = r.normal(size=(80, 3)), 3 * r.normal(size=80)
    lots = cp.Variable(3, integer=True)
    problem = cp.Problem(cp.Maximize(-tail.cvar(-(P @ lots) - base, 0.8) + 7), [lots >= -2, lots <= 2])
    for solver in ("HIGHS", "SCIPY"):
        with pytest.warns(UserWarning, match="Bound not proven: .* claims a gap"):
            problem.solve(method="tail", master=solver)
        assert problem.status == "optimal_inaccurate"
        assert not problem.solver_stats.extra_stats["proven"]
        grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), -1).reshape(-1, 3)
        best = max(7 - np.sort(-(P @ x) - base)[-16:].mean() for x in grid)
        assert problem.value == pytest.approx(best, rel=1e-9)
        stats = problem.solver_stats.extra_stats
        assert stats["upper_bound"] >= best - 1e-9
        assert stats["lower_bound"] == pytest.approx(best)
        assert stats["gap"] <= 1e-6


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([0.0, 1e-3, 1.0]))
def test_any_dual_point_bounds_a_conic_program(seed: int, spread: float) -> None:
    r = np.random.default_rng(seed)
    x = cp.Variable(4)
    root, c = r.normal(size=(4, 4)), r.normal(size=4)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(root @ x) + c @ x), [cp.norm(x) <= 1, x >= -0.5, cp.sum(x) == 0.3])
    answer = call(problem, "CLARABEL", {}, 1e-8, None)
    data, best, z = answer.data, np.array(answer.raw.x), np.array(answer.raw.z)
    z = z + spread * r.normal(size=len(z))
    # What is left of the gradient is charged at the bounds of the ball, whatever x and z are.
    assert bound_of(data, best, z).value <= problem.value + 1e-6
    if spread == 0:
        assert bound_of(data, best, z).value == pytest.approx(problem.value, abs=1e-6)
    dual = into_dual_cone(z, data["dims"])
    zero, linear = data["dims"].zero, data["dims"].nonneg
    assert np.all(dual[zero : zero + linear] >= 0)
    at = zero + linear
    for size in data["dims"].soc:
        assert dual[at] >= np.linalg.norm(dual[at + 1 : at + size]) * (1 - 1e-12)
        at += size


@pytest.mark.parametrize("total", [None, 1.0])
@pytest.mark.parametrize("master", [None, "INTERIOR", "SIMPLEX", "HIGHS", "CLARABEL"])
def test_a_plain_mean_without_bounds_is_unbounded(master: str | None, total: float | None) -> None:
    # One scenario at beta 0 leaves no complementary pair at all, and CLARABEL calls a point on the ray solved.
    x = cp.Variable(3)
    region = [] if total is None else [cp.sum(x) == total]
    problem = cp.Problem(cp.Minimize(tail.cvar(-(np.array([[0.3, 0.8, 0.4]]) @ x), 0.0)), region)
    assert problem.solve(method="tail", master=master) == -np.inf
    assert problem.status == "unbounded"
