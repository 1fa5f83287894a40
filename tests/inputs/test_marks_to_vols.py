"""Vols of marks: parity first, then the out-of-the-money twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hedgeopt.exposures.units import unit_risk
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.models.pricing.family import greek

NOW, EXPIRY = pd.Timestamp("2026-03-02 08:00", tz="UTC"), pd.Timestamp("2026-03-09 08:00", tz="UTC")
TRUE, LATE = 60_000.0, 59_950.0  # the marks' forward, and one 8 bp older beside them


def smile(strike: float) -> float:
    return 0.7 + 0.4 * np.log(strike / TRUE) ** 2


def write(folder: Path, strikes: list[float], decimals: int, **cells: float) -> Path:
    years, rows = (EXPIRY - NOW).total_seconds() / (365 * 86_400), []
    for strike in strikes:
        deviation = smile(strike) * np.sqrt(years)
        d1 = np.log(TRUE / strike) / deviation + deviation / 2
        for side, word in ((1, "call"), (-1, "put")):
            mark = side * (norm.cdf(side * d1) - strike / TRUE * norm.cdf(side * (d1 - deviation)))
            name = f"BTC-9MAR26-{strike:.0f}-{word[0].upper()}"
            row = {"timestamp": NOW, "currency": "BTC", "instrument_name": name, "option_type": word, "strike": strike}
            row |= {"expiry": EXPIRY, "bid_price": np.nan, "ask_price": np.nan, "underlying_price": LATE}
            rows.append(
                {**row, "mark_price": cells.get(name, round(mark, decimals)), "mark_iv": np.nan, "index_price": LATE}
            )
    path = folder / "chain.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


STRIKES = [36_000.0, 48_000.0, 54_000.0, 57_000.0, 60_000.0, 63_000.0, 66_000.0, 72_000.0, 84_000.0]


def test_a_late_forward_and_rounded_marks_do_not_reach_the_vols(tmp_path: Path) -> None:
    market = read_market(write(tmp_path, STRIKES, 8), invert_marks=True)
    for key, item in market.instruments.items():
        if key not in market.doubtful:
            assert market.quote("mark_iv", key) == pytest.approx(smile(item.strike), abs=2e-3), key
        assert market.quote("underlying_price", key) == pytest.approx(TRUE, rel=1e-6)
    twins = {(i.strike, i.right): market.quote("mark_iv", k) for k, i in market.instruments.items()}
    assert all(twins[strike, "call"] == twins[strike, "put"] for strike in STRIKES)


def test_marks_without_a_vol_take_the_nearest_strikes(tmp_path: Path) -> None:
    market = read_market(write(tmp_path, STRIKES, 8, **{"BTC-9MAR26-84000-C": 0.0}), invert_marks=True)
    for name in ("BTC-9MAR26-84000-C", "BTC-9MAR26-84000-P"):
        assert f"deribit:{name}" in market.doubtful
        assert market.quote("mark_iv", f"deribit:{name}") == pytest.approx(smile(72_000.0), abs=2e-3)


def test_a_held_option_below_intrinsic_value_is_valued_as_a_forward(tmp_path: Path) -> None:
    """The put is worth its mark, K/F - 1.001 coins at the index, and moves as (K - F) S/F does: delta -N(-d1) is -1."""
    strike = 200_000.0
    low = {"BTC-9MAR26-200000-P": strike / LATE - 1 - 0.001}
    market = read_market(write(tmp_path, [60_000.0, strike], 8, **low), invert_marks=True)
    assert f"deribit:BTC-9MAR26-{strike:.0f}-P" in market.doubtful
    assert any("below intrinsic value" in note for note in market.notes)
    put = market.instruments["deribit:BTC-9MAR26-200000-P"]
    risk = unit_risk([put], market, ("BTC",))
    assert risk.value[0] == pytest.approx((strike / LATE - 1.001) * market.price("BTC"), rel=1e-12)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(-1.0, rel=1e-6)


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "p99", "without"), [("crash_20260205", 0.6, 62), ("calm_20260115", 0.25, 14)])
def test_recorded_vols_come_back(shared_data: Path, tmp_path: Path, name: str, p99: float, without: int) -> None:
    path = shared_data / "deribit-chains" / f"snapshot_{name}.csv"
    blind = tmp_path / "blind.csv"
    pd.read_csv(path).assign(mark_iv=np.nan).to_csv(blind, index=False)
    told, found = read_market(path), read_market(blind, invert_marks=True)
    assert len(found) == len(told)
    assert len(found.doubtful) == without
    own = [key for key in told.instruments if key not in found.doubtful]
    error = 100.0 * np.abs(found.quoted("mark_iv", own) - told.quoted("mark_iv", own))
    assert np.quantile(error, 0.99) < p99
    assert error.max() < 5.0


@pytest.mark.realdata
def test_shared_case_held_below_intrinsic(shared_data: Path) -> None:
    market = read_market(shared_data.parent / "cases" / "held-below-intrinsic" / "market.csv", invert_marks=True)
    assert "deribit:BTC-28JUN24-200000-P" in market.instruments
