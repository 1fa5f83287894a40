"""Tails summed up by weights, and the program without scenarios that is left of a problem with them.

With weights ``q`` in the envelope of every tail (``0 <= q <= p / (1 - beta)``, ``sum q = 1``) ``CVaR(x) >= q L(x)`` for
every x. In place of the tails this leaves

    min 1/2 z'Pz + c'z  with  A_eq z = b_eq,  b - A z in a cone,  t_k >= scale_k (g_k (E z + f) + const_k),  g_k = q_k A_k,

whose optimum is no more than that of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.tail.compiled import Compiled
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Vector

# A sum of weighted losses below this share of its terms is rounding; scenarios by which verify measures the terms.
_DUST, _HEAVIEST = 4e-15, 1_000


@dataclass(frozen=True)
class SummedTail:
    """A tail with its weights summed up: ``CVaR >= gradient y + constant``; its level is ``scale`` times that."""

    gradient: Vector
    constant: float
    scale: float
    terms: Vector
    """What the gradient was summed from, in magnitude, or the best known part of it: its rounding is measured by that."""

    @classmethod
    def of(cls, gradient: Vector, constant: float, scale: float, terms: Vector) -> SummedTail:
        """The same with entries that are rounding of their sum set to zero."""
        return cls(np.where(np.abs(gradient) <= _DUST * terms, 0.0, gradient), constant, scale, terms)


def weighted(model: LossModel, q: Vector) -> SummedTail:
    """Sum a tail's losses with weights ``q``."""
    at = np.flatnonzero(q)
    gradient, constant = model.weighted_sum(at, q[at])
    heavy = at if len(at) <= _HEAVIEST else np.sort(at[np.argpartition(q[at], -_HEAVIEST)[-_HEAVIEST:]])
    return SummedTail.of(gradient, constant, model.scale, q[heavy] @ np.abs(model.rows(heavy)))


def program(compiled: Compiled, dims: Any, tails: list[SummedTail]) -> dict[str, Any]:
    """The arrays of the program above; rows of tails come last among the inequalities."""
    n, zero, signed = len(compiled.c), len(compiled.b_eq), int(dims.nonneg)
    rows, sides, costs = [], [], np.abs(compiled.c)
    for host in compiled.hosts:
        costs[host.column] = 0.0
    for host, tail in zip(compiled.hosts, tails, strict=True):
        row = tail.scale * (compiled.E.T @ tail.gradient)
        row[host.column] -= 1.0
        rows.append(row)
        # In place of its level, what each position is worth in a tail of the objective.
        costs += abs(compiled.c[host.column]) * tail.scale * (abs(compiled.E).T @ tail.terms)
        sides.append(-tail.scale * (float(tail.gradient @ compiled.f) + tail.constant))
    more = sp.csr_array(np.array(rows).reshape(len(rows), n))
    A = sp.csr_array(sp.vstack([compiled.A_eq, compiled.A_in[:signed], more, compiled.A_in[signed:]]))
    b = np.concatenate((compiled.b_eq, compiled.b_in[:signed], sides, compiled.b_in[signed:]))
    cones = {name: getattr(dims, name) for name in ("soc", "psd", "exp", "p3d", "pnd") if hasattr(dims, name)}
    new = SimpleNamespace(zero=zero, nonneg=signed + len(rows), **cones)
    return {"A": A, "b": b, "c": compiled.c, "P": compiled.P, "dims": new, "costs": costs}
