"""How far slacks lie outside their cones, each relative to the terms of its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy.reductions.complex2real.complex2real import Complex2Real

from hedgeopt.tail.masters.cones import blocks, exponentials
from hedgeopt.tail.masters.rows import median
from hedgeopt.tail.source import Vector

# What is rounding in a sum, the share of a row's unit by which rows whose terms all vanish are measured, and halvings.
_ROUNDING, _FLOOR, _HALVINGS = 1e-12, 1e-3, 60
# Share of the largest below which a value is noise, and what the last place of a number may hold of it.
_NOISE, _LAST = 1e-6, 1e-14
# A side below this share of its row's unit is dust; one above is the row's own size, whatever its variables are.
_DUST = 1e-15


def excess(data: dict[str, Any], x: Vector, lower_triangle: bool, skip: list[int]) -> float:
    """The largest relative distance of ``b - Ax`` from its cone, rows and cones that hold a ``skip`` column left out.

    ``data`` in units of one (:mod:`hedgeopt.tail.masters.units`): rows whose terms vanish count in thousandths of that.
    """
    A, b, dims = sp.csr_array(data["A"]), np.asarray(data["b"], dtype=float), data["dims"]
    if not np.isfinite(x).all():
        return np.inf
    held = np.zeros(A.shape[1])
    held[skip] = 1.0
    out = (abs(A) @ held > 0) | ~np.isfinite(b)
    s = np.where(np.isfinite(b), b - A @ x, 0.0)
    terms = np.maximum(abs(A) @ np.abs(x), np.where(np.isfinite(b), np.abs(b), 0.0))
    zero, signed = slice(0, int(dims.zero)), slice(int(dims.zero), int(dims.zero) + int(dims.nonneg))
    apart = np.zeros(len(b))
    apart[zero], apart[signed] = np.abs(s[zero]), np.maximum(-s[signed], 0.0)
    apart[out | (apart <= _ROUNDING * terms)] = 0.0
    linear = slice(0, signed.stop)
    floor = np.where(np.isfinite(b) & (np.abs(b) > _DUST), 0.0, _FLOOR)
    worst = float(np.max(apart[linear] / np.maximum(terms, np.maximum(floor, 1e-300))[linear], initial=0.0))
    if dims.exp:
        every = exponentials(dims)
        held = ~out[every].reshape(-1, 3).any(axis=1)
        size = np.maximum(terms[every].reshape(-1, 3).max(axis=1), _FLOOR)
        far = _outside_exponentials(s[every].reshape(-1, 3)) / size
        worst = max(worst, float(far[held].max(initial=0.0)))
    for kind, at, power in blocks(dims, exponential=False):
        if out[at].any():
            continue
        size = max(float(terms[at].max(initial=0.0)), _FLOOR)
        worst = max(worst, _distance(kind, s[at], power, lower_triangle) / size)
    return worst


def mark_noise(data: dict[str, Any], chain: Any) -> None:
    """Mark equalities of a complex program that are rounding of its data: the imaginary part of what is real.

    Each entry is below the last place of the largest in its column, the side below that of the largest side. In a program
    over real numbers such a row is a limit in units of its own, and nothing is marked.
    """
    if data.get("A") is None or not any(isinstance(step, Complex2Real) for step in chain.reductions):
        return
    A, b, zero = sp.csr_array(data["A"]), np.asarray(data["b"], dtype=float), int(data["dims"].zero)
    top = np.zeros(A.shape[1])
    np.maximum.at(top, A.indices, np.abs(A.data))
    share = np.abs(A.data) / np.maximum(top[A.indices], 1e-300)
    worst, filled = np.zeros(A.shape[0]), np.flatnonzero(np.diff(A.indptr))
    if len(filled):
        worst[filled] = np.maximum.reduceat(share, A.indptr[filled])
    side = np.where(np.isfinite(b), np.abs(b), np.inf)
    small = side <= _LAST * float(side[np.isfinite(side)].max(initial=0.0))
    noise = ((worst > 0) & (worst < _LAST) & small)[:zero]
    if noise.any():
        data["noise"] = noise


def without_noise(data: dict[str, Any]) -> dict[str, Any]:
    """The data with empty rows for those that are rounding: in units of one they would be rows like others."""
    if "noise" not in data:
        return data
    keep = np.ones(len(data["b"]))
    keep[: len(data["noise"])] = ~data["noise"]
    return data | {"A": sp.csc_array(sp.diags_array(keep) @ sp.csc_array(data["A"])), "b": keep * np.asarray(data["b"])}


@dataclass(frozen=True)
class Away:
    """The largest relative violation of a point, and the cost of all violations at the multipliers' prices."""

    violation: float
    charge: float


def broken(data: dict[str, Any], x: Vector, z: Vector, skip: Sequence[int] = ()) -> Away:
    """How far ``b - Ax`` lies outside the cones; rows whose terms vanish are measured by typical sizes of their variables.

    With multipliers ``z`` near the optimal ones, the optimum is at most the objective at ``x`` plus the charge. Rows that
    hold a ``skip`` column are left out.
    """
    A, b, dims = data["A"], np.asarray(data["b"], dtype=float), data["dims"]
    A = A if isinstance(A, np.ndarray) else sp.csr_array(A)
    if not np.isfinite(x).all():
        return Away(np.inf, np.inf)
    size, held = np.abs(x), np.isfinite(b)
    if len(skip):
        held = held & (np.diff(sp.csr_array(A[:, list(skip)]).indptr) == 0)
    s, limit = np.where(held, b - A @ x, 0.0), np.where(held, np.abs(b), 0.0)
    end = int(dims.zero) + int(dims.nonneg)
    apart = np.zeros(len(b))
    apart[: int(dims.zero)] = np.abs(s[: int(dims.zero)])
    apart[int(dims.zero) : end] = np.maximum(-s[int(dims.zero) : end], 0.0)
    charge = float(apart[:end] @ np.abs(z[:end]))
    cones = [(at, _distance(kind, s[at], power, bool(data.get("lower_triangle"))))
             for kind, at, power in blocks(dims, exponential=False)]  # fmt: skip
    cones = [(at, far) for at, far in cones if far > 0]
    if dims.exp:
        every = exponentials(dims)
        apart_exp = _outside_exponentials(s[every].reshape(-1, 3))
    if not apart.any() and not cones and not (dims.exp and apart_exp.any()):
        return Away(0.0, 0.0)
    whole = abs(A)
    # Most positions of a plan are nothing, to interior points 1e-12: the middle one of the others is a typical size.
    large = size[size > _NOISE * size.max(initial=0.0)]
    usual = np.maximum(size, median(large) if len(large) else 1.0)
    floor = _FLOOR * (whole @ usual)
    terms = np.maximum(np.maximum(whole @ size, limit), np.where(limit > _DUST * floor, 0.0, floor))
    over = apart[:end] > _ROUNDING * terms[:end]
    share = np.where(over, apart[:end] / np.maximum(terms[:end], 1e-300), 0.0)
    if "noise" in data:
        share[: len(data["noise"])][data["noise"]] = 0.0
    worst = float(share.max(initial=0.0))
    if dims.exp:
        charge += float(apart_exp @ np.linalg.norm(z[every].reshape(-1, 3), axis=1))
        size = np.maximum(terms[every].reshape(-1, 3).max(axis=1), 1e-300)
        worst = max(worst, float((apart_exp / size).max()))
    for at, far in cones:
        charge += far * float(np.linalg.norm(z[at]))
        worst = max(worst, far / max(float(terms[at].max()), 1e-300))
    return Away(worst, charge)


def _distance(kind: str, s: Vector, power: Any, lower_triangle: bool) -> float:
    """By how much entries of ``s`` must move to be in the cone, at most."""
    if kind == "soc":
        return max(float(np.linalg.norm(s[1:]) - s[0]), 0.0)
    if kind == "psd":
        order = int(power)
        i, j = np.triu_indices(order) if lower_triangle else np.tril_indices(order)
        M = np.zeros((order, order))
        M[i, j] = M[j, i] = np.where(i == j, s, s / np.sqrt(2.0))
        return max(-float(np.linalg.eigvalsh(M)[0]), 0.0) if order else 0.0
    x, z = s[:-1], abs(float(s[-1]))
    powers = np.array([power, 1.0 - power]) if kind == "power" else power
    negative = max(-float(x.min()), 0.0)

    def short(by: float) -> float:
        return z - float(np.prod(np.maximum(x + by, 0.0) ** powers))

    low, high = 0.0, negative + max(short(negative), 0.0)
    if short(high) > 0.0:
        return high  # z alone gives way
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if short(middle) > 0.0 else (low, middle)
    return max(high, negative)


def _outside_exponentials(s: Vector) -> Vector:
    """As :func:`_distance`, of rows ``u, v, w`` in exponential cones: into the face v = 0, or straight up."""
    u, v, w = s.T
    face = np.maximum(np.maximum(u, np.abs(v)), np.maximum(-w, 0.0))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        up = np.where(v > 0.0, v * np.exp(np.minimum(u / np.where(v > 0.0, v, 1.0), 700.0)) - w, np.inf)
    return np.maximum(np.minimum(face, up), 0.0)
