"""In which order legs are sent, so that no limit is exceeded on the way; and in which pieces, where no order does that.

A sequence of pieces ``d_1, d_2, ...`` (each a part of one leg) goes through the states ``d_1 + ... + d_k``. Each of them is
checked, and so is every piece partly filled, at the shares in ``PARTS``. What convex limits allow at both ends of a piece
they allow between; margin rules need not be convex, hence the parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hedgeopt.orders.prefixes import Excess, LimitWatch

__all__ = ["PARTS", "LegPart", "best_order", "in_pieces", "least_bad_order", "sliced", "states_of", "worst_on_the_way"]

PARTS = (0.25, 0.5, 0.75)
"""Shares of a leg at which a partial fill is checked."""
_MOST = 4_000
"""States that a search for an order evaluates at most."""
_ROUNDS = (2, 3, 4, 5, 8, 10, 20)
_RANKED = {True: 24, False: 6}
"""Legs that are ranked anew at each step: where states are quick to check, and where they are not."""


@dataclass(frozen=True)
class LegPart:
    """Part of a leg: which one, the signed quantity, and the round in which it is sent."""

    leg: int
    quantity: float
    round: int = 1


def states_of(
    pieces: Sequence[LegPart], count: int, sent: frozenset[int]
) -> list[tuple[int, float, np.ndarray, np.ndarray]]:
    """Every state on the way: piece, share of it that is filled, what is done (K,), and what is still on its way (K,).

    A transfer leaves whole: it is on its way, then it has arrived. A leg fills bit by bit.
    """
    found, done, nothing = [], np.zeros(count), np.zeros(count)
    for k, piece in enumerate(pieces):
        step = np.zeros(count)
        step[piece.leg] = piece.quantity
        if piece.leg in sent:
            found.append((k, 0.0, done.copy(), step))
        else:
            found += [(k, part, done + part * step, nothing) for part in PARTS]
        done = done + step
        found.append((k, 1.0, done.copy(), nothing))
    return found


def _allowed(watch: LimitWatch, done: np.ndarray, leg: int, quantity: float, sent: frozenset[int]) -> bool:
    """Whether a leg may follow: every state on its way is allowed."""
    for _, _, x, moving in states_of([LegPart(leg, quantity)], len(done), sent):
        if watch.excesses(done + x, on_its_way=moving if moving.any() else None):
            return False
    return True


def best_order(watch: LimitWatch, x: np.ndarray, sent: frozenset[int]) -> list[int] | None:
    """Legs in an order in which every state on the way is allowed, transfers first; None where none was found.

    Depth first. Of the legs that may follow, the one is tried first that leaves the limits least exceeded in all, then the
    one with the smallest loss in the worst stress.
    """
    start, ranks = watch.evaluated, dict[int, _Rank]()
    legs = frozenset(np.flatnonzero(x).tolist())
    dead: set[frozenset[int]] = set()
    order: list[int] = []
    left_to_try = [_by_rank(watch, x, order, legs, sent, ranks)]
    while len(order) < len(legs):
        if watch.evaluated - start > _MOST:
            return None
        if not left_to_try[-1]:
            dead.add(legs - set(order))
            left_to_try.pop()
            if not order:
                return None
            order.pop()
            continue
        leg = left_to_try[-1].pop(0)
        if legs - {*order, leg} in dead or not _allowed(watch, _done(x, order), leg, float(x[leg]), sent):
            continue
        order.append(leg)
        left_to_try.append(_by_rank(watch, x, order, legs, sent, ranks))
    return order


_Rank = tuple[float, float, int]


def _done(x: np.ndarray, order: Sequence[int]) -> np.ndarray:
    return np.where(np.isin(np.arange(len(x)), order), x, 0.0)


def _by_rank(
    watch: LimitWatch,
    x: np.ndarray,
    order: Sequence[int],
    legs: frozenset[int],
    sent: frozenset[int],
    ranks: dict[int, _Rank],
) -> list[int]:
    """Legs that may be next, best first. Of many, those that were best before are ranked again, the others as they were."""
    left = legs - set(order)
    first = sorted((left & sent) or left, key=lambda leg: ranks.get(leg, (-1.0, 0.0, leg)))
    done, most = _done(x, order), _RANKED[watch.quick]
    for leg in first[:most] if len(ranks) == len(legs) else first:
        ranks[leg] = _rank(watch, done, leg, x)
    return sorted(first[:most], key=ranks.__getitem__) + first[most:]


def _rank(watch: LimitWatch, done: np.ndarray, leg: int, x: np.ndarray) -> _Rank:
    after = done.copy()
    after[leg] = x[leg]
    return float(f"{watch.outside(after):.9g}"), watch.loss(after), leg


def least_bad_order(watch: LimitWatch, x: np.ndarray, sent: frozenset[int]) -> list[int]:
    """Legs one by one, each time the one after which the worst excess over what is allowed is smallest; transfers first."""
    order: list[int] = []
    legs, ranks = frozenset(np.flatnonzero(x).tolist()), dict[int, _Rank]()
    while len(order) < len(legs):
        done = _done(x, order)
        near = _by_rank(watch, x, order, legs, sent, ranks)[: _RANKED[watch.quick]]

        def excess(leg: int, done: np.ndarray = done) -> tuple[float, _Rank]:
            after = done.copy()
            after[leg] = x[leg]
            return watch.worst([after])[0], ranks[leg]

        order.append(min(near, key=excess))
    return order


def worst_on_the_way(
    watch: LimitWatch, pieces: Sequence[LegPart], count: int, sent: frozenset[int]
) -> tuple[float, Excess | None, int]:
    """The largest excess on the way, the limit that it is of, and the piece at which it comes; 0 where all is allowed."""
    worst: tuple[float, Excess | None, int] = (0.0, None, -1)
    for k, _, x, moving in states_of(pieces, count, sent):
        for one in watch.excesses(x, on_its_way=moving if moving.any() else None)[:1]:
            if one.share > worst[0]:
                worst = one.share, one, k
    return worst


def in_pieces(
    x: np.ndarray,
    order: Sequence[int],
    rounds: int,
    lot: np.ndarray,
    sent: frozenset[int],
    least: np.ndarray | None = None,
) -> list[LegPart]:
    """Legs in ``rounds`` equal rounds of whole lots, in the same order in each; transfers whole, in the first.

    After part p of n a leg has done ``round(p / n * lots)`` of its lots; 0 or NaN in ``lot`` (K,) divides freely. ``least``
    (K,) are smallest orders, NaN where there is none: a leg has as many parts as they leave, evenly over the rounds.
    """
    pieces = [LegPart(leg, float(x[leg])) for leg in order if leg in sent]
    found: dict[tuple[int, int], Fraction] = {}
    for leg in order:
        if leg not in sent:
            parts = _parts(x[leg], lot[leg], np.nan if least is None else least[leg], rounds)
            for p in range(1, parts + 1):
                part = _upto(x[leg], lot[leg], p, parts) - _upto(x[leg], lot[leg], p - 1, parts)
                if part:
                    found[-(-(2 * p - 1) * rounds // (2 * parts)), leg] = part
    for r in range(1, rounds + 1):
        pieces += [LegPart(leg, float(found[r, leg]), r) for leg in order if (r, leg) in found]
    return pieces


def _parts(quantity: float, lot: float, least: float, rounds: int) -> int:
    """Into how many parts a leg may be cut, at most ``rounds``, such that none is below the smallest order."""
    if not least > 0.0:
        return rounds
    smallest = Fraction(str(float(least)))
    if lot > 0.0:
        step = Fraction(str(float(lot)))
        smallest = math.ceil(smallest / step - Fraction(1, 10**9)) * step
    return max(min(rounds, math.floor(abs(Fraction(str(float(quantity)))) / smallest)), 1)


def _upto(quantity: float, lot: float, r: int, rounds: int) -> Fraction:
    whole = Fraction(str(float(quantity)))
    if not lot > 0.0:
        return Fraction(float(whole * r / rounds)) if r < rounds else whole
    step = Fraction(str(float(lot)))
    return whole if r == rounds else round(whole / step * r / rounds) * step


def sliced(
    watch: LimitWatch,
    x: np.ndarray,
    order: Sequence[int],
    lot: np.ndarray,
    sent: frozenset[int],
    least: np.ndarray | None = None,
) -> tuple[list[LegPart], int, tuple[float, Excess | None, int]]:
    """Pieces in as few rounds as keep every state allowed; where no number does, in the one that exceeds least."""
    best: tuple[list[LegPart], int, tuple[float, Excess | None, int]] | None = None
    for rounds in _ROUNDS:
        pieces = in_pieces(x, order, rounds, lot, sent, least)
        worst = worst_on_the_way(watch, pieces, len(x), sent)
        if best is None or worst[0] < best[2][0]:
            best = pieces, rounds, worst
        if worst[1] is None:
            break
    assert best is not None
    return best
