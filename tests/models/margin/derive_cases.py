"""The venue's published portfolio-margin cases as states and parameters of our own (derivexyz/v2-core, test data)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hedgeopt.models.data import table
from hedgeopt.models.margin.derive import Confidence, Derive
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.families import natures

YEAR = 365 * 86_400.0
UNIT_TEST_TAILS = [
    [0.34, 0.2 * 0.18 / 0.66],
    [0.67, 0.2 * 0.18 / 0.33],
    [1.5, 0.072],
    [2.0, 0.036],
    [3.0, 0.018],
    [4.0, 0.012],
]


def unit_test_parameters() -> dict[str, Any]:
    """What the venue's own unit tests use, where it differs from the live numbers."""
    live = table("derive")["portfolio_margin"]
    regular, skew = live["scenarios"][:23], live["scenarios"][-2:]
    return {
        **live,
        "scenarios": [*regular, *([spot, "up", damping] for spot, damping in UNIT_TEST_TAILS), *skew],
        "vol_down": 0.275,
        "min_vol_up": 0.45,
        "long_rate_mult": 1.0,
        "long_rate_add": 0.08,
        "short_discount": 1.04,
        "short_rate_mult": 0.5,
        "short_rate_add": 0.08,
        "peg_threshold": 0.98,
        "peg_factor": 2.0,
        "perpetual_maintenance": 0.015,
        "perpetual_initial": 0.005,
        "skew": {**live["skew"], "linear_cap": 0.15, "linear_base": -0.05, "absolute_cap": 0.15, "absolute_base": -0.05,
                 "vol_scale": -0.1},
    }  # fmt: skip


SHOCKS = {"Up": "up", "Down": "down", "None": "none", "LINEAR": "linear skew", "ABS": "absolute skew"}


def parameters(case: Mapping[str, Any]) -> dict[str, Any]:
    """A case's own parameters in the form of models/data/derive.toml."""
    own = case["Parameters"]
    skew, vol, margin = own["SkewShock"], own["VolShock"], own["Margin"]
    basis, other = own["BasisContingency"], own["OtherContingency"]
    base = _base(case["Scenario"])
    return {
        "scenarios": [[s["SpotShock"], SHOCKS[s["VolShockDirection"]], s["DampeningFactor"]] for s in own["Scenarios"]],
        "vol_up": vol["VOLRANGEUP"],
        "vol_down": vol["VOLRANGEDOWN"],
        "min_vol_up": vol["MIN_VOL_EVAL_SHOCKED"],
        "short_power": vol["SHORTTERMPOWER"],
        "long_power": vol["LONGTERMPOWER"],
        "dte_floor": vol["DTE_FLOOR"],
        "initial_factor": margin["IM_LOSS_FACTOR"],
        "maintenance_factor": margin["MM_LOSS_FACTOR"],
        "long_discount": margin["BASE_STATIC_DISCOUNT"],
        "long_rate_mult": margin["LONG_RATE_MULTSCALE"],
        "long_rate_add": margin["LONG_RATE_ADDSCALE"],
        "short_discount": margin["BASE_STATIC_DISCOUNT_NEG"],
        "short_rate_mult": margin["SHORT_RATE_MULTSCALE"],
        "short_rate_add": margin["SHORT_RATE_ADDSCALE"],
        "basis_up": basis["SCENARIO_SPOT_UP"],
        "basis_down": basis["SCENARIO_SPOT_DOWN"],
        "basis_add": basis["BASIS_CONT_ADD_FACTOR"],
        "basis_mult": basis["BASIS_CONT_MULT_FACTOR"],
        "peg_threshold": other["PEG_LOSS_THRESHOLD"],
        "peg_factor": other["PEG_LOSS_FACTOR"],
        "perpetual_maintenance": other["MM_PERP_PERCENT"],
        "perpetual_initial": other["IM_PERP_PERCENT"],
        "option_maintenance": other["MM_OPTION_PERCENT"],
        "option_initial": other["IM_OPTION_PERCENT"],
        "confidence_threshold": other["CONF_THRESHOLD"],
        "confidence_margin": other["CONF_MARGIN"],
        "static_rate": 0.0,
        "averaging_minutes": 30.0,
        "skew": {
            "linear_cap": skew["LINEAR_SCALE_CAP"],
            "linear_base": skew["LINEAR_CBASE"],
            "absolute_cap": skew["ABS_SCALE_CAP"],
            "absolute_base": skew["ABS_CBASE"],
            "min_k_star": skew["MIN_K_STAR"],
            "width_scale": skew["MIN_WIDTH_SCALE"],
            "vol_static": skew["VOL_PARAM_STATIC"],
            "vol_scale": skew["VOL_PARAM_SCALE"],
        },
        "collateral": {
            held["Name"]: {
                "maintenance": held["MMHaircut"],
                "initial": held["IMHaircut"],
                **({"cancels": base} if held["IsRiskCancelling"] else {}),
            }
            for held in case["Scenario"]["Collaterals"]
        },
    }


def _base(scenario: Mapping[str, Any]) -> str:
    return "BTC" if scenario["SpotPrice"] > 20_000 else "ETH"


def account(case: Mapping[str, Any]) -> tuple[Derive, State, np.ndarray, np.ndarray, float]:
    """Model, state, positions, collateral, and what stands against the requirement besides collateral and options (USD)."""
    scenario = case["Scenario"]
    base, spot, stable = _base(scenario), scenario["SpotPrice"], scenario["StablePrice"]
    feeds = {feed["FeedExpiry"]: feed for feed in scenario["OptionFeeds"]}
    options, perps, held = scenario["Options"], scenario["NumPerps"], scenario["Collaterals"]
    n = len(options) + bool(perps)

    def column(name: str, last: float) -> np.ndarray:
        return np.array([float(option[name]) for option in options] + [last] * bool(perps))

    def of_feed(name: str, last: float) -> np.ndarray:
        return np.array([float(feeds[option["Expiry"]][name]) for option in options] + [last] * bool(perps))

    assets = (*(item["Name"] for item in held), "USDC")
    state = State(
        venue="derive",
        account="case",
        names=tuple(map(str, range(n))),
        nature=tuple(natures()[kind] for kind in ("option",) * len(options) + ("perpetual",) * bool(perps)),
        underlying=(base,) * n,
        settlement=("USDC",) * n,
        inverse=np.zeros(n, bool),
        index=np.full(n, spot),
        settlement_price=np.ones(n),
        mark=column("MarkVol", scenario["PerpPrice"]),
        value=np.zeros(n),
        forward=of_feed("Forward", np.nan),
        strike=column("Strike", np.nan),
        years=column("Expiry", np.nan * YEAR) / YEAR,
        vol=column("MarkVol", np.nan),
        is_call=np.array([bool(option["IsCall"]) for option in options] + [True] * bool(perps), bool),
        open_interest=np.full(n, np.nan),
        assets=assets,
        # the venue divides by the stable coin's price and calls it a dollar; its feed still moves the peg factor
        prices=np.array([item["Price"] / stable for item in held] + [stable]),
        rate=of_feed("Rate", np.nan),
    )
    confidence = Confidence(
        spot=scenario["SpotConfidence"],
        perpetual=scenario["PerpConfidence"] if perps else 1.0,
        expiry={
            seconds / YEAR: min(_least(feed["ForwardConfidence"]), _least(feed["RateConfidence"]), _vols(feed))
            for seconds, feed in feeds.items()
        },
        collateral={item["Name"]: item["Confidence"] for item in held},
    )
    model = Derive(parameters=parameters(case), confidence=confidence, base=base)
    positions = np.array([float(option["Amount"]) for option in options] + [float(perps)] * bool(perps))
    amounts = np.array([float(item["Amount"]) for item in held] + [0.0])
    cash = float(scenario["Cash"]) + float(scenario["UnrealisedPerpPNL"]) + float(scenario["UnrealisedFunding"])
    return model, state, positions, amounts, cash


def _least(value: Any) -> float:
    return float(min(value)) if isinstance(value, list) else float(value)


def _vols(feed: Mapping[str, Any]) -> float:
    return _least(feed["OptionVolConfidences"])


def balance(case: Mapping[str, Any]) -> tuple[float, float]:
    """Our initial and maintenance balance of a case, USD: equity less requirement."""
    model, state, positions, amounts, cash = account(case)
    need = model.requirement(state, positions, amounts)
    equity = cash + float(state.prices @ amounts)
    equity += sum(float(e.now @ positions[e.rows]) for u in state.underlyings for e in model.expiries(state, u))
    return equity - need.initial, equity - need.maintenance
