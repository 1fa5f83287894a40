"""Proven bounds on the user's variables, from their rows and the trade limits, row by row.

Every cone implies inequalities: a second-order cone ``s0 >= |s_i|``, an exponential one ``s1, s2 >= 0``, a semidefinite one
a diagonal that is not negative; two inequalities ``|x| <= t`` say that t is not negative. In ``c' z <= h`` each variable
lies within what is left of ``h`` when the others take least of it; rows are gone through a few times, each with the bounds
found so far.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from hedgeopt.program.cones import OwnRows

__all__ = ["proven_sizes"]

_SWEEPS = 6
_ROUNDING = 1e-9


def proven_sizes(rows: OwnRows, trades: np.ndarray) -> np.ndarray:
    """(K,) bounds on the absolute values of the user's variables; infinite where nothing is implied.

    ``trades`` (2N,) are the most that may be bought and sold, scaled as the rows are.
    """
    matrix, right = _inequalities(rows)
    line, column, c = matrix.row, matrix.col, matrix.data
    low = np.concatenate([np.zeros(len(trades)), np.full(rows.own.shape[1], -np.inf)])
    high = np.concatenate([trades, np.full(rows.own.shape[1], np.inf)])
    own = column >= len(trades)
    for _ in range(_SWEEPS):
        least = np.where(c > 0, c * low[column], c * high[column])
        known = np.isfinite(least)
        kept = np.where(known, least, 0.0)
        total = np.bincount(line, kept, len(right))
        size = np.abs(right) + np.bincount(line, np.abs(kept), len(right))
        unknown = np.bincount(line, ~known, len(right))[line]
        told = own & (unknown - ~known == 0)  # nothing but the variable itself is unknown
        room = (right[line] - (total[line] - kept) + _ROUNDING * size[line]) / c
        before = low.copy(), high.copy()
        up, down = told & (c > 0), told & (c < 0)
        np.minimum.at(high, column[up], room[up])
        np.maximum.at(low, column[down], room[down])
        if (low == before[0]).all() and (high == before[1]).all():
            break
    return np.maximum(np.abs(low), np.abs(high))[len(trades) :]


def _inequalities(rows: OwnRows) -> tuple[sp.coo_array, np.ndarray]:
    """``G z <= h`` that the cones imply, on scaled buys, sells and the user's variables."""
    wide = sp.csr_array(sp.hstack([rows.trades, rows.own]))
    at, signs, plus = [], [], []  # row, its sign, and the row added to it (or none: -1)
    for kind, part, parameter in rows.parts():
        mine = np.arange(part.start, part.stop)
        first = mine[:0]
        if kind == "zero":
            first = np.concatenate([mine, mine])
            at.append(first)
            signs.append(np.repeat([1.0, -1.0], len(mine)))
            plus.append(np.full(len(first), -1))
            continue
        if kind == "nonneg":
            first, pairs = mine, _pairs(wide, part)
            at.append(pairs[:, 0])
            signs.append(np.ones(len(pairs)))
            plus.append(pairs[:, 1])
        elif kind == "soc":
            rest = mine[1:]
            at.append(np.concatenate([rest, rest]))
            signs.append(np.repeat([1.0, -1.0], len(rest)))
            plus.append(np.full(2 * len(rest), part.start))
            first = mine[:1]
        elif kind == "exp":
            first = mine[1:]
        elif kind in ("power", "powers"):
            first = mine[:-1]
        elif kind == "psd":
            first = part.start + np.cumsum(np.arange(1, parameter + 1)) - 1
        at.append(first)
        signs.append(np.ones(len(first)))
        plus.append(np.full(len(first), -1))
    index, sign, more = (np.concatenate(part) if part else np.zeros(0) for part in (at, signs, plus))
    index, more = index.astype(int), more.astype(int)
    added = np.flatnonzero(more >= 0)
    pick = sp.csr_array(
        (
            np.concatenate([sign, np.ones(len(added))]),
            (np.concatenate([np.arange(len(index)), added]), np.concatenate([index, more[added]])),
        ),
        shape=(len(index), len(rows.right)),
    )
    found = sp.csr_array(pick @ wide)
    found.eliminate_zeros()
    return sp.coo_array(found), pick @ rows.right


def _pairs(wide: sp.csr_array, part: slice) -> np.ndarray:
    """(P, 2) inequalities that differ in signs alone, as ``|x| <= t`` is written: their sum proves t non-negative."""
    seen: dict[bytes, int] = {}
    found = []
    for r in range(part.start, part.stop):
        inside = slice(wide.indptr[r], wide.indptr[r + 1])
        key = wide.indices[inside].tobytes() + np.abs(wide.data[inside]).tobytes()
        if seen.setdefault(key, r) != r:
            found.append((seen[key], r))
    return np.array(found, int).reshape(-1, 2)
