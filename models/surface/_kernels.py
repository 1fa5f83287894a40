"""Compiled lookups of total variance; `hedgeopt.models.surface.surface` documents the rules.

A smile with n nodes has n + 1 pieces, wings included: piece p holds from node p - 1 to node p and is stored as
(anchor, c0, c1, c2, c3): w(k) = c0 + c1 d + c2 d^2 + c3 d^3 with d = k - anchor. ``start`` (E + 1,) splits the nodes by
expiry; the pieces of expiry e begin at start[e] + e.
"""

from __future__ import annotations

import math

import numpy as np

from hedgeopt.models.compiled import compiled

kernel = compiled(error_model="numpy", nogil=True)


@kernel
def piece_value(piece, k):  # type: ignore[no-untyped-def]
    """Total variance of one piece at log-moneyness k."""
    d = k - piece[0]
    return piece[1] + d * (piece[2] + d * (piece[3] + d * piece[4]))


@kernel
def neighbours(years, T):  # type: ignore[no-untyped-def]
    """Two expiries and their weights: linear in T between, in proportion to T before the first and after the last."""
    after = np.searchsorted(years, T)
    if after == 0 or after == years.size:
        nearest = min(after, years.size - 1)
        return nearest, T / years[nearest], nearest, 0.0
    share = (T - years[after - 1]) / (years[after] - years[after - 1])
    return after - 1, 1.0 - share, after, share


@kernel
def vols(start, years, node, pieces, k, T, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) with vols at k, T (n,)."""
    for i in range(out.size):
        left, w_left, right, w_right = neighbours(years, T[i])
        p = np.searchsorted(node[start[left] : start[left + 1]], k[i])
        w = w_left * piece_value(pieces[start[left] + left + p], k[i])
        if w_right > 0.0:
            p = np.searchsorted(node[start[right] : start[right + 1]], k[i])
            w += w_right * piece_value(pieces[start[right] + right + p], k[i])
        out[i] = math.sqrt(w / T[i])


@kernel
def add_moved(node, pieces, weight, k, log_factor, order, out):  # type: ignore[no-untyped-def]
    """Add weight * w(k - log_factor) to out (S,), walking the nodes once: order sorts log_factor downwards."""
    p = 0
    for position in range(order.size):
        j = order[position]
        moved = k - log_factor[j]
        while p < node.size and node[p] < moved:
            p += 1
        out[j] += weight * piece_value(pieces[p], moved)


@kernel
def moved_vols(start, years, node, pieces, k, T, log_factor, order, out):  # type: ignore[no-untyped-def]
    """Fill out (N, S) with vols of options k, T (N,) after log spot moves (S,), the smile fixed in moneyness."""
    for i in range(k.size):
        row = out[i]
        row[:] = 0.0
        left, w_left, right, w_right = neighbours(years, T[i])
        for expiry, weight in ((left, w_left), (right, w_right)):
            if weight > 0.0:
                a, b = start[expiry], start[expiry + 1]
                add_moved(node[a:b], pieces[a + expiry : b + expiry + 1], weight, k[i], log_factor, order, row)
        for j in range(row.size):
            row[j] = math.sqrt(row[j] / T[i])
