"""Every margin model there is: its encoding against its plain rule, on random portfolios of everything that it takes.

Nowhere below the rule; equal at the anchor; both requirements; after shocks of spot, vols and pegs; with several
underlyings, expiries and settlements, collateral that is not cash, and positions of a millionth to a thousand times the
usual size.
``HEDGEOPT_CAMPAIGN`` multiplies how many portfolios are drawn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from hedgeopt.models.margin.aave_v3 import AaveV3
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
from hedgeopt.models.margin.bybit import Bybit
from hedgeopt.models.margin.bybit_portfolio import BybitPortfolio
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
from hedgeopt.models.margin.deribit_standard import DeribitStandard
from hedgeopt.models.margin.derive import Confidence, Derive
from hedgeopt.models.margin.derive_standard import DeriveStandard
from hedgeopt.models.margin.dydx_v4 import DydxV4
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.hyperliquid import Hyperliquid
from hedgeopt.models.margin.model import MarginModel
from hedgeopt.models.margin.okx_portfolio import OkxPortfolio
from hedgeopt.models.margin.paradex import Paradex
from hedgeopt.models.margin.rules import MODELS
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.unmargined import Bilateral, Unmargined
from hedgeopt.models.pricing.black76 import black76_price as price

DRAWS = 40 * int(os.environ.get("HEDGEOPT_CAMPAIGN", "1"))
KINDS = ("initial", "maintenance")
COINS = {"BTC": 64_000.0, "ETH": 1_875.0, "SOL": 90.0}
PRICES = {"BTC": 64_000.0, "ETH": 1_875.0, "WETH": 1_875.0, "USDC": 1.0, "USDT": 0.999}
GRID = {
    "margin": {"type": "grid", "moves": [-0.2, -0.1, 0.0, 0.1, 0.2], "vols": [-0.3, 0.0, 0.4], "power": 0.3,
               "futures_rate": 0.01, "short_option_rate": 0.02, "initial_factor": 1.3, "maintenance_factor": 1.0}
}  # fmt: skip
TIERS = {"margin": {"type": "tiers", "initial": {"BTC": [[0, 0.05], [1e5, 0.1]], "*": [[0, 0.2]]},
                    "maintenance": {"*": [[0, 0.02], [5e5, 0.04], [2e6, 0.08]]}}}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model with the instruments and collateral that it takes; ``exact`` says where encoding and rule must agree."""

    key: str
    make: Callable[[], MarginModel]
    kinds: tuple[str, ...]
    coins: tuple[str, ...] = ("BTC", "ETH")
    settled: tuple[str, ...] = ("coin", "USDC", "USDT")
    collateral: tuple[str, ...] = ("BTC", "ETH", "USDC", "USDT")
    sign: str = "any"
    tight: bool = True
    """Whether the encoding meets the rule at its anchor; else it is only nowhere below."""


def _cross() -> MarginModel:
    model = DeribitPortfolio()
    model.shared = {**model.shared, "netting": "cross"}
    return model


def _odd_derive() -> MarginModel:
    """A parameter set that discounts what is owned less than what is owed, as the venue's deployment file reads."""
    live = Derive().p
    return Derive(parameters={**live, "long_discount": 1.05, "short_discount": 0.95, "long_rate_mult": 0.0})


def _okx() -> MarginModel:
    own = {"vols": [[0, 0.3, 0.5], [60, 0.1, 0.2]], "vega": [[0, 0.1], [90, 0.02]], "interest": [[0, 0.05]],
           "minimum_long_option": 0.001, "minimum_short_option": 0.02}  # fmt: skip
    packaged = OkxPortfolio()._data
    depeg, loans = [[0, 0.0075], [1e6, 0.0175], [5e6, 0.025]], {"USDT": {"initial": 0.1, "maintenance": 0.02}}
    return OkxPortfolio({**packaged, "large": {**packaged["large"], **own}, "depeg": depeg, "loans": loans})


def _bybit() -> MarginModel:
    own = {"vols": [[0, 0.5, 0.4], [90, 0.2, 0.15]], "initial_factor": 1.25, "futures": 0.008, "short_option": 0.01,
           "delta_spread": 0.5, "dollar_spread": 0.01}  # fmt: skip
    return BybitPortfolio({coin: {**given, **own} for coin, given in BybitPortfolio()._data.items()})


ALL, PERPETUALS, OPTIONS = ("perpetual", "future", "option"), ("perpetual", "future"), ("perpetual", "option")
DOLLARS = ("USDC", "USDT")
CASES = {
    "deribit_standard": Case("deribit_standard", DeribitStandard, ALL),
    "portfolio": Case("portfolio", DeribitPortfolio, ALL),
    "portfolio, currencies netted": Case("portfolio", _cross, ALL),
    "portfolio:legacy": Case("portfolio", lambda: DeribitPortfolio("legacy"), ALL),
    "derive": Case("derive", Derive, OPTIONS, settled=("USDC",), collateral=("WETH", "BTC", "USDT", "USDC")),
    "derive, unsure feeds": Case("derive", lambda: Derive(confidence=Confidence(spot=0.5, perpetual=0.3)), OPTIONS,
                                 settled=("USDC",), collateral=("WETH", "USDC")),
    "derive, odd discounts": Case("derive", _odd_derive, OPTIONS, settled=("USDC",), collateral=("WETH", "USDC")),
    "derive_standard": Case("derive_standard", DeriveStandard, OPTIONS, settled=("USDC",), collateral=("WETH", "USDC")),
    "hyperliquid": Case("hyperliquid", Hyperliquid, ("perpetual",), (*COINS,), DOLLARS, ("USDC",)),
    "hyperliquid:8": Case("hyperliquid", lambda: Hyperliquid(8.0), ("perpetual",), (*COINS,), DOLLARS, ("USDC",)),
    "binance": Case("binance", Binance, ("perpetual",), (*COINS,), DOLLARS, ("USDC", "USDT", "BTC")),
    "binance:30": Case("binance", lambda: Binance(30.0), ("perpetual",), (*COINS,), DOLLARS, ("USDC", "USDT", "BTC")),
    "binance_portfolio": Case("binance_portfolio", BinancePortfolio, ("perpetual",), (*COINS,), DOLLARS, ("USDC", "BTC")),
    "bybit": Case("bybit", Bybit, ("option",), settled=DOLLARS, collateral=("USDC", "USDT")),
    "bybit_portfolio": Case("bybit_portfolio", _bybit, ("perpetual",), settled=("coin", "USDT"), collateral=DOLLARS),
    "bybit_portfolio, many expiries": Case("bybit_portfolio", _bybit, ALL, collateral=DOLLARS, tight=False),
    "okx_portfolio": Case("okx_portfolio", _okx, ALL, settled=("coin", "USDT"), collateral=DOLLARS),
    "okx_portfolio, one dollar": Case("okx_portfolio", _okx, ALL, settled=("USDC",), collateral=DOLLARS),
    "okx_portfolio, three dollars": Case("okx_portfolio", _okx, ALL, collateral=DOLLARS, tight=False),
    "paradex": Case("paradex", Paradex, OPTIONS, settled=("USDC",), collateral=("USDC",)),
    "dydx": Case("dydx", DydxV4, ("perpetual",), (*COINS,), DOLLARS, ("USDC",)),
    "aave": Case("aave", AaveV3, (), collateral=("ETH", "WETH", "USDC", "USDT", "BTC"), sign="debts"),
    "aave, health 1.3": Case("aave", lambda: AaveV3(health=1.3), (), collateral=("ETH", "USDC", "USDT"), sign="debts"),
    "none": Case("none", Unmargined, ("option",), collateral=("BTC", "USDC"), sign="long"),
    "otc": Case("otc", Bilateral, ALL, collateral=("BTC", "USDC")),
    "table of scenarios": Case("table", lambda: Generic("grid.toml", GRID), ALL),
    "table of tiers": Case("table", lambda: Generic("tiers.toml", TIERS), PERPETUALS, settled=DOLLARS),
}  # fmt: skip


def test_every_model_is_here() -> None:
    assert {case.key for case in CASES.values()} == set(MODELS)


def state_for(case: Case, state_of: Callable[..., State], rng: np.random.Generator) -> State:
    """Instruments of every kind, currency, settlement and expiry that the model takes."""
    items: list[dict[str, Any]] = []
    for coin in case.coins:
        for settled in case.settled:
            index = COINS[coin]
            common = {"underlying": coin, "inverse": settled == "coin", "open_interest": 5e7 / index}
            for kind in case.kinds:
                if kind == "perpetual":
                    items.append({**common, "kind": kind, "mark": index * rng.uniform(0.98, 1.02)})
                for days in () if kind == "perpetual" else (0.01, 9.0, 200.0):
                    forward = index * (1.0 + 0.0003 * days)
                    if kind == "future":
                        items.append({**common, "kind": kind, "mark": forward, "days": days})
                        continue
                    for strike in rng.choice([0.6, 0.8, 0.95, 1.0, 1.05, 1.3, 2.0], 2, replace=False):
                        for right in ("call", "put"):
                            vol = rng.uniform(0.3, 1.4)
                            items.append({**common, "kind": kind, "forward": forward, "strike": index * strike,
                                          "right": right, "days": days, "vol": vol})  # fmt: skip
    state = state_of(items, index=COINS, collateral={asset: PRICES[asset] for asset in case.collateral})
    settlement = [
        s for _ in case.coins for s in case.settled for _ in range(len(items) // len(case.coins) // len(case.settled))
    ]
    names = tuple(u if s == "coin" else s for u, s in zip(state.underlying, settlement, strict=True))
    worth = np.array([COINS.get(name, PRICES.get(name, 1.0)) for name in names])
    funding = np.where(state.perpetual, rng.uniform(-5e-4, 5e-4, len(names)), np.nan)
    return _priced(replace(state, settlement=names, settlement_price=worth, funding=funding))


def _priced(state: State) -> State:
    """Marks and values of options that agree with their forward and vol."""
    if not state.option.any():
        return state
    years = np.where(state.option, state.years, 1.0)
    dollars = price(
        state.forward, np.nan_to_num(state.strike, nan=1.0), years, np.nan_to_num(state.vol, nan=1.0), state.is_call
    )
    mark = np.where(state.option, np.where(state.inverse, dollars / state.forward, dollars), state.mark)
    value = np.where(state.option, mark * np.where(state.inverse, state.index, state.settlement_price), 0.0)
    return replace(state, mark=mark, value=value)


def shocked(state: State, spot: float, vol: float, peg: float) -> State:
    """The same account after spot, vols and the dollars' pegs have moved."""
    coins, dollars = set(COINS) | {"WETH"}, {"USDC", "USDT"}
    factor = {
        name: spot if name in coins else (peg if name in dollars else 1.0) for name in {*state.settlement, *state.assets}
    }
    return _priced(
        replace(
            state,
            index=state.index * spot,
            forward=state.forward * spot,
            mark=np.where(state.option, state.mark, state.mark * spot),
            vol=state.vol * vol,
            settlement_price=state.settlement_price * np.array([factor[name] for name in state.settlement]),
            prices=state.prices * np.array([factor[name] for name in state.assets]),
        )
    )


SHOCKS = {"now": (1.0, 1.0, 1.0), "crash": (0.45, 2.5, 0.95), "rise": (1.7, 0.6, 1.0), "broken peg": (1.0, 1.0, 0.7)}


def portfolios(case: Case, state: State, rng: np.random.Generator, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (R,) and collateral (A,): sparse and dense, long, short and mixed, over nine orders of magnitude."""
    unit = np.where(
        state.linear,
        1e5 / np.where(state.notional > 0, state.notional, 1.0),
        1e5 / np.where(state.index > 0, state.index, 1.0),
    )
    for k in range(count):
        scale = 10.0 ** (rng.uniform(-6, 3) if k % 4 == 0 else rng.uniform(-1, 2))
        z = rng.standard_normal(len(state)) * (rng.random(len(state)) < rng.uniform(0.05, 1.0)) * unit * scale
        if k % 5 == 1 or case.sign == "long":
            z = np.where(state.option, np.abs(z), z)
        elif k % 5 == 2:
            z = np.where(state.option, -np.abs(z), z)
        held = rng.standard_normal(len(state.assets)) * (rng.random(len(state.assets)) < 0.7) * 1e5 * scale / state.prices
        yield z, held if case.sign == "debts" else np.abs(held)


def inside(encoding: Encoding, z: np.ndarray) -> bool:
    """Whether a portfolio is one that the venue admits and the encoding is about."""
    return encoding.largest is None or bool((np.abs(z) <= encoding.largest).all())


@pytest.mark.parametrize("shock", list(SHOCKS))
@pytest.mark.parametrize("name", list(CASES))
def test_the_encoding_is_nowhere_below_the_rule_and_meets_it_at_its_anchor(
    name: str, shock: str, state_of: Callable[..., State]
) -> None:
    case, rng = CASES[name], np.random.default_rng([len(name), len(shock), 11])
    model = case.make()
    state = shocked(state_for(case, state_of, rng), *SHOCKS[shock])
    last: dict[str, np.ndarray] = dict.fromkeys(KINDS, np.zeros(len(state)))
    bases = {kind: model.encode(state, kind) for kind in KINDS}  # type: ignore[arg-type]
    for z, held in portfolios(case, state, rng, DRAWS):
        need = model.requirement(state, z, held)
        for kind, base in bases.items():
            plain = need.of(kind)  # type: ignore[arg-type]
            room = 1e-9 * max(1.0, abs(plain))
            here, elsewhere = base.at(z), base.at(last[kind])
            for encoding in (base, elsewhere):
                if inside(encoding, z):
                    assert encoding(z, held) >= plain - room, f"{kind} of {name} is below the rule"
            # long options that offset a delta under its shock, and a feed that is unsure of a perpetual nobody holds, are
            # the two places where the encoding may ask for more (docs/margin.md)
            loose = (
                any(r.value(float(r.row @ np.concatenate([z, held]))) > 0 for r in here.ramps)
                and (z[state.option] > 0).any()
            )
            if case.tight and not loose and not (name == "derive, unsure feeds" and not z[state.linear].all()):
                assert here(z, held) <= plain + room, f"{kind} of {name} is above the rule at its anchor"
            last[kind] = z


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("none", "otc")])
def test_half_an_encoding_is_noticed(name: str, state_of: Callable[..., State]) -> None:
    """The test above can fail: for every model, an encoding halved on purpose falls below the rule."""
    case, rng = CASES[name], np.random.default_rng(12)
    model = case.make()
    state = state_for(case, state_of, rng)
    for kind in KINDS:
        half = model.encode(state, kind).scaled(0.5)  # type: ignore[arg-type]
        below = [
            half.at(z)(z, held) < model.requirement(state, z, held).of(kind) * (1 - 1e-9)  # type: ignore[arg-type]
            for z, held in portfolios(case, state, rng, 10)
        ]
        assert any(below)


@pytest.mark.parametrize("name", list(CASES))
def test_encodings_are_convex_at_every_anchor(name: str, state_of: Callable[..., State]) -> None:
    case, rng = CASES[name], np.random.default_rng(13)
    model = case.make()
    state = state_for(case, state_of, rng)
    for kind in KINDS:
        base = model.encode(state, kind)  # type: ignore[arg-type]
        drawn = list(portfolios(case, state, rng, 15))
        for (a, m), (b, n), (anchor, _) in zip(drawn, drawn[1:], drawn[2:], strict=False):
            encoding = base.at(anchor)
            ends = 0.5 * (encoding(a, m) + encoding(b, n))
            assert encoding(0.5 * (a + b), 0.5 * (m + n)) <= ends + 1e-9 * max(1.0, abs(ends))
