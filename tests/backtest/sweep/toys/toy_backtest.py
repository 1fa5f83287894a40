"""A backtest that takes no time: P&L drawn from the configuration. Worker processes import it by name.

``TOY_LOG`` names a file to which every run adds a line.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.backtest.result import ATTRIBUTION_COLUMNS, BacktestResult
from hedgeopt.errors import InputError


def run(config: dict[str, Any]) -> BacktestResult:
    """``policy.band`` is the drift, ``policy.kind`` shifts the seed, ``period`` starts the month."""
    policy = config["policy"]
    if "TOY_LOG" in os.environ:
        with open(os.environ["TOY_LOG"], "a") as log:
            log.write(f"{os.getpid()} {policy['band']} {policy.get('kind', '')} {config.get('period', '')}\n")
    time.sleep(float(config.get("seconds", 0.0)))
    if config.get("die") == policy["band"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if config.get("refuse") == policy["band"]:
        raise InputError("band too wide", field="policy.band", value=policy["band"])
    if config.get("break") == policy["band"]:
        raise ZeroDivisionError("a bug")
    return _result(config)


def _result(config: dict[str, Any]) -> BacktestResult:
    policy, month = config["policy"], str(config.get("period", "2026-01"))
    seed = [int(month[-2:]), len(policy.get("kind", "")), int(1000 * policy["band"])]
    pnl = np.random.default_rng(seed).normal(1000.0 * policy["band"], 1000.0, 40)
    times = pd.date_range(f"{month}-01", periods=40, freq="D", tz="UTC", name="timestamp")
    attribution = pd.DataFrame(0.0, index=times, columns=list(ATTRIBUTION_COLUMNS))
    attribution["delta"] = pnl
    columns = ("cost", "fees", "funding", "initial_margin", "maintenance_margin", "turnover", "n_trades", "solve_seconds")
    steps = pd.DataFrame({"equity": 1e6 + pnl.cumsum(), "pnl": pnl, **dict.fromkeys(columns, 1.0)}, index=times)
    steps = steps.assign(promised_var=1645.0, promised_cvar=2063.0, beta=0.95, liquidated=False)
    return BacktestResult(steps, pd.DataFrame(), attribution, pd.DataFrame(), config, [], "toy", "toy")
