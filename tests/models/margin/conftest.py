"""Hand-made accounts, without a market file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.families import natures
from hedgeopt.models.pricing.nature import Nature


def _nature(kind: str) -> Nature:
    """Of a registered family, else of one that no margin rule knows."""
    return natures().get(kind) or Nature(
        kind, "owned", "lender", "linear", "dollars", "nothing", "nothing", kind, "spot", "a unit", multiplier=1.0
    )


def make_state(
    instruments: Sequence[dict[str, object]],
    *,
    index: dict[str, float],
    collateral: dict[str, float] | None = None,
    venue: str = "deribit",
) -> State:
    """``instruments``: kind, underlying and, where they matter, mark, forward, strike, days, vol, right, inverse."""
    items = [dict(item) for item in instruments]
    n = len(items)

    def column(name: str, default: object) -> list[object]:
        return [item.get(name, default) for item in items]

    underlying = [str(item["underlying"]) for item in items]
    inverse = np.array(column("inverse", False), bool)
    prices = collateral or {}
    spot = np.array([index[name] for name in underlying], float)
    marks = [item.get("mark", index[str(item["underlying"])]) for item in items]
    return State(
        venue=venue,
        account="main",
        names=tuple(str(item.get("name", f"i{k}")) for k, item in enumerate(items)),
        nature=tuple(_nature(str(item["kind"])) for item in items),
        underlying=tuple(underlying),
        settlement=tuple(u if inv else "USDC" for u, inv in zip(underlying, inverse, strict=True)),
        inverse=inverse,
        index=spot,
        settlement_price=np.where(inverse, spot, 1.0) if n else np.zeros(0),
        mark=np.array(marks, float),
        value=np.zeros(n),
        forward=np.array([item.get("forward", index[str(item["underlying"])]) for item in items], float),
        strike=np.array(column("strike", np.nan), float),
        years=np.array(column("days", np.nan), float) / 365.0,
        vol=np.array(column("vol", np.nan), float),
        is_call=np.array([item.get("right", "call") == "call" for item in items], bool),
        open_interest=np.array(column("open_interest", np.nan), float),
        assets=tuple(prices),
        prices=np.array(list(prices.values()), float),
    )


def mixed_state(venue: str = "deribit") -> State:
    """Two currencies, perpetuals, a future and options of three expiries, calls and puts at shared strikes."""
    items: list[dict[str, object]] = [
        {"kind": "perpetual", "underlying": "BTC", "mark": 64_100.0, "inverse": True},
        {"kind": "perpetual", "underlying": "ETH", "mark": 1_880.0, "inverse": True},
    ]
    for underlying, forward, strikes in (
        ("BTC", 64_300.0, (48_000.0, 60_000.0, 64_000.0, 70_000.0, 90_000.0)),
        ("ETH", 1_890.0, (1_400.0, 1_900.0, 2_400.0)),
    ):
        for days in (3.0, 25.0, 140.0):
            for strike in strikes:
                for right in ("call", "put"):
                    vol = 0.7 + 0.3 * abs(np.log(strike / forward)) + 2.0 / (days + 5.0)
                    items.append(
                        {
                            "kind": "option", "underlying": underlying, "strike": strike, "right": right, "days": days,
                            "forward": forward * (1.0 + 0.0002 * days), "vol": vol, "mark": 0.03, "inverse": True,
                        }
                    )  # fmt: skip
    index = {"BTC": 64_000.0, "ETH": 1_875.0}
    return make_state(items, index=index, collateral={"BTC": 64_000.0, "ETH": 1_875.0, "USDC": 1.0}, venue=venue)


@pytest.fixture
def state_of() -> Callable[..., State]:
    return make_state


@pytest.fixture(scope="session")
def mixed() -> State:
    return mixed_state()


@pytest.fixture(scope="session")
def derive_cases() -> Any:
    """The module that turns the venue's published cases into states and parameters."""
    spec = importlib.util.spec_from_file_location("derive_cases", Path(__file__).with_name("derive_cases.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
