"""A user's cvxpy constraints as rows of cones.

Canonicalised by cvxpy, constraints on buys and sells ``v`` (and on variables of their own, ``a``) read

    A_v v + A_a a + s = b,   s in K,

with K a product of zero, non-negative, second-order, exponential, power and semidefinite cones.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.errors import InputError
from hedgeopt.program.posed import posed

if TYPE_CHECKING:
    import cvxpy as cp

    from hedgeopt.models.bound import TradeVariables

__all__ = ["OwnRows", "canonical", "check_own", "svec"]

_SWEEPS = 6
"""Rows from the trades to a variable of the user's, by which sizes are carried."""


@dataclass(frozen=True)
class OwnRows:
    """The arrays above: ``trades`` (R, 2N) for scaled buys then sells, ``own`` (R, K), ``right`` (R,), and the cones.

    ``cones`` holds (kind, rows, parameter) in order: kinds zero, nonneg, soc, exp, psd, power, powers.
    """

    trades: Any
    own: Any
    right: np.ndarray
    cones: tuple[tuple[str, int, Any], ...]

    def parts(self) -> Iterator[tuple[str, slice, Any]]:
        """Each cone with its rows."""
        at = 0
        for kind, rows, parameter in self.cones:
            yield kind, slice(at, at + rows), parameter
            at += rows

    def inwards(self) -> np.ndarray:
        """(R,) a step that moves every slack into its cone; 0 for equations."""
        step = np.zeros(len(self.right))
        for kind, rows, parameter in self.parts():
            if kind == "nonneg":
                step[rows] = 1.0
            elif kind == "soc":
                step[rows.start] = 1.0
            elif kind == "exp":
                step[rows] = (-1.0, 1.0, 1.0)
            elif kind == "power":
                step[rows] = (1.0, 1.0, 0.0)
            elif kind == "powers":
                step[rows.start : rows.stop - 1] = 1.0
            elif kind == "psd":
                step[rows] = svec(np.eye(parameter))
        return step


def check_own(constraint: Any, known: Sequence[cp.Parameter] = ()) -> None:
    """Refuse a constraint that cannot be solved or proven, with the reason; ``known`` parameters get values later."""
    import cvxpy as cp

    if not isinstance(constraint, cp.constraints.constraint.Constraint):
        raise InputError(
            "is not a cvxpy constraint", field="extend", value=constraint, fix="give comparisons of expressions"
        )
    if any(v.is_complex() for v in constraint.variables()):
        raise InputError("holds complex variables", field="extend", value=constraint, fix="give real ones")
    empty = [p.name() for p in constraint.parameters() if p.value is None and all(p is not q for q in known)]
    if empty:
        raise InputError("holds parameters without a value", field="extend", value=", ".join(empty), fix="set their value")
    if not constraint.is_dcp():
        raise InputError(
            "is not convex by cvxpy's rules (DCP)", field="extend", value=constraint,
            fix="write it as convex <= concave or affine == affine",
        )  # fmt: skip


def canonical(added: Sequence[cp.Constraint], trades: TradeVariables) -> OwnRows:
    """Rows and cones of constraints on the scaled trades, with the parameters' present values."""
    import cvxpy as cp

    n = trades.buy.size
    twin = cp.Variable(2 * n)  # without attributes, so that its columns are known by its id
    problem = cp.Problem(cp.Minimize(0.0), [twin == cp.hstack([trades.buy, trades.sell]), *posed(added)])
    kept = [(v, v.value) for v in problem.variables()]
    try:
        for v, _ in kept:  # cvxpy takes values for hints, and fails on them where a sum of largest has a broken number
            v.save_value(None)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*DPP.*")
            data, _, _ = problem.get_problem_data(cp.CLARABEL)
    finally:
        for v, value in kept:
            v.save_value(value)
    A, right, dims = sp.csc_array(data["A"]), np.asarray(data["b"], float), data["dims"]
    start = data["param_prob"].var_id_to_col[twin.id]
    mine = np.arange(start, start + 2 * n)
    cones: list[tuple[str, int, Any]] = [("zero", dims.zero, None), ("nonneg", dims.nonneg, None)]
    cones += [("soc", size, None) for size in dims.soc]
    cones += [("psd", size * (size + 1) // 2, size) for size in dims.psd]
    cones += [("exp", 3, None)] * dims.exp
    cones += [("power", 3, float(alpha)) for alpha in dims.p3d]
    cones += [("powers", len(alpha) + 1, np.asarray(alpha, float)) for alpha in getattr(dims, "pnd", ())]
    others = np.setdiff1d(np.arange(A.shape[1]), mine)
    rows = OwnRows(A[:, mine], A[:, others], right, tuple(cone for cone in cones if cone[1]))
    return _even(_without_copies(rows))


def _even(rows: OwnRows) -> OwnRows:
    """The user's variables in units in which they match the scaled trades, and every row or cone in units of its entries.

    ``|trade| <= t`` counts in millions where a trade of one is a box: solvers judge by absolute sizes, and the duals of such
    rows would be rounding to them.
    """
    whole = sp.csr_array(sp.hstack([rows.trades, rows.own]))
    n, line = rows.trades.shape[1], np.repeat(np.arange(whole.shape[0]), np.diff(whole.indptr))
    entry, column = np.abs(whole.data), whole.indices
    use = entry > 0
    entry, column, line = entry[use], column[use], line[use]
    for kind, part, _ in rows.parts():
        if kind not in ("zero", "nonneg"):
            line[(line >= part.start) & (line < part.stop)] = part.start  # a cone keeps one unit
    size = np.concatenate([np.ones(n), np.zeros(rows.own.shape[1])])
    for _ in range(_SWEEPS):
        top, found = np.zeros(whole.shape[0]), np.zeros(len(size))
        np.maximum.at(top, line, entry * size[column])
        np.maximum.at(found, column, top[line] / entry)
        fresh = (size == 0.0) & (found > 0.0)
        if not fresh.any():
            break
        size = np.where(fresh, found, size)
    size = np.where(size > 0.0, size, 1.0)
    top = np.zeros(whole.shape[0])
    np.maximum.at(top, line, entry * size[column])
    for kind, part, _ in rows.parts():
        if kind not in ("zero", "nonneg"):
            top[part] = top[part.start]
    even = sp.diags_array(1.0 / np.where(top > 0.0, top, 1.0))
    own = sp.csc_array(even @ rows.own @ sp.diags_array(size[n:]))
    return OwnRows(sp.csc_array(even @ rows.trades), own, even @ rows.right, rows.cones)


def _without_copies(rows: OwnRows) -> OwnRows:
    """Rows without the copies that cvxpy makes of variables with a sign: the twin's columns take their place.

    The box keeps their signs: duals of ``buy >= 0`` would look as if the user's rows paid for buying and selling at once.
    """
    trades, own = sp.csr_array(rows.trades), sp.csr_array(rows.own)
    zero = next((part for kind, part, _ in rows.parts() if kind == "zero"), slice(0, 0))
    copy_of: dict[int, int] = {}
    drop = np.zeros(len(rows.right), bool)
    for r in range(zero.start, zero.stop):
        mine, theirs = _entries(trades, r), _entries(own, r)
        if rows.right[r] == 0.0 and len(mine) == 1 and len(theirs) == 1 and sum((*mine.values(), *theirs.values())) == 0.0:
            (i,), (j,) = mine, theirs
            if j not in copy_of and i not in copy_of.values():
                copy_of[j] = i
                drop[r] = True
    for kind, part, _ in rows.parts():
        for r in range(part.start, part.stop) if kind == "nonneg" else ():
            theirs = _entries(own, r)
            if rows.right[r] == 0.0 and not _entries(trades, r) and len(theirs) == 1:
                ((j, value),) = theirs.items()
                drop[r] |= j in copy_of and value < 0.0
    moves = sp.csc_array(
        (np.ones(len(copy_of)), (list(copy_of), list(copy_of.values()))), shape=(own.shape[1], trades.shape[1])
    )
    kept, columns = np.flatnonzero(~drop), np.setdiff1d(np.arange(own.shape[1]), list(copy_of))
    cones = tuple((kind, int(count), parameter) for kind, part, parameter in rows.parts() if (count := (~drop[part]).sum()))
    whole = sp.csc_array(trades + own @ moves)
    return OwnRows(sp.csc_array(whole[kept]), sp.csc_array(sp.csc_array(own)[:, columns][kept]), rows.right[kept], cones)


def _entries(matrix: Any, row: int) -> dict[int, float]:
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return {int(i): float(v) for i, v in zip(matrix.indices[part], matrix.data[part], strict=True) if v != 0.0}


def svec(matrix: np.ndarray) -> np.ndarray:
    """The triangle of a symmetric matrix by columns, off-diagonal entries times the root of two."""
    n = len(matrix)
    columns = []
    for j in range(n):
        column = matrix[: j + 1, j].astype(float)
        column[:j] *= np.sqrt(2.0)
        columns.append(column)
    return np.concatenate(columns)
