"""The methods that the valuation benchmark races: ours, and every rival at its best settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hedgeopt.models.pricing import black76
from hedgeopt.models.pricing.implied_vol import implied_vol

Method = Callable[[], int]


@dataclass(frozen=True)
class Book:
    """1,600 options on two underlyings, twelve expiries, half calls; Student-t spot and normal vol moves."""

    forward: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    vol: np.ndarray
    is_call: np.ndarray
    underlying: np.ndarray
    weight: np.ndarray
    spot_factor: np.ndarray
    log_vol_shift: np.ndarray

    def arguments(self) -> tuple[np.ndarray, ...]:
        option = (self.forward, self.strike, self.years, self.vol, self.is_call, self.underlying)
        return (*option, self.spot_factor, self.log_vol_shift, self.weight)


def book(options: int, scenarios: int) -> Book:
    rng = np.random.default_rng(20260115)
    days = rng.choice([0.5, 1, 2, 3, 7, 14, 30, 60, 90, 180, 270, 360], options)
    underlying = rng.integers(0, 2, options)
    forward = np.array([95_000.0, 3_300.0])[underlying] * (1 + 0.05 * days / 365)
    vol = rng.uniform(0.3, 1.2, options)
    strike = forward * np.exp(1.5 * vol * np.sqrt(days / 365) * rng.uniform(-2, 2, options))
    is_call = rng.integers(0, 2, options).astype(bool)
    spot_factor = np.exp(0.04 * np.clip(rng.standard_t(3, (scenarios, 2)), -20, 20))
    shift = 0.2 * rng.standard_normal((scenarios, 2))
    return Book(forward, strike, days / 365, vol, is_call, underlying, (30 / np.maximum(days, 1)) ** 0.3, spot_factor, shift)


def scenario_methods(table: Book, smoke: bool) -> dict[str, Method]:
    scenarios, options = table.spot_factor.shape[0], table.forward.size
    out = np.empty((options, scenarios)).T
    small = np.empty((options, scenarios), np.float32).T

    def ours() -> int:
        black76.scenario_values(*table.arguments(), out=out)
        return out.size

    def ours_float32() -> int:
        black76.scenario_values(*table.arguments(), out=small)
        return small.size

    return {
        "hedgeopt": ours,
        "hedgeopt float32 storage": ours_float32,
        "numpy + scipy.special.ndtr": _numpy_method(table, 40 if smoke else 200),
        "plain fused numba loop (math.erfc)": _plain_numba_method(table, 40 if smoke else 400),
        "py_vollib_vectorized": _vollib_method(table, 4 if smoke else 30),
        "QuantLib blackFormula loop": _quantlib_method(table, 4 if smoke else 20),
    }


def _rows(table: Book) -> tuple[np.ndarray, np.ndarray]:
    return table.spot_factor.T.copy(), table.log_vol_shift.T.copy()


def _numpy_method(table: Book, options: int) -> Method:
    from scipy.special import ndtr

    spot, shift = _rows(table)
    log_spot = np.log(spot)
    weights = np.unique(table.weight)
    up = {(u, w): np.exp(shift[u] * w) for u, w in itertools.product(range(2), weights)}
    out = np.empty((options, spot.shape[1]))
    s, d, f, near = (np.empty(spot.shape[1]) for _ in range(4))

    def method() -> int:
        for i in range(options):
            u, F, K = table.underlying[i], table.forward[i], table.strike[i]
            root, sign = np.sqrt(table.years[i]), 1.0 if table.is_call[i] else -1.0
            np.multiply(up[u, table.weight[i]], table.vol[i], out=s)
            np.clip(s, 0.01, 5.0, out=s)
            np.multiply(s, root, out=s)
            np.add(log_spot[u], np.log(F / K), out=d)
            np.divide(d, s, out=d)
            np.multiply(s, 0.5, out=f)
            np.add(d, f, out=d)
            np.subtract(d, s, out=s)  # d2
            np.multiply(d, sign, out=d)
            np.multiply(s, sign, out=s)
            ndtr(d, out=near)
            ndtr(s, out=d)
            np.multiply(spot[u], sign * F, out=f)
            np.multiply(near, f, out=near)
            np.multiply(d, sign * K, out=d)
            np.subtract(near, d, out=out[i])
        return out.size

    return method


def _plain_numba_method(table: Book, options: int) -> Method:
    import math

    import numba

    spot, shift = _rows(table)
    out = np.empty((options, spot.shape[1]))
    log_spot = np.log(spot)
    weights, which = np.unique(table.weight, return_inverse=True)
    up = np.exp(shift[:, None, :] * weights[:, None])

    @numba.njit(error_model="numpy")
    def loop(forward, strike, years, vol, sign, which, underlying, spot, log_spot, up, out):  # type: ignore[no-untyped-def]
        for i in range(out.shape[0]):
            u, root, log_fk = underlying[i], math.sqrt(years[i]), math.log(forward[i] / strike[i])
            for j in range(out.shape[1]):
                s = min(max(vol[i] * up[u, which[i], j], 0.01), 5.0) * root
                d = (log_spot[u, j] + log_fk) / s + 0.5 * s
                near = 0.5 * math.erfc(-sign[i] * d * 0.7071067811865476)
                far = 0.5 * math.erfc(-sign[i] * (d - s) * 0.7071067811865476)
                out[i, j] = sign[i] * (forward[i] * spot[u, j] * near - strike[i] * far)

    sign = np.where(table.is_call, 1.0, -1.0)

    def method() -> int:
        loop(
            table.forward, table.strike, table.years, table.vol, sign, which, table.underlying,
            spot, log_spot, up, out,
        )  # fmt: skip
        return out.size

    return method


def _long(table: Book, options: int) -> tuple[np.ndarray, ...]:
    """The first options in every scenario as columns of one length: forward, strike, years, vol, is_call."""
    u = table.underlying[:options]
    forward = (table.forward[:options] * table.spot_factor[:, u]).ravel()
    vol = np.clip(table.vol[:options] * np.exp(table.log_vol_shift[:, u] * table.weight[:options]), 0.01, 5.0).ravel()
    rest = (np.tile(column[:options], table.spot_factor.shape[0]) for column in (table.strike, table.years))
    return forward, *rest, vol, np.tile(table.is_call[:options], table.spot_factor.shape[0])


def _vollib_method(table: Book, options: int) -> Method:
    forward, strike, years, vol, is_call = _long(table, options)
    flag = np.where(is_call, "c", "p")

    def method() -> int:
        from py_vollib_vectorized import vectorized_black

        vectorized_black(flag, forward, strike, years, 0.0, vol, return_as="numpy")
        return forward.size

    return method


def _quantlib_method(table: Book, options: int) -> Method:
    forward, strike, years, vol, is_call = _long(table, options)
    deviation = (vol * np.sqrt(years)).tolist()
    columns = (is_call.tolist(), strike.tolist(), forward.tolist(), deviation)

    def method() -> int:
        import QuantLib

        formula, call, put = QuantLib.blackFormula, QuantLib.Option.Call, QuantLib.Option.Put
        values = [formula(call if c else put, k, f, s) for c, k, f, s in zip(*columns, strict=True)]
        return len(values)

    return method


def greeks_methods(options: int) -> dict[str, Method]:
    from scipy.special import ndtr

    table = book(options, 1)
    F, K, T, vol, is_call = table.forward, table.strike, table.years, table.vol, table.is_call

    def ours() -> int:
        black76.greeks(F, K, T, vol, is_call)
        return options

    def numpy_scipy() -> int:
        root = np.sqrt(T)
        s = vol * root
        d1 = np.log(F / K) / s + 0.5 * s
        d2 = d1 - s
        sign = is_call * 2.0 - 1.0
        n1, n2 = sign * ndtr(sign * d1), sign * ndtr(sign * d2)
        density = np.exp(-0.5 * d1 * d1) * 0.3989422804014327
        mass = F * density
        vega = mass * root
        np.array((F * n1 - K * n2, n1, density / (F * s), vega, -0.5 * mass * vol / root, -density * d2 / vol))
        np.array((vega * d1 * d2 / vol, -n2))
        return options

    columns = [np.require(c, np.float64, ["C", "W"]) for c in (F, K, T, vol, is_call * 2.0 - 1.0)]
    out = np.empty((8, options))

    def kernel() -> int:
        from hedgeopt.models.pricing._black76_kernels import greeks_loop

        greeks_loop(*columns, out)
        return options

    return {"hedgeopt": ours, "hedgeopt kernel alone": kernel, "numpy + scipy.special.ndtr": numpy_scipy}


def implied_methods(options: int) -> dict[str, Method]:
    table = book(options, 1)
    is_call = table.strike >= table.forward
    price = black76.black76_price(table.forward, table.strike, table.years, table.vol, is_call)
    keep = price > 1e-200
    columns = [c[keep] for c in (price, table.forward, table.strike, table.years)]
    side = is_call[keep]

    def ours() -> int:
        implied_vol(*columns, side)
        return side.size

    def published() -> int:
        from py_lets_be_rational.lets_be_rational import implied_volatility_from_a_transformed_rational_guess as invert

        [invert(*row) for row in zip(*(c.tolist() for c in columns), np.where(side, 1.0, -1.0).tolist(), strict=True)]
        return side.size

    def quantlib() -> int:
        import QuantLib

        solve, call, put = QuantLib.blackFormulaImpliedStdDevLiRS, QuantLib.Option.Call, QuantLib.Option.Put
        for p, f, k, _t, c in zip(*(c.tolist() for c in columns), side.tolist(), strict=True):
            solve(call if c else put, k, f, p)
        return side.size

    return {"hedgeopt": ours, "py_lets_be_rational": published, "QuantLib LiRS": quantlib}
