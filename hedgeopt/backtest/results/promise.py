"""The tail that each decision promised, beside the outcome over its horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hedgeopt.backtest.judge import LOUDER
from hedgeopt.backtest.results.coverage import LikelihoodRatio, christoffersen, conditional_coverage, kupiec
from hedgeopt.backtest.results.deflated import holm
from hedgeopt.backtest.results.power import LEVEL, power
from hedgeopt.backtest.results.shortfall import ShortfallTest, acerbi_szekely
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["TailReport", "promises", "tail_report"]

_SAME = 1e-3


@dataclass(frozen=True)
class TailReport:
    """Promised and realised tail.

    Attributes
    ----------
    pairs
        One row per judged decision: ``until``, the end of its step, its ``days``, ``loss, value_at_risk, cvar, beta,
        louder, scaled, hit``.
    expected_hits
        Of a correct promise.
    no_promise
        Decisions left out, because nothing usable was promised.
    horizon
        The usual length of a step.
    coverage, shortfall
        The tests, empty when :attr:`note` says why.
    power
        The chance that these tests would have refuted the promise, had every loss been 1.5 times what it promised; NaN
        where nothing could be tested.
    """

    pairs: pd.DataFrame
    expected_hits: float
    no_promise: int
    horizon: pd.Timedelta
    coverage: tuple[LikelihoodRatio, ...]
    shortfall: tuple[ShortfallTest, ...]
    power: float = math.nan
    note: str = ""

    @property
    def judged(self) -> float:
        """Share of the decisions with an outcome that were judged."""
        return len(self.pairs) / max(len(self.pairs) + self.no_promise, 1)

    @property
    def scaled(self) -> int:
        """Judged decisions whose promise was scaled with the root of time."""
        return int(self.pairs["scaled"].sum())

    @property
    def hits(self) -> int:
        """Losses above the promised value at risk."""
        return int(self.pairs["hit"].sum())

    @property
    def kept(self) -> bool | None:
        """Whether no test refutes the promise at 5 %, all tests together (Holm); None when nothing could be tested."""
        p_values = [test.p for test in self.coverage] + [test.p_value for test in self.shortfall]
        p_values = [p for p in p_values if not np.isnan(p)]
        return min(holm(p_values)) >= LEVEL if p_values else None


def promises(steps: pd.DataFrame, horizon: pd.Timedelta | None = None) -> tuple[pd.DataFrame, int]:
    """Pairs of promise and outcome, one per decision but the last, and how many decisions had no usable promise.

    The outcome of a decision is the loss until the next step: minus its P&L without what was then paid to trade again
    (except in a liquidation, which is the tail itself). It is set against the promise over that very time (``judged_*`` of
    the steps, see :mod:`hedgeopt.backtest.judge`), so that no decision is left out for the length of its step. Steps that
    nobody judged so, of a result from elsewhere, promise over ``horizon``, and are scaled with the root of time; without a
    horizon each promise is of its step.
    """
    if horizon is not None and horizon <= pd.Timedelta(0):
        raise InputError("horizon must be positive", value=str(horizon))
    times = steps.index
    pnl = steps["pnl"].to_numpy(dtype=float)
    paid = (steps["cost"] + steps["fees"]).to_numpy(dtype=float)
    loss = -(pnl + np.where(steps["liquidated"].to_numpy(dtype=bool), 0.0, paid))[1:]
    beta = steps["beta"].to_numpy(dtype=float)[:-1]
    days = np.diff(times) / pd.Timedelta(days=1)
    if "judged_var" in steps:
        var, es, louder = (steps[name].to_numpy(dtype=float)[1:] for name in ("judged_var", "judged_cvar", "judged_louder"))
        scaled = steps["judged_scaled"].to_numpy(dtype=bool)[1:]
    else:
        root = np.ones(len(days)) if horizon is None else np.sqrt(days * (pd.Timedelta(days=1) / horizon))
        var, es = (root * steps[name].to_numpy(dtype=float)[:-1] for name in ("promised_var", "promised_cvar"))
        louder, scaled = np.full(len(days), np.nan), np.abs(root - 1.0) > _SAME
    usable = np.isfinite(var) & np.isfinite(es) & np.isfinite(beta) & (es > 0) & (es >= var)
    columns = {"until": times[1:], "days": days, "loss": loss, "value_at_risk": var, "cvar": es, "beta": beta}
    columns |= {"louder": louder, "scaled": scaled, "hit": loss > var}
    pairs = pd.DataFrame(columns, index=times[:-1].rename("timestamp"))[usable]
    return pairs, int((~usable).sum())


def tail_report(
    steps: pd.DataFrame, horizon: pd.Timedelta | None = None, *, simulations: int = 10_000, seed: int = 0
) -> TailReport:
    """All tests, and their power; ``horizon`` is that of promises which were not judged over their steps' own length."""
    pairs, missing = promises(steps, horizon)
    expected = float((1.0 - pairs["beta"]).sum())
    usual = pd.Timedelta(np.median(np.diff(steps.index.to_numpy()))) if len(steps) > 1 else pd.Timedelta(0)
    note = _why_not(pairs)
    if note:
        return TailReport(pairs, expected, missing, usual, (), (), note=note)
    hits, beta = pairs["hit"].to_numpy(dtype=bool), float(pairs["beta"].iloc[0])
    coverage = (kupiec(hits, 1.0 - beta), christoffersen(hits), conditional_coverage(hits, 1.0 - beta))
    var, es = pairs["value_at_risk"].to_numpy(), pairs["cvar"].to_numpy()
    shortfall = acerbi_szekely(pairs["loss"].to_numpy(), var, es, beta, simulations=simulations, seed=seed)
    noticed = power(var, es, beta, pairs["louder"].to_numpy(), LOUDER, seed=seed)
    return TailReport(pairs, expected, missing, usual, coverage, shortfall, noticed)


def _why_not(pairs: pd.DataFrame) -> str:
    if len(pairs) == 0:
        return "the policy promised no tail"
    if len(pairs) < 20:
        return f"{many(len(pairs), 'decision is', 'decisions are')} too few to judge a tail by"
    if (pairs["beta"] != pairs["beta"].iloc[0]).any():
        return "the promises have more than one confidence level"
    return ""
