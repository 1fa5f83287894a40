"""What a proof costs: problems without tails, ``method="tail"`` against the same ``problem.solve()`` of cvxpy's own."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.registry import benchmark

Draw = Callable[[np.random.Generator, int], cp.Problem]
SIZES = {"small": 6, "middle": 40, "large": 200}
# Solves of each kind, alternating, of which the median counts: after the first, which imports the solver.
TIMES, SEED = 7, 14


def _linear(r: np.random.Generator, n: int) -> cp.Problem:
    x = cp.Variable(n, nonneg=True)
    return cp.Problem(cp.Maximize(r.random(n) @ x), [r.random((n // 2, n)) @ x <= 10 * r.random(n // 2)])


def _transport(r: np.random.Generator, n: int) -> cp.Problem:
    m = max(2, int(np.sqrt(n)))
    x = cp.Variable((m, m), nonneg=True)
    return cp.Problem(
        cp.Minimize(cp.sum(cp.multiply(r.random((m, m)), x))), [cp.sum(x, axis=0) == 1, cp.sum(x, axis=1) == 1]
    )


def _quantile(r: np.random.Generator, n: int) -> cp.Problem:
    A, x = r.normal(size=(2 * n, max(2, n // 4))), cp.Variable(max(2, n // 4))
    apart = A @ x - r.normal(size=2 * n)
    return cp.Problem(cp.Minimize(cp.sum(cp.maximum(0.9 * apart, -0.1 * apart))))


def _chebyshev(r: np.random.Generator, n: int) -> cp.Problem:
    A, x = r.normal(size=(2 * n, max(2, n // 4))), cp.Variable(max(2, n // 4))
    return cp.Problem(cp.Minimize(cp.norm_inf(A @ x - r.normal(size=2 * n))))


def _infeasible(r: np.random.Generator, n: int) -> cp.Problem:
    x = cp.Variable(n, nonneg=True)
    return cp.Problem(cp.Minimize(r.random(n) @ x), [cp.sum(x) == 1, r.random(n) @ x >= 2])


def _long_only(r: np.random.Generator, n: int) -> cp.Problem:
    F, w = r.normal(size=(2 * n, n)), cp.Variable(n)
    return cp.Problem(cp.Minimize(cp.quad_form(w, F.T @ F / n) - r.random(n) @ w), [cp.sum(w) == 1, w >= 0])


def _shorts(r: np.random.Generator, n: int) -> cp.Problem:
    F, w = r.normal(size=(2 * n, n)), cp.Variable(n)
    return cp.Problem(cp.Minimize(cp.quad_form(w, F.T @ F / n)), [cp.sum(w) == 1, r.random(n) @ w >= 0.6])


def _factors(r: np.random.Generator, n: int) -> cp.Problem:
    k = max(2, n // 10)
    F, w = r.normal(size=(k, n)), cp.Variable(n)
    risk = cp.sum_squares(F @ w) + cp.sum_squares(cp.multiply(0.1 + r.random(n), w))
    return cp.Problem(cp.Maximize(r.normal(size=n) @ w - risk), [cp.sum(w) == 0, cp.norm1(w) <= 2])


def _least_squares(r: np.random.Generator, n: int) -> cp.Problem:
    A, x = r.normal(size=(2 * n, n)), cp.Variable(n)
    return cp.Problem(cp.Minimize(cp.sum_squares(A @ x - r.normal(size=2 * n))), [x >= 0, x <= 1])


def _lasso(r: np.random.Generator, n: int) -> cp.Problem:
    A, x = r.normal(size=(2 * n, n)), cp.Variable(n)
    return cp.Problem(cp.Minimize(cp.sum_squares(A @ x - r.normal(size=2 * n)) + 2 * cp.norm1(x)))


def _huber(r: np.random.Generator, n: int) -> cp.Problem:
    A, x = r.normal(size=(2 * n, max(2, n // 4))), cp.Variable(max(2, n // 4))
    return cp.Problem(cp.Minimize(cp.sum(cp.huber(A @ x - r.standard_t(2, size=2 * n)))))


def _semivariance(r: np.random.Generator, n: int) -> cp.Problem:
    R, w = 0.01 * r.normal(size=(5 * n, max(2, n // 4))), cp.Variable(max(2, n // 4))
    return cp.Problem(cp.Minimize(1e4 * cp.sum_squares(cp.neg(R @ w)) / n), [cp.sum(w) == 1, w >= 0])


def _margin(r: np.random.Generator, n: int) -> cp.Problem:
    X, w, v = r.normal(size=(2 * n, max(2, n // 4))), cp.Variable(max(2, n // 4)), cp.Variable()
    y = np.sign(X[:, 0] + 0.5 * r.normal(size=2 * n))
    return cp.Problem(cp.Minimize(cp.sum(cp.pos(1 - cp.multiply(y, X @ w - v))) / n + 0.1 * cp.sum_squares(w)))


def _cone(r: np.random.Generator, n: int) -> cp.Problem:
    F, x = r.normal(size=(max(2, n // 2), n)), cp.Variable(n)
    return cp.Problem(cp.Maximize(r.random(n) @ x), [cp.norm(F @ x) <= 3, cp.sum(x) <= 1, cp.abs(x) <= 2])


def _group_norms(r: np.random.Generator, n: int) -> cp.Problem:
    groups = max(2, n // 5)
    x = cp.Variable((groups, 3))
    b = r.normal(size=2 * groups)
    fit = cp.norm(r.normal(size=(2 * groups, 3 * groups)) @ cp.vec(x, order="F") - b)
    return cp.Problem(cp.Minimize(fit + 0.3 * cp.sum(cp.norm(x, axis=1))))


def _entropy(r: np.random.Generator, n: int) -> cp.Problem:
    A, p = r.random((max(1, n // 20), n)), cp.Variable(n)
    return cp.Problem(cp.Maximize(cp.sum(cp.entr(p))), [cp.sum(p) == 1, A @ p == A.mean(axis=1) * 1.02])


def _divergence(r: np.random.Generator, n: int) -> cp.Problem:
    q, p, losses = r.random(n) + 0.1, cp.Variable(n, nonneg=True), r.normal(size=n)
    q /= q.sum()
    return cp.Problem(cp.Minimize(cp.sum(cp.kl_div(p, q))), [cp.sum(p) == 1, losses @ p >= losses @ q + 0.3])


def _logistic(r: np.random.Generator, n: int) -> cp.Problem:
    X, w = r.normal(size=(2 * n, max(2, n // 10))), cp.Variable(max(2, n // 10))
    y = np.sign(X @ r.normal(size=X.shape[1]) + r.normal(size=2 * n))
    return cp.Problem(cp.Minimize(cp.sum(cp.logistic(-cp.multiply(y, X @ w))) / n + 0.1 * cp.norm(w)))


def _growth(r: np.random.Generator, n: int) -> cp.Problem:
    R, w = 1 + 0.02 * r.normal(size=(2 * n, max(2, n // 4))), cp.Variable(max(2, n // 4))
    return cp.Problem(cp.Maximize(cp.sum(cp.log(R @ w)) / n), [cp.sum(w) == 1, w >= 0])


def _water(r: np.random.Generator, n: int) -> cp.Problem:
    x, a = cp.Variable(n), 0.1 + r.random(n)
    return cp.Problem(cp.Maximize(cp.sum(cp.log(a + x))), [x >= 0, cp.sum(x) == 1])


def _means(r: np.random.Generator, n: int) -> cp.Problem:
    x = cp.Variable(max(2, n // 4))
    A = r.random((3, x.size))
    return cp.Problem(cp.Maximize(cp.geo_mean(x)), [A @ x <= 1])


def _matrix(r: np.random.Generator, n: int) -> cp.Problem:
    m = max(3, int(np.sqrt(n)))
    C, X = r.normal(size=(m, m)), cp.Variable((m, m), PSD=True)
    return cp.Problem(cp.Minimize(cp.trace((C + C.T) @ X)), [cp.trace(X) == 1])


KINDS: dict[str, Draw] = {
    f.__name__[1:]: f
    for f in (_linear, _transport, _quantile, _chebyshev, _infeasible, _long_only, _shorts, _factors, _least_squares, _lasso,
              _huber, _semivariance, _margin, _cone, _group_norms, _entropy, _divergence, _logistic, _growth, _water,
              _means, _matrix)
}  # fmt: skip


def _seconds(problem: cp.Problem, **how: Any) -> float:
    begin = time.process_time()
    problem.solve(**how)
    return time.process_time() - begin


@benchmark("tail_overhead", "problems without tails: CPU of method='tail', which proves its answer, over cvxpy's own")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per problem, and one with the distribution of the ratios."""
    import hedgeopt.tail  # noqa: F401  registers the method
    from hedgeopt.tail.threads import blas_threads

    ratios: dict[str, list[float]] = {}
    for number, (kind, draw) in enumerate(KINDS.items()):
        for size, n in list(SIZES.items())[: 1 if smoke else None]:
            own, ours, value = [], [], np.nan
            with blas_threads(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for _ in range(2 if smoke else 1 + TIMES):
                    # A new problem each time: what is compiled is kept with the problem.
                    first, second = (draw(np.random.default_rng((SEED, number)), n) for _ in range(2))
                    own.append(_seconds(first))
                    ours.append(_seconds(second, method="tail"))
                    value = float(first.value)
            ratio = float(np.median(np.array(ours[1:]) / np.array(own[1:])))
            ratios.setdefault(size, []).append(ratio)
            stats = second.solver_stats.extra_stats
            apart = 0.0 if second.value == value else abs(float(second.value) - value) / max(abs(value), 1e-9)
            yield {
                "kind": kind, "size": size, "own_ms": round(1e3 * float(np.median(own[1:])), 2), "ratio": round(ratio, 3),
                "status": second.status, "proven": stats["proven"], "gap": stats["gap"], "values_apart": apart,
            }  # fmt: skip
    yield {size: _spread(found) for size, found in ratios.items()} | {"all": _spread([*chain(*ratios.values())])}


def _spread(ratios: list[float]) -> dict[str, float]:
    levels = {"minimum": 0.0, "first_decile": 0.1, "median": 0.5, "ninth_decile": 0.9, "maximum": 1.0}
    return {name: round(float(np.quantile(ratios, level)), 3) for name, level in levels.items()}
