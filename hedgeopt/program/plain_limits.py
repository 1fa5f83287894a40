"""Every limit at a list of trades by the venues' plain rules, for the certificate and for reports.

The program works with convex encodings of margin rules; the certificate asks the rules themselves. Each limit says what it
holds by a second rule (:meth:`~hedgeopt.constraints.constraint.Constraint.plain_sides`), which shares no code with its form
in the program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hedgeopt.constraints.collateral_balance import CollateralBalance, Withdrawals
from hedgeopt.constraints.constraint import PlainSide, Side
from hedgeopt.constraints.paid_for import PaidFor
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm
from hedgeopt.models.term import Term

__all__ = ["by_plain_rule", "plain_sides", "plain_value"]

_OF_EVERY_BOOK = (CollateralBalance(), Withdrawals(), PaidFor())
"""Rules that hold for every book, whatever its policy or program."""


def plain_sides(
    policy: Policy, e: Exposures, x: np.ndarray, *, everywhere: bool = False, whole: bool = False
) -> list[PlainSide]:
    """Every side at trades x that a limit gives by a plain rule; no shadow prices.

    ``whole``: limits that count trades, too. ``everywhere``: the rules of what collateral leaves also where none leaves (and
    they may be broken).
    """
    specs = (*(spec for spec in policy.subject_to if whole or not spec.counts), *_OF_EVERY_BOOK)
    return [side for spec in specs for side in spec.plain_sides(e, x, everywhere=everywhere)]


def by_plain_rule(policy: Policy, e: Exposures, x: np.ndarray, sides: Sequence[Side]) -> list[Side]:
    """Sides of a program at trades x with their values by the plain rule, where the program encodes one.

    A rule that is not convex is encoded so that it is exact at one portfolio: elsewhere it is not the venue's number.
    """
    found: dict[str, list[Side]] = {}
    for plain in plain_sides(policy, e, x, everywhere=True):
        if plain.encoded:
            found.setdefault(plain.side.name, []).append(plain.side)
    told = []
    for side in sides:
        mine = found.get(re.sub(r" \(\d+\)$", "", side.name), [])
        told.append(replace(side, value=side.limit + mine[0].value - mine.pop(0).limit) if mine else side)
    return told


def plain_value(term: Term, bound: BoundTerm, e: Exposures, x: np.ndarray) -> float:
    """A term at trades x by the venue's own rule, where its bound form only encodes that; else the bound form's value."""
    value = term.plain(e, x)
    return bound.evaluate(e, x) if value is None else value
