"""Numbers behind the plots of a proposal's page: the plots can be drawn again from the file alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hedgeopt.measures.price_profile import SpotProfile, spot_profile
from hedgeopt.measures.risk import scenario_losses
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.spot import price_slopes
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk

__all__ = ["Figures", "LossDistribution", "counted_losses", "figures", "loss_distribution"]

_LEVEL = 0.99
_EDGES = 90


@dataclass(frozen=True, eq=False)
class LossDistribution:
    """Scenario losses over the horizon in classes, before and after trading, before costs.

    Attributes
    ----------
    level
        Confidence of the two marks.
    edges : (90,)
        USD; the outermost classes hold what lies beyond them.
    before, after : (89,)
        Probability of each class, per cent.
    value_at_risk, cvar
        USD loss at ``level``, before and after.
    """

    level: float
    edges: np.ndarray
    before: np.ndarray
    after: np.ndarray
    value_at_risk: tuple[float, float]
    cvar: tuple[float, float]

    def cvar_error(self, scenarios: int, *, after: bool = True) -> float:
        """Standard error, USD, of the CVaR as an estimate from this many independent, equally likely scenarios.

        ``sqrt(Var((L - q)+) / S) / (1 - level)`` with q the value at risk (Trindade et al. 2007, Journal of Banking and
        Finance 31). The moments come from the classes; what lies in the outermost one is taken as exponential, with the
        mean that the CVaR leaves for it.
        """
        k, p = int(after), 1.0 - self.level
        masses, q = (self.after if after else self.before) / 100.0, self.value_at_risk[k]
        low, high = self.edges[:-1], self.edges[1:]
        beyond = low >= q
        weights = np.where(beyond, masses, 0.0)
        holds = np.flatnonzero((low < q) & (high > q))  # the class that the value at risk cuts
        weights[holds] = max(p - float(weights.sum()), 0.0)
        excess = np.where(beyond, 0.5 * (low + high), 0.5 * (q + high)) - q
        mean = p * max(self.cvar[k] - q, 0.0)
        second = float(weights[:-1] @ excess[:-1] ** 2)
        if weights[-1] > 0.0:
            base = max(float(low[-1]) - q, 0.0)
            far = max((mean - float(weights[:-1] @ excess[:-1])) / float(weights[-1]) - base, 0.0)
            second += float(weights[-1]) * (base**2 + 2.0 * base * far + 2.0 * far**2)
        return float(np.sqrt(max(second - mean**2, 0.0) / scenarios) / p)


@dataclass(frozen=True, eq=False)
class Figures:
    """P&L against the price of each underlying and peg, and the distribution of losses; in units of the numeraire."""

    profiles: tuple[SpotProfile, ...]
    losses: LossDistribution

    def __repr__(self) -> str:
        return f"Figures(profiles of {', '.join(one.asset for one in self.profiles)}; losses)"


def figures(e: Exposures, x: np.ndarray) -> Figures:
    """Those of a book and trades x (N,)."""
    moved = [asset for asset in e.assets if asset not in dollar_assets()]
    return Figures(tuple(_counted(spot_profile(e, x, a), e) for a in moved), counted_losses(e, x))


def counted_losses(e: Exposures, x: np.ndarray) -> LossDistribution:
    """Losses before and after trades x (N,), in units of the numeraire where there is one."""
    drawn = loss_distribution((scenario_losses(e), scenario_losses(e, x)), e.probabilities)
    if e.numeraire is not None:
        n = e.numeraire.price
        var, cvar = ((pair[0] / n, pair[1] / n) for pair in (drawn.value_at_risk, drawn.cvar))
        drawn = replace(drawn, edges=drawn.edges / n, value_at_risk=var, cvar=cvar)
    return drawn


def _counted(profile: SpotProfile, e: Exposures) -> SpotProfile:
    """A profile in units of the numeraire, whose own price moves with some assets."""
    unit = e.numeraire
    if unit is None:
        return profile
    slope = price_slopes(unit.asset, e.market).get(profile.asset, 0.0) * e.price(profile.asset) / unit.price
    then, equity = unit.price * (1.0 + slope * profile.moves), float(e.equity.sum())
    before, after = ((equity + pnl) / then - equity / unit.price for pnl in (profile.before, profile.after))
    return replace(profile, before=before, after=after)


def loss_distribution(
    losses: Sequence[np.ndarray], probabilities: np.ndarray | None, level: float = _LEVEL
) -> LossDistribution:
    """Classes from the 0.1 % quantile to a quarter beyond the larger CVaR: the tail is there in full.

    ``losses`` holds (S,) USD before and after, ``probabilities`` (S,) or None for equal ones.
    """
    tails = [tail_loss(loss, level, probabilities) for loss in losses]
    low = float(min(np.quantile(loss, 0.001) for loss in losses))
    high = float(max(tails)) * 1.25
    edges = np.linspace(low, max(high, low + 1.0), _EDGES)
    heights = []
    for loss in losses:
        weights = np.full(len(loss), 1.0 / len(loss)) if probabilities is None else probabilities
        heights.append(np.histogram(np.clip(loss, edges[0], edges[-1]), edges, weights=100.0 * weights)[0])
    quantiles = [value_at_risk(loss, level, probabilities) for loss in losses]
    return LossDistribution(
        level, edges, heights[0], heights[1], (quantiles[0], quantiles[1]), (float(tails[0]), float(tails[1]))
    )
