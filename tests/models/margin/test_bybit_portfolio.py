"""Bybit's portfolio margin: every part by hand, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.bybit_portfolio import BybitPortfolio
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.black76 import black76_price as price

OWN = {"vols": [[0, 0.5, 0.4], [90, 0.2, 0.1]], "initial_factor": 1.25, "futures": 0.008, "short_option": 0.01,
       "delta_spread": 0.5, "dollar_spread": 0.01}  # fmt: skip
PACKAGED = BybitPortfolio()._data
MODEL = BybitPortfolio({"BTC": {**PACKAGED["BTC"], **OWN}})
SPOT = 100_000.0


def settled(state: State, *names: str) -> State:
    prices = np.where([name == "BTC" for name in names], SPOT, 1.0)
    return replace(state, settlement=names, settlement_price=prices)


def test_a_calendar_of_options_by_hand(state_of: Callable[..., State]) -> None:
    common = {"kind": "option", "underlying": "BTC", "right": "put", "forward": 101_000.0, "mark": 3_000.0}
    legs = ((95_000.0, 45.0, 0.6), (90_000.0, 90.0, 0.5))
    items = [{**common, "strike": strike, "days": days, "vol": vol} for strike, days, vol in legs]
    state = settled(state_of(items, index={"BTC": SPOT}, venue="bybit"), "USDT", "USDT")
    z = np.array([3.0, -2.0])

    def values(factor: float, shock: int) -> np.ndarray:
        vols = [0.6 * (1 + (0.35, 0.0, -0.25)[shock]), 0.5 * (1 + (0.2, 0.0, -0.1)[shock])]
        each = [price(101_000.0 * factor, s, d / 365.0, v, False) for (s, d), v in zip(
            ((95_000.0, 45.0), (90_000.0, 90.0)), vols, strict=True)]  # fmt: skip
        return np.array(each, float)

    now = values(1.0, 1)
    worst = max(-float(z @ (values(1 + m, k) - now)) for m in np.linspace(-0.1, 0.1, 11) for k in range(3))
    up, down = (
        np.array(
            [price(101_000.0 + h, s, d / 365.0, v, False) for s, d, v in ((95_000.0, 45.0, 0.6), (90_000.0, 90.0, 0.5))]
        )
        for h in (1.0, -1.0)
    )
    delta = (up - down) / 2.0 * 101_000.0 * z
    parts = {
        "BTC worst scenario": max(worst, 0.0),
        "BTC short options": 0.01 * SPOT * 2.0,
        "BTC vega spread": 2.0 * 45.0 * 0.0003 * SPOT,
        "BTC delta spread": min(abs(delta[0]), abs(delta[1])) * 0.5 * 45.0 / 365.0,
    }
    need = MODEL.requirement(state, z, np.zeros(0))
    assert need.breakdown == {name: pytest.approx(1.25 * value, rel=1e-6) for name, value in parts.items()}
    assert need.maintenance == pytest.approx(sum(parts.values()), rel=1e-6)
    assert need.initial == pytest.approx(1.25 * need.maintenance)
    for kind in ("initial", "maintenance"):
        assert MODEL.encode(state, kind).at(z)(z, np.zeros(0)) == pytest.approx(need.of(kind))  # two expiries: exact


def test_futures_and_dollars_by_hand(state_of: Callable[..., State]) -> None:
    """Long 1 BTC of USDT perpetuals, short 80,000 USD of coin-settled ones: the worst is a fall, 80,000 USD hedge."""
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": SPOT, "inverse": k == 1} for k in range(2)]
    state = settled(state_of(items, index={"BTC": SPOT}, venue="bybit"), "USDT", "BTC")
    need = MODEL.requirement(state, np.array([1.0, -80_000.0]), np.zeros(0))
    parts = {"worst scenario": 0.1 * 20_000.0, "dollars": 0.01 * 80_000.0, "futures": 0.008 * 180_000.0}
    assert need.breakdown == {f"BTC {name}": pytest.approx(1.25 * value) for name, value in parts.items()}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("perpetual", "futures"), ("perpetual", "initial_factor"), ("option", "vols"), ("option", "short_option")],
)
def test_what_is_missing_is_asked_for_by_name(state_of: Callable[..., State], kind: str, name: str) -> None:
    item = {"kind": kind, "underlying": "BTC", "strike": SPOT, "days": 9.0, "vol": 0.5}
    state = settled(state_of([item], index={"BTC": SPOT}, venue="bybit"), "USDT")
    own = {key: value for key, value in OWN.items() if key != name}
    with pytest.raises(
        InputError, match=rf"\({kind}\) at Bybit needs \[portfolio_margin.BTC\] {name}, .*extends = \"bybit\""
    ):
        BybitPortfolio({"BTC": {**PACKAGED["BTC"], **own}}).encode(state, "initial")


def test_spreads_are_asked_for_only_where_something_may_hedge(state_of: Callable[..., State]) -> None:
    own = {key: value for key, value in OWN.items() if key not in ("delta_spread", "dollar_spread")}
    model = BybitPortfolio({"BTC": {**PACKAGED["BTC"], **own}})
    one = [{"kind": "perpetual", "underlying": "BTC", "mark": SPOT}] * 2
    state = state_of(one, index={"BTC": SPOT}, venue="bybit")
    model.encode(settled(state, "USDT", "USDT"), "initial")
    with pytest.raises(InputError, match=r"needs \[portfolio_margin.BTC\] dollar_spread"):
        model.encode(settled(state, "USDT", "USDC"), "initial")


def test_a_wrong_number_is_refused(state_of: Callable[..., State]) -> None:
    state = settled(state_of([{"kind": "perpetual", "underlying": "BTC"}], index={"BTC": SPOT}, venue="bybit"), "USDT")
    for name, value in (("initial_factor", 0.5), ("futures", -0.1), ("futurs", 0.1), ("moves", [])):
        with pytest.raises(InputError, match=rf"bybit.toml.*{name}"):
            BybitPortfolio({"BTC": {**PACKAGED["BTC"], **OWN, name: value}}).encode(state, "initial")
