"""What solvers came back with, in one form: the arrays they were given, the point and the multipliers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.masters.call import Answer
from hedgeopt.tail.masters.cones import blocks
from hedgeopt.tail.masters.rows import dense
from hedgeopt.tail.source import Vector

# Up to so many entries scipy's way into a sparse array takes longer than all of a dense one.
_DENSE = 50_000


def standard(answer: Answer, light: bool = False) -> tuple[dict[str, Any], Vector, Vector] | None:
    """Data, x and z of the solver in one form (z alone of a proof of infeasibility); None where it has no dual point.

    ``light``: matrices of small programs are plain arrays.
    """
    found = _read(answer, light)
    if found is not None and light and np.size(found[0]["b"]) * len(found[1]) <= _DENSE:
        P = found[0].get("P")
        found = found[0] | {"A": dense(found[0]["A"]), "P": None if P is None else dense(P)}, *found[1:]
    elif found is not None and light:
        found = found[0] | {"A": sp.csr_array(found[0]["A"])}, *found[1:]
    if found is None or "noise" not in answer.data:
        return found
    return found[0] | {"noise": answer.data["noise"]}, *found[1:]


def _read(answer: Answer, light: bool) -> tuple[dict[str, Any], Vector, Vector] | None:
    data, raw = answer.data, answer.raw
    if answer.solver == cp.CLARABEL:
        return data, np.array(raw.x), np.array(raw.z)
    if answer.solver == cp.SCS:
        return data | {"lower_triangle": True}, np.asarray(raw["x"]), np.asarray(raw["y"])
    if answer.solver == cp.OSQP:
        both = data["A"], data["F"]
        if light and (both[0].shape[0] + both[1].shape[0]) * both[0].shape[1] <= _DENSE:
            A = np.vstack([dense(part) for part in both])
        else:
            A = sp.csr_array(sp.vstack([sp.csr_array(part) for part in both]))
        x, y = (first if first is not None else second for first, second in
                ((raw.x, getattr(raw, "dual_inf_cert", None)), (raw.y, getattr(raw, "prim_inf_cert", None))))  # fmt: skip
        if x is None or y is None:
            return None
        x, y = np.array(x, dtype=float), np.array(y, dtype=float)
        if not np.isfinite(y).all() and raw.prim_inf_cert is not None:
            y = np.array(raw.prim_inf_cert, dtype=float)
        if not np.isfinite(x).all() and raw.dual_inf_cert is not None:
            x = np.array(raw.dual_inf_cert, dtype=float)
        same = {"A": A, "b": np.concatenate((data["b"], data["G"])), "c": data["q"], "P": data["P"], "dims": data["dims"]}
        return same, x, y
    if answer.solver == cp.HIGHS:
        return _highs(data, raw)
    if answer.solver == cp.ECOS:
        every = [(data["A"], data["b"], raw["y"]), (data["G"], data["h"], raw["z"])]
        held = [part for part in every if part[0] is not None]
        A, b = sp.csr_array(sp.vstack([sp.csr_array(p[0]) for p in held])), np.concatenate([p[1] for p in held])
        z = np.concatenate([p[2] for p in held])
        order = np.arange(len(b))
        for kind, rows, _ in blocks(data["dims"]):
            if kind == "exp":
                # ECOS keeps the second entry last.
                order[rows] = order[rows][[0, 2, 1]]
        return {"A": A[order], "b": b[order], "c": data["c"], "dims": data["dims"]}, np.asarray(raw["x"]), z[order]
    return None


def _highs(data: dict[str, Any], raw: Any) -> tuple[dict[str, Any], Vector, Vector] | None:
    """HiGHS' arrays with the bounds of variables as rows; where it found no point, its dual ray."""
    quadratic = "F" in data
    A = sp.csr_array(sp.vstack([sp.csr_array(data["A"]), sp.csr_array(data["F"])]) if quadratic else data["A"])
    b = np.concatenate((data["b"], data["G"])) if quadratic else np.asarray(data["b"], dtype=float)
    c = np.asarray(data["q" if quadratic else "c"], dtype=float)
    n, zero = A.shape[1], int(data["dims"].zero)
    found = raw["solution"]
    x, z, cost = (np.asarray(part, dtype=float) for part in (found.col_value, found.row_dual, found.col_dual))
    z, cost = -z, cost if len(cost) == n else np.zeros(n)
    ray = raw.get("dual_ray")
    if ray is not None and len(ray) > 2 and len(ray[2]) == A.shape[0]:
        z, cost = -np.asarray(ray[2], dtype=float), np.zeros(n)
        cost = A.T @ z
    if len(x) != n:
        x = np.zeros(n)
    if len(z) != A.shape[0]:
        return None
    extra, sides, duals = [], [], []
    for key, sign in (("lower_bounds", -1.0), ("upper_bounds", 1.0)):
        ends = data.get(key)
        if ends is None:
            continue
        at = np.flatnonzero(np.isfinite(np.asarray(ends, dtype=float)))
        extra.append(sp.csr_array((np.full(len(at), sign), (np.arange(len(at)), at)), (len(at), n)))
        sides.append(sign * np.asarray(ends, dtype=float)[at])
        duals.append(np.maximum(-sign * cost[at], 0.0))
    dims = data["dims"]
    if extra:
        A = sp.csr_array(sp.vstack([A, *extra]))
        b, z = np.concatenate((b, *sides)), np.concatenate((z, *duals))
    rows = SimpleNamespace(zero=zero, nonneg=len(b) - zero, soc=[], psd=[], exp=0, p3d=[], pnd=[])
    return {"A": A, "b": b, "c": c, "P": data.get("P"), "dims": rows if extra else dims}, x, z
