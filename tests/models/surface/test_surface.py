"""The surface against smiles of known shape: exact at marks, stated between and beyond, honest about arbitrage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.black76 import black76_price, greeks
from hedgeopt.models.pricing.implied_vol import implied_vol
from hedgeopt.models.surface.surface import VolSurface

YEARS = np.array([7, 30, 90]) / 365
FORWARD = np.array([100.0, 101.0, 103.0])
MONEYNESS = np.linspace(-0.4, 0.4, 17)


def svi(k: np.ndarray) -> np.ndarray:
    """Total variance a year of a raw SVI smile free of butterfly arbitrage (Gatheral & Jacquier 2014)."""
    return 0.20 + 0.15 * (-0.3 * k + np.sqrt(k**2 + 0.3**2))


def chain(moneyness: np.ndarray = MONEYNESS) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    k, e = np.meshgrid(moneyness, np.arange(YEARS.size))
    k, e = k.ravel(), e.ravel()
    return FORWARD[e], FORWARD[e] * np.exp(k), YEARS[e], np.sqrt(svi(k))


@pytest.fixture(scope="module")
def surface() -> VolSurface:
    return VolSurface.from_chain(*chain())


def test_exact_at_marks_and_close_between(surface: VolSurface) -> None:
    forward, strike, years, vol = chain()
    np.testing.assert_allclose(surface.vol(strike, years), vol, rtol=1e-14)
    np.testing.assert_allclose(surface.vol(strike, years, forward), vol, rtol=1e-14)
    forward, strike, years, vol = chain(np.linspace(-0.4, 0.4, 97))
    np.testing.assert_allclose(surface.vol(strike, years), vol, atol=1e-3)  # PCHIP is second order at an extremum


def test_shape_preserving_between_marks(surface: VolSurface) -> None:
    w = surface.vol(FORWARD[1] * np.exp(np.linspace(-0.4, 0.4, 801)), YEARS[1]) ** 2
    marks = svi(MONEYNESS)
    between = np.clip(((np.linspace(-0.4, 0.4, 801) + 0.4) / 0.05).astype(int), 0, 15)
    low, high = np.minimum(marks[between], marks[between + 1]), np.maximum(marks[between], marks[between + 1])
    assert np.all((w >= low - 1e-14) & (w <= high + 1e-14))


def test_linear_in_total_variance_across_expiries(surface: VolSurface) -> None:
    share = 0.3
    years = YEARS[0] + share * (YEARS[1] - YEARS[0])
    at = [float(surface.vol(FORWARD[e] * np.exp(0.12), YEARS[e])) ** 2 * YEARS[e] for e in (0, 1)]
    between = float(surface.vol(50 * np.exp(0.12), years, 50.0)) ** 2 * years
    assert between == pytest.approx((1 - share) * at[0] + share * at[1], rel=1e-14)
    for years, e in ((1 / 365, 0), (3.0, 2)):  # flat vol at equal moneyness outside the listed expiries
        strike = FORWARD[e] * np.exp(-0.2)
        assert surface.vol(strike, years) == pytest.approx(float(surface.vol(strike, YEARS[e])), rel=1e-14)


def test_wings_are_linear_and_within_lees_bound() -> None:
    forward, strike, years, vol = chain()
    far = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    linear, flat = (VolSurface.from_chain(forward, strike, years, vol, wings=w) for w in ("linear", "flat"))
    w = linear.vol(FORWARD[2] * np.exp(far), YEARS[2]) ** 2 * YEARS[2]
    np.testing.assert_allclose(np.diff(w[:3])[0], np.diff(w[:3])[1], rtol=1e-10)
    assert np.all(np.diff(w[:3]) <= 0)
    assert np.all(np.diff(w[3:]) >= 0)
    assert np.all(np.abs(np.diff(w[[0, 1]])) <= 2.0)
    np.testing.assert_allclose(flat.vol(FORWARD[2] * np.exp(far[:3]), YEARS[2]), np.sqrt(svi(MONEYNESS[0])), rtol=1e-14)
    steep = VolSurface.from_chain(1.0, np.exp([-0.1, 0.0, 0.1]), 1.0, np.sqrt([0.9, 0.1, 0.9]))
    w = steep.vol(np.exp([1.0, 2.0]), 1.0) ** 2
    assert w[1] - w[0] == pytest.approx(2.0, rel=1e-12)


def test_no_violations_in_an_arbitrage_free_smile(surface: VolSurface) -> None:
    assert surface.violations(tolerance=0.0) == []


def test_butterfly_violation_names_its_strikes() -> None:
    forward, strike, years, vol = chain()
    bumped = vol.copy()
    bumped[20] += 0.10  # second expiry, fourth strike
    found = VolSurface.from_chain(forward, strike, years, bumped).violations()
    butterfly = [v for v in found if v.kind == "butterfly"]
    assert [v.strikes[1] for v in butterfly] == [strike[20]]
    assert butterfly[0].years == (YEARS[1],)
    # what it pays: sell the middle call, buy the wings in the weights that span it
    low, middle, high = butterfly[0].strikes
    value = {k: float(black76_price(101.0, k, YEARS[1], v, True)) for k, v in zip(strike[17:34], bumped[17:34], strict=True)}
    weight = (middle - low) / (high - low)
    assert butterfly[0].amount == pytest.approx(
        (value[middle] - (1 - weight) * value[low] - weight * value[high]) / 101.0, rel=1e-9
    )
    assert "butterfly" in str(butterfly[0])


def test_vertical_and_calendar_violations() -> None:
    crossed = VolSurface.from_chain(100.0, [100.0, 105.0], 0.1, [0.2, 0.9])  # the higher strike costs more
    assert [v.kind for v in crossed.violations()] == ["vertical"]
    calendar = VolSurface.from_chain(100.0, [90.0, 110.0, 90.0, 110.0], [0.1, 0.1, 0.2, 0.2], [0.9, 0.9, 0.5, 0.7])
    found = calendar.violations()
    assert [v.kind for v in found] == ["calendar"]
    assert found[0].years == (0.1, 0.2)
    assert found[0].strikes == pytest.approx((90.0, 90.0))
    early, late = (float(black76_price(1.0, 0.9, t, v, False)) for t, v in ((0.1, 0.9), (0.2, 0.5)))
    assert found[0].amount == pytest.approx(early - late, rel=1e-9)


def test_dynamics(surface: VolSurface) -> None:
    factor, strike = 0.85, np.array([80.0, 100.0, 120.0])
    stays = surface.shifted("sticky-strike", factor)
    listed = surface.smiles[1].strike
    np.testing.assert_allclose(stays.vol(listed, YEARS[1]), surface.vol(listed, YEARS[1]), rtol=1e-13)
    rides = surface.shifted("sticky-delta", factor)
    np.testing.assert_allclose(rides.vol(strike * factor, YEARS[1]), surface.vol(strike, YEARS[1]), rtol=1e-13)
    before = greeks(101.0, strike, YEARS[1], surface.vol(strike, YEARS[1]), True).delta
    after = greeks(101.0 * factor, strike * factor, YEARS[1], rides.vol(strike * factor, YEARS[1]), True).delta
    np.testing.assert_allclose(after, before, rtol=1e-12)


def test_scenario_vols_agree_with_shifted_surfaces(surface: VolSurface) -> None:
    strike = np.array([60.0, 95.0, 100.0, 101.0, 140.0, 100.0])
    years = np.array([YEARS[0], YEARS[1], 0.05, YEARS[2], 0.001, 2.0])
    factor = np.array([1.0, 0.6, 1.3, 0.97, 1.02])
    riding = surface.scenario_vols(strike, years, factor, "sticky-delta")
    staying = surface.scenario_vols(strike, years, factor, "sticky-strike")
    for s, f in enumerate(factor):
        np.testing.assert_allclose(riding[s], surface.shifted("sticky-delta", f).vol(strike, years), rtol=1e-12)
        np.testing.assert_allclose(staying[s], surface.vol(strike, years), rtol=1e-14)


@settings(max_examples=50, deadline=None)
@given(k=st.floats(-5.0, 5.0), years=st.floats(1e-5, 5.0))
def test_vol_is_finite_and_positive_everywhere(surface: VolSurface, k: float, years: float) -> None:
    vol = float(surface.vol(float(surface.forward(years)) * np.exp(k), years))
    assert 0.0 < vol < np.sqrt(2 * 5 / min(years, YEARS[0])) + 1.0


def test_one_strike_gives_a_flat_smile() -> None:
    single = VolSurface.from_chain(100.0, [100.0], 0.1, 0.5)
    np.testing.assert_allclose(single.vol([50.0, 100.0, 300.0], [0.1, 0.01, 1.0]), 0.5, rtol=1e-14)


def test_calls_and_puts_at_one_strike() -> None:
    strike, vol, call = [90.0, 90.0, 110.0, 110.0], [0.7, 0.6, 0.5, 0.8], [True, False, True, False]
    surface = VolSurface.from_chain(100.0, strike, 0.1, vol, call)
    np.testing.assert_allclose(surface.vol([90.0, 110.0], 0.1), [0.6, 0.5], rtol=1e-14)
    with pytest.raises(InputError, match="two vols for one strike"):
        VolSurface.from_chain(100.0, strike, 0.1, vol)
    with pytest.raises(InputError, match="two vols for one strike"):
        VolSurface.from_chain(100.0, [90.0, 90.0], 0.1, [0.6, 0.7], [False, False])


def test_bad_input_is_named(surface: VolSurface) -> None:
    forward, strike, years, vol = chain()
    with pytest.raises(InputError, match=r"vol\[3\]"):
        VolSurface.from_chain(forward, strike, years, np.where(np.arange(vol.size) == 3, 0.0, vol))
    with pytest.raises(InputError, match="two forwards"):
        VolSurface.from_chain(forward * np.linspace(1, 2, forward.size), strike, years, vol)
    with pytest.raises(InputError, match="no options"):
        VolSurface.from_chain([], [], [], [])
    with pytest.raises(InputError, match="years"):
        surface.vol(100.0, 0.0)
    with pytest.raises(InputError, match="dynamics"):
        surface.shifted("sticky", 1.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="spot_factor"):
        surface.shifted("sticky-delta", 0.0)
    with pytest.raises(InputError, match="wings"):
        VolSurface.from_chain(forward, strike, years, vol, wings="cubic")  # type: ignore[arg-type]


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["snapshot_calm_20260115.csv", "snapshot_crash_20260205.csv"])
def test_recorded_chain_is_reproduced_at_every_mark(shared_data: Path, name: str) -> None:
    chain = pd.read_csv(shared_data / "deribit-chains" / name)
    chain = chain[chain["currency"] == "BTC"]
    moment, expiry = (pd.to_datetime(chain[column], utc=True) for column in ("timestamp", "expiry"))
    years = ((expiry - moment) / pd.Timedelta(days=365)).to_numpy()
    forward = chain.groupby("expiry")["underlying_price"].transform("median").to_numpy()
    is_call = (chain["option_type"] == "call").to_numpy()
    surface = VolSurface.from_chain(forward, chain["strike"], years, chain["mark_iv"], is_call)
    side = is_call == (chain["strike"].to_numpy() >= forward)
    found = surface.vol(chain["strike"], years)
    np.testing.assert_allclose(found[side], chain["mark_iv"][side], rtol=1e-12)
    for violation in surface.violations(tolerance=1e-5):
        assert set(violation.strikes) <= set(chain["strike"])
        assert violation.amount > 1e-5


@pytest.mark.realdata
def test_chain_without_iv_becomes_a_surface(shared_data: Path) -> None:
    chain = pd.read_csv(shared_data / "deribit-eth-chain-20240108" / "eth_options_20240108.csv")
    expiry = pd.to_datetime(chain["expire_date"], format="%d%b%y", utc=True) + pd.Timedelta(hours=8)
    years = ((expiry - pd.Timestamp("2024-01-08 11:19:41", tz="UTC")) / pd.Timedelta(days=365)).to_numpy()
    forward = chain.assign(years=years).groupby("years")["underlying_price"].transform("median").to_numpy()
    strike, is_call = chain["strike_price"].to_numpy(float), (chain["option_type"] == "C").to_numpy()
    mark = chain["mark_price"].to_numpy(float) * chain["underlying_price"].to_numpy(float)
    vol = implied_vol(mark, forward, strike, years, is_call, errors="nan")
    keep = np.isfinite(vol) & (is_call == (strike >= forward))
    surface = VolSurface.from_chain(forward[keep], strike[keep], years[keep], vol[keep])
    assert len(surface.smiles) == 11
    again = black76_price(forward[keep], strike[keep], years[keep], surface.vol(strike[keep], years[keep]), is_call[keep])
    np.testing.assert_allclose(again / forward[keep], mark[keep] / forward[keep], rtol=0, atol=1e-12)


def test_calendar_arbitrage_between_expiries_that_are_no_neighbours() -> None:
    """The expiry between is listed over a narrow range: only the first and the third contradict each other, at K = 60."""
    strike = [60.0, 100.0, 140.0, 95.0, 105.0, 60.0, 100.0, 140.0]
    years = [0.1, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3]
    vol = [1.6, 0.5, 0.6, 0.5, 0.5, 0.8, 0.5, 0.6]  # total variance at 60: 1.6^2 * .1 = .256 against .8^2 * .3 = .192
    found = VolSurface.from_chain(100.0, strike, years, vol).violations(tolerance=1e-4)
    calendar = [v for v in found if v.kind == "calendar"]
    assert [v.years for v in calendar] == [(0.1, 0.3)]
    assert calendar[0].strikes == pytest.approx((60.0, 60.0))
    early, late = (float(black76_price(1.0, 0.6, t, v, False)) for t, v in ((0.1, 1.6), (0.3, 0.8)))
    assert calendar[0].amount == pytest.approx(early - late, rel=1e-9)


def test_butterflies_between_marks_are_said(surface: VolSurface) -> None:
    assert surface.violations_between_marks(tolerance=1e-6) == []
    assert surface.notes() == []
    kinked = VolSurface.from_chain(100.0, [50.0, 100.0, 105.0, 200.0], 0.25, [0.9, 0.5, 0.9, 0.95])
    between = kinked.violations_between_marks(tolerance=1e-3)
    assert between
    worst = max(between, key=lambda v: v.amount)
    assert not set(worst.strikes) <= {50.0, 100.0, 105.0, 200.0}
    # by hand: calls off the surface at its own strikes
    low, middle, high = worst.strikes
    call = {k: float(black76_price(100.0, k, 0.25, float(kinked.vol(k, 0.25)), True)) for k in worst.strikes}
    weight = (middle - low) / (high - low)
    cost = (1 - weight) * call[low] + weight * call[high] - call[middle]
    assert worst.amount == pytest.approx(-cost / 100.0, rel=1e-6)
    assert any("butterfly between marks" in note for note in kinked.notes())
