"""Every model's convex encoding equals its plain rule, is convex, and is bounded below by its minorant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hedgeopt.models.margin.aave_v3 import AaveV3
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
from hedgeopt.models.margin.deribit_standard import DeribitStandard
from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.dydx_v4 import DydxV4
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.hyperliquid import Hyperliquid
from hedgeopt.models.margin.state import State

GRID = {
    "margin": {"type": "grid", "moves": [-0.2, -0.1, 0.0, 0.1, 0.2], "vols": [-0.3, 0.0, 0.4], "power": 0.3,
               "futures_rate": 0.01, "short_option_rate": 0.02, "initial_factor": 1.3, "maintenance_factor": 1.0}
}  # fmt: skip
TIERS = {"margin": {"type": "tiers", "initial": {"BTC": [[0, 0.05], [1e5, 0.1], [5e5, 0.6]], "*": [[0, 0.2], [1e6, 0.5]]},
                    "maintenance": {"*": [[0, 0.02], [5e5, 0.1], [2e6, 0.5]]}}}  # fmt: skip


def _cross() -> DeribitPortfolio:
    model = DeribitPortfolio()
    model.shared = {**model.shared, "netting": "cross"}
    return model


ALL_KINDS = {
    "deribit_standard": DeribitStandard,
    "portfolio": DeribitPortfolio,
    "portfolio, currencies netted": _cross,
    "portfolio legacy": lambda: DeribitPortfolio("legacy"),
    "table of scenarios": lambda: Generic("grid.toml", GRID),
}
PERPETUALS = {
    "hyperliquid": Hyperliquid,
    "hyperliquid at 8x": lambda: Hyperliquid(8.0),
    "binance": Binance,
    "binance at 30x": lambda: Binance(30.0),
    "dydx": DydxV4,
    "table of tiers": lambda: Generic("tiers.toml", TIERS),
}


@pytest.fixture(scope="module")
def perpetuals(state_of: Callable[..., State]) -> State:
    items = [
        {"kind": "perpetual", "underlying": name, "mark": price, "open_interest": 9e6 / price}
        for name, price in (("BTC", 64_000.0), ("ETH", 1_900.0), ("SOL", 90.0), ("DOGE", 0.1))
    ]
    items = [item for item in items if item["underlying"] in ("BTC", "ETH")]
    return state_of(items, index={"BTC": 64_000.0, "ETH": 1_900.0}, collateral={"USDC": 1.0})


@pytest.fixture(scope="session")
def state_of() -> Callable[..., State]:
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("margin_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_state


def _sizes(state: State) -> np.ndarray:
    """A few hundred thousand dollars of each: large enough for tiers, small enough for the delta cap."""
    return np.where(state.linear, 2e5 / np.where(state.notional > 0, state.notional, 1.0), 2.0)


def _portfolios(state: State, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-1, 2, (count, 1))
    sparse = rng.random((count, len(state))) < rng.uniform(0.05, 1.0, (count, 1))
    return rng.standard_normal((count, len(state))) * sparse * _sizes(state) * scale


def _equal(model: object, state: State, count: int, seed: int) -> None:
    """Equal wherever the encoding is promised to be: below the caps, and with no long options under a delta shock."""
    collateral = np.zeros(len(state.assets))
    encodings = {kind: model.encode(state, kind) for kind in ("initial", "maintenance")}
    worst, inside = 0.0, 0
    for z in _portfolios(state, count, seed):
        y = np.concatenate([z, collateral])
        if any(abs(cap.row @ y) > cap.limit for cap in encodings["initial"].caps):
            continue  # beyond its kink the delta shock is not convex
        if encodings["initial"].largest is not None and (np.abs(z) > encodings["initial"].largest).any():
            continue  # the venue lets no position grow beyond that
        inside += 1
        need = model.requirement(state, z, collateral)
        for kind, encoding in encodings.items():
            plain, asked = need.of(kind), encoding(z, collateral)
            assert asked >= plain - 1e-9 * max(1.0, abs(plain))
            offset = any(ramp.value(float(ramp.row @ y)) > 0.0 for ramp in encoding.ramps) and (z[state.option] > 0).any()
            worst = max(worst, 0.0 if offset else abs(asked - plain) / max(1.0, abs(plain)))
    assert inside > 0.3 * count
    assert worst < 1e-9


@pytest.mark.parametrize("name", list(ALL_KINDS))
def test_encoding_equals_plain_rule_on_thousands_of_portfolios(name: str, mixed: State) -> None:
    _equal(_fast(ALL_KINDS[name](), mixed), mixed, 1_000, seed=1)


@pytest.mark.parametrize("name", list(PERPETUALS))
def test_tiered_encoding_equals_plain_rule(name: str, perpetuals: State) -> None:
    _equal(PERPETUALS[name](), perpetuals, 2_000, seed=2)


def _fast(model: object, state: State) -> object:
    """The same model with its scenario tables worked out once: pricing is not what these tests repeat thousands of times."""
    if isinstance(model, DeribitPortfolio):
        grids = model.grids(state)
        model.grids = lambda _state: grids  # type: ignore[method-assign]
    if isinstance(model, Generic) and model.rules["type"] == "grid":
        pnl = {u: model.pnl(state, u) for u in state.underlyings}
        model.pnl = lambda _state, u: pnl[u]  # type: ignore[method-assign]
    return model


def _no_skew(model: Derive) -> Derive:
    keep = ~model.skew
    model.kinds = [kind for kind, kept in zip(model.kinds, keep, strict=True) if kept]
    model.spot, model.damping, model.skew = model.spot[keep], model.damping[keep], model.skew[keep]
    return model


@pytest.fixture(scope="module")
def linear_mixed(mixed: State) -> State:
    """The mixed account settled in dollars, as Derive's is."""
    inverse = np.zeros(len(mixed), bool)
    return replace(mixed, inverse=inverse, settlement=("USDC",) * len(mixed), settlement_price=np.ones(len(mixed)))


def test_derive_encoding_without_skew_scenarios_is_exact(linear_mixed: State) -> None:
    _equal(_fast(_no_skew(Derive(rate=0.05)), linear_mixed), linear_mixed, 1_000, seed=3)


def test_derive_encoding_never_asks_less_and_is_exact_for_long_books(linear_mixed: State) -> None:
    model = _fast(Derive(rate=0.05), linear_mixed)
    encoding = model.encode(linear_mixed, "initial")
    nothing = np.zeros(len(linear_mixed.assets))
    same = 0
    for z in _portfolios(linear_mixed, 500, seed=4):
        plain, convex = model.requirement(linear_mixed, z, nothing).initial, encoding(z, nothing)
        assert convex >= plain - 1e-9 * max(1.0, plain)
        same += convex <= plain + 1e-9 * max(1.0, plain)
        long = np.where(linear_mixed.option, np.abs(z), z)  # no expiry has a negative value then
        plain, convex = model.requirement(linear_mixed, long, nothing).initial, encoding(long, nothing)
        assert convex == pytest.approx(plain, rel=1e-9, abs=1e-6)
    assert same > 450  # skew scenarios rarely bind, and hardly ever where they are not convex


def test_aave_encoding_equals_plain_rule(state_of: Callable[..., State]) -> None:
    state = state_of(
        [], index={}, collateral={"wstETH": 2_300.0, "ETH": 2_000.0, "USDC": 1.0, "WBTC": 64_000.0}, venue="aave"
    )
    rng = np.random.default_rng(5)
    for model in (AaveV3(), AaveV3(health=1.3)):
        for kind in ("initial", "maintenance"):
            encoding = model.encode(state, kind)
            for _ in range(1_000):
                reserves = rng.standard_normal(4) * 1e5 / state.prices * (rng.random(4) < 0.7)
                plain = model.requirement(state, np.zeros(0), reserves).of(kind)
                assert encoding(np.zeros(0), reserves) == pytest.approx(plain, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("name", [*ALL_KINDS, "derive"])
def test_midpoint_convexity(name: str, mixed: State, linear_mixed: State) -> None:
    model, state = (Derive(rate=0.05), linear_mixed) if name == "derive" else (ALL_KINDS[name](), mixed)
    encoding: Encoding = model.encode(state, "initial")
    nothing = np.zeros(len(state.assets))
    first, second = _portfolios(state, 800, seed=6), _portfolios(state, 800, seed=7)
    for a, b in zip(first, second, strict=True):
        ends = 0.5 * (encoding(a, nothing) + encoding(b, nothing))
        assert encoding(0.5 * (a + b), nothing) <= ends + 1e-9 * max(1.0, ends)


@pytest.mark.parametrize("name", list(PERPETUALS))
def test_midpoint_convexity_of_tiers(name: str, perpetuals: State) -> None:
    for kind in ("initial", "maintenance"):
        _midpoints(PERPETUALS[name]().encode(perpetuals, kind), perpetuals, np.zeros(len(perpetuals.assets)))


def _midpoints(encoding: Encoding, state: State, collateral: np.ndarray) -> None:
    for a, b in zip(_portfolios(state, 800, seed=8), _portfolios(state, 800, seed=9), strict=True):
        ends = 0.5 * (encoding(a, collateral) + encoding(b, collateral))
        assert encoding(0.5 * (a + b), collateral) <= ends + 1e-9 * max(1.0, ends)


def test_midpoint_convexity_of_reserves(state_of: Callable[..., State]) -> None:
    state = state_of([], index={}, collateral={"wstETH": 2_300.0, "ETH": 2_000.0, "USDC": 1.0}, venue="aave")
    rng = np.random.default_rng(10)
    for kind in ("initial", "maintenance"):
        encoding = AaveV3(health=1.2).encode(state, kind)
        for a, b in rng.standard_normal((1_000, 2, 3)) * 1e5 / state.prices:
            ends = 0.5 * (encoding(np.zeros(0), a) + encoding(np.zeros(0), b))
            assert encoding(np.zeros(0), 0.5 * (a + b)) <= ends + 1e-9 * max(1.0, abs(ends))


def test_the_delta_shock_is_not_convex_at_its_kink(state_of: Callable[..., State]) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "BTC", "mark": 5e4, "inverse": True}], index={"BTC": 5e4})
    model = DeribitPortfolio()

    def shock(dollars: float) -> float:
        return model.requirement(state, np.array([dollars]), np.zeros(0)).breakdown["BTC delta shock"]

    assert shock(120e6) > 0.5 * (shock(100e6) + shock(140e6)) * 1.05  # above the chord: concave where the cap takes over
