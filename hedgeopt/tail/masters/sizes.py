"""Sizes of losses, columns and sides, from which the masters' scaling is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.tail.entries import column_top
from hedgeopt.tail.masters.base import Piece
from hedgeopt.tail.masters.rows import median
from hedgeopt.tail.source import Index, Vector

if TYPE_CHECKING:
    from hedgeopt.tail.masters.layout import Layout

# A right-hand side beyond this bounds nothing; below this share of the others it is rounding; bounds that cross by less, in
# units of the program and relative, are one.
_FAR, _DUST, _CROSSED = 1e15, 1e-13, (1e-15, 1e-12)
# Cost per unit of loss, over the typical one, beyond which a column is measured by its cost.
_DEAR = 1e4
# Share of the unit that the range of a variable has at least.
_LEAST = 1e-5


def loss_sizes(pieces: list[Piece], width: int) -> Vector:
    """Root mean square of each loss gradient over the boundary scenarios; of the sums inside where no boundary has it."""
    square, count = np.zeros(width), 0
    for piece in pieces:
        square += np.einsum("ij,ij->j", piece.rows, piece.rows)
        count += len(piece.rows)
    sizes = np.asarray(np.sqrt(square / max(count, 1)))
    if count and sizes.all():
        return sizes
    # At beta = 0 every scenario is inside: without the sums, a column's unit would be nobody's.
    inside = np.max([np.abs(piece.gradient) for piece in pieces], axis=0, initial=0.0) if pieces else sizes
    return np.where(sizes > 0, sizes, inside)


def column_scales(layout: Layout, size: Vector) -> Vector:
    """Column scales: one over the largest loss, or the largest row entry where there is no loss.

    A column that costs far more than it can lose or earn (an option worth 1e-25) is measured by its cost: by its losses it
    would set the scale of the objective, and all other costs would be rounding.
    """
    loss = column_top(layout.E, size)
    cost = np.abs(layout.c)
    both = (loss > 0) & (cost > 0)
    if both.any():
        typical = max(median(cost[both] / loss[both]), float(layout.price.max(initial=0.0)))
        loss = np.where(both, np.maximum(loss, cost / (_DEAR * typical)), loss)
    size = np.where(loss > 0, loss, np.maximum(column_top(layout.A), column_top(layout.A_eq)))
    return np.where(size > 0, 1.0 / np.where(size > 0, size, 1.0), 1.0)


def reach_scales(layout: Layout, pieces: list[Piece]) -> Vector:
    """Scales at which a variable's bound is ``_LEAST`` of the unit: smaller, all of its range would be rounding."""
    reach = np.full(len(layout.c), np.inf)
    unit = max([deviation(piece.offset) for piece in pieces if len(piece.offset)], default=0.0)
    if unit <= 0:
        return reach
    single = np.flatnonzero(np.diff(layout.A.indptr) == 1)
    at = layout.A.indptr[single]
    far = np.abs(layout.b[single] / layout.A.data[at])
    use = (far > 0) & np.isfinite(far)
    widest = np.zeros(len(layout.c))
    np.maximum.at(widest, layout.A.indices[at][use], far[use])
    # What two rows hold at zero has no scale: it must not set one for the rows it stands in.
    held = [
        np.bincount(layout.A.indices[at][(layout.A.data[at] > 0) == up], minlength=len(layout.c)) > 0 for up in (True, False)
    ]
    top = column_top(layout.A)
    fixed = np.where(held[0] & held[1], 1.0 / np.where(top > 0, top, 1.0), np.inf)
    return np.where(widest > 0, widest / (_LEAST * unit), fixed)


def unit_of(b: Vector, b_eq: Vector, raw: list[Vector], several: Index) -> float:
    """A typical loss: the constants' spread, else the equalities' size, else the middle of the sides' magnitudes.

    Without losses the sides of rows of several variables count: a hedge of 40 dollars is none of the box of 1e12 around it.
    Sizes that are rounding beside the rest do not count.
    """
    sizes = [deviation(x) for x in raw if len(x)] + [float(np.abs(b_eq).max(initial=0.0))]
    largest = max(sizes, default=0.0)
    wide = np.abs(b[several]) if not any(x.any() for x in raw) else b[:0]
    sides = wide if np.any((wide > 0) & (wide < _FAR)) else np.abs(b)
    sides = sides[(sides > 0) & (sides < _FAR)]
    sides = sides[sides > _DUST * sides.max(initial=0.0)]
    typical = median(sides) if len(sides) else 0.0
    unit = largest if largest > _DUST * typical else typical
    return unit if unit > 0 and np.isfinite(unit) else 1.0


def meeting(lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Bounds that cross by rounding made one."""
    apart = lower - upper
    if not (apart > 0).any():
        return lower, upper
    close = (apart > 0) & (apart <= _CROSSED[0] + _CROSSED[1] * (np.abs(lower) + np.abs(upper)))
    middle = 0.5 * (lower + upper)
    return np.where(close, middle, lower), np.where(close, middle, upper)


def deviation(x: Vector) -> float:
    """``x.std()``, which takes ten times as long."""
    centred = x - x.sum() / len(x)
    return float(np.sqrt(centred @ centred / len(x)))
