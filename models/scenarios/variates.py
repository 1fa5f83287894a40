"""Random numbers that are the same on every machine and with every NumPy.

NumPy promises the stream of its bit generators and of ``SeedSequence`` but not of ``Generator`` methods (NEP 19), so draws
are made by inversion from raw PCG64 bits. Each use and each column has a stream of its own name: adding a part to a scenario
set (an asset, a peg, an event) leaves every other draw as it was, and a longer sample begins with the shorter one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np

__all__ = ["as_student", "chi_square", "kept", "normals", "uniforms"]


def uniforms(seed: int, stream: str, count: int, columns: int = 1) -> np.ndarray:
    """(count, columns) uniforms inside (0, 1): ``(k + 1/2) / 2**53`` from the upper 53 bits of each draw."""
    u = np.empty((count, columns))
    for column in range(columns):
        bits = np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(stream.encode()), column]))
        raw = np.asarray(bits.random_raw(count), dtype=np.uint64)
        # the largest draw would round up to 1, whose normal is infinite
        u[:, column] = np.minimum(((raw >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53, 1.0 - 2.0**-53)
    return u


def normals(seed: int, stream: str, count: int, columns: int = 1) -> np.ndarray:
    """(count, columns) independent standard normals; read-only."""
    return kept(_normals, count * columns, seed, stream, count, columns)


def chi_square(seed: int, stream: str, count: int, degrees: float) -> np.ndarray:
    """(count,) chi-square draws with ``degrees`` of freedom, by inversion (about a microsecond each); read-only."""
    return kept(_chi_square, count, seed, stream, count, degrees)


def as_student(normal: np.ndarray, degrees: float) -> np.ndarray:
    """Standard normals carried to the same quantiles of a Student-t of unit variance.

    Through a table of 4,097 nodes between -9 and 9, straight in between: within 1e-4 of the quantile function for 3 degrees
    or more, and forty times as fast.
    """
    nodes, values = _student_nodes(degrees)
    return np.asarray(np.interp(normal, nodes, values))


@lru_cache(maxsize=16)
def _student_nodes(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import ndtr, stdtrit

    nodes = np.linspace(-9.0, 9.0, 4_097)
    below = stdtrit(degrees, ndtr(-np.abs(nodes)))  # the lower tail keeps its digits
    return nodes, np.asarray(-np.sign(nodes) * below * np.sqrt((degrees - 2.0) / degrees))


def _normals(seed: int, stream: str, count: int, columns: int) -> np.ndarray:
    from scipy.special import ndtri

    return np.asarray(ndtri(uniforms(seed, stream, count, columns)))


def _chi_square(seed: int, stream: str, count: int, degrees: float) -> np.ndarray:
    from scipy.special import gammaincinv

    return 2.0 * np.asarray(gammaincinv(0.5 * degrees, uniforms(seed, stream, count)[:, 0]))


_SMALL = 100_000
"""Draws of this many numbers at most are remembered: a backtest asks for the same ones at every step."""


def kept(make: Callable[..., np.ndarray], size: int, *arguments: object) -> np.ndarray:
    """``make(*arguments)``, remembered and read-only when its ``size`` is small; for functions of their arguments alone."""
    return _remembered(make, *arguments) if size <= _SMALL else make(*arguments)


@lru_cache(maxsize=32)
def _remembered(make: Callable[..., np.ndarray], *arguments: object) -> np.ndarray:
    draws = make(*arguments)
    draws.setflags(write=False)
    return draws
