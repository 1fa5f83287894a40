"""What a leg that fails means for what is sent after it: may that be sent all the same, and if not, which limit breaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.orders.ordering import LegPart, states_of
from hedgeopt.orders.prefixes import LimitWatch

__all__ = ["GO_ON", "NOT_CHECKED", "without_each"]

GO_ON, NOT_CHECKED = "go on", "stop: not checked"
_MOST = {True: 6_000, False: 600}
"""States evaluated for all legs together: where they are quick to check, and where ladders or impact make them slow."""


def without_each(
    watch: LimitWatch, pieces: Sequence[LegPart], order: Sequence[int], count: int, sent: frozenset[int]
) -> dict[int, str]:
    """By leg: ``go on``, or ``stop: LIMIT`` where the pieces after one of its own may not be sent without it.

    A leg may fail at each of its pieces: what it was filled before stays, nothing of that piece and its later ones comes.
    Every state after that is checked as in a plan that goes well: each piece of the other legs partly filled and whole, and
    transfers on their way. Where there are more states than are looked at, the answer is ``stop: not checked``.
    """
    start, found = watch.evaluated, dict[int, str]()
    for k, leg in enumerate(order):
        share = (_MOST[watch.quick] - (watch.evaluated - start)) // (len(order) - k)
        found[leg] = _without(watch, pieces, leg, count, sent, watch.evaluated + share)
    return found


def _without(watch: LimitWatch, pieces: Sequence[LegPart], leg: int, count: int, sent: frozenset[int], most: int) -> str:
    for at in [k for k, piece in enumerate(pieces) if piece.leg == leg]:
        done = np.zeros(count)
        for piece in pieces[:at]:
            done[piece.leg] += piece.quantity
        for _, _, x, moving in states_of([piece for piece in pieces[at:] if piece.leg != leg], count, sent):
            if watch.evaluated >= most:
                return NOT_CHECKED
            broken = watch.excesses(done + x, on_its_way=moving if moving.any() else None)
            if broken:
                return f"stop: {broken[0].limit}"
    return GO_ON
