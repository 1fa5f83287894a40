"""Convex functions of the trades in plain pieces, and the exact minimum of a proven lower bound of their sum.

``f(x) = constant + slope . x + sum_ki weight_ki |x_i - at_ki| + sum over choices of max_l (lines_l . x + offsets_l)``

For any weights ``w_l >= 0, sum 1`` a choice is at least ``sum_l w_l (lines_l . x + offsets_l)``; everything else is one
coordinate at a time, so the minimum over a box is found by trying each coordinate's few corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Choice", "Convex", "flattened", "lowest"]

_ACTIVE = (1e-9, 1e-6, 1e-3)
_MOST_LINES = 4_000


@dataclass(frozen=True, eq=False)
class Choice:
    """``max_l (lines[l] . x + offsets[l])``: lines (L, N), offsets (L,)."""

    lines: np.ndarray
    offsets: np.ndarray

    def values(self, x: np.ndarray) -> np.ndarray:
        """(L,) value of every line."""
        return np.asarray(self.lines @ x + self.offsets)


@dataclass(frozen=True, eq=False)
class Convex:
    """A convex function of x (N,).

    Attributes
    ----------
    slope : (N,)
    constant
    corners
        Pairs (at, weight) of (N,) arrays, weights non-negative.
    choices
    """

    slope: np.ndarray
    constant: float = 0.0
    corners: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    choices: tuple[Choice, ...] = ()

    @classmethod
    def number(cls, n: int, value: float) -> Convex:
        """A constant."""
        return cls(np.zeros(n), float(value))

    def __call__(self, x: np.ndarray) -> float:
        """Value at x."""
        total = self.constant + float(np.dot(self.slope, x))
        for at, weight in self.corners:
            total += float(np.sum(weight * np.abs(x - at)))
        return total + sum(float(choice.values(x).max()) for choice in self.choices)

    def __add__(self, other: Convex) -> Convex:
        return Convex(
            self.slope + other.slope,
            self.constant + other.constant,
            self.corners + other.corners,
            self.choices + other.choices,
        )

    def plus(self, value: float) -> Convex:
        """The function and a constant."""
        return Convex(self.slope, self.constant + value, self.corners, self.choices)

    def times(self, factor: float) -> Convex:
        """The function times a number; only straight ones may be turned over."""
        if factor < 0 and (self.choices or any((weight > 0).any() for _, weight in self.corners)):
            raise ValueError("a convex function times a negative number is not convex")
        corners = tuple((at, weight * factor) for at, weight in self.corners) if factor >= 0 else ()
        choices = tuple(Choice(c.lines * factor, c.offsets * factor) for c in self.choices)
        return Convex(self.slope * factor, self.constant * factor, corners, choices)


def absolute(weight: np.ndarray, held: np.ndarray) -> Convex:
    """``sum_i weight_i |held_i + x_i|``."""
    return Convex(np.zeros(len(weight)), 0.0, ((-np.asarray(held, float), np.asarray(weight, float)),))


def two_sided(rise: np.ndarray, fall: np.ndarray, held: np.ndarray) -> Convex:
    """``sum_i rise_i max(held_i + x_i, 0) + fall_i max(-held_i - x_i, 0)``."""
    half, lean = 0.5 * (rise + fall), 0.5 * (rise - fall)
    return Convex(lean, float(lean @ held), ((-np.asarray(held, float), half),))


def lowest(f: Convex, lower: np.ndarray, upper: np.ndarray, x: np.ndarray) -> tuple[float, np.ndarray]:
    """A number that ``f`` nowhere undercuts in the box, and where; with the best weights found, nearly its minimum.

    Any weights of choices give such a number; those of lines that tie at ``x`` are tried.
    """
    best, where = -np.inf, x
    for near in _ACTIVE:
        chosen = [_tied(choice, x, near) for choice in f.choices]
        if best > -np.inf and sum(len(rows) for rows in chosen) > _MOST_LINES:
            break
        straight = all(len(rows) == 1 for rows in chosen)
        weights = [np.ones(1) for _ in chosen] if straight else _weights(f, chosen, lower, upper)
        value, at = _separable(f, chosen, weights, lower, upper)
        if value > best:
            best, where = value, at
        if best >= f(x) - 1e-12 * abs(f(x)):
            break
    return float(best), where


def flattened(f: Convex, lower: np.ndarray, upper: np.ndarray, x: np.ndarray) -> Convex:
    """A sum over coordinates nowhere above ``f``: choices by weights of lines that tie at ``x``, the best in the box."""
    best, found = -np.inf, f
    for near in _ACTIVE:
        chosen = [_tied(choice, x, near) for choice in f.choices]
        if best > -np.inf and sum(len(rows) for rows in chosen) > _MOST_LINES:
            break
        straight = all(len(rows) == 1 for rows in chosen)
        weights = [np.ones(1) for _ in chosen] if straight else _weights(f, chosen, lower, upper)
        value, _ = _separable(f, chosen, weights, lower, upper)
        if value > best:
            slope, constant = f.slope.copy(), f.constant
            for choice, rows, w in zip(f.choices, chosen, weights, strict=True):
                slope, constant = slope + w @ choice.lines[rows], constant + float(w @ choice.offsets[rows])
            best, found = value, Convex(slope, constant, f.corners)
    return found


def _tied(choice: Choice, x: np.ndarray, near: float) -> np.ndarray:
    values = choice.values(x)
    size = float(np.abs(choice.offsets).max(initial=0.0)) + float((np.abs(choice.lines) @ np.abs(x)).max(initial=0.0))
    return np.flatnonzero(values >= values.max() - near * max(size, 1e-9))


def _separable(
    f: Convex, chosen: Sequence[np.ndarray], weights: Sequence[np.ndarray], lower: np.ndarray, upper: np.ndarray
) -> tuple[float, np.ndarray]:
    """Minimum over the box with choices replaced by weighted lines, and where it is."""
    slope, constant = f.slope.copy(), f.constant
    for choice, rows, w in zip(f.choices, chosen, weights, strict=True):
        slope += w @ choice.lines[rows]
        constant += float(w @ choice.offsets[rows])
    tried = np.stack(_corners(f, lower, upper))
    values = np.stack([slope * at + _bends(f, at) for at in tried])
    least = values.argmin(axis=0)
    columns = np.arange(len(slope))
    return constant + float(values[least, columns].sum()), tried[least, columns]


def _corners(f: Convex, lower: np.ndarray, upper: np.ndarray) -> list[np.ndarray]:
    """Where a coordinate's minimum may be: the ends of the box, and every corner inside it."""
    return [lower, upper, *(np.clip(at, lower, upper) for at, _ in f.corners)]


def _bends(f: Convex, at: np.ndarray) -> np.ndarray:
    total = np.zeros(len(at))
    for where, weight in f.corners:
        total += weight * np.abs(at - where)
    return total


def _weights(f: Convex, chosen: Sequence[np.ndarray], lower: np.ndarray, upper: np.ndarray) -> list[np.ndarray]:
    """Weights that raise the bound most, by a small linear program; its answer is made exact afterwards."""
    from scipy import sparse
    from scipy.optimize import linprog

    n = len(f.slope)
    lines = np.vstack([choice.lines[rows] for choice, rows in zip(f.choices, chosen, strict=True)])
    offsets = np.concatenate([choice.offsets[rows] for choice, rows in zip(f.choices, chosen, strict=True)])
    owner = np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen])
    k = len(offsets)
    size = max(1.0, float(np.abs(offsets).max(initial=0.0)), abs(f.constant))
    rows, right = [], []
    for at in _corners(f, lower, upper):  # t_i <= (slope_i + w . lines_i) at_i + bends_i(at_i)
        rows.append(sparse.hstack([sparse.csr_matrix(-(lines * at).T / size), sparse.identity(n)]))
        right.append((f.slope * at + _bends(f, at)) / size)
    one = sparse.hstack([sparse.csr_matrix(np.equal.outer(np.arange(len(chosen)), owner).astype(float)),
                         sparse.csr_matrix((len(chosen), n))])  # fmt: skip
    found = linprog(
        -np.concatenate([offsets / size, np.ones(n)]),
        A_ub=sparse.vstack(rows).tocsr(),
        b_ub=np.concatenate(right),
        A_eq=one.tocsr(),
        b_eq=np.ones(len(chosen)),
        bounds=[(0.0, 1.0)] * k + [(None, None)] * n,
        method="highs",
        options={"time_limit": 60.0},
    )
    w = np.full(k, 1.0) if found.x is None else np.clip(found.x[:k], 0.0, None)
    weights = []
    for group in range(len(chosen)):
        own = w[owner == group]
        weights.append(own / own.sum() if own.sum() > 0 else np.full(len(own), 1.0 / len(own)))
    return weights
