"""Scenario revaluation, Greeks and implied vol against other libraries, side by side in one run.

``python -m benchmarks.valuation --json -`` prints one JSON record a line; ``--smoke`` shrinks every size.
Times are CPU seconds of the calling thread, single-threaded, the methods taking turns within each round; a method's
time is its best round, a ratio compares best rounds. Every rival gets its best settings: logarithms of spot factors and
vol factors are taken once, numpy works in place on rows that fit the cache.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hedgeopt.models.pricing import black76
from hedgeopt.models.pricing.implied_vol import implied_vol

NAME = "valuation"
Method = Callable[[], int]
Row = dict[str, object]
FMA_LATENCY = 4  # cycles of one dependent multiply-add, on AMD Zen 2 to 5 and Intel Skylake and later


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
    return Book(
        forward, strike, days / 365, vol, is_call, underlying, (30 / np.maximum(days, 1)) ** 0.3, spot_factor, shift
    )


def run(smoke: bool) -> Iterator[Row]:
    rounds = 2 if smoke else 15
    yield {"benchmark": NAME, "case": "clock", "gigahertz": round(_gigahertz(), 2), "from": "dependent FMA chain"}
    yield _accuracy(smoke)
    table = book(40 if smoke else 1600, 256 if smoke else 2048)
    yield from _report("scenario price", _scenario_methods(table, smoke), rounds)
    yield from _report("price and Greeks", _greeks_methods(400 if smoke else 8_192), rounds)
    yield from _report("implied vol", _implied_methods(200 if smoke else 4_000), rounds)
    yield from _blocks(40 if smoke else 1600, 2_000 if smoke else 100_000, smoke)


def _report(case: str, methods: dict[str, Method], rounds: int) -> Iterator[Row]:
    seconds: dict[str, float] = {}
    for name, method in list(methods.items()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                method()  # compile, warm up
        except Exception as error:  # a rival that cannot run here is reported, not hidden
            del methods[name]
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            yield {"benchmark": NAME, "case": case, "method": name, "skipped": reason}
    for _ in range(rounds):
        for name, method in methods.items():
            began = time.thread_time()
            count = method()
            seconds[name] = min(seconds.get(name, np.inf), (time.thread_time() - began) / count)
    rivals = {name: value for name, value in seconds.items() if not name.startswith("hedgeopt")}
    clock = _gigahertz()
    for name, value in seconds.items():
        row: Row = {"benchmark": NAME, "case": case, "method": name, "million_per_second": round(1e-6 / value, 2)}
        row["cycles_per_evaluation"] = round(value * clock * 1e9, 1)
        if rivals and name.startswith("hedgeopt"):
            best = min(rivals, key=rivals.__getitem__)
            row |= {"best_rival": best, "times_faster_than_best_rival": round(rivals[best] / value, 2)}
        yield row


def _scenario_methods(table: Book, smoke: bool) -> dict[str, Method]:
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


def _greeks_methods(options: int) -> dict[str, Method]:
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


def _implied_methods(options: int) -> dict[str, Method]:
    table = book(options, 1)
    is_call = table.strike >= table.forward
    price = black76.price(table.forward, table.strike, table.years, table.vol, is_call)
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


def _blocks(options: int, scenarios: int, smoke: bool) -> Iterator[Row]:
    table = book(options, scenarios)
    budget = 2**20 if smoke else 2**28
    for kind in (np.float64, np.float32):
        began, worst, blocks = time.thread_time(), 0.0, 0
        for block in black76.scenario_blocks(*table.arguments(), memory_bytes=budget, dtype=kind):
            worst, blocks = max(worst, block.storage_error), blocks + 1
        spent = time.thread_time() - began
        row: Row = {"benchmark": NAME, "case": "blocks", "options": options, "scenarios": scenarios}
        row |= {"memory_bytes": budget, "dtype": np.dtype(kind).name, "blocks": blocks, "cpu_seconds": round(spent, 2)}
        row |= {"million_per_second": round(options * scenarios / spent / 1e6, 1), "storage_error_usd": worst}
        yield row


def _accuracy(smoke: bool) -> Row:
    """Worst errors against 60 digits: deep wings, a second to five years, 1 % to 500 % vol."""
    import mpmath as mp

    forward = 100.0
    strikes = [0.01, 1, 10, 30, 50, 90, 99, 99.99, 100, 100.001, 101, 110, 150, 300, 1000, 10_000]
    years = [1 / 31_536_000, 1 / 525_600, 30 / 525_600, 1 / 365, 30 / 365, 1, 5]
    grid = list(itertools.product(strikes[::4] if smoke else strikes, years, [0.01, 0.1, 0.6, 2, 5], (True, False)))
    values = black76.price(forward, *map(np.array, zip(*grid, strict=True)))
    absolute = relative = 0.0
    with mp.workdps(60):
        for (K, T, vol, is_call), value in zip(grid, values, strict=True):
            s = mp.mpf(vol) * mp.sqrt(mp.mpf(T))
            d1 = mp.log(mp.mpf(forward) / mp.mpf(K)) / s + s / 2
            sign = 1 if is_call else -1
            truth = sign * (forward * mp.ncdf(sign * d1) - K * mp.ncdf(sign * (d1 - s)))
            error = abs(mp.mpf(float(value)) - truth)
            absolute = max(absolute, float(error / max(forward, K)))
            if truth > 1e-12 * forward:
                relative = max(relative, float(error / truth))
    row: Row = {"benchmark": NAME, "case": "accuracy", "points": len(grid)}
    return row | {"worst_absolute_of_largest_of_forward_and_strike": absolute, "worst_relative": relative}


def _gigahertz() -> float:
    """Clock of this core now, from a chain of dependent multiply-adds."""
    import numba

    from hedgeopt.models.pricing._arithmetic import fma

    @numba.njit(error_model="numpy")
    def chain(steps, factor, addend):  # type: ignore[no-untyped-def]
        x = 1.0
        for _ in range(steps):
            x = fma(x, factor, addend)
        return x

    chain(10, 0.5, 0.1)
    best = np.inf
    for _ in range(5):
        began = time.thread_time()
        chain(1_000_000, 0.5, 0.1)
        best = min(best, time.thread_time() - began)
    return FMA_LATENCY * 1e6 / best / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", default="-", help="where the records go; - for standard output")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run?")
    options = parser.parse_args()
    out = sys.stdout if options.json == "-" else open(options.json, "w")  # noqa: SIM115
    for row in run(options.smoke):
        print(json.dumps(row), file=out, flush=True)


if __name__ == "__main__":
    main()
