"""What a tail promise is worth: the worst tilt of its sample, a stress floor under it, and the radius that a record asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.models.risk.robust_cvar import RobustCVaR, transport_unit

__all__ = ["TailPromise", "WorstTilt", "radius_for", "tail_promise", "worst_tilt"]

_STEPS = 200


@strict_class
@dataclass(frozen=True)
class WorstTilt:
    """The worst CVaR over probabilities near the sample's.

    Attributes
    ----------
    value
        USD.
    probabilities : (S,)
        Those that give it.
    relative_entropy
        Their distance from the sample's, in nats: the radius, or less where the largest loss alone fills the tail before.
    """

    value: float
    probabilities: np.ndarray
    relative_entropy: float


@strict_call
def worst_tilt(losses: np.ndarray, beta: float, radius: float, probabilities: np.ndarray | None = None) -> WorstTilt:
    """``max CVaR_Q over Q with sum Q ln(Q / p) <= radius`` of losses (S,), exactly.

    The worst Q is ``p exp(t (L - a)+)``, scaled, with a at the edge of its own tail (Hu and Hong 2013; Ahmadi-Javid 2012 for
    ``beta = 0``); t is the root of its relative entropy less the radius, which grows with t.

    Parameters
    ----------
    beta
        Confidence level, 0 or more and below 1.
    radius
        Nats, 0 or more.

    Raises
    ------
    InputError
        For a level or radius outside these, and losses that are no finite numbers.
    """
    loss = np.asarray(losses, float)
    if loss.ndim != 1 or not len(loss) or not np.isfinite(loss).all():
        raise InputError("must hold finite numbers", field="losses", value=loss.shape, fix="give one loss per scenario")
    if not 0.0 <= beta < 1.0:
        raise InputError("must be 0 or more and below 1", field="beta", value=beta, fix="give a level such as 0.99")
    if not 0.0 <= radius < np.inf:
        raise InputError("must be 0 or more", field="radius", value=radius, fix="give nats, such as 0.05")
    p = np.full(len(loss), 1.0 / len(loss)) if probabilities is None else np.asarray(probabilities, float)
    spread = float(np.ptp(loss[p > 0]))
    if radius == 0.0 or spread == 0.0:
        return WorstTilt(tail_loss(loss, beta, p), p, 0.0)
    low, high = 0.0, 1.0 / spread
    while _entropy(q := _tilt(loss, p, beta, high), p) < radius:
        if high * spread > 1e6:  # the largest loss alone is the tail
            return WorstTilt(tail_loss(loss, beta, q), q, _entropy(q, p))
        low, high = high, 2.0 * high
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if _entropy(_tilt(loss, p, beta, middle), p) < radius:
            low = middle
        else:
            high = middle
        if high - low <= 1e-15 * high:
            break
    q = _tilt(loss, p, beta, low)
    return WorstTilt(tail_loss(loss, beta, q), q, _entropy(q, p))


def _tilt(loss: np.ndarray, p: np.ndarray, beta: float, t: float) -> np.ndarray:
    """``p exp(t (L - a)+)`` scaled to one; a, a loss or between two, is where ``1 - beta`` of that lies above."""
    order = np.argsort(-loss, kind="stable")
    falling, mass = loss[order], p[order]
    edge = falling[-1]
    if beta > 0.0:
        with np.errstate(divide="ignore"):
            # ln of sum_{L_s >= a} p_s exp(t (L_s - a)) for a at each loss, and what it must be
            above = np.logaddexp.accumulate(np.log(mass) + t * (falling - falling[0])) + t * (falling[0] - falling)
            needed = np.log(np.maximum(1.0 - np.cumsum(mass), 0.0)) + np.log1p(-beta) - np.log(beta)
        reached = above >= needed
        at = int(np.argmax(reached)) if reached.any() else len(loss) - 1
        edge = falling[at]
        if at > 0:  # without the loss at the edge: enough before a falls to it?
            edge = max(edge, falling[at - 1] + (above[at - 1] - needed[at - 1]) / t)
    with np.errstate(divide="ignore"):
        log_q = np.log(p) + t * np.maximum(loss - edge, 0.0)
    q = np.exp(log_q - log_q.max())
    return np.asarray(q / q.sum())


def _entropy(q: np.ndarray, p: np.ndarray) -> float:
    some = q > 0.0
    return float(q[some] @ np.log(q[some] / p[some]))


@strict_class
@dataclass(frozen=True)
class TailPromise:
    """What a book may lose over the horizon, from several sides, in USD.

    Attributes
    ----------
    cvar, robust, tilted
        CVaR of the sample, with vols and prices off by the radii (:class:`RobustCVaR`), and under the worst tilt within
        ``entropy`` nats.
    stress
        The largest loss of the named stress scenarios, times ``stress_share``; 0 without any.
    value
        The largest of them: no promise is below what a stress that has happened would cost.
    """

    cvar: float
    robust: float
    tilted: float
    stress: float

    @property
    def value(self) -> float:
        """The largest of them."""
        return max(self.cvar, self.robust, self.tilted, self.stress)


@strict_call
def tail_promise(
    exposures: Exposures,
    x: np.ndarray | None = None,
    *,
    beta: float = 0.99,
    radius: float = 0.0,
    price_radius: float = 0.0,
    entropy: float = 0.0,
    stress_share: float = 1.0,
) -> TailPromise:
    """The promise for exposures after trades x (N,), none by default; radii as in :class:`RobustCVaR`, entropy in nats."""
    if not 0.0 <= stress_share <= 1.0:
        raise InputError(
            "must lie between 0 and 1", field="stress_share", value=stress_share, fix="give a share, such as 0.5"
        )
    trades = np.zeros(exposures.n_candidates) if x is None else np.asarray(x, float)
    RobustCVaR(beta, radius, price_radius=price_radius)  # refuses what is none
    losses = -(exposures.base_pnl + exposures.pnl @ trades)
    plain = tail_loss(losses, beta, exposures.probabilities)
    apart = float(transport_unit(exposures, radius, price_radius) @ np.abs(exposures.positions(trades))) / (1.0 - beta)
    stress = 0.0
    for k in range(len(exposures.stress)):
        accounts, per_trade, _ = exposures.stress_gain(k)
        stress = max(stress, -float(np.sum(accounts) + per_trade @ trades))
    tilted = worst_tilt(losses, beta, entropy, exposures.probabilities).value
    return TailPromise(plain, plain + apart, tilted, stress_share * stress)


@strict_call
def radius_for(losses: np.ndarray, promised: np.ndarray, exposed: np.ndarray, beta: float = 0.99) -> float:
    """The smallest radius with which a promise is kept with probability ``beta``, from a record of T steps.

    Split conformal (Vovk, Gammerman and Shafer 2005): with scores ``s_t = (1 - beta) (L_t - V_t) / g_t`` the radius is the
    ``ceil((T + 1) beta)``-th smallest, at least 0. Where steps are exchangeable, a step outside the record loses more than
    ``V + radius g / (1 - beta)`` with a chance of at most ``1 - beta``, whatever the model behind V.

    Parameters
    ----------
    losses : (T,)
        USD lost in each step, of a record that took no part in fitting the model.
    promised : (T,)
        VaR (or CVaR) promised before it.
    exposed : (T,)
        USD per vol point: ``sum_i |vega_i z_i|`` then, above 0.

    Raises
    ------
    InputError
        For records of several lengths, what is no number, and fewer steps than ``beta / (1 - beta)``.
    """
    columns = [np.asarray(one, float) for one in (losses, promised, exposed)]
    if len({one.shape for one in columns}) != 1 or columns[0].ndim != 1:
        raise InputError("must be of one length", field="losses, promised, exposed", value=[len(one) for one in columns])
    if not 0.0 < beta < 1.0:
        raise InputError("must lie between 0 and 1", field="beta", value=beta, fix="give a level such as 0.99")
    if not all(np.isfinite(one).all() for one in columns) or (columns[2] <= 0.0).any():
        raise InputError("must hold finite numbers, above 0 where exposed", field="losses, promised, exposed")
    scores = (1.0 - beta) * (columns[0] - columns[1]) / columns[2]
    place = int(np.ceil(round((len(scores) + 1) * beta, 9)))
    if place > len(scores):
        least = int(np.ceil(round(beta / (1.0 - beta), 9)))
        raise InputError(
            f"only {many(len(scores), 'step')}, {least} are needed for {beta:g}", field="losses", fix="give a longer record"
        )
    return max(float(np.sort(scores)[place - 1]), 0.0)
