"""Implied vol against cited vectors, Jäckel's published code, round trips and two recorded chains."""

from __future__ import annotations

from pathlib import Path

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pricing import black76
from hedgeopt.models.pricing.implied_vol import implied_vol


def test_deep_wing_vector() -> None:
    # py_lets_be_rational: 65,000 forward, 200,000 strike, a week, vol 0.8
    assert implied_vol(2.1306102311355575e-21, 65_000, 200_000, 7 / 365, True) == pytest.approx(0.8, abs=3e-16)


# strike, days, value of the position in JPY, contracts, spot, call?, vol. Mausser & Rosen's Nikkei book, Table 7 of
# Rockafellar & Uryasev (2000); vols as solved independently in a second source: r = 0.5 %, multiplier 1000.
NIKKEI = [
    (860, 184, 563_340, 11.5, 860, True, 0.1970),
    (800, 7, 967_280, 16, 860, True, 0.2790),
    (836, 70, 382_070, 8, 860, True, 0.2292),
    (800, 70, 2_418_012, 40, 860, False, 0.6057),
    (900, 7, 11_593, 28, 840, True, 0.2697),
    (670, 316, 5_150_461, 22.5, 840, True, 0.4475),
    (760, 316, 1_020_110, 7.5, 840, True, 0.2988),
    (760, 40, 68_919, 10, 840, False, 0.3071),
    (830, 40, 187_167, 10, 840, False, 0.2139),
]


def test_nikkei_book() -> None:
    strike, days, value, contracts, spot, is_call, expected = map(np.array, zip(*NIKKEI, strict=True))
    growth = np.exp(0.005 * days / 365)
    vol = implied_vol(value / contracts / 1000 * growth, spot * growth, strike, days / 365, is_call)
    np.testing.assert_allclose(vol, expected, atol=5.1e-5)


def test_closed_form_at_the_money() -> None:
    # F = K: price/F = 2 N(s/2) - 1, hence s = 2 sqrt(2) erfinv(price/F)
    for share in (1e-12, 1e-6, 0.01, 0.3, 0.9, 0.999):
        expected = float(2 * mp.sqrt(2) * mp.erfinv(mp.mpf(share)))
        assert implied_vol(100 * share, 100, 100, 1.0, True) == pytest.approx(expected, rel=1e-9 if share < 1e-6 else 2e-14)


@settings(max_examples=300, deadline=None)
@given(
    log_moneyness=st.floats(-6.0, 6.0),
    years=st.floats(1e-6, 10.0),
    vol=st.floats(0.01, 5.0),
    is_call=st.booleans(),
)
def test_round_trip(log_moneyness: float, years: float, vol: float, is_call: bool) -> None:
    forward, strike = 100.0, 100.0 * np.exp(log_moneyness)
    value = float(black76.black76_price(forward, strike, years, vol, is_call))
    intrinsic = max((forward - strike) if is_call else (strike - forward), 0.0)
    bound = forward if is_call else strike
    time_value = value - intrinsic
    assume(time_value > 1e-280 and value < bound * (1 - 1e-9))
    found = implied_vol(value, forward, strike, years, is_call)
    # a vol is determined as far as the time value is: d vol = d price / vega
    vega = float(black76.greeks(forward, strike, years, vol, is_call).vega)
    resolution = 2e-16 * max(value, forward * 1e-9) / vega
    assert abs(found - vol) <= 4 * resolution + 1e-10 * vol
    again = float(black76.black76_price(forward, strike, years, found, is_call))
    assert abs(again - value) <= 4e-16 * value + 1e-9 * time_value


def test_agrees_with_jaeckels_published_code() -> None:
    published = pytest.importorskip("py_lets_be_rational.lets_be_rational")
    rng = np.random.default_rng(3)
    n = 400
    strike = 100 * np.exp(rng.normal(0, 1, n) * rng.choice([0.01, 0.1, 1.0], n))
    years, vol, call = rng.choice([1 / 8760, 1 / 365, 0.1, 1.0], n), rng.uniform(0.05, 4.0, n), strike >= 100
    value = black76.black76_price(100, strike, years, vol, call)
    keep = (value > 1e-280) & (value < 99.99 * np.minimum(strike / 100, 1))
    value, strike, years, call = value[keep], strike[keep], years[keep], call[keep]
    ours = implied_vol(value, 100, strike, years, call)
    invert = published.implied_volatility_from_a_transformed_rational_guess
    theirs = [invert(p, 100.0, k, t, 1.0 if c else -1.0) for p, k, t, c in zip(value, strike, years, call, strict=True)]
    np.testing.assert_allclose(ours, theirs, rtol=2e-10)


@pytest.mark.parametrize(("price", "is_call"), [(0.0, True), (9.0, False), (10.0, False), (100.0, True), (-1.0, True)])
def test_prices_without_a_vol(price: float, is_call: bool) -> None:
    with pytest.raises(InputError, match="implies no vol") as caught:
        implied_vol([5.0 if is_call else 15.0, price], 100, 110, 0.1, is_call)
    assert caught.value.field == "price[1]"
    found = implied_vol([5.0 if is_call else 15.0, price], 100, 110, 0.1, is_call, errors="nan")
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_bad_input_is_named_in_either_mode() -> None:
    with pytest.raises(InputError, match="price"):
        implied_vol(np.nan, 100, 110, 0.1, True)
    assert np.isnan(implied_vol(np.nan, 100, 110, 0.1, True, errors="nan"))
    with pytest.raises(InputError, match="years"):
        implied_vol(1.0, 100, 110, 0.0, True, errors="nan")
    with pytest.raises(InputError, match="errors"):
        implied_vol(1.0, 100, 110, 0.1, True, errors="ignore")  # type: ignore[arg-type]


@pytest.mark.realdata
def test_marks_without_iv_reprice(shared_data: Path) -> None:
    """684 ETH options at 2024-01-08 11:19:41 UTC: inverting the mark and repricing returns the mark."""
    chain = pd.read_csv(shared_data / "deribit-eth-chain-20240108" / "eth_options_20240108.csv")
    now = pd.Timestamp("2024-01-08 11:19:41", tz="UTC")
    expiry = pd.to_datetime(chain["expire_date"], format="%d%b%y", utc=True) + pd.Timedelta(hours=8)
    years = ((expiry - now) / pd.Timedelta(days=365)).to_numpy()
    forward, strike = chain["underlying_price"].to_numpy(float), chain["strike_price"].to_numpy(float)
    is_call = (chain["option_type"] == "C").to_numpy()
    mark = chain["mark_price"].to_numpy(float) * forward
    vol = implied_vol(mark, forward, strike, years, is_call, errors="nan")
    has_vol = np.isfinite(vol)
    intrinsic = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)
    np.testing.assert_array_equal(has_vol, mark > intrinsic)
    assert has_vol.mean() > 0.9
    again = black76.black76_price(forward[has_vol], strike[has_vol], years[has_vol], vol[has_vol], is_call[has_vol])
    np.testing.assert_allclose(again / forward[has_vol], mark[has_vol] / forward[has_vol], rtol=0, atol=1e-12)
    out_of_the_money = intrinsic[has_vol] == 0.0
    assert np.all((vol[has_vol][out_of_the_money] > 0.2) & (vol[has_vol][out_of_the_money] < 3.0))


# Put-call parity of the crash snapshot's marks implies forwards up to 2.4e-4 away from the recorded ones (calm: 7e-6).
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "median"),
    [
        ("snapshot_calm_20260115.csv", 1e-5),
        ("snapshot_crash_20260205.csv", 3e-5),
        ("daily_allstrikes_dev_20251230_20260531.parquet", 1e-5),
    ],
)
def test_recorded_marks_follow_from_mark_iv(shared_data: Path, name: str, median: float) -> None:
    path = shared_data / "deribit-chains" / name
    chain = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    moment, expiry = (pd.to_datetime(chain[column], utc=True) for column in ("timestamp", "expiry"))
    chain = chain.assign(years=(expiry - moment) / pd.Timedelta(days=365))
    chain = chain[(chain["years"] > 0) & (chain["mark_iv"] > 0)]
    forward, strike, vol = (chain[name].to_numpy(float) for name in ("underlying_price", "strike", "mark_iv"))
    value = black76.black76_price(forward, strike, chain["years"].to_numpy(float), vol, chain["option_type"] == "call")
    assert np.median(np.abs(value / forward - chain["mark_price"].to_numpy(float))) <= median
