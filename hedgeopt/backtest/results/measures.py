"""Figures of one run: P&L, risk, margin used and cost of trading."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgeopt.backtest.results.deflated import sharpe, skew_and_kurtosis
from hedgeopt.errors import InputError
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk

if TYPE_CHECKING:
    from hedgeopt.backtest.result import BacktestResult

__all__ = ["YEAR", "Drawdown", "checked", "drawdown", "drawdown_path", "measures"]

YEAR = pd.Timedelta(days=365)
_LEVEL = 0.95
_CENT = 0.01


@dataclass(frozen=True)
class Drawdown:
    """The deepest fall of cumulated P&L from an earlier high: USD, and when high, low and recovery were.

    ``recovered`` is None while the high has not been seen again.
    """

    depth: float
    peak: pd.Timestamp
    trough: pd.Timestamp
    recovered: pd.Timestamp | None


def checked(result: BacktestResult) -> pd.DataFrame:
    """The steps of a result fit for statistics: ordered, unique, UTC, finite, and explained by the attribution to a cent."""
    steps = result.steps
    index = steps.index
    if len(steps) < 2:
        raise InputError("a backtest of fewer than two steps has no statistics", value=len(steps))
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise InputError("steps must be indexed by UTC timestamps")
    if not (index.is_monotonic_increasing and index.is_unique):
        raise InputError("steps are out of order or repeated")
    for name in ("equity", "pnl", "cost", "fees"):
        if not np.isfinite(steps[name].to_numpy(dtype=float)).all():
            raise InputError("steps hold values that are not finite", field=name)
    explained = result.attribution.to_numpy(dtype=float).sum(axis=1)
    gap = np.abs(explained - steps["pnl"].to_numpy(dtype=float))
    bound = _CENT + 1e-9 * np.abs(steps["equity"].to_numpy(dtype=float))
    if len(gap) != len(bound) or (gap > bound).any():
        raise InputError("the attribution does not add up to the P&L", field="attribution", value=float(gap.max()))
    return steps


def drawdown_path(pnl: np.ndarray) -> np.ndarray:
    """``(..., T)`` USD below the highest cumulated P&L so far (zero at the start counts), never negative."""
    total = np.cumsum(pnl, axis=-1)
    return np.maximum(np.maximum.accumulate(total, axis=-1), 0.0) - total


def drawdown(pnl: pd.Series) -> Drawdown:
    """The deepest one."""
    path = drawdown_path(pnl.to_numpy(dtype=float))
    trough = int(path.argmax())
    calm = np.flatnonzero(path[: trough + 1] <= 0.0)
    peak = int(calm[-1]) if len(calm) else 0
    after = np.flatnonzero(path[trough:] <= 0.0)
    recovered = pnl.index[trough + int(after[0])] if len(after) else None
    return Drawdown(float(path[trough]), pnl.index[peak], pnl.index[trough], recovered)


def measures(steps: pd.DataFrame) -> dict[str, float]:
    """Named figures in USD unless the name has another unit; the same run always gives the same (wall time is left out)."""
    pnl = steps["pnl"].to_numpy(dtype=float)
    equity = steps["equity"].to_numpy(dtype=float)
    years = (steps.index[-1] - steps.index[0]) / YEAR
    per_year = (len(steps) - 1) / years
    skewness, kurtosis = skew_and_kurtosis(pnl)
    start = equity[0] - pnl[0]
    initial = steps["initial_margin"].to_numpy(dtype=float)
    maintenance = steps["maintenance_margin"].to_numpy(dtype=float)
    uniform_losses = -pnl
    return {
        "total_pnl": float(pnl.sum()),
        "final_equity": float(equity[-1]),
        "return": float(pnl.sum() / start) if start > 0 else math.nan,
        "volatility_per_year": float(pnl.std(ddof=1) * math.sqrt(per_year)),
        "sharpe_per_step": sharpe(pnl),
        "sharpe_per_year": sharpe(pnl) * math.sqrt(per_year),
        "skewness": skewness,
        "kurtosis": kurtosis,
        "worst_step": float(pnl.min()),
        "value_at_risk_95": value_at_risk(uniform_losses, _LEVEL),
        "cvar_95": tail_loss(uniform_losses, _LEVEL),
        "max_drawdown": float(drawdown_path(pnl).max()),
        "cost": float(steps["cost"].sum()),
        "fees": float(steps["fees"].sum()),
        "funding": float(steps["funding"].sum()),
        "turnover": float(steps["turnover"].sum()),
        "trades": float(steps["n_trades"].sum()),
        "mean_margin_usage": _usage(initial, equity, np.mean),
        "max_margin_usage": _usage(initial, equity, np.max),
        "max_maintenance_usage": _usage(maintenance, equity, np.max),
        "least_equity": float(equity.min()),
        "liquidations": float(steps["liquidated"].sum()),
        "identity_gap": _identity_gap(steps),
    }


def _identity_gap(steps: pd.DataFrame) -> float:
    """Largest distance of equity from deposits + realised + unrealised - costs; NaN where these were not recorded."""
    if not {"deposits", "realised", "unrealised", "costs"} <= set(steps.columns):
        return math.nan
    booked = steps["deposits"] + steps["realised"] + steps["unrealised"] - steps["costs"]
    return float((booked - steps["equity"]).abs().max())


def _usage(margin: np.ndarray, equity: np.ndarray, how: object) -> float:
    """Margin over equity; infinite where margin is owed and equity gone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(equity > 0, margin / equity, np.where(margin > 0, math.inf, 0.0))
    return float(how(share))  # type: ignore[operator]
