"""The lower bound that a proposal's multipliers prove, over every choice of accounts and assets that collateral leaves.

"An account that collateral leaves keeps its initial margin, and sends what it has" is asked where something leaves, and is
no convex rule. A proposal with links therefore lists branches: which pairs of account and asset send nothing (their links
are closed) and for which the rules hold. Branches that leave no choice out, each with a bound, bound the whole by the least.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.claim import Claim, ClaimedTail
from hedgeopt.verify.convex import Convex, lowest
from hedgeopt.verify.limits import CheckedLimit
from hedgeopt.verify.sizes import TradeRange

__all__ = ["Priced", "leaving", "proven", "same_tails"]

_ROUNDS = 30
_IDLE = 3
_STEPS = 10_000
SentNode = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Priced:
    """One proof: the objective's lower function under its scenario weights, and sides with their prices."""

    straight: Convex
    sides: Sequence[tuple[CheckedLimit, float]]


def proven(
    claim: Claim,
    e: Exposures,
    box: TradeRange,
    x: np.ndarray,
    goal: float,
    first: Priced,
    other: Callable[[int], Priced],
) -> tuple[float, list[str]]:
    """The best bound that the multipliers prove, and the parts without proof. ``goal``: a bound that is good enough.

    ``first`` are the table's own multipliers, ``other(k)`` those numbered k.
    """
    closed = _closed(e, box)
    missing: list[str] = []
    if not len(e.links):
        every = range(len(claim.multipliers))
        return _best(box, x, goal, first, other, every, frozenset(), missing), missing
    branches = [
        (_nodes(e, branch.shut, claim, k), _nodes(e, branch.used, claim, k), branch.multipliers)
        for k, branch in enumerate(claim.branches)
    ] or [(frozenset[SentNode](), frozenset[SentNode](), ())]
    if not _covers([(shut, used) for shut, used, _ in branches], closed):
        return -np.inf, ["proof.branches leaves out a choice of transfers"]
    least = np.inf
    for shut, used, proofs in branches:
        inside = _shut(e, box, shut)
        least = min(least, _best(inside, x, goal, first, other, proofs, used, missing))
    return least, missing


def _best(
    box: TradeRange,
    x: np.ndarray,
    goal: float,
    first: Priced,
    other: Callable[[int], Priced],
    proofs: Sequence[int],
    used: frozenset[SentNode],
    missing: list[str],
) -> float:
    """The best of some proofs inside a box, where the rules of ``used`` hold."""
    best = -np.inf
    for number in (None, *proofs):
        proof = first if number is None else other(number)
        near: list[np.ndarray] = []
        idle, own = 0, -np.inf
        for _ in range(_ROUNDS):
            found, at = lowest(_lagrangian(proof, used, near, missing), *box, x)
            idle = 0 if found > own else idle + 1
            own, best = max(own, found), max(best, found)
            if best >= goal:
                return best
            if idle >= _IDLE:
                break
            near.append(at)  # margin that bends gets lines where they were missing
    return best


def _lagrangian(proof: Priced, used: frozenset[SentNode], near: Sequence[np.ndarray], missing: list[str]) -> Convex:
    """The objective plus priced limits; names the limits for which nothing is proven."""
    total = proof.straight
    for side, price in proof.sides:
        if not price > 0.0 or not side.asked(used):
            continue
        below = side.below(near)
        if below is not None:
            total = total + below.times(price)
            continue
        line = f"{side.name} has a shadow price, and no lower bound of its margin rule is proven here"
        if line not in missing:
            missing.append(line)
    return total


def leaving(e: Exposures, x: np.ndarray) -> frozenset[SentNode]:
    """Pairs of account and asset out of which trades x send something."""
    pairs = zip(e.links.candidate.tolist(), e.links.source.tolist(), e.links.asset.tolist(), strict=True)
    return frozenset((c, a) for i, c, a in pairs if x[i] > 0.0)


def _closed(e: Exposures, box: TradeRange) -> frozenset[SentNode]:
    """Pairs out of which no link may send anything."""
    pairs = list(zip(e.links.candidate.tolist(), e.links.source.tolist(), e.links.asset.tolist(), strict=True))
    open_pairs = {(c, a) for i, c, a in pairs if box[1][i] > 0.0}
    return frozenset((c, a) for _, c, a in pairs) - open_pairs


def _shut(e: Exposures, box: TradeRange, nodes: frozenset[SentNode]) -> TradeRange:
    upper = box[1].copy()
    for i, c, a in zip(e.links.candidate.tolist(), e.links.source.tolist(), e.links.asset.tolist(), strict=True):
        if (c, a) in nodes:
            upper[i] = 0.0
    return box[0], upper


def _nodes(e: Exposures, pairs: frozenset[tuple[str, str]], claim: Claim, k: int) -> frozenset[SentNode]:
    known = {
        (e.accounts[c], e.assets[a]): (c, a) for c, a in zip(e.links.source.tolist(), e.links.asset.tolist(), strict=True)
    }
    for pair in pairs:
        if pair not in known:
            raise InputError("is no account and asset that a link leads out of", file=claim.file,
                             field=f"proof.branches.{k}", value=" ".join(pair))  # fmt: skip
    return frozenset(known[pair] for pair in pairs)


def _covers(leaves: Sequence[tuple[frozenset[SentNode], frozenset[SentNode]]], closed: frozenset[SentNode]) -> bool:
    """Whether the leaves cover every choice of nodes that send nothing."""
    todo: list[tuple[frozenset[SentNode], frozenset[SentNode]]] = [(closed, frozenset())]
    for _ in range(_STEPS):
        if not todo:
            return True
        shut, used = todo.pop()
        if any(a <= shut and b <= used for a, b in leaves):
            continue
        free = {n for a, b in leaves if not (a & used or b & shut) for n in (a | b) - shut - used}
        if not free:
            return False
        node = min(free)
        todo += [(shut | {node}, used), (shut, used | {node})]
    return False


def same_tails(a: Sequence[ClaimedTail], b: Sequence[ClaimedTail]) -> bool:
    """Whether two lists of scenario weights are one."""
    return len(a) == len(b) and all(
        p.term == q.term and np.array_equal(p.scenarios, q.scenarios) and np.array_equal(p.weights, q.weights)
        for p, q in zip(a, b, strict=True)
    )
