"""Runs cells of the study one after another on markets that were read once: a process keeps those of its last replays."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from typing import Any

import pandas as pd

from hedgeopt.backtest.result import BacktestResult
from hedgeopt.backtest.runner import run as run_one
from hedgeopt.backtest.settings import BacktestConfig, ReplayConfig
from hedgeopt.inputs.market import Market

__all__ = ["narrowed", "run"]

_COINS = ("BTC", "ETH")


def narrowed(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the replay of the book's own coin: what no book holds or trades need not be read."""
    config = copy.deepcopy(config)
    coin = next(name for name in _COINS if name in config["books"][0]["name"])
    replay = config["replay"]
    replay["assets"] = [coin]
    replay["funding"] = {coin: replay["funding"][coin]}
    replay["ratios"] = {name: ratio for name, ratio in replay["ratios"].items() if ratio["of"] == coin}
    _only(config["policies"], coin)
    return config


def _only(policies: list[dict[str, Any]], coin: str) -> None:
    for policy in policies:
        for name in ("band", "quantity"):
            if name in policy:
                policy[name] = {coin: policy[name][coin]}
        if policy.get("signal_options", {}).get("asset") == "COIN":
            policy["signal_options"]["asset"] = coin
        _only([policy[name] for name in ("calm", "stressed") if name in policy], coin)


@lru_cache(maxsize=2)
def _read(text: str) -> tuple[tuple[Market, ...], pd.DataFrame | None]:
    replay = ReplayConfig(**json.loads(text))
    return tuple(replay.build()), replay.index_prices()


def run(config: dict[str, Any]) -> BacktestResult:
    """One cell."""
    config = narrowed(config)
    markets, index = _read(json.dumps(config["replay"], sort_keys=True, default=str))
    return run_one(BacktestConfig(**config), markets=markets, index=index)
