"""What every family must satisfy, over the table: a family without an example here fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from hedgeopt.models.pricing.families import FAMILIES, INSTRUMENT, family_of
from hedgeopt.models.pricing.family import GREEKS, greek
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.scenarios.set import ScenarioSet, vol_term_weight

EXPIRY = datetime(2026, 2, 20, 8, tzinfo=UTC)
CALL = {"kind": "option", "name": "call", "venue": "deribit", "underlying": "ETH", "settlement": "ETH"}
CALL |= {"expiry": EXPIRY, "strike": 2_200.0, "right": "call"}
SUPPLY = {"kind": "lending_supply", "name": "s", "venue": "aave", "asset": "stETH", "index": 1.04}
SUPPLY |= {"ltv": 0.79, "liquidation_threshold": 0.81}
POOL = {"name": "lp", "venue": "uniswap", "base": "ETH", "quote": "USDC", "fees_base": 0.01}
EXAMPLES: dict[str, dict[str, Any]] = {
    "spot": {"name": "stETH", "venue": "wallet", "asset": "stETH"},
    "perpetual": {"name": "perp", "venue": "deribit", "underlying": "ETH", "settlement": "ETH"},
    "future": {"name": "future", "venue": "deribit", "underlying": "ETH", "settlement": "USDC", "expiry": EXPIRY},
    "option": CALL,
    "amm_constant_product": POOL | {"reserve_base": 500.0, "reserve_quote": 1e6, "total_supply": 100.0},
    "amm_concentrated": POOL | {"liquidity": 900.0, "lower_price": 1_500.0, "upper_price": 2_500.0},
    "lending_supply": SUPPLY,
    "lending_borrow": {"name": "b", "venue": "aave", "asset": "ETH", "index": 1.07},
    "loop": {"name": "l", "venue": "aave", "supply": SUPPLY, "borrow": {"asset": "ETH"}, "ltv": 0.7, "entry_price": 1.0},
    "pegged": {"name": "p", "venue": "lido", "asset": "wstETH", "underlying": "ETH", "exchange_rate": 1.19, "peg": 0.999},
    "grid": {
        "name": "note",
        "venue": "issuer",
        "underlying": "ETH",
        "settlement": "ETH",
        "vol": 0.7,
        "days": [0.0, 30.0],
        "spots": [1_000.0, 1_500.0, 2_200.0, 3_000.0],
        "vol_ratios": [0.5, 1.2, 2.0],
        "values": [
            [[0.9, 1.0, 1.05, 1.0], [0.8, 0.95, 1.0, 1.02], [0.7, 0.8, 0.9, 1.0]],
            [[0.9, 1.01, 1.06, 1.0], [0.8, 0.97, 1.0, 1.02], [0.7, 0.82, 0.9, 1.0]],
        ],
    },
    "option_vault": {
        "name": "v",
        "venue": "ribbon",
        "strategy": "covered_call",
        "asset": "ETH",
        "deposit_per_share": 1.01,
        "option": CALL,
        "contracts_per_share": 1.0,
    },
}


def example(kind: str) -> Any:
    return INSTRUMENT.validate_python({"kind": kind, **EXAMPLES[kind]})


@pytest.fixture
def market(make_market):
    quoted = {"perpetual": {"mark_price": 2_001.0}, "future": {"mark_price": 2_020.0}}
    quoted["option"] = {"mark_iv": 0.7, "underlying_price": 2_015.0, "mark_price": 0.03}
    rows = {example(kind): values for kind, values in quoted.items()}
    return make_market(rows, ETH=2_000.0, stETH=1_996.0, USDC=0.999)


def test_every_family_has_an_example():
    assert set(EXAMPLES) == set(FAMILIES)


@pytest.mark.parametrize("kind", FAMILIES)
def test_reads_back_from_json(kind):
    item = example(kind)
    assert INSTRUMENT.validate_json(INSTRUMENT.dump_json(item)) == item
    assert family_of(item) is FAMILIES[kind]
    assert item.quantity_unit
    assert item.settlement


@pytest.mark.parametrize("kind", FAMILIES)
def test_greeks_agree_with_full_revaluation(kind, market):
    """Delta, gamma, vega, vanna and volga against differences of the scenario P&L, column by column."""
    item = example(kind)
    assets = tuple(dict.fromkeys((*item.assets, "ETH")))
    risk = FAMILIES[kind].unit_risk([item], market, assets)

    def pnl(moves: list[dict[str, float]], vol_points: list[float]) -> np.ndarray:
        spot = np.array([[1.0 + move.get(asset, 0.0) for asset in assets] for move in moves])
        days = np.array([max(365 * item.years_from(market.timestamp), 0.0) if hasattr(item, "years_from") else 30.0])
        shift = np.log1p(np.array(vol_points) / 70.0) / vol_term_weight(days / 365.0)[0]
        out = np.empty((len(moves), 1), order="F")
        shifts = np.repeat(shift[:, None], len(assets), axis=1)
        FAMILIES[kind].scenario_pnl([item], market, ScenarioSet("s", assets, spot, shifts, 0.0), out)
        return out[:, 0]

    for a, asset in enumerate(assets):
        price, h = market.price(asset), 1e-4
        steps = [{asset: k * h} for k in (-2, -1, 0, 1, 2)]
        v = pnl(steps, [0.0] * 5)
        scale = max(abs(risk.value[0]), risk.notional[0])
        delta = (v[0] - 8 * v[1] + 8 * v[3] - v[4]) / (12 * h * price)
        assert risk.greeks[greek("delta"), 0, a] * price == pytest.approx(delta * price, abs=2e-6 * scale), asset
        if kind not in ("perpetual", "future"):  # inverse futures: convexity in USD is the coins', held as equity
            gamma = (-v[0] + 16 * v[1] - 30 * v[2] + 16 * v[3] - v[4]) / (12 * h**2 * price**2)
            assert risk.greeks[greek("gamma"), 0, a] * price**2 == pytest.approx(gamma * price**2, abs=2e-5 * scale), asset
        assert v[2] == pytest.approx(0.0, abs=1e-9 * scale)
    at, price, h = assets.index("ETH"), 2_000.0, 1e-3
    down, up = pnl([{}, {}], [-0.1, 0.1])
    assert risk.greeks[greek("vega"), 0, at] == pytest.approx((up - down) / 0.2, abs=1e-3)
    assert risk.greeks[greek("volga"), 0, at] == pytest.approx((up + down) / 0.01, abs=1e-3)
    corners = pnl([{"ETH": s * h} for s in (-1, -1, 1, 1)], [-0.1, 0.1, -0.1, 0.1])
    vanna = (corners[3] - corners[2] - corners[1] + corners[0]) / (4 * 0.1 * h * price)
    assert risk.greeks[greek("vanna"), 0, at] == pytest.approx(vanna, abs=1e-5)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_declared_power_is_the_one_that_scenarios_move_it_by(kind, market):
    """Margin grids take a margined curved contract's ``power`` at its word."""
    item = example(kind)
    if not (item.nature.margined and item.nature.payoff == "curved" and has(item, "power")):
        return
    moves, out = np.array([0.5, 0.8, 1.2, 2.0]), np.empty((4, 1), order="F")
    notional = FAMILIES[kind].unit_risk([item], market, item.assets).notional[0]
    scenarios = ScenarioSet("s", (item.underlying,), moves[:, None], np.zeros((4, 1)), 0.0)
    FAMILIES[kind].scenario_pnl([item], market, scenarios, out)
    assert out[:, 0] == pytest.approx(notional * (moves**item.power - 1.0))


@pytest.mark.parametrize("kind", ["option", "option_vault"])
def test_theta_is_a_day_at_constant_forward(kind, market):
    """Against the P&L of letting an hour pass."""
    item = example(kind)
    hour = timedelta(hours=1) / timedelta(days=1)
    out = np.empty((1, 1), order="F")
    FAMILIES[kind].scenario_pnl([item], market, ScenarioSet("s", ("ETH",), np.ones((1, 1)), np.zeros((1, 1)), hour), out)
    theta = FAMILIES[kind].unit_risk([item], market, ("ETH",)).greeks[greek("theta"), 0, 0]
    assert out[0, 0] / hour == pytest.approx(theta, rel=2e-3)


@pytest.mark.parametrize("kind", FAMILIES)
def test_arrays_have_their_shapes_and_signs(kind, market):
    item = example(kind)
    risk = FAMILIES[kind].unit_risk([item, item], market, item.assets)
    assert risk.greeks.shape == (len(GREEKS), 2, len(item.assets))
    assert np.isfinite(risk.greeks).all()
    assert (risk.notional > 0).all()
    assert risk.value[0] == risk.value[1]
    if kind in ("perpetual", "future"):
        assert (risk.value == 0).all()
    else:  # value in the settlement coin is the premium
        price = market.price(item.settlement)
        assert risk.premium * price == pytest.approx(risk.value, rel=1e-12 if kind != "option" else 1e-2)
