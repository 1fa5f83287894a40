"""How the optimum moves with a number of the policy: shadow prices of all limits that it sets, trade sizes included."""

from __future__ import annotations

import re

import numpy as np

from hedgeopt.constraints.limit import Limit
from hedgeopt.inputs.policy import Policy
from hedgeopt.program.box import trade_box
from hedgeopt.program.explain.case import Case, SolvedAgain
from hedgeopt.program.explain.knobs import Knob, with_knob

__all__ = ["slope_of"]

_STEP = 1e-4
_NUMBER = re.compile(r" \(\d+\)$")
"""What a second limit of one name is told apart by."""


def slope_of(case: Case, policy: Policy, knob: Knob, answer: SolvedAgain) -> float:
    """Change of the optimum (dollars) per unit that the number is raised, by the duals of ``answer``.

    ``sum_j d_j dh_j/db`` over the sides ``h_j <= 0`` of every limit (d: shadow prices), and the prices of the box. Sides
    are linear in the number, so that the difference quotient at the same trades is exact.
    """
    e, x, sides = answer.e, answer.x, answer.solution.sides
    rule = policy.subject_to[knob.index] if knob.index >= 0 else None
    if isinstance(rule, Limit) and rule.margin_utilisation() is None and e.numeraire is None:
        sign = 1 if knob.field == "upper" else -1
        mine = [s for s in sides if s.sign == sign and s.limit == knob.value and s.unit == rule.term.unit
                and _NUMBER.sub("", s.name).removesuffix(" lower").removesuffix(" upper") == rule.name]  # fmt: skip
        if mine:
            return -float(sum(sign * s.dual for s in mine))
    step = _STEP * max(abs(knob.value), 1e-6)
    if knob.value + step > knob.ceiling:
        step = -step
    other = with_knob(policy, knob, knob.value + step)
    shifted = case.program(other, e)
    total = 0.0
    for one, two in zip(sides, shifted.sides(e, x), strict=True):
        if one.dual > 0.0 and np.isfinite(one.dual):
            total += one.dual * (two.violation - one.violation) / step
    here, there = trade_box(policy, e), trade_box(other, e)
    lower, upper = answer.box_prices
    total += float(upper @ (there.upper - here.upper) + lower @ (there.lower - here.lower)) / step
    return float(total)
