"""Policies side by side: which differences are more than noise."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from hedgeopt.backtest.results.bootstrap import Method, block_length, bootstrap_indices, interval
from hedgeopt.backtest.results.deflated import holm
from hedgeopt.backtest.results.measures import drawdown_path
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call

__all__ = ["COLUMNS", "STATISTICS", "compare"]

COLUMNS = ["statistic", "first", "second", "difference", "low", "high", "p_value", "verdict", "block"]
_LEVEL = 0.95
_CHUNK = 2_000_000


def _shortfall(pnl: np.ndarray) -> np.ndarray:
    """Mean of the worst 5 % of steps, the boundary step in part."""
    worst = np.sort(-pnl, axis=-1)[..., ::-1]
    steps = pnl.shape[-1]
    weights = np.clip((1.0 - _LEVEL) * steps - np.arange(steps), 0.0, 1.0)
    return worst @ weights / ((1.0 - _LEVEL) * steps)


STATISTICS = {
    "total_pnl": lambda pnl: pnl.sum(axis=-1),
    "volatility": lambda pnl: pnl.std(axis=-1, ddof=1),
    "cvar_95": _shortfall,
    "max_drawdown": lambda pnl: drawdown_path(pnl).max(axis=-1),
}
"""What is compared, of per-step P&L ``(..., T)`` in USD; more is better for the first, worse for the others."""


@strict_call
def compare(
    pnl: Mapping[str, pd.Series],
    *,
    confidence: float = 0.95,
    replications: int = 5_000,
    block: float | None = None,
    method: Method = "stationary",
    seed: int = 0,
    only_first: bool = False,
) -> pd.DataFrame:
    """One row per statistic and pair of policies.

    The steps of all policies are resampled together, so that what moved all of them alike cancels. ``p_value`` is adjusted
    within a statistic for the number of pairs (Holm 1979); ``low`` and ``high`` are not. ``verdict`` is ``noise`` unless the
    adjusted p-value is below ``1 - confidence``, else whether the first policy is ``better`` or ``worse``.

    Parameters
    ----------
    pnl
        Per-step P&L of each policy, USD, all on the same timestamps.
    block
        Mean block length in steps; default that of the most persistent difference.
    only_first
        Compare the first policy with each other one, and these not among themselves.

    Returns
    -------
    DataFrame
        ``statistic, first, second, difference, low, high, p_value, verdict, block``.
    """
    names = list(pnl)
    if len(names) < 2:
        raise InputError("a comparison needs at least two policies", value=len(names))
    table = _aligned(pnl)
    pairs = [(i, j) for i, j in combinations(range(len(names)), 2) if i == 0 or not only_first]
    if block is None:
        block = max(block_length(table[i] - table[j], method) for i, j in pairs)
    rng = np.random.default_rng(seed)
    steps = table.shape[1]
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in STATISTICS}
    rows = max(1, _CHUNK // table.size)
    for start in range(0, replications, rows):
        indices = bootstrap_indices(steps, block, min(rows, replications - start), rng, method)
        resampled = table[:, indices]
        for name, statistic in STATISTICS.items():
            drawn[name].append(statistic(resampled))
    found = []
    for name, statistic in STATISTICS.items():
        estimate, draws = statistic(table), np.concatenate(drawn[name], axis=1)
        intervals = [
            interval(float(estimate[i] - estimate[j]), draws[i] - draws[j] - (estimate[i] - estimate[j]), confidence)
            for i, j in pairs
        ]
        adjusted = holm([one.p_value for one in intervals])
        for (i, j), one, p in zip(pairs, intervals, adjusted, strict=True):
            better = (one.estimate > 0) == (name == "total_pnl")
            verdict = "noise" if p >= 1.0 - confidence or one.estimate == 0 else "better" if better else "worse"
            found.append((name, names[i], names[j], one.estimate, one.low, one.high, p, verdict, block))
    return pd.DataFrame(found, columns=COLUMNS)


def _aligned(pnl: Mapping[str, pd.Series]) -> np.ndarray:
    first, *others = pnl.items()
    for name, series in others:
        if not series.index.equals(first[1].index):
            raise InputError(
                f"{name} and {first[0]} were not run on the same steps", fix="run every policy on the same period and market"
            )
    table = np.array([series.to_numpy(dtype=float) for series in pnl.values()])
    if table.shape[1] < 8:
        raise InputError("a comparison needs at least 8 steps", value=table.shape[1])
    if not np.isfinite(table).all():
        raise InputError("P&L holds values that are not finite")
    return table
