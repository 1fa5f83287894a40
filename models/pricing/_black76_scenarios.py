"""Revaluation of a whole option table in every scenario, in one pass or in blocks of a given memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from hedgeopt.errors import InputError
from hedgeopt.models.pricing._inputs import FloatArray, finite, non_negative, positive, signs


class ScenarioBlock(NamedTuple):
    """Some rows of the scenario table."""

    rows: slice
    """The scenarios these are."""
    values: NDArray[np.floating]
    """(rows, N) option values; the buffer is reused by the next block, so copy what must outlive it."""
    storage_error: float
    """Bound on what rounding to float32 changed, in the unit of the values: 2**-24 of the largest; 0 for float64."""


def scenario_values(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    underlying: ArrayLike,
    spot_factor: ArrayLike,
    log_vol_shift: ArrayLike,
    vol_exponent_weight: ArrayLike = 1.0,
    *,
    basis: ArrayLike | None = None,
    skew: ArrayLike | None = None,
    vol_floor: float = 0.01,
    vol_cap: float = 5.0,
    threads: int = 1,
    dtype: DTypeLike = np.float64,
    out: NDArray[np.floating] | None = None,
) -> NDArray[np.floating]:
    """Undiscounted value of every option in every scenario, (S, N), in the unit of the forward.

    In scenario s option i with underlying u = underlying[i] has

        forward  F_s   = forward[i] spot_factor[s, u] exp(basis[s, u] years[i])
        vol      sigma = vol[i] exp(log_vol_shift[s, u] vol_exponent_weight[i])
                         + skew[s, u] ln(strike[i]/F_s) / sqrt(max(years[i], 1/365)),   then clipped to [floor, cap]

    that is, the vol stays with the strike. forward, strike > 0, years, vol and is_call are (N,) or scalar; years <= 0
    (expired within the horizon) gives the intrinsic value. underlying (N,) are columns of the (S, U) tables;
    spot_factor > 0. The weight is the caller's term structure of vol moves, such as (30/days)^p.

    Inverse options have the same USD value; multiply by index/forward where the venue settles on an index.
    ``threads`` splits the options over that many threads; every number is the same to the last bit for any split.
    The result is stored instrument by instrument (its transpose is C-contiguous); ``out`` must be so as well.
    """
    table = _table(forward, strike, years, vol, is_call, underlying, vol_exponent_weight)
    moves = _moves(spot_factor, log_vol_shift, basis, skew, int(table.underlying.max(initial=0)))
    _check_clip(vol_floor, vol_cap)
    if threads < 1:
        raise InputError("must be at least 1", field="threads", value=threads, fix="pass 1 or the number of cores")
    shape = (moves.spot.shape[1], table.forward.size)
    if out is None:
        out = np.empty(shape[::-1], _storage(dtype)).T
    elif out.shape != shape or not out.T.flags.c_contiguous or out.dtype not in (np.float64, np.float32):
        problem = f"must be float64 or float32, {shape}, with a C-contiguous transpose"
        raise InputError(problem, field="out", value=f"{out.dtype} {out.shape}", fix="pass np.empty((N, S)).T")
    _fill(table, moves, vol_floor, vol_cap, threads, out)
    return out


def scenario_blocks(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    underlying: ArrayLike,
    spot_factor: ArrayLike,
    log_vol_shift: ArrayLike,
    vol_exponent_weight: ArrayLike = 1.0,
    *,
    memory_bytes: int,
    basis: ArrayLike | None = None,
    skew: ArrayLike | None = None,
    vol_floor: float = 0.01,
    vol_cap: float = 5.0,
    threads: int = 1,
    dtype: DTypeLike = np.float64,
) -> Iterator[ScenarioBlock]:
    """The rows of :func:`scenario_values`, block by block, in one reused buffer of at most ``memory_bytes``.

    float32 halves the buffer; each block then reports its ``storage_error``.
    """
    table = _table(forward, strike, years, vol, is_call, underlying, vol_exponent_weight)
    moves = _moves(spot_factor, log_vol_shift, basis, skew, int(table.underlying.max(initial=0)))
    _check_clip(vol_floor, vol_cap)
    kind = _storage(dtype)
    options, scenarios = table.forward.size, moves.spot.shape[1]
    rows = min(int(memory_bytes // max(options * kind.itemsize, 1)), scenarios)
    if rows < 1 <= scenarios:
        need = options * kind.itemsize
        raise InputError("one scenario does not fit", field="memory_bytes", value=memory_bytes, fix=f"give {need}")
    return _blocks(table, moves, vol_floor, vol_cap, threads, np.empty(options * rows, kind), rows)


@dataclass(frozen=True, slots=True)
class _Table:
    """Option columns (N,)."""

    underlying: NDArray[np.int64]
    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    vol: FloatArray
    sign: FloatArray
    weight: FloatArray


@dataclass(frozen=True, slots=True)
class _Moves:
    """Scenario tables (U, S), contiguous along scenarios; basis and skew are (U, 0) where there are none."""

    spot: FloatArray
    log_vol: FloatArray
    basis: FloatArray
    skew: FloatArray

    def rows(self, start: int, stop: int) -> _Moves:
        return _Moves(*(np.ascontiguousarray(t[:, start:stop]) for t in (self.spot, self.log_vol, self.basis, self.skew)))


def _table(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, vol: ArrayLike, is_call: ArrayLike,
    underlying: ArrayLike, weight: ArrayLike,
) -> _Table:  # fmt: skip
    column = np.asarray(underlying)
    if column.ndim != 1 or (column.size and (not np.issubdtype(column.dtype, np.integer) or column.min() < 0)):
        fix = "pass one column number of the scenario tables per option"
        raise InputError("must be non-negative integers (N,)", field="underlying", value=underlying, fix=fix)
    floats = {
        "forward": positive("forward", forward),
        "strike": positive("strike", strike),
        "years": finite("years", years),
        "vol": non_negative("vol", vol, fix="pass a vol of at least 0, as a decimal"),
        "is_call": signs("is_call", is_call),
        "vol_exponent_weight": finite("vol_exponent_weight", weight),
    }
    for name, array in floats.items():
        if array.shape not in ((), column.shape):
            raise InputError(f"must be a scalar or {column.shape}", field=name, value=array.shape, fix="match underlying")
    full = (np.require(np.broadcast_to(a, column.shape), np.float64, ["C", "W"]) for a in floats.values())
    return _Table(np.require(column, np.int64, ["C", "W"]), *full)


def _moves(
    spot: ArrayLike, log_vol: ArrayLike, basis: ArrayLike | None, skew: ArrayLike | None, last_underlying: int
) -> _Moves:
    spots = positive("spot_factor", spot, fix="spot factors multiply the forward: 0.9 is -10 %")
    if spots.ndim != 2 or spots.shape[1] <= last_underlying:
        problem = f"must be (scenarios, underlyings) with at least {last_underlying + 1} columns"
        raise InputError(problem, field="spot_factor", value=spots.shape, fix="add the missing columns")
    tables = [spots]
    for name, given in (("log_vol_shift", log_vol), ("basis", basis), ("skew", skew)):
        array = np.empty((0, spots.shape[1])) if given is None else finite(name, given)
        if given is not None and array.shape != spots.shape:
            raise InputError(f"must be {spots.shape}", field=name, value=array.shape, fix="match spot_factor")
        tables.append(array)
    return _Moves(*(np.require(t.T, np.float64, ["C", "W"]) for t in tables))


def _check_clip(vol_floor: float, vol_cap: float) -> None:
    if not 0.0 <= vol_floor <= vol_cap < np.inf:
        fix = "choose 0 <= vol_floor <= vol_cap"
        raise InputError("not an interval", field="vol_floor, vol_cap", value=(vol_floor, vol_cap), fix=fix)


def _storage(dtype: DTypeLike) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise InputError("must be float64 or float32", field="dtype", value=kind, fix="pass np.float64 or np.float32")
    return kind


def _fill(table: _Table, moves: _Moves, vol_floor: float, vol_cap: float, threads: int, out: NDArray[np.floating]) -> None:
    from hedgeopt.models.pricing._black76_kernels import scenario_loop

    term = table.years if moves.basis.size or moves.skew.size else np.zeros_like(table.years)
    order = np.lexsort((term, table.weight, table.underlying))
    keys = np.column_stack((term, table.weight, table.underlying))[order]
    group = np.empty(order.size, np.int64)
    group[order] = np.cumsum(np.r_[0, np.any(keys[1:] != keys[:-1], axis=1)]) if order.size else 0
    edges = np.linspace(0, order.size, threads + 1).astype(int)

    def work(part: int) -> None:
        scenario_loop(
            edges[part], edges[part + 1], order, table.forward, table.strike, table.years, table.vol, table.sign,
            table.weight, table.underlying, group, moves.spot, moves.log_vol, moves.basis, moves.skew,
            float(vol_floor), float(vol_cap), out.T,
        )  # fmt: skip

    if threads == 1:
        work(0)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def _blocks(
    table: _Table,
    moves: _Moves,
    vol_floor: float,
    vol_cap: float,
    threads: int,
    buffer: NDArray[np.floating],
    rows: int,
) -> Iterator[ScenarioBlock]:
    options, scenarios = table.forward.size, moves.spot.shape[1]
    for start in range(0, scenarios, max(rows, 1)):
        stop = min(start + rows, scenarios)
        used = buffer[: options * (stop - start)]
        values = used.reshape(options, stop - start).T
        _fill(table, moves.rows(start, stop), vol_floor, vol_cap, threads, values)
        rounding = 2.0**-24 * float(used.max(initial=0.0)) if buffer.dtype == np.float32 else 0.0
        yield ScenarioBlock(slice(start, stop), values, rounding)
