"""Entropy pooling: the probabilities nearest to a prior that agree with views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.views import Condition, conditions

__all__ = ["Tilt", "entropy_pool", "tilted"]

_MET = 1e-8


@dataclass(frozen=True)
class Tilt:
    """Probabilities (S,), their relative entropy to the prior (nats), and the multiplier of each condition (K,)."""

    probabilities: np.ndarray
    relative_entropy: float
    multipliers: np.ndarray

    @property
    def effective_number(self) -> float:
        """``exp(-sum p ln p)``."""
        p = self.probabilities[self.probabilities > 0]
        return float(np.exp(-(p * np.log(p)).sum()))


def entropy_pool(prior: np.ndarray, rows: Sequence[Condition]) -> Tilt:
    """Minimise ``sum p ln(p / prior)`` over probabilities that meet every condition (Meucci 2008, arXiv 1012.2848).

    The solution is ``p ~ prior exp(theta (f - b))``, so the convex dual ``ln sum prior exp(theta (f - b))`` has one variable
    per condition, whatever the number of scenarios: free for equalities, of one sign for bounds. Repricing is not needed.

    Parameters
    ----------
    prior : (S,)
        Positive, summing to one.

    Raises
    ------
    InputError
        When no probabilities meet all conditions: names those in conflict, and the nearest value each can reach.
    """
    from scipy.optimize import minimize

    for row in rows:
        low, high = float(row.values.min()), float(row.values.max())
        slack = 1e-12 * max(abs(low), abs(high), 1e-300)
        if (row.sense != "at_most" and row.target > high + slack) or (row.sense != "at_least" and row.target < low - slack):
            raise InputError(
                f"view {row.view} asks for {row.target:.6g}, scenarios only reach {low:.6g} to {high:.6g}",
                file="policy",
                field="scenarios.views",
                fix="soften it, or draw more scenarios",
            )
    scale = np.array([max(float(np.sqrt(prior @ (row.values - prior @ row.values) ** 2)), 1e-300) for row in rows])
    f = np.stack([(row.values - row.target) / s for row, s in zip(rows, scale, strict=True)])
    lower = np.array([0.0 if row.sense == "at_least" else -np.inf for row in rows])
    upper = np.array([0.0 if row.sense == "at_most" else np.inf for row in rows])
    log_prior = np.log(prior, out=np.full(len(prior), -np.inf), where=prior > 0)

    def weigh(theta: np.ndarray) -> tuple[float, np.ndarray]:
        exponent = log_prior + theta @ f
        top = exponent.max()
        p = np.exp(exponent - top)
        total = p.sum()
        return float(top + np.log(total)), p / total

    def dual(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, p = weigh(theta)
        return value, f @ p

    # no probabilities are farther from the prior than one scenario alone, so a dual value below that proves a conflict
    farthest = float(log_prior[np.isfinite(log_prior)].min())

    def proven(intermediate_result: Any) -> None:
        if intermediate_result.fun < farthest - 1e-6:
            raise StopIteration

    found = minimize(
        dual,
        np.zeros(len(rows)),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lower, upper, strict=True)),
        callback=proven,
        options={"maxiter": 1_000, "ftol": 1e-15, "gtol": 1e-9},
    )
    if found.fun < farthest - 1e-6:
        raise _conflict(rows, scale, f)
    theta = _newton(np.clip(found.x, lower, upper), lower, upper, weigh, f)
    value, p = weigh(theta)
    gap = f @ p
    unmet = np.where(lower == 0.0, np.maximum(-gap, 0.0), np.where(upper == 0.0, np.maximum(gap, 0.0), np.abs(gap)))
    if unmet.max(initial=0.0) > _MET:
        raise _conflict(rows, scale, f)
    return Tilt(p, float(max(theta @ gap - value, 0.0)), theta / scale)


def _newton(theta: np.ndarray, lower: np.ndarray, upper: np.ndarray, weigh: Any, f: np.ndarray) -> np.ndarray:
    """A few Newton steps with the dual's Hessian, the covariance of f under p, over the multipliers that are not at zero."""
    for _ in range(50):
        value, p = weigh(theta)
        slope = f @ p
        free = ~(((lower == 0.0) & (theta <= 0.0) & (slope > 0)) | ((upper == 0.0) & (theta >= 0.0) & (slope < 0)))
        if not free.any() or np.abs(slope[free]).max() < 1e-14:
            break
        centred = f[free] - slope[free, None]
        step = np.zeros_like(theta)
        step[free] = -np.linalg.lstsq((centred * p) @ centred.T, slope[free], rcond=1e-13)[0]
        size, rounding = 1.0, 1e-15 * max(abs(value), 1.0)  # near the optimum the value falls by less than it can show
        while size > 1e-10:
            trial = np.clip(theta + size * step, lower, upper)
            if weigh(trial)[0] <= value + 1e-4 * float(slope @ (trial - theta)) + rounding:
                break
            size *= 0.5
        else:
            break
        theta = trial
    return theta


def _conflict(rows: Sequence[Condition], scale: np.ndarray, f: np.ndarray) -> InputError:
    """Which conditions must give, by a linear program that minimises the sum of scaled misses."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack, identity, vstack

    k, n = f.shape
    over, under = np.ones(k), np.ones(k)
    over[[row.sense == "at_least" for row in rows]] = 0.0
    under[[row.sense == "at_most" for row in rows]] = 0.0
    table = hstack([csr_array(f), -identity(k), identity(k)])
    ones = csr_array(np.concatenate([np.ones(n), np.zeros(2 * k)])[None, :])
    answer = linprog(
        np.concatenate([np.zeros(n), over, under]),
        A_eq=vstack([table, ones]).tocsr(),
        b_eq=np.concatenate([np.zeros(k), [1.0]]),
        method="highs",
    )
    if not answer.success:
        return InputError("views cannot be met together", file="policy", field="scenarios.views")
    miss = answer.x[n : n + k] * over - answer.x[n + k :] * under
    worst = [i for i in range(k) if abs(miss[i]) > 1e-7]
    if not worst:
        return InputError(
            "views leave only a handful of extreme scenarios, so that no smooth tilt meets them",
            file="policy",
            field="scenarios.views",
            fix="soften them, or draw more scenarios",
        )
    # a condition with a shadow price conflicts with those that give
    involved = [rows[i].view for i in range(k) if abs(answer.eqlin.marginals[i]) > 1e-9]
    words = "; ".join(f"{rows[i].view} could reach {rows[i].target + miss[i] * scale[i]:.6g}" for i in worst)
    return InputError(
        f"views {', '.join(involved)} cannot be met together",
        file="policy",
        field="scenarios.views",
        fix=f"soften them: {words}",
    )


def tilted(scenarios: ScenarioSet, views: Sequence[Any], min_effective: float = 1.0) -> ScenarioSet:
    """The set with its probabilities tilted to ``views``; the weighted CVaR then reads them.

    Raises
    ------
    InputError
        For views that cannot be met, or that leave fewer effective scenarios than ``min_effective`` (half the sample's
        own number, if that is less): a tail measured on them would be noise.
    """
    tilt = entropy_pool(scenarios.weights, conditions(scenarios, views))
    effective, before = tilt.effective_number, scenarios.effective_number
    if effective < min(min_effective, 0.5 * before):
        raise InputError(
            f"views leave {effective:.0f} effective scenarios of {len(scenarios)}",
            file="policy",
            field="scenarios.views",
            fix="soften the views, draw more scenarios, or lower min_effective",
        )
    note = (
        f"{many(len(views), 'view tilts', 'views tilt')} the scenarios: "
        f"effective number {effective:,.0f} of {len(scenarios):,}, "
        f"relative entropy {tilt.relative_entropy:.4g}"
    )
    return replace(
        scenarios,
        name=f"{scenarios.name}, tilted by {many(len(views), 'view')}",
        probabilities=tilt.probabilities / tilt.probabilities.sum(),
        notes=(*scenarios.notes, note),
    )
