"""The optimum of a small tail program in exact rational arithmetic, from the basis that HiGHS ends with."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import highspy
import numpy as np

__all__ = ["Exact", "Given", "exact"]


@dataclass
class Given:
    """``min c v + fee |v| + sum_k weight_k CVaR_k(-(P_k v) - base_k)`` with rows, bounds, norms and limits."""

    c: np.ndarray
    fee: np.ndarray
    low: np.ndarray
    high: np.ndarray
    A: np.ndarray
    b: np.ndarray
    E: np.ndarray
    e: np.ndarray
    tails: list[tuple[float, np.ndarray, np.ndarray, np.ndarray, float, float | None]] = field(default_factory=list)
    """Weight in the objective, P, base, p, beta, and the limit of those that have one (weight zero)."""
    norm: tuple[np.ndarray, float] | None = None
    """Members and limit of a sum of absolute values."""


@dataclass
class Exact:
    """Status, and the optimum in fractions: of a feasible point (``value``), which multipliers prove (``sure``)."""

    status: str
    value: Fraction = Fraction(0)
    sure: bool = False


def _whole(given: Given) -> tuple[np.ndarray, ...]:
    """Rockafellar-Uryasev: columns (v, |v|, level and excess of each tail), rows ``<=``, equalities last."""
    n, width = len(given.c), 2 * len(given.c)
    count = sum(1 + len(tail[1]) for tail in given.tails)
    total = width + count
    c = np.r_[given.c, given.fee, np.zeros(count)]
    low, high = np.r_[given.low, np.zeros(n), np.zeros(count)], np.r_[given.high, np.full(n + count, np.inf)]
    A, b = [], []
    for sign in (1.0, -1.0):
        A.append(np.hstack((sign * np.eye(n), -np.eye(n), np.zeros((n, count)))))
        b.append(np.zeros(n))
    A.append(np.hstack((given.A, np.zeros((len(given.b), total - n)))))
    b.append(given.b)
    if given.norm is not None:
        A.append(np.r_[np.zeros(n), given.norm[0].astype(float), np.zeros(count)][None])
        b.append(np.array([given.norm[1]]))
    begin = width
    for weight, P, base, p, beta, limit in given.tails:
        S = len(P)
        rows = np.zeros((S, total))
        rows[:, :n], rows[:, begin] = -P, -1.0
        rows[:, begin + 1 : begin + 1 + S] = -np.eye(S)
        A.append(rows)
        b.append(base)
        low[begin] = -np.inf
        value = np.zeros(total)
        value[begin], value[begin + 1 : begin + 1 + S] = 1.0, p / (1.0 - beta)
        if limit is None:
            c += weight * value
        else:
            A.append(value[None])
            b.append(np.array([limit]))
        begin += 1 + S
    E = np.hstack((given.E, np.zeros((len(given.e), total - n))))
    return c, low, high, np.vstack(A), np.concatenate(b), E, given.e


def exact(given: Given) -> Exact:
    """The optimum in fractions."""
    c, low, high, A, b, E, e = _whole(given)
    rows = np.vstack((A, E))
    side_low, side_high = np.r_[np.full(len(b), -np.inf), e], np.r_[b, e]
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("parallel", "off")
    h.setOptionValue("presolve", "off")
    h.setOptionValue("primal_feasibility_tolerance", 1e-10)
    h.setOptionValue("dual_feasibility_tolerance", 1e-10)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(c), len(rows)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = c, low, high
    lp.row_lower_, lp.row_upper_ = side_low, side_high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    at = [np.flatnonzero(row) for row in rows]
    lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum([len(x) for x in at]))).astype(int)
    lp.a_matrix_.index_ = np.concatenate(at)
    lp.a_matrix_.value_ = np.concatenate([row[x] for row, x in zip(rows, at, strict=True)])
    h.passModel(lp)
    h.run()
    status = h.modelStatusToString(h.getModelStatus()).lower()
    if status != "optimal":
        return Exact({"infeasible": "infeasible", "unbounded": "unbounded"}.get(status, "none"))
    basis, S = h.getBasis(), highspy.HighsBasisStatus
    held, sides, signs = [], [], []
    for j, word in enumerate(basis.col_status):
        if word != S.kBasic:
            end = low[j] if word == S.kLower else high[j] if word == S.kUpper else 0.0
            held.append(np.eye(len(c))[j])
            sides.append(end)
            signs.append(0 if low[j] == high[j] else 1 if word == S.kLower else -1 if word == S.kUpper else 2)
    for i, word in enumerate(basis.row_status):
        if word != S.kBasic:
            held.append(rows[i])
            sides.append(side_low[i] if word == S.kLower else side_high[i])
            signs.append(0 if side_low[i] == side_high[i] else 1 if word == S.kLower else -1)
    x = _solved(np.array(held), np.array(sides))
    y = _solved(np.array(held).T, c)
    if x is None or y is None:
        return Exact("none")
    inside = all((not np.isfinite(a) or v >= Fraction(a)) and (not np.isfinite(z) or v <= Fraction(z))
                 for v, a, z in zip(x, low, high, strict=True))  # fmt: skip
    for row, place, a, z in zip(rows, at, side_low, side_high, strict=True):
        total = sum((Fraction(float(row[j])) * x[j] for j in place), Fraction(0))
        inside = inside and (not np.isfinite(a) or total >= Fraction(float(a))) and total <= Fraction(float(z))
    if not inside:
        return Exact("none")
    sure = all(s == 0 or (s == 2 and v == 0) or (s in (1, -1) and s * v >= 0) for s, v in zip(signs, y, strict=True))
    return Exact("optimal", sum((Fraction(float(a)) * v for a, v in zip(c, x, strict=True)), Fraction(0)), sure)


def _solved(M: np.ndarray, right: np.ndarray) -> list[Fraction] | None:
    """``M x = right`` in fractions, rows and columns by the fewest entries; None where M is singular."""
    size = len(right)
    if M.shape != (size, size):
        return None
    rows = [{j: Fraction(float(v)) for j, v in enumerate(row) if v != 0} for row in M]
    sides = [Fraction(float(v)) for v in right]
    order, left = [], set(range(size))
    while left:
        i = min(left, key=lambda k: len(rows[k]))
        if not rows[i]:
            return None
        j = min(rows[i], key=lambda k: sum(k in rows[m] for m in left))
        left.remove(i)
        order.append((i, j))
        for k in left:
            if j in rows[k]:
                share = rows[k].pop(j) / rows[i][j]
                for m, v in rows[i].items():
                    if m != j:
                        new = rows[k].get(m, Fraction(0)) - share * v
                        if new:
                            rows[k][m] = new
                        else:
                            rows[k].pop(m, None)
                sides[k] -= share * sides[i]
    x = [Fraction(0)] * size
    for i, j in reversed(order):
        x[j] = (sides[i] - sum((v * x[m] for m, v in rows[i].items() if m != j), Fraction(0))) / rows[i][j]
    return x
