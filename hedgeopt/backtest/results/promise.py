"""The tail that each decision promised, beside the outcome over its horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hedgeopt.backtest.results.coverage import LikelihoodRatio, christoffersen, conditional_coverage, kupiec
from hedgeopt.backtest.results.deflated import holm
from hedgeopt.backtest.results.shortfall import ShortfallTest, acerbi_szekely
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["TailReport", "promises", "tail_report"]

_LATE = 1.25  # a window may last this multiple of the horizon before it counts as a gap in the data
_EARLY = 0.95


@dataclass(frozen=True)
class TailReport:
    """Promised and realised tail.

    Attributes
    ----------
    pairs
        One row per judged decision: ``loss, value_at_risk, cvar, beta, hit`` and ``until``, the end of its horizon.
    expected_hits
        Of a correct promise.
    no_promise, gaps
        Decisions left out: without a usable promise, and with no market at the end of the horizon.
    horizon
        Over which losses were added up.
    coverage, shortfall
        The tests, empty when :attr:`note` says why.
    """

    pairs: pd.DataFrame
    expected_hits: float
    no_promise: int
    gaps: int
    horizon: pd.Timedelta
    coverage: tuple[LikelihoodRatio, ...]
    shortfall: tuple[ShortfallTest, ...]
    note: str = ""

    @property
    def hits(self) -> int:
        """Losses above the promised value at risk."""
        return int(self.pairs["hit"].sum())

    @property
    def kept(self) -> bool | None:
        """Whether no test refutes the promise at 5 %, all tests together (Holm); None when nothing could be tested."""
        p_values = [test.p for test in self.coverage] + [test.p_value for test in self.shortfall]
        p_values = [p for p in p_values if not np.isnan(p)]
        return min(holm(p_values)) >= 0.05 if p_values else None


def promises(steps: pd.DataFrame, horizon: pd.Timedelta) -> tuple[pd.DataFrame, int, int]:
    """Pairs of promise and outcome on windows that do not overlap, and how many decisions had no promise or fell in a gap.

    A decision at ``t`` promised a CVaR of the loss until ``t + horizon`` with the positions it left. The loss set against it
    is minus the P&L of the steps in ``(t, t + horizon]`` without what was then paid to trade again (except in a liquidation,
    which is the tail itself). Where steps are shorter than the horizon, later decisions inside the window have changed the
    positions; the next window starts where the last ended, so that hits stay independent under a correct promise.
    """
    if horizon <= pd.Timedelta(0):
        raise InputError("horizon must be positive", value=str(horizon))
    times = steps.index
    pnl = steps["pnl"].to_numpy(dtype=float)
    paid = (steps["cost"] + steps["fees"]).to_numpy(dtype=float)
    before_trading = pnl + np.where(steps["liquidated"].to_numpy(dtype=bool), 0.0, paid)
    running = np.concatenate([[0.0], np.cumsum(before_trading)])
    var, es, beta = (steps[name].to_numpy(dtype=float) for name in ("promised_var", "promised_cvar", "beta"))
    usable = np.isfinite(var) & np.isfinite(es) & np.isfinite(beta) & (es > 0) & (es >= var)
    rows, at, missing, gaps = [], 0, 0, 0
    while at < len(times) - 1:
        end = int(times.searchsorted(times[at] + _EARLY * horizon))
        if end >= len(times):
            break
        if times[end] - times[at] > _LATE * horizon:
            gaps, at = gaps + 1, at + 1
            continue
        if usable[at]:
            loss = running[at + 1] - running[end + 1]
            rows.append((times[at], times[end], loss, var[at], es[at], beta[at], loss > var[at]))
        else:
            missing += 1
        at = end
    columns = ["timestamp", "until", "loss", "value_at_risk", "cvar", "beta", "hit"]
    pairs = pd.DataFrame(rows, columns=columns).set_index("timestamp")
    return pairs.astype({"hit": bool}), missing, gaps


def tail_report(
    steps: pd.DataFrame, horizon: pd.Timedelta | None = None, *, simulations: int = 10_000, seed: int = 0
) -> TailReport:
    """All tests; ``horizon`` defaults to the usual distance of two steps."""
    if horizon is None:
        horizon = pd.Timedelta(np.median(np.diff(steps.index.to_numpy())))
    pairs, missing, gaps = promises(steps, horizon)
    note = _why_not(pairs, gaps)
    if note:
        expected = float((1.0 - pairs["beta"]).sum())
        return TailReport(pairs, expected, missing, gaps, horizon, (), (), note)
    hits, beta = pairs["hit"].to_numpy(dtype=bool), float(pairs["beta"].iloc[0])
    coverage = (kupiec(hits, 1.0 - beta), christoffersen(hits), conditional_coverage(hits, 1.0 - beta))
    shortfall = acerbi_szekely(
        pairs["loss"].to_numpy(),
        pairs["value_at_risk"].to_numpy(),
        pairs["cvar"].to_numpy(),
        beta,
        simulations=simulations,
        seed=seed,
    )
    return TailReport(pairs, (1.0 - beta) * len(pairs), missing, gaps, horizon, coverage, shortfall)


def _why_not(pairs: pd.DataFrame, gaps: int) -> str:
    if len(pairs) == 0:
        return "steps are longer than the horizon of the promise" if gaps else "the policy promised no tail"
    if len(pairs) < 20:
        return f"{many(len(pairs), 'decision is', 'decisions are')} too few to judge a tail by"
    if (pairs["beta"] != pairs["beta"].iloc[0]).any():
        return "the promises have more than one confidence level"
    return ""
