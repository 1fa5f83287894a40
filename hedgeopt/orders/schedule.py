"""Slices over time: linear-quadratic impact against the risk of what is not traded yet, as one small convex program.

Of K legs with signed quantities X (K,), ``n_t`` (K,) are traded in interval t of length tau, and ``x_t`` are left after it::

    minimise    sum_t sum_k (eta_k / tau) n_tk^2 + risk_aversion tau sum_{t<N} x_t' C x_t
    subject to  x_0 = X,  x_t = x_{t-1} - n_t,  x_N = 0,  n_t of the sign of X

``eta`` (K,) is USD per unit squared and unit of time, ``C`` (K, K) the covariance of the legs' P&L per unit and unit of
time. With one leg the answer is that of Almgren and Chriss, "Optimal execution of portfolio transactions" (J. Risk 3, 2000),
in :func:`almgren_chriss`; permanent impact gamma moves eta to ``eta - gamma tau / 2`` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from hedgeopt.errors import CertificateError, InputError
from hedgeopt.files.calls import strict_call

__all__ = ["almgren_chriss", "in_whole_lots_over_time", "optimal_slices"]


@strict_call
def almgren_chriss(
    quantity: float, intervals: int, tau: float, sigma: float, eta: float, risk_aversion: float
) -> np.ndarray:
    """(intervals + 1,) units left after each interval: ``X sinh(kappa (T - t)) / sinh(kappa T)``.

    ``2 (cosh(kappa tau) - 1) / tau^2 = risk_aversion sigma^2 / eta``; ``sigma`` per root of a unit of time, ``eta`` with
    permanent impact taken off. Without risk aversion the line from X to 0.
    """
    left = np.arange(intervals, -1, -1)
    kappa = np.arccosh(1.0 + 0.5 * tau**2 * risk_aversion * sigma**2 / eta) / tau
    if kappa * tau * intervals < 1e-8:
        return np.asarray(quantity * left / intervals)
    k = kappa * tau  # sinh(k j) / sinh(k n), which does not overflow
    shrunk = np.exp(-k * (intervals - left)) * -np.expm1(-2.0 * k * left) / -np.expm1(-2.0 * k * intervals)
    return np.asarray(quantity * shrunk)


@strict_call
def optimal_slices(
    quantities: np.ndarray | Sequence[float],
    intervals: int,
    tau: float,
    covariance: np.ndarray | Sequence[Any],
    eta: np.ndarray | Sequence[float],
    risk_aversion: float,
) -> np.ndarray:
    """(intervals, K) units to trade in each interval, signed as ``quantities`` (K,).

    Raises
    ------
    InputError
        For numbers that are no such program: fewer than one interval, an impact that is not positive, a covariance that is
        none.
    CertificateError
        The solver found no answer.
    """
    import cvxpy as cp

    X, count = np.asarray(quantities, float), len(quantities)
    C, impact = np.asarray(covariance, float).reshape(count, count), np.asarray(eta, float)
    checks = (
        ("intervals", intervals >= 1, intervals, "give a whole number from 1"),
        ("tau", tau > 0.0, tau, "give the length of an interval, above 0"),
        ("eta", len(impact) == count and bool((impact > 0.0).all()), impact.tolist(), "USD per unit squared, above 0"),
        ("risk_aversion", risk_aversion >= 0.0, risk_aversion, "give a number from 0"),
        ("quantities", count > 0 and bool((X != 0.0).all()), X.tolist(), "give trades that are not 0"),
    )
    for field, good, value, fix in checks:
        if not good:
            raise InputError("is out of range", field=field, value=value, fix=fix)
    # In shares of each leg, and of cost and risk of all at once: numbers of at most 1.
    scale = float(np.sum(impact / tau * X**2) + risk_aversion * tau * np.sum(np.maximum(np.diag(C), 0.0) * X**2))
    root = _root(C * np.outer(X, X) * (risk_aversion * tau / scale))
    weight = impact / tau * X**2 / scale
    part = cp.Variable((intervals, count), nonneg=True)
    left = 1.0 - cp.cumsum(part, axis=0)
    cost = cp.sum(cp.multiply(np.tile(weight, (intervals, 1)), cp.square(part)))
    risk = cp.sum_squares(left @ root) if risk_aversion > 0.0 else 0.0
    problem = cp.Problem(cp.Minimize(cost + risk), [cp.sum(part, axis=0) == 1.0])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-12)
    if part.value is None:
        raise CertificateError(f"no schedule was found: the solver says {problem.status}")
    shares = np.maximum(part.value, 0.0)
    return np.asarray(shares / shares.sum(axis=0) * X)


def _root(matrix: np.ndarray) -> np.ndarray:
    """R with ``R R' = matrix``, which is symmetric and nowhere negative but for rounding."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    if len(values) and values[0] < -1e-8 * max(abs(values[-1]), 1e-300):
        raise InputError(
            "is no covariance", field="covariance", value=float(values[0]), fix="its eigenvalues are not negative"
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def in_whole_lots_over_time(
    slices: np.ndarray, quantities: Sequence[float], lots: Sequence[float], least: Sequence[float] | None = None
) -> np.ndarray:
    """(T, K) slices in whole lots that add up to ``quantities`` exactly: what is done by t is rounded to the nearest lot.

    0 or NaN in ``lots`` leaves a leg as it is. What is below a leg's smallest order ``least`` waits for the next slice, and
    nothing smaller is left for the last; NaN where there is none.
    """
    out = np.array(slices, float)
    for k, (quantity, lot) in enumerate(zip(quantities, lots, strict=True)):
        if not lot > 0.0:
            out[-1, k] = quantity - out[:-1, k].sum()
            continue
        step, whole = Fraction(str(float(lot))), Fraction(str(float(quantity)))
        done = [round(Fraction(float(share)) / step) * step for share in np.cumsum(slices[:, k])[:-1]]
        upto = [Fraction(0), *(min(max(d, min(whole, Fraction(0))), max(whole, Fraction(0))) for d in done), whole]
        out[:, k] = [float(b - a) for a, b in pairwise(upto)]
    for k, smallest in enumerate(() if least is None else least):
        if smallest > 0.0:
            out[:, k] = _not_below(out[:, k], smallest)
    return out


def _not_below(parts: np.ndarray, least: float) -> np.ndarray:
    """(T,) the parts of one leg, each 0 or at least ``least``: smaller ones wait, a small rest goes with the part before."""
    exact = [Fraction(str(float(f"{part:.12g}"))) for part in parts]
    floor = Fraction(str(float(least))) * (1 - Fraction(1, 10**9))
    out, waiting = [Fraction(0)] * len(exact), Fraction(0)
    for t, part in enumerate(exact):
        waiting += part
        if abs(waiting) >= floor:
            out[t], waiting = waiting, Fraction(0)
    if waiting:
        sent = [t for t, part in enumerate(out) if part]
        out[sent[-1] if sent else len(out) - 1] += waiting
    return np.array([float(part) for part in out])
