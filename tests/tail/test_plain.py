"""Problems without tails, odd problems, and what cvxpy accepts: no refusal, no abort, and a proof for every answer."""

from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace

import cvxpy as cp
import numpy as np
import pytest
from cvxpy.transforms.partial_optimize import partial_optimize

import hedgeopt.tail  # noqa: F401  registers the method
from hedgeopt.errors import InputError
from hedgeopt.tail.masters.call import panics_as_errors
from hedgeopt.tail.masters.cones import into_dual_cone

R = np.random.default_rng(4)
P = R.normal(size=(60, 3)) + 0.1


def proven(problem: cp.Problem, want: float, rel: float = 1e-5, **options: object) -> dict[str, object]:
    """Solved, optimal, near ``want``, with a proof that does not pass it."""
    value = problem.solve(method="tail", **options)
    stats = problem.solver_stats.extra_stats
    assert problem.status == "optimal"
    assert stats["proven"]
    assert stats["gap"] <= 1e-5
    assert value == pytest.approx(want, rel=rel, abs=1e-6)
    room = 1e-7 * max(abs(want), 1e-3)
    assert stats["lower_bound"] <= want + room
    assert stats["upper_bound"] >= want - room
    return stats


def test_an_unset_parameter_is_a_parameter_error() -> None:
    x, a = cp.Variable(3), cp.Parameter(name="price")
    for objective in (a * x[0], cp.cvar(-(P @ x), 0.9) + a * x[0]):
        with pytest.raises(cp.error.ParameterError, match="price"):
            cp.Problem(cp.Minimize(objective), [x >= 0, cp.sum(x) == 1]).solve(method="tail")


def test_problems_without_variables_and_with_a_constant_cvar() -> None:
    y, worst = cp.Variable(), float(np.sort(P[:, 0])[-6:].mean())
    proven(cp.Problem(cp.Minimize(3.0)), 3.0)
    proven(cp.Problem(cp.Minimize(cp.cvar(P[:, 0], 0.9))), worst)
    proven(cp.Problem(cp.Minimize(cp.cvar(P[:, 0], 0.9) + y), [y >= 1]), worst + 1)
    x = cp.Variable(3)
    both = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.9) + cp.cvar(P[:, 0], 0.9)), [x >= 0, cp.sum(x) == 1])
    alone = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.9)), [x >= 0, cp.sum(x) == 1]).solve(solver="CLARABEL")
    proven(both, alone + worst)
    never = cp.Problem(cp.Minimize(0), [cp.Constant(1) <= 0])
    never.solve(method="tail")
    assert never.status == "infeasible"


def test_partial_optimisation_is_left_to_cvxpy() -> None:
    from cvxpy.transforms.partial_optimize import partial_optimize

    x, t = cp.Variable(3), cp.Variable(3)
    inner = partial_optimize(cp.Problem(cp.Minimize(cp.sum(t)), [-t <= x, x <= t]), [t], [x])
    proven(cp.Problem(cp.Minimize(inner), [x >= 1]), 3.0)
    proven(cp.Problem(cp.Minimize(inner + cp.cvar(-(P @ x), 0.5)), [x == 1]), 3.0 - np.sort(P.sum(axis=1))[:30].mean())


def _nonpos(e: cp.Expression) -> cp.Constraint:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cp.NonPos(e)


def test_scalar_signs_beside_a_cone() -> None:
    q, r = cp.Variable(2), cp.Variable()
    proven(cp.Problem(cp.Minimize(r + cp.norm(q - 1)), [cp.NonNeg(r), cp.NonNeg(2 * r)]), 0.0)
    x = cp.Variable(3)
    held = [cp.NonNeg(x[0]), _nonpos(-x[1]), cp.norm(x) <= 1, cp.sum(x) == 1]
    one = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.8)), held)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        want = one.solve(solver="CLARABEL")
        proven(one, want)


x_ = cp.Variable(3)
CONIC = {
    "norm at zero": (cp.Minimize(cp.norm(x_ - 1)), [x_ >= 0], 0.0),
    "power": (cp.Minimize(cp.sum(cp.power(x_, 3))), [x_ >= 0], 0.0),
    "sqrt": (cp.Maximize(cp.sum(cp.sqrt(x_))), [cp.sum(x_) <= 1], np.sqrt(3)),
    "log": (cp.Maximize(cp.sum(cp.log(x_))), [cp.sum(x_) <= 1], -3 * np.log(3)),
    "entr": (cp.Maximize(cp.sum(cp.entr(x_))), [cp.sum(x_) == 1, x_[0] == 0], np.log(2)),
    "geo_mean": (cp.Maximize(cp.geo_mean(x_)), [cp.sum(x_) <= 1], 1 / 3),
    "pnorm": (cp.Minimize(cp.pnorm(x_, 3)), [cp.sum(x_) == 1, x_[0] == 0], 0.25 ** (1 / 3)),
    "kl_div": (cp.Minimize(cp.sum(cp.kl_div(x_, np.ones(3)))), [cp.sum(x_) == 3], 0.0),
    "ExpCone": (cp.Minimize(x_[2]), [cp.ExpCone(x_[0], x_[1], x_[2]), x_[0] == 1, x_[1] == 1], np.e),
    "PowCone3D": (cp.Maximize(x_[2]), [cp.PowCone3D(x_[0], x_[1], x_[2], 0.3), x_[0] == 1, x_[1] == 2], 2**0.7),
}


@pytest.mark.parametrize("kind", list(CONIC))
def test_cones_at_the_end_of_their_domain(kind: str) -> None:
    objective, limits, want = CONIC[kind]
    proven(cp.Problem(objective, limits), want)
    assert all(c.dual_value is not None for c in limits)


def test_a_complex_cone() -> None:
    c = cp.Variable(2, complex=True)
    proven(cp.Problem(cp.Minimize(cp.norm(c - np.array([1 + 1j, 2]))), [cp.norm(c) <= 1]), np.sqrt(6) - 1)


def test_semivariance_of_many_scenarios_takes_a_sparse_solver() -> None:
    T, n = 300, 10
    returns, w, up, down = (
        R.normal(size=(T, n)) * 0.01,
        cp.Variable(n),
        cp.Variable(T, nonneg=True),
        cp.Variable(T, nonneg=True),
    )
    problem = cp.Problem(cp.Minimize(cp.sum_squares(down)), [cp.sum(w) == 1, w >= 0, returns @ w == up - down])
    want = problem.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10, tol_feas=1e-10)
    stats = proven(problem, want, 1e-4)
    assert stats["master"] in ("OSQP", "CLARABEL")


def test_integers_without_tails_are_proven() -> None:
    b = cp.Variable(2, integer=True)
    proven(cp.Problem(cp.Minimize(cp.sum_squares(b - np.array([1.2, 2.7]))), [b >= 0, b <= 9]), 0.13)
    flags = cp.Variable(2, boolean=True)
    proven(cp.Problem(cp.Maximize(flags[0] - flags[1]), [cp.sum(flags) >= 1]), 1.0)


def test_a_copied_problem_is_solved_as_the_first() -> None:
    """``copy.deepcopy`` takes canonical forms along that name the old variables: the interpreter aborted on them."""
    x = cp.Variable(3)
    for objective in (cp.cvar(-(P @ x), 0.9), cp.sum_squares(P @ x)):
        first = cp.Problem(cp.Minimize(objective), [x >= 0, cp.sum(x) == 1])
        want = first.solve(method="tail")
        x._lazy_canonical_form = x.canonicalize()
        held = {v: v.value for v in first.variables()}
        second = copy.deepcopy(cp.Problem(first.objective, first.constraints))
        assert second.solve(method="tail") == pytest.approx(want, rel=1e-7)
        assert first.solve(method="tail") == pytest.approx(want, rel=1e-7)
        assert held


def test_options_of_cvxpy_are_accepted() -> None:
    x, a = cp.Variable(3), cp.Parameter(value=2.0)
    plain = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.9)), [x >= 0, cp.sum(x) == 1])
    want = plain.solve(method="tail")
    assert plain.compilation_time is not None
    assert plain.solver_stats.num_iters > 0
    for options in ({"ignore_dpp": True}, {"enforce_dpp": True}, {"canon_backend": "SCIPY"}):
        assert plain.solve(method="tail", **options) == pytest.approx(want)
    bent = cp.Problem(cp.Minimize(cp.cvar(-(P @ x), 0.9) + a * a * x[0]), [x >= 0, cp.sum(x) == 1])
    with pytest.raises(cp.error.DPPError):
        bent.solve(method="tail", enforce_dpp=True)
    with pytest.raises(InputError, match="gp"):
        plain.solve(method="tail", gp=True)


def test_verdicts_without_tails_are_proven() -> None:
    x = cp.Variable(2)
    for part in ([], [cp.norm(x) <= 5]):
        never = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 1, cp.sum(x) <= 1, *part])
        never.solve(method="tail")
        assert never.status == "infeasible"
        assert never.solver_stats.extra_stats["proven"]
    for cost in (1.0, 1e-8):
        falls = cp.Problem(cp.Minimize(-cost * x[0]), [x >= 0])
        falls.solve(method="tail")
        assert falls.status == "unbounded"
        assert falls.solver_stats.extra_stats["proven"]
    # HiGHS calls this unbounded, of a limit far away.
    z, w = cp.Variable(nonneg=True), cp.Variable(nonneg=True)
    proven(cp.Problem(cp.Minimize(-1e-8 * z), [z + w <= 1e7]), -0.1)
    y = cp.Variable(2, nonneg=True)
    dust = [y[0] <= 4e6, y[1] <= 1, y[0] + y[1] <= 4e6, y[1] - 1e-6 * y[0] <= 1e-35]
    proven(cp.Problem(cp.Minimize(-y[0] - y[1]), dust), -4e6)


def test_a_panic_of_a_solver_is_a_solver_error() -> None:
    class PanicException(BaseException):
        pass

    with pytest.raises(cp.SolverError, match="panicked"), panics_as_errors("CLARABEL"):
        raise PanicException("index out of bounds")
    with pytest.raises(KeyboardInterrupt), panics_as_errors("CLARABEL"):
        raise KeyboardInterrupt


def test_a_named_solver_is_judged_and_not_replaced() -> None:
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [cp.sum(x) == 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(method="tail", master="SCS", eps=1e-2)
    stats = problem.solver_stats.extra_stats
    assert stats["master"] == "SCS"
    assert problem.status == "optimal_inaccurate" or stats["gap"] <= 1e-5
    assert stats["lower_bound"] <= 4 / 3 + 1e-9


def test_what_is_not_convex_is_not_proven() -> None:
    """``assume_PSD=True`` takes any matrix: the value of a stationary point is no proof."""
    x = cp.Variable(2)
    bent = cp.Problem(cp.Minimize(cp.quad_form(x, np.diag([2.0, -1.0]), assume_PSD=True)), [x == np.array([1.0, 2.0])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bent.solve(method="tail")
    assert bent.status == "optimal_inaccurate"
    assert not bent.solver_stats.extra_stats["proven"]


def test_least_squares_that_vanish_are_proven() -> None:
    X, A, B = cp.Variable((4, 3)), R.normal(size=(4, 4)), R.normal(size=(4, 3))
    proven(cp.Problem(cp.Minimize(cp.sum_squares(A @ X - B))), 0.0)


@pytest.mark.parametrize("powers", [[0.2, 0.3, 0.5], [0.05, 0.05, 0.4, 0.5]])
def test_power_cones_of_many_arguments_are_proven(powers: list[float]) -> None:
    """max prod w_i^a_i on the simplex is prod a_i^a_i, at w = a."""
    a = np.array(powers)
    w, z = cp.Variable(len(a)), cp.Variable()
    problem = cp.Problem(cp.Maximize(z), [cp.PowConeND(w, z, a), cp.sum(w) <= 1.0])
    proven(problem, float(np.prod(a**a)))
    assert w.value == pytest.approx(a, abs=1e-3)
    problem = cp.Problem(cp.Maximize(z), [cp.PowConeND(w, z, a), cp.sum(w) <= -1.0])
    problem.solve(method="tail")
    assert problem.status == "infeasible"


def test_a_multiplier_of_a_power_cone_is_moved_into_its_dual() -> None:
    """s'z >= 0 of every slack in the cone, most of all at s_i = a_i / z_i where the product is least."""
    r = np.random.default_rng(7)
    a = np.array([0.15, 0.25, 0.6])
    dims = SimpleNamespace(zero=0, nonneg=0, soc=[], psd=[], exp=0, p3d=[], pnd=[a.tolist()])
    for _ in range(200):
        z = into_dual_cone(r.normal((1.0, 1.0, 1.0, 0.0)), dims)
        assert z[:3].min() >= 0.0
        x = a / np.maximum(z[:3], 1e-9)
        s = np.append(x, -np.sign(z[3]) * np.prod(x**a))
        assert s @ z >= -1e-9 * float(np.abs(s) @ np.abs(z))


def test_partial_optimisation_with_integers() -> None:
    """Within, x follows y at a distance of half; y counts in whole numbers."""
    x, y = cp.Variable(), cp.Variable(integer=True)
    inner = cp.Problem(cp.Minimize(cp.abs(x - y) + 0.1 * x), [x >= y + 0.5])
    problem = cp.Problem(cp.Minimize(partial_optimize(inner, [x], [y], solver=cp.CLARABEL)), [y >= 1.3])
    assert problem.solve(method="tail") == pytest.approx(0.5 + 0.25, abs=1e-6)
    assert y.value == pytest.approx(2.0)


def test_a_complex_matrix_that_cannot_be_is_proven_infeasible() -> None:
    X = cp.Variable((2, 2), hermitian=True)
    problem = cp.Problem(cp.Minimize(cp.imag(X[1, 0])), [X >> 0, X[0, 0] == -1])
    problem.solve(method="tail")
    assert problem.status == "infeasible"
    assert problem.solver_stats.extra_stats["proven"]


def test_a_large_entropy_is_proven_without_a_dense_factorisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """max entropy on the simplex is log n; singular values of all rows took 90 times as long as the solve."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a dense pseudo-inverse")

    monkeypatch.setattr(np.linalg, "pinv", refuse)
    x = cp.Variable(500)
    proven(cp.Problem(cp.Maximize(cp.sum(cp.entr(x))), [cp.sum(x) == 1, x <= 0.5]), float(np.log(500)))
    q = np.linspace(1.0, 3.0, 300) / np.linspace(1.0, 3.0, 300).sum()
    y = cp.Variable(300)
    proven(cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(y, q))), [cp.sum(y) == 2]), 2.0 * float(np.log(2.0)))


def test_multipliers_that_nothing_proves_are_those_of_the_solver() -> None:
    """The least sum of all eigenvalues is the trace of the limits: 6, with multipliers of one each."""
    X, Y, one = cp.Variable((2, 2), symmetric=True), cp.Variable((2, 2), symmetric=True), np.eye(2)
    both = cp.vstack([cp.reshape(X, (1, 2, 2), order="C"), cp.reshape(Y, (1, 2, 2), order="C")])
    limits = [X >> one, Y >> 2 * one]
    problem = cp.Problem(cp.Minimize(cp.sum(cp.lambda_sum_largest(both, 2))), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        value = problem.solve(method="tail")
    assert value == pytest.approx(6.0, abs=1e-5)
    assert all(limit.dual_value == pytest.approx(one, abs=1e-4) for limit in limits)
