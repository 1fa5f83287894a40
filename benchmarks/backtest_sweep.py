"""Sweep efficiency: the same cells in one process and in two.

Several figures, because a machine may be busy with something else. ``cpu_efficiency`` is the CPU seconds of the sweep in one
process over those of the sweep in two (start-up, imports and coordination included; cores that slow each other down show as
well): what the speed-up comes to when nobody disturbs. ``wall_efficiency`` is half of the speed-up by the clock, and
``wall_efficiency_of_available`` relates it to the cores that others left free meanwhile (from /proc/stat).
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.backtest_markets import synthetic


def sweep_case(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record: workers 1 against 2 through :func:`hedgeopt.backtest.sweep.drive.run_sweep`."""
    from hedgeopt.backtest.sweep.drive import run_sweep
    from hedgeopt.backtest.sweep.plan import SweepPlan

    cells, steps = (2, 3) if smoke else (16, 40)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write_chain(synthetic(steps, 40 if smoke else 160), path / "chain.parquet")
        plan = SweepPlan(name="efficiency", backtest=config(), vary={"policies.0.policy.scenarios.seed": list(range(cells))})
        seconds: dict[int, dict[str, float]] = {}
        texts = []
        for workers in (1, 2):
            before = snapshot()
            result = run_sweep(plan, path / f"out{workers}", folder=path, workers=workers)
            seconds[workers] = {name: value - before[name] for name, value in snapshot().items()}
            texts.append(result.to_json())
    one, two = seconds[1], seconds[2]
    # cores that others left to the sweep of two: its own CPU seconds and idle ones by the clock
    available = min((two["cpu"] + two["idle"]) / two["wall"], 2.0) if two["idle"] >= 0 else 2.0
    yield {
        "case": "sweep", "method": "hedgeopt", "cells": cells, "steps": steps, "same_result": texts[0] == texts[1],
        "seconds_one_worker": round(one["wall"], 2), "seconds_two_workers": round(two["wall"], 2),
        "cpu_seconds_one_worker": round(one["cpu"], 2), "cpu_seconds_two_workers": round(two["cpu"], 2),
        "cpu_efficiency": round(one["cpu"] / two["cpu"], 3),
        "wall_efficiency": round(one["wall"] / two["wall"] / 2.0, 3),
        "cores_available": round(available, 2),
        "wall_efficiency_of_available": round(one["cpu"] / two["wall"] / available, 3),
    }  # fmt: skip


def config() -> dict[str, Any]:
    """A short straddle under the optimizer."""
    return {
        "replay": {"chains": ["chain.parquet"], "synthetic_perpetuals": True},
        "books": [{"kind": "short_gamma", "collateral": {"BTC": 60.0}, "quantity": {"BTC": 20.0}}],
        "policies": [
            {
                "kind": "optimizer",
                "policy": {
                    "minimize": [
                        {"term": {"kind": "transaction_cost"}},
                        {"weight": 0.2, "term": {"kind": "cvar", "beta": 0.95}},
                    ],
                    "scenarios": {"kind": "parametric", "count": 500, "seed": 0},
                    "candidates": {"mark_half_spread": 1e-4, "max_relative_spread": 10.0},
                },
            }
        ],
    }


def write_chain(markets: list[Any], path: Path) -> None:
    """Snapshots as a recorded chain."""
    frames = []
    for market in markets:
        options = [item for item in market.instruments.values() if item.nature.option]
        quotes = market.quotes.loc[[item.id for item in options]].reset_index(drop=True)
        quotes = quotes[["bid_price", "ask_price", "mark_price", "mark_iv", "underlying_price", "open_interest"]]
        frames.append(
            quotes.assign(
                timestamp=pd.Timestamp(market.timestamp), currency="BTC", index_price=market.prices["BTC"], volume=1.0,
                instrument_name=[item.name for item in options], expiry=[pd.Timestamp(item.expiry) for item in options],
            )
        )  # fmt: skip
    pd.concat(frames, ignore_index=True).to_parquet(path)


def snapshot() -> dict[str, float]:
    """Clock, CPU seconds of this process and its finished children, idle seconds of all cores (negative: unknown)."""
    cpu = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    try:
        idle = int(Path("/proc/stat").read_text(encoding="ascii").split()[4]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        idle = -1.0
    return {"wall": time.perf_counter(), "cpu": cpu, "idle": idle}
