"""The base problem as numbers: cvxpy compiles it once, afterwards only parameter values are applied.

The compiled form is ``min 1/2 z'Pz + c'z`` with ``A_eq z = b_eq`` and ``A_in z <= b_in``; the rows that define
``y_j == e_j(x)`` are taken out and kept as ``y = E z + f``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy import settings as s
from cvxpy.reductions.solution import Solution
from cvxpy.reductions.solvers import utilities
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver

from hedgeopt.tail.entries import rescaled, some_columns
from hedgeopt.tail.finite import refuse_infinite, refuse_unless_finite
from hedgeopt.tail.integers import is_whole
from hedgeopt.tail.source import Vector
from hedgeopt.tail.split import Split


@dataclass
class Host:
    """Place of a tail's level ``t``: objective weight, and rows of ``A_in`` with their coefficients."""

    column: int
    weight: float
    rows: Vector
    coefficients: Vector


@dataclass
class Compiled:
    """Arrays of the base problem in the variables z (cvxpy's canonical variables without the y), and the way back."""

    P: Any
    c: Vector
    offset: float
    A_eq: Any
    b_eq: Vector
    A_in: Any
    b_in: Vector
    E: Any
    f: Vector
    hosts: list[Host]
    kept: Vector
    eq_kept: Vector
    columns: int
    equalities: int
    y_columns: Vector
    definition: Vector
    sign: Vector
    chain: Any
    inverse_data: Any

    def solution(self, status: str, z: Vector, y: Vector, dual_eq: Vector, dual_in: Vector, value: float) -> Solution:
        """The point as a cvxpy Solution of the original problem (duals in cvxpy's signs)."""
        full = np.zeros(self.columns)
        full[self.kept], full[self.y_columns] = z, y
        eq = np.zeros(self.equalities)
        eq[self.eq_kept] = dual_eq
        inverse = self.inverse_data[-1]
        duals: dict[int, Any] = {}
        for values, key in ((eq, ConicSolver.EQ_CONSTR), (dual_in, ConicSolver.NEQ_CONSTR)):
            duals |= utilities.get_dual_values(values, utilities.extract_dual_value, inverse[key])
        found = Solution(status, value, {inverse[ConicSolver.VAR_ID]: full}, duals, {})
        return self._back(found)

    def failure(self, status: str) -> Solution:
        """An infeasible or unbounded answer, with the sign of the original objective."""
        value = np.inf if status in (s.INFEASIBLE, s.INFEASIBLE_INACCURATE) else -np.inf
        return self._back(Solution(status, value, {}, {}, {}))

    def _back(self, solution: Solution) -> Solution:
        for reduction, inverse in zip(self.chain.reductions[-2::-1], self.inverse_data[-2::-1], strict=True):
            solution = reduction.invert(solution, inverse)
        return solution


def is_polyhedral(split: Split) -> bool:
    """Whether the base problem is a continuous LP or convex QP (no second-order or other cones, no integers)."""
    known = split.memory.get("polyhedral")
    if known is None:
        if is_whole(split.base):
            known = False
        else:
            found = _data(split)
            dims = found[0]["dims"]
            known = not (dims.soc or dims.exp or dims.psd or dims.p3d or getattr(dims, "pnd", None))
            # The first solve compiles once.
            split.memory["found"] = _values(split), found
        split.memory["polyhedral"] = known
    return bool(known)


def second_order(split: Split) -> bool:
    """Whether the base problem has no cones but those of second order."""
    dims = _data(split)[0]["dims"]
    return not (dims.exp or dims.psd or dims.p3d or getattr(dims, "pnd", None))


def _data(split: Split) -> tuple[dict[str, Any], Any, Any]:
    with warnings.catch_warnings():
        # A problem that is not DPP compiles anew each time; that is the user's choice and no error.
        warnings.filterwarnings("ignore", message=".*DPP.*")
        try:
            data, chain, inverse = split.base.get_problem_data(cp.CLARABEL, **split.canon)
        except ValueError as error:
            if "NaN" in str(error):
                refuse_infinite(split.base)
            raise
    refuse_unless_finite(split.base, data, inverse)
    return data, chain, inverse


def compile_base(split: Split) -> Compiled:
    """Current numbers of the base problem."""
    known = split.memory.get("compiled")
    values = _values(split)
    if known is not None and values is not None and values == split.memory.get("values"):
        return known[2]  # type: ignore[no-any-return]
    split.memory["values"] = values
    fresh, found = split.memory.pop("found", (None, None))
    data, chain, inverse = found if found is not None and fresh is not None and fresh == values else _data(split)
    split.memory["dims"] = data["dims"]
    A, b, c = data["A"], np.asarray(data["b"], dtype=float), np.asarray(data["c"], dtype=float)
    columns, zero = A.shape[1], data["dims"].zero
    P = data.get("P")
    if known is not None:
        old_A, old_P, old = known
        if _same(A, old_A) and _same(P, old_P):
            # Only right-hand sides and costs moved, as with new market data in the scenario matrix.
            hosts = [replace(host, weight=float(c[old.kept[host.column]])) for host in old.hosts]
            moved = replace(
                old, c=c[old.kept], b_eq=b[:zero][old.eq_kept], b_in=b[zero:], f=b[:zero][old.definition] / old.sign,
                hosts=hosts, offset=float(inverse[-1][s.OFFSET]), chain=chain, inverse_data=inverse,
            )  # fmt: skip
            split.memory["compiled"] = (old_A, old_P, moved)
            return moved
    where = data["param_prob"].var_id_to_col
    y_columns = np.concatenate(
        [np.arange(where[v.id], where[v.id] + v.size) for v in split.inner] or [np.zeros(0, dtype=int)]
    ).astype(int)
    levels = [where[t.level.id] for t in split.tails]
    kept = np.setdiff1d(np.arange(columns), y_columns)
    rows = sp.csr_array(A)
    A_eq, A_in = rows[:zero], rows[zero:]

    # Each y stands in exactly one row, its definition, with coefficient +1 or -1.
    place = np.full(columns, -1)
    place[y_columns] = np.arange(len(y_columns))
    stored = np.flatnonzero(place[A_eq.indices] >= 0)
    stored = stored[np.argsort(place[A_eq.indices[stored]])]
    definition, sign = (np.searchsorted(A_eq.indptr, stored, side="right") - 1).astype(int), A_eq.data[stored]
    if not np.array_equal(A_eq.indices[stored], y_columns):
        raise AssertionError("a loss argument is not defined by exactly one row of the compiled problem")
    other = some_columns(A_eq, kept)
    E = rescaled(other[definition], -1.0 / sign, None)
    f = b[:zero][definition] / sign
    eq_kept = np.setdiff1d(np.arange(zero), definition)
    A_in = some_columns(A_in, kept)
    A_in.eliminate_zeros()
    P_given = P
    P = None if P is None or P.nnz == 0 else some_columns(sp.csr_array(P), kept)[kept]
    if P is not None:
        P = sp.csr_array(sp.triu(P) + sp.triu(P, 1).T)

    position = {column: i for i, column in enumerate(kept.tolist())}
    by_column = sp.csc_array(A_in)
    hosts = []
    for column in levels:
        j = position[column]
        entries = slice(by_column.indptr[j], by_column.indptr[j + 1])
        hosts.append(Host(j, float(c[column]), by_column.indices[entries], by_column.data[entries]))
    compiled = Compiled(
        P, c[kept], float(inverse[-1][s.OFFSET]), sp.csr_array(other[eq_kept]), b[:zero][eq_kept], A_in, b[zero:],
        E, f, hosts, kept, eq_kept, columns, zero, y_columns, definition, sign, chain, inverse,
    )  # fmt: skip
    split.memory["compiled"] = (A.copy(), None if P_given is None else P_given.copy(), compiled)
    return compiled


def _values(split: Split) -> list[bytes] | None:
    """Values that determine the numbers of the base problem; None where they are not known for sure."""
    found = []
    for p in split.base.parameters():
        # Of a parameter with a sparsity pattern cvxpy hands out a copy with a warning; it is compiled anew each time.
        value = None if p.sparse_idx is not None else p.value
        if value is None or np.asarray(value).dtype == object:
            return None
        found.append(np.asarray(value).tobytes())
    for v in split.base.variables():
        if any(isinstance(bound, cp.Expression) for bound in v.attributes.get("bounds") or ()):
            return None
    return found


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.nnz != b.nnz:
        return False
    return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in ("indptr", "indices", "data"))
