"""User constraints that a solver meets by buying and selling one instrument at once.

Programs have bought and sold as two numbers, and solvers may raise both; a trade list holds the difference. A constraint
that more of both helps, such as ``sum(buys) >= 1``, may then hold for the solver and not for the list.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.program.own_excess import excess_of, own_excess
from hedgeopt.program.program import Program

__all__ = ["met_at_once"]

_SHOWS = 1e-6


def met_at_once(program: Program, e: Exposures) -> str:
    """The first such constraint at the variables' present values, and the instrument of which most is both; else empty."""
    buy, sell = program.variables.buy.value, program.variables.sell.value
    if not program.added or buy is None or sell is None:
        return ""
    both = np.minimum(buy, sell)
    if not float(np.max(both, initial=0.0)) > _SHOWS:
        return ""
    there = [excess_of(constraint) for constraint in program.own.relaxed]
    listed = own_excess(program.own.relaxed, program.variables, buy - sell)
    for before, (name, after) in zip(there, listed, strict=True):
        if before <= _SHOWS and after > 10.0 * max(before, _SHOWS):
            item = e.rows.instruments[e.candidate[int(np.argmax(both))]].id
            return f"{name} is met by buying and selling one instrument at once ({item})"
    return ""
