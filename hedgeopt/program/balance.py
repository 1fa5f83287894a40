"""Scale second-order cones ``|x|^2 <= c t`` so that both sides are of similar size.

Canonicalised, ``|x|^2 <= c t`` reads ``s = (c + t, c - t, 2 x)`` in a second-order cone: with ``t`` many orders of magnitude
below ``c`` the slack lies at the cone's edge, where interior-point methods lose their digits. The map that multiplies
``s0 + s1`` by ``a``, divides ``s0 - s1`` by ``a``, and leaves the rest takes the cone onto itself; one ``a`` makes both of
them as large as the rest. Duals are taken back by the transposed map, which takes the dual cone onto itself too.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from hedgeopt.program.cones import OwnRows

__all__ = ["balance"]

_LEAST = 1e-6
"""Smallest share of the largest ``t`` that counts as its size."""


def balance(rows: OwnRows, slack: np.ndarray) -> sp.csr_array:
    """(R, R) map of the rows' slacks onto slacks in the same cones that are of a size near ``slack`` (R,).

    Other cones are left as they are, and second-order cones with neither ``s0 + s1`` nor ``s0 - s1`` constant.
    """
    wide = sp.csr_array(sp.hstack([rows.trades, rows.own]))
    at, to, values = [np.arange(len(slack))], [np.arange(len(slack))], [np.ones(len(slack))]
    for kind, part, _ in rows.parts():
        if kind != "soc" or part.stop - part.start < 3:
            continue
        block = wide[part.start : part.stop]
        for sign in (1.0, -1.0):
            steady = float(rows.right[part.start] + sign * rows.right[part.start + 1])
            if steady <= 0.0 or float(abs(block[[0]] + sign * block[[1]]).max()) != 0.0:
                continue
            rest = slice(part.start + 2, part.stop)
            reach = float(np.sum(abs(wide[rest]).sum(axis=1) ** 2) + np.sum(rows.right[rest] ** 2))
            moving = max(float(np.sum(slack[rest] ** 2)), _LEAST * reach) / steady
            if not 0.0 < moving < np.inf:
                break
            a, unit = (moving / steady) ** 0.5, (moving * steady) ** -0.5
            same, other = 0.5 * (a + 1.0 / a) * unit, 0.5 * sign * (a - 1.0 / a) * unit
            values[0][part] = unit
            values[0][part.start : part.start + 2] = same
            at.append(np.array([part.start, part.start + 1]))
            to.append(np.array([part.start + 1, part.start]))
            values.append(np.array([other, other]))
            break
    size = len(slack)
    return sp.csr_array((np.concatenate(values), (np.concatenate(at), np.concatenate(to))), shape=(size, size))
