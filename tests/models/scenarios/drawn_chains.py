"""Chains whose moves are drawn from a known model, for estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from hedgeopt.models.pricing.black76 import black76_price
from hedgeopt.models.scenarios.noise import ExpiryNoise, OptionNoise, StrikeNoise, strike_size
from hedgeopt.models.scenarios.set import skew_weight, vol_term_weight

__all__ = ["TRUTH", "drawn_chains", "recorded"]

_GAP = 0.25

TRUTH: dict[str, Any] = {
    "vol_beta": -1.2,
    "vol_beta_up": 0.3,
    "vol_of_vol": 0.7,
    "skew_beta": -0.3,
    "skew_noise": 0.15,
    "skew_tenor": 0.45,
    "basis_noise": 0.2,
    "correlation": 0.85,
    "degrees": 5.0,
    "noise": OptionNoise(
        expiry=ExpiryNoise(days=(2.0, 85.0), size=(0.02, 0.006)),
        skew=ExpiryNoise(days=(2.0, 85.0), size=(0.03, 0.003)),
        strike=StrikeNoise(
            days=(2.0, 85.0), delta=(0.04, 0.425), size=((0.03, 0.015), (0.006, 0.003)), degrees=5.0, exponent=0.5
        ),
    ),
}


def drawn_chains(steps: int, seed: int) -> pd.DataFrame:
    """Two assets, a snapshot every 6 hours; vols are pulled back to 0.55 by 2 % a step, so that they stay vols."""
    rng = np.random.default_rng(seed)
    years = _GAP / 365.0
    start = pd.Timestamp("2026-01-01T08:00:00Z")
    z = rng.standard_normal((steps, 2))
    z[:, 1] = TRUTH["correlation"] * z[:, 0] + np.sqrt(1 - TRUTH["correlation"] ** 2) * z[:, 1]
    nu = TRUTH["degrees"]
    r = 0.5 * np.sqrt(years) * z * np.sqrt((nu - 2) / rng.chisquare(nu, (steps, 1)))
    frames = [
        _asset(name, price, r[:, a], rng, start) for a, (name, price) in enumerate((("BTC", 80_000.0), ("ETH", 3_000.0)))
    ]
    return pd.concat(frames, ignore_index=True)


def _asset(name: str, price: float, r: np.ndarray, rng: np.random.Generator, start: pd.Timestamp) -> pd.DataFrame:
    noise: OptionNoise = TRUTH["noise"]
    assert noise.expiry is not None
    assert noise.skew is not None
    assert noise.strike is not None
    years, nu = _GAP / 365.0, noise.strike.degrees
    expiries = sorted({start + pd.Timedelta(days=d) for d in _calendar(len(r))})
    spot, state = price, dict[tuple[pd.Timestamp, float], float]()
    basis = 0.05
    rows = []
    beta = np.where(r < 0, TRUTH["vol_beta"], TRUTH["vol_beta_up"])
    level = beta * r + TRUTH["vol_of_vol"] * np.sqrt(years) * rng.standard_normal(len(r))
    tilt = TRUTH["skew_beta"] * r + TRUTH["skew_noise"] * np.sqrt(years) * rng.standard_normal(len(r))
    for n in range(len(r) + 1):
        now = start + pd.Timedelta(days=n * _GAP)
        ahead = [e for e in expiries if 1.2 < (e - now).total_seconds() / 86_400 < 150.0]
        alive = ahead[:6] + ahead[6::9]
        for e in alive:
            t = (e - now).total_seconds() / 86_400 / 365
            forward = spot * np.exp(basis * t)
            strikes = np.round(price * np.exp(np.round(np.log(forward / price) / 0.02) * 0.02 + _ladder(t)))
            for k in strikes.tolist():
                state.setdefault((e, k), 0.55)
            mine = sorted(k for f, k in state if f == e)
            iv = np.array([state[e, k] for k in mine])
            moneyness = np.log(np.array(mine) / forward) / np.sqrt(t)
            delta = ndtr(-moneyness / iv + 0.5 * iv * np.sqrt(t))
            near = np.minimum(delta, 1 - delta) > 0.01
            for k, v, m in zip(np.array(mine)[near], iv[near], moneyness[near], strict=True):
                kind = "call" if m >= 0 else "put"
                rows.append((now, name, k, e, kind, v, forward, spot))
                rows.append((now, name, k, e, "put" if kind == "call" else "call", v, forward, spot))
            if n < len(r):
                own = noise.expiry.over(t * 365, _GAP) * rng.standard_normal()
                lean = noise.skew.over(t * 365, _GAP) * rng.standard_normal()
                size = strike_size(noise.strike, np.full(len(mine), t * 365), delta, _GAP)
                single = size * rng.standard_t(nu, len(mine)) / np.sqrt(nu / (nu - 2))
                moved = (
                    vol_term_weight(np.array(t)) * level[n]
                    + own
                    + (tilt[n] * float(skew_weight(np.array(t * 365), TRUTH["skew_tenor"])) + lean) * moneyness / iv
                    + single
                )
                pull = 0.02 * np.log(0.55 / iv)
                for k, v in zip(mine, iv * np.exp(moved + pull), strict=True):
                    state[e, k] = float(np.clip(v, 0.1, 3.0))
        if n < len(r):
            spot *= float(np.exp(r[n]))
            basis += 0.2 * np.sqrt(years) * rng.standard_normal() + 0.02 * (0.05 - basis)
    columns = ["timestamp", "currency", "strike", "expiry", "option_type", "mark_iv", "underlying_price", "index_price"]
    return pd.DataFrame(rows, columns=columns)


def _ladder(t: float) -> np.ndarray:
    """Log strikes around the money, out to two standard deviations."""
    return np.round(np.linspace(-2.0, 2.0, 15) * 0.55 * np.sqrt(t) / 0.02) * 0.02


def _calendar(steps: int) -> list[float]:
    """Days of expiry: every 4 days for weeklies, every 30 for monthlies, beyond the record's end by 150 days."""
    last = steps * _GAP + 150.0
    return [*np.arange(3.0, last, 4.0), *np.arange(20.0, last, 30.0)]


def recorded(chain: pd.DataFrame) -> pd.DataFrame:
    """The same rows as backtests record them: names of Deribit's inverse options, and marks in coins."""
    years = (chain["expiry"] - chain["timestamp"]).dt.total_seconds() / (365.0 * 86_400.0)
    price = black76_price(
        *(chain[name].to_numpy(float) for name in ("underlying_price", "strike")),
        years.to_numpy(float),
        chain["mark_iv"].to_numpy(float),
        (chain["option_type"] == "call").to_numpy(),
    )
    day = chain["expiry"].dt.strftime("%d%b%y").str.lstrip("0").str.upper()
    right = chain["option_type"].str[0].str.upper()
    name = chain["currency"] + "-" + day + "-" + chain["strike"].astype(int).astype(str) + "-" + right
    return chain.assign(
        instrument_name=name, mark_price=price / chain["underlying_price"], bid_price=np.nan, ask_price=np.nan
    )
