"""A user's own cvxpy constraints as rows of cones, and duals of theirs that prove something.

Canonicalised by cvxpy, constraints on buys and sells ``v`` (and on variables of their own, ``a``) read

    A_v v + A_a a + s = b,   s in K,

with K a product of zero, non-negative, second-order, exponential, power and semidefinite cones. For any ``y`` in the dual
cone with ``A_a' y = 0``, every feasible ``v`` has ``y' (A_v v - b) <= 0``: an affine function of buys and sells that may
be added to a Lagrangian. Solvers return such a ``y`` to a tolerance; :func:`repaired` makes it exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from hedgeopt.errors import InputError

if TYPE_CHECKING:
    import cvxpy as cp

    from hedgeopt.models.bound import TradeVariables

__all__ = ["OwnRows", "canonical", "check_own", "excess_of", "own_excess", "own_sizes", "repaired"]

_FAR = 1e3
"""Variables of the user's own are taken to stay within so many times their size at the solution."""
_TRIES = 30
_STEEP = 20.0
_HOLDS = 1e-9


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
                step[rows] = _svec(np.eye(parameter))
        return step


def check_own(constraint: Any, known: Sequence[cp.Parameter] = ()) -> None:
    """Raise InputError for what can't be solved or proven, with the reason; ``known`` parameters get values later."""
    import cvxpy as cp

    if not isinstance(constraint, cp.constraints.constraint.Constraint):
        raise InputError(
            "is not a cvxpy constraint", field="extend", value=constraint, fix="give comparisons of expressions"
        )
    whole = [v.name() for v in constraint.variables() if v.attributes["integer"] or v.attributes["boolean"]]
    if whole:
        raise InputError(
            "holds whole-number variables: their optimum can't be certified by duals",
            field="extend", value=", ".join(whole), fix="give continuous variables",
        )  # fmt: skip
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
    problem = cp.Problem(cp.Minimize(0.0), [twin == cp.hstack([trades.buy, trades.sell]), *added])
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
    return _without_copies(rows)


def _without_copies(rows: OwnRows) -> OwnRows:
    """Rows without the copies that cvxpy makes of variables with a sign: the twin's columns take their place.

    Their signs are the box's business: duals of ``buy >= 0`` would look as if the user's rows paid for buying and selling at
    once.
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


def own_excess(added: Sequence[cp.Constraint], trades: TradeVariables, net: np.ndarray) -> list[tuple[str, float]]:
    """Each constraint's name and excess at scaled net trades (N,), relative to the size of what it compares.

    Evaluated at these trades, each of them a buy or a sell, and not at what a solver left in the variables; variables of
    the user's own are moved to where they suit the trades best, should their values not do.
    """
    variables = [trades.buy, trades.sell, *{v.id: v for c in added for v in c.variables()}.values()]
    kept = [v.value for v in variables]
    try:
        trades.buy.save_value(np.maximum(net, 0.0))
        trades.sell.save_value(np.maximum(-net, 0.0))
        mine = {trades.buy.id, trades.sell.id}
        found = []
        for number, constraint in enumerate(added, 1):
            excess = excess_of(constraint)
            if not excess <= _HOLDS and any(v.id not in mine for v in constraint.variables()):
                _suit(added, mine)
                excess = excess_of(constraint)
            found.append((f"added constraint {number} ({_short(constraint)})", excess))
        return found
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.save_value(value)


def excess_of(constraint: cp.Constraint) -> float:
    """The violation over the size of what is compared; infinite where it has no value."""
    try:
        violation = float(np.max(constraint.violation(), initial=0.0))
    except ValueError:  # cvxpy: a variable has no value
        return np.inf
    size = 1e-12
    for part in constraint.args:
        value = np.abs(np.asarray(_dense(part.value), float))
        size = max(size, float(value.max(initial=0.0)))
        if part.is_affine() and not part.is_constant():
            # what is summed counts, not what is left of it
            terms = [
                _matrix_of(abs(g)).T @ np.abs(np.asarray(v.value, float)).ravel(order="F")
                for v, g in part.grad.items()
                if g is not None
            ]
            size = max(size, float(np.max(sum(terms), initial=0.0)) if terms else 0.0)
    return violation / size if np.isfinite(violation) else np.inf


def _matrix_of(gradient: Any) -> Any:
    """Of one number by one number cvxpy's gradient is a number."""
    return gradient if hasattr(gradient, "shape") and len(gradient.shape) == 2 else np.reshape(gradient, (-1, 1))


def _suit(added: Sequence[cp.Constraint], trades: set[int]) -> None:
    """Move the user's own variables to where the constraints are exceeded least, trades as they are."""
    import cvxpy as cp

    amount = cp.Variable(nonneg=True)
    fixed = {id(v): cp.Constant(v.value) for c in added for v in c.variables() if v.id in trades}
    rows: list[cp.Constraint] = []
    for constraint in added:
        moved = constraint.tree_copy(dict(fixed))
        if isinstance(moved, cp.constraints.Inequality):
            rows.append(moved.expr <= amount)
        elif isinstance(moved, cp.constraints.Equality):
            rows.append(cp.abs(moved.expr) <= amount)
        else:
            rows.append(moved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cp.Problem(cp.Minimize(amount), rows).solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_feas=1e-12)
        except cp.SolverError:
            return


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else value


def _short(constraint: cp.Constraint, width: int = 60) -> str:
    text = " ".join(str(constraint).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def repaired(rows: OwnRows, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A member of the dual cone near ``y``, and what is left of ``own' y`` (K,): rounding, if the repair went well.

    Steps towards ``own' y = 0`` that move entries in proportion to how far inside the cone they are alternate with
    projections into the cone.
    """
    y = into_dual(rows, np.nan_to_num(y))
    own = sp.csc_array(rows.own)
    if not own.shape[1]:
        return y, np.zeros(0)
    best, least = y, np.inf
    for _ in range(_TRIES):
        left = own.T @ y
        size = float(np.abs(left).max(initial=0.0))
        if size < least:
            best, least = y, size
        if size <= 1e-15 * max(1.0, float(np.abs(y).max(initial=0.0))):
            break
        weight = np.minimum(_room(rows, y), 1e100) ** 2
        gram = sp.csc_array((own.T * weight) @ own)
        gram = gram + sp.eye_array(gram.shape[0], format="csc") * (1e-15 * float(abs(gram).max() or 1.0))
        try:
            step = splu(sp.csc_matrix(gram)).solve(left)
        except RuntimeError:  # singular: nothing more to repair with
            break
        y = into_dual(rows, y - weight * (own @ step))
    return best, own.T @ best


def own_sizes(values: np.ndarray) -> np.ndarray:
    """(K,) how large the user's own variables can be, from their values at a solution."""
    return _FAR * np.maximum(1.0, np.abs(values))


def _room(rows: OwnRows, y: np.ndarray) -> np.ndarray:
    """(R,) how far inside the dual cone each entry is; equations are free."""
    room = np.zeros(len(y))
    for kind, at, parameter in rows.parts():
        part = y[at]
        if kind == "zero":
            room[at] = 1.0 + np.abs(part)
        elif kind == "nonneg":
            room[at] = part
        elif kind == "soc":
            room[at] = max(part[0] - float(np.linalg.norm(part[1:])), 1e-8 * part[0])
        elif kind == "psd":
            room[at] = max(float(np.linalg.eigvalsh(_matrix(part, parameter))[0]), 1e-8 * float(np.abs(part).max()))
        else:
            room[at] = 1e-3 * float(np.abs(part).min())
    return np.maximum(room, 1e-300)


def into_dual(rows: OwnRows, y: np.ndarray) -> np.ndarray:
    """``y`` moved into the dual cone, by as little as is simple."""
    y = y.copy()
    for kind, at, parameter in rows.parts():
        part = y[at]
        if kind == "nonneg":
            y[at] = np.maximum(part, 0.0)
        elif kind == "soc":
            y[at.start] = max(part[0], float(np.linalg.norm(part[1:])) * (1 + 4e-16))
        elif kind == "psd":
            lowest = float(np.linalg.eigvalsh(_matrix(part, parameter))[0])
            if lowest < 0:
                y[at] = part + _svec(np.eye(parameter)) * (-lowest * (1 + 1e-12))
        elif kind == "exp":
            y[at] = _into_dual_exp(part)
        elif kind in ("power", "powers"):
            alpha = np.array([parameter, 1.0 - parameter]) if kind == "power" else parameter
            y[at] = _into_dual_power(part, alpha)
    return y


def _into_dual_exp(part: np.ndarray) -> np.ndarray:
    """Dual of ``{(x, y, z): y exp(x / y) <= z}``: ``u < 0, w >= -u exp(v / u - 1)``, or ``u = 0, v >= 0, w >= 0``."""
    u, v, w = (float(value) for value in part)
    if u < 0:
        exponent = v / u - 1.0
        if exponent > _STEEP:  # moving w would take it out of sight: v moves instead
            w = max(w, -u)
            v = u * (1.0 + float(np.log(w / -u))) * (1 - 1e-15)
            exponent = v / u - 1.0
        return np.array([u, v, max(w, -u * float(np.exp(exponent)) * (1 + 1e-15))])
    return np.array([0.0, max(v, 0.0), max(w, 0.0)])


def _into_dual_power(part: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Dual of ``{(x, z): prod x^alpha >= |z|}``: ``prod (u / alpha)^alpha >= |w|``."""
    u, w = np.maximum(part[:-1], 0.0), float(part[-1])
    reach = float(np.prod((u / alpha) ** alpha))
    if reach < abs(w):
        w = np.sign(w) * reach * (1 - 1e-15)
    return np.append(u, w)


def _matrix(part: np.ndarray, n: int) -> np.ndarray:
    """The symmetric matrix of a triangle stored by columns, off-diagonal entries times the root of two."""
    found = np.zeros((n, n))
    at = 0
    for j in range(n):
        found[: j + 1, j] = part[at : at + j + 1]
        at += j + 1
    off = np.triu(found, 1) / np.sqrt(2.0)
    return np.asarray(np.diag(np.diag(found)) + off + off.T)


def _svec(matrix: np.ndarray) -> np.ndarray:
    n = len(matrix)
    columns = []
    for j in range(n):
        column = matrix[: j + 1, j].astype(float)
        column[:j] *= np.sqrt(2.0)
        columns.append(column)
    return np.concatenate(columns)
