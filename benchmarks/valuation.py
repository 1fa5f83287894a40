"""Scenario revaluation, Greeks and implied vol against other libraries, side by side in one run.

Times are CPU seconds of the calling thread, single-threaded, the methods taking turns within each round; a method's
time is its best round, a ratio compares best rounds. Every rival gets its best settings: logarithms of spot factors and
vol factors are taken once, numpy works in place on rows that fit the cache.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks.registry import benchmark
from benchmarks.valuation_methods import Method, book, greeks_methods, implied_methods, scenario_methods
from hedgeopt.models.pricing import black76

Row = dict[str, object]
FMA_LATENCY = 4  # cycles of one dependent multiply-add, on AMD Zen 2 to 5 and Intel Skylake and later


@benchmark("valuation", "scenario revaluation, Greeks and implied vol against other libraries, with accuracy")
def records(smoke: bool) -> Iterator[Row]:
    rounds = 2 if smoke else 15
    yield {"case": "clock", "gigahertz": round(_gigahertz(), 2), "from": "dependent FMA chain"}
    yield _accuracy(smoke)
    table = book(40 if smoke else 1600, 256 if smoke else 2048)
    yield from _report("scenario price", scenario_methods(table, smoke), rounds)
    yield from _report("price and Greeks", greeks_methods(400 if smoke else 8_192), rounds)
    yield from _report("implied vol", implied_methods(200 if smoke else 4_000), rounds)
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
            yield {"case": case, "method": name, "skipped": reason}
    for _ in range(rounds):
        for name, method in methods.items():
            began = time.thread_time()
            count = method()
            seconds[name] = min(seconds.get(name, np.inf), (time.thread_time() - began) / count)
    rivals = {name: value for name, value in seconds.items() if not name.startswith("hedgeopt")}
    clock = _gigahertz()
    for name, value in seconds.items():
        row: Row = {"case": case, "method": name, "million_per_second": round(1e-6 / value, 2)}
        row["cycles_per_evaluation"] = round(value * clock * 1e9, 1)
        if rivals and name.startswith("hedgeopt"):
            best = min(rivals, key=rivals.__getitem__)
            row |= {"best_rival": best, "times_faster_than_best_rival": round(rivals[best] / value, 2)}
        yield row


def _blocks(options: int, scenarios: int, smoke: bool) -> Iterator[Row]:
    table = book(options, scenarios)
    budget = 2**20 if smoke else 2**28
    for kind in (np.float64, np.float32):
        began, worst, blocks = time.thread_time(), 0.0, 0
        for block in black76.scenario_blocks(*table.arguments(), memory_bytes=budget, dtype=kind):
            worst, blocks = max(worst, block.storage_error), blocks + 1
        spent = time.thread_time() - began
        row: Row = {"case": "blocks", "options": options, "scenarios": scenarios}
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
    values = black76.black76_price(forward, *map(np.array, zip(*grid, strict=True)))
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
    row: Row = {"case": "accuracy", "points": len(grid)}
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
