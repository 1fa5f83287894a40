"""Black-76 prices and Greeks against cited vectors, 60-digit arithmetic and the identities they must obey."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgeopt.errors import InputError
from hedgeopt.models.pricing import black76

MINUTE = 1.0 / (365 * 24 * 60)


def exact(F: float, K: float, T: float, vol: float, call: bool) -> mp.mpf:
    """The textbook formula at mpmath's working precision."""
    F, K, T, vol = map(mp.mpf, (F, K, T, vol))
    s = vol * mp.sqrt(T)
    d1 = mp.log(F / K) / s + s / 2
    d2 = d1 - s
    return F * mp.ncdf(d1) - K * mp.ncdf(d2) if call else K * mp.ncdf(-d2) - F * mp.ncdf(-d1)


def test_deribit_vector() -> None:
    call = black76.greeks(65_000, 70_000, 30 / 365, 0.6, True)
    assert call.price == pytest.approx(2547.959586, abs=1e-6)
    assert call.delta == pytest.approx(0.365116250, abs=1e-9)
    assert call.gamma == pytest.approx(3.36211709e-5, rel=1e-8)
    assert call.vega / 100 == pytest.approx(70.0517821, abs=1e-7)
    assert call.theta / 365 == pytest.approx(-70.0517821, abs=1e-7)
    put = black76.greeks(65_000, 60_000, 30 / 365, 0.6, False)
    assert put.price == pytest.approx(2237.868155, abs=1e-6)
    assert put.delta == pytest.approx(-0.290702963, abs=1e-9)


# Haug, The Complete Guide to Option Pricing Formulas, p. 27 (r = 10 %): T = 0.1, K = 100
@pytest.mark.parametrize(
    ("vol", "calls", "puts"),
    [
        (0.15, (0.0205, 1.8733, 9.9413), (9.9210, 1.8733, 0.0408)),
        (0.25, (0.3150, 3.1217, 10.3556), (10.2155, 3.1217, 0.4551)),
        (0.35, (0.9474, 4.3693, 11.1381), (10.8479, 4.3693, 1.2376)),
    ],
)
def test_haug_grid(vol: float, calls: tuple[float, ...], puts: tuple[float, ...]) -> None:
    discount = np.exp(-0.1 * 0.1)
    for is_call, printed in ((True, calls), (False, puts)):
        values = discount * black76.black76_price([90, 100, 110], 100, 0.1, vol, is_call)
        np.testing.assert_allclose(values, printed, atol=5.1e-5)


def test_haug_and_hull_greeks() -> None:
    # Haug: futures 105, K 100, T 0.5, r 0.10, vol 0.36; and stock options through F = S exp((r - q) T)
    discount = np.exp(-0.05)
    assert discount * black76.greeks(105, 100, 0.5, 0.36, True).delta == pytest.approx(0.5946, abs=5.1e-5)
    assert discount * black76.greeks(105, 100, 0.5, 0.36, False).delta == pytest.approx(-0.3566, abs=5.1e-5)
    growth = np.exp(0.10 * 0.75)
    stock = black76.greeks(55 * growth, 60, 0.75, 0.30, True)
    assert stock.gamma * growth == pytest.approx(0.0278, abs=5.1e-5)  # d2/dS2 = D (F/S)^2 gamma, D = S/F
    assert stock.vega / growth == pytest.approx(18.9358, abs=5.1e-5)
    # Hull (vollib 1.0.11 doctests): S 49, K 50, r 0.05, T 0.3846, vol 0.2
    growth = np.exp(0.05 * 0.3846)
    hull = black76.greeks(49 * growth, 50, 0.3846, 0.2, True)
    assert hull.delta == pytest.approx(0.521601633972, abs=1e-12)
    assert hull.gamma * growth == pytest.approx(0.0655453772525, abs=1e-13)
    assert hull.vega / growth / 100 == pytest.approx(0.121052427542, abs=1e-12)


def test_jaeckel_normalised_vector() -> None:
    # normalised Black price = undiscounted price / sqrt(F K) at x = ln(100/95), s = 0.3 sqrt(0.5)
    scale = np.sqrt(100 * 95)
    assert black76.black76_price(100, 95, 0.5, 0.3, False) / scale == pytest.approx(0.061296663817558904, rel=1e-14)
    assert black76.black76_price(100, 95, 0.5, 0.3, True) / scale == pytest.approx(0.11259558142181655, rel=1e-14)


def test_price_against_60_digits() -> None:
    forward = 100.0
    strikes = [0.01, 1, 10, 30, 50, 70, 90, 99, 99.9, 99.99, 100, 100.001, 100.1, 105, 110, 150, 300, 1000, 1e4]
    years = [MINUTE / 60, MINUTE, 5 * MINUTE, 60 * MINUTE, 1 / 365, 30 / 365, 1, 5]
    vols = [0.01, 0.05, 0.6, 2, 5]
    grid = list(itertools.product(strikes, years, vols, (True, False)))
    K, T, vol, call = map(np.array, zip(*grid, strict=True))
    values = black76.black76_price(forward, K, T, vol, call)
    for (k, t, v, c), value in zip(grid, values, strict=True):
        with mp.workdps(60):
            truth = exact(forward, k, t, v, c)
            error = abs(mp.mpf(float(value)) - truth)
        assert error <= 1e-14 * max(forward, k), (k, t, v, c)
        assert truth <= 1e-12 * forward or error <= 1e-9 * truth, (k, t, v, c)


def test_greeks_against_high_precision_differences() -> None:
    forward = 100.0
    grid = list(itertools.product([40.0, 90.0, 100.0, 101.0, 260.0], [MINUTE * 30, 0.02, 1.5], [0.3, 1.1], (True, False)))
    K, T, vol, call = map(np.array, zip(*grid, strict=True))
    g = black76.greeks(forward, K, T, vol, call)
    for i, (k, t, v, c) in enumerate(grid):
        with mp.workdps(60):

            def value(n: tuple[int, int, int, int], k: float = k, t: float = t, v: float = v, c: bool = c) -> float:
                return float(mp.diff(lambda F, K, T, w: exact(F, K, T, w, c), (forward, k, t, v), n))

            expected = {
                "delta": value((1, 0, 0, 0)),
                "gamma": value((2, 0, 0, 0)),
                "vega": value((0, 0, 0, 1)),
                "theta": -value((0, 0, 1, 0)),
                "vanna": value((1, 0, 0, 1)),
                "volga": value((0, 0, 0, 2)),
                "dual_delta": value((0, 1, 0, 0)),
            }
        for name, truth in expected.items():
            assert getattr(g, name)[i] == pytest.approx(truth, rel=1e-9, abs=1e-13), (name, k, t, v, c)


def test_expiry_and_zero_vol_give_intrinsic() -> None:
    for years, vol in ((0.0, 0.6), (0.5, 0.0), (0.0, 0.0)):
        np.testing.assert_array_equal(black76.black76_price([90, 100, 110], 100, years, vol, True), [0, 0, 10])
        g = black76.greeks([90, 100, 110], 100, years, vol, False)
        np.testing.assert_array_equal(g.price, [10, 0, 0])
        np.testing.assert_allclose(g.delta, [-1, -0.5, 0], atol=2e-16)
        for name in ("gamma", "vega", "theta", "vanna", "volga"):
            np.testing.assert_array_equal(np.abs(getattr(g, name)), 0.0)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("forward[1]", ([1.0, 0.0], 1.0, 1.0, 0.5, True)),
        ("strike", (1.0, -2.0, 1.0, 0.5, True)),
        ("years", (1.0, 1.0, -1e-9, 0.5, True)),
        ("vol", (1.0, 1.0, 1.0, -0.5, True)),
        ("vol[0, 1]", (1.0, 1.0, 1.0, [[0.5, np.nan]], True)),
        ("forward", (np.inf, 1.0, 1.0, 0.5, True)),
        ("strike", (1.0, 1e160, 1.0, 0.5, True)),
        ("forward", (1e-310, 1.0, 1.0, 0.5, True)),
        ("is_call", (1.0, 1.0, 1.0, 0.5, "call")),
        ("strike", (1.0, "x", 1.0, 0.5, True)),
        ("forward (2,), strike (3,)", ([1.0, 1.0], [1.0, 1.0, 1.0], 1.0, 0.5, True)),
    ],
)
def test_bad_input_is_named(field: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(InputError) as caught:
        black76.black76_price(*arguments)  # type: ignore[arg-type]
    assert caught.value.field is not None
    assert caught.value.field.startswith(field)
    assert caught.value.fix


positive = st.floats(1e-3, 1e7)
sane = {
    "forward": positive,
    "moneyness": st.floats(0.01, 100.0),
    "years": st.floats(0.0, 10.0),
    "vol": st.floats(0.0, 5.0),
}


@settings(max_examples=200, deadline=None)
@given(**sane)
def test_parity_bounds_and_greeks_agree_with_price(forward: float, moneyness: float, years: float, vol: float) -> None:
    strike = forward * moneyness
    call, put = (black76.greeks(forward, strike, years, vol, c) for c in (True, False))
    largest = max(forward, strike)
    assert abs((call.price - put.price) - (forward - strike)) <= 4e-16 * largest
    assert abs((call.delta - put.delta) - 1.0) <= 4e-16
    assert max(forward - strike, 0.0) <= call.price <= forward * (1 + 1e-15)
    assert max(strike - forward, 0.0) <= put.price <= strike * (1 + 1e-15)
    assert call.price == black76.black76_price(forward, strike, years, vol, True)
    for name in ("gamma", "vega", "theta", "vanna", "volga"):
        assert np.isfinite(getattr(call, name))
    # Euler: V is homogeneous of degree one in (F, K)
    assert abs(forward * call.delta + strike * call.dual_delta - call.price) <= 1e-14 * largest


@settings(max_examples=100, deadline=None)
@given(**sane, scale=st.floats(1e-6, 1e6))
def test_homogeneity(forward: float, moneyness: float, years: float, vol: float, scale: float) -> None:
    strike = forward * moneyness
    one = black76.black76_price(forward, strike, years, vol, True)
    scaled = black76.black76_price(forward * scale, strike * scale, years, vol, True)
    assert abs(scaled - scale * one) <= 3e-15 * scale * max(forward, strike) + 1e-12 * scale * one


@settings(max_examples=100, deadline=None)
@given(**sane)
def test_monotone_in_vol_and_strike_and_convex_in_strike(forward: float, moneyness: float, years: float, vol: float) -> None:
    tolerance = 1e-14 * forward * max(moneyness * 1.3, 1.0)
    vols = vol * np.array([0.8, 0.9, 1.0, 1.1])
    assert np.all(np.diff(black76.black76_price(forward, forward * moneyness, years, vols, True)) >= -tolerance)
    strikes = forward * moneyness * np.array([0.9, 1.0, 1.1, 1.2, 1.3])
    calls = black76.black76_price(forward, strikes, years, vol, True)
    assert np.all(np.diff(calls) <= tolerance)
    assert np.all(np.diff(calls, 2) >= -4 * tolerance)
