"""Checks shared by the pricing families: arrays of finite numbers inside their domain, or one clear error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hedgeopt.errors import InputError

FloatArray = NDArray[np.float64]
LEAST, MOST = 1e-150, 1e150  # products and ratios of two such numbers stay normal


def finite(name: str, values: ArrayLike, *, fix: str | None = None) -> FloatArray:
    """The values as float64; raises InputError naming the first entry that is not a finite number."""
    array = _numbers(name, values, fix)
    _check_finite(name, array, fix)
    return array


def positive(name: str, values: ArrayLike, *, fix: str | None = None) -> FloatArray:
    """The values as float64; raises InputError unless every one is finite and above zero, from 1e-150 to 1e150."""
    array = _numbers(name, values, fix)
    if array.size and not (array.min() >= LEAST and array.max() <= MOST):  # NaN passes through min and fails here
        _check_finite(name, array, fix)
        _refuse(name, array, array <= 0.0, "must be above zero", fix or f"give a positive {name}")
        _refuse(name, array, (array < LEAST) | (array > MOST), "outside 1e-150 to 1e150", "check the unit")
    return array


def non_negative(name: str, values: ArrayLike, *, fix: str | None = None) -> FloatArray:
    """The values as float64; raises InputError unless every one is finite and at least zero."""
    array = _numbers(name, values, fix)
    if array.size and not (array.min() >= 0.0 and array.max() < np.inf):
        _check_finite(name, array, fix)
        _refuse(name, array, array < 0.0, "must not be negative", fix or f"give a {name} of at least 0")
    return array


def signs(name: str, is_call: ArrayLike) -> FloatArray:
    """+1 where is_call, -1 where not; raises InputError unless the values are booleans."""
    array = np.asarray(is_call)
    if array.dtype != np.bool_:
        raise InputError("must be true (call) or false (put)", field=name, value=is_call, fix="pass booleans")
    return array * 2.0 - 1.0


def broadcast(**arrays: FloatArray) -> list[FloatArray]:
    """The arrays at their common shape; raises InputError naming the shapes if there is none."""
    if len({array.shape for array in arrays.values()}) == 1:
        return list(arrays.values())
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError("shapes do not broadcast", field=shapes, fix="give arrays of one length, or scalars") from None
    return [array if array.shape == shape else np.broadcast_to(array, shape) for array in arrays.values()]


def flat(array: FloatArray) -> FloatArray:
    """One-dimensional, contiguous and writeable, so that each kernel is compiled for one array type only."""
    if array.flags.carray and array.dtype == np.float64:
        return array.reshape(-1)
    return np.array(array, dtype=np.float64).reshape(-1)


def _numbers(name: str, values: ArrayLike, fix: str | None) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("not an array of numbers", field=name, value=values, fix=fix or "pass numbers") from error


def _check_finite(name: str, array: FloatArray, fix: str | None) -> None:
    if array.size and not (array.min() > -np.inf and array.max() < np.inf):
        _refuse(name, array, ~np.isfinite(array), "must be finite", fix or "drop the row or fill in the number")


def _refuse(name: str, array: FloatArray, bad: NDArray[np.bool_], problem: str, fix: str) -> None:
    if not bad.any():
        return
    where = np.unravel_index(int(np.argmax(bad)), array.shape)
    entry = f"{name}[{', '.join(str(int(k)) for k in where)}]" if where else name
    raise InputError(problem, field=entry, value=float(array[where]), fix=fix)
