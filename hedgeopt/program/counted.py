"""A policy that counts in another asset than the dollar: in dollars for the program, and back for who reads the answer.

Programs, certificates and solutions are in dollars of the numeraire's price today; proposals tell theirs in its units.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hedgeopt.constraints.constraint import Side
from hedgeopt.constraints.limit import Limit
from hedgeopt.errors import InputError
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.numeraire import Numeraire, money_power
from hedgeopt.program.proven import Certificate

__all__ = ["certificate_as_told", "in_dollars", "side_as_told"]

_BEYOND = 100.0
"""Multiple of the book's equity that no limit of money means."""


def in_dollars(policy: Policy, e: Exposures) -> Policy:
    """The same policy with limits on terms and weights in dollars; itself where it counts in them.

    Raises
    ------
    InputError
        For a limit of money beyond 100 times the book's equity: dollars were meant.
    """
    unit = e.numeraire
    if unit is None or policy.numeraire in (None, "USD"):
        return policy
    parts = [p.model_copy(update={"weight": unit.weight(p.weight, p.term.unit)}) for p in policy.minimize]
    limits = [_limit(one, unit, float(e.equity.sum())) if isinstance(one, Limit) else one for one in policy.subject_to]
    return policy.model_copy(update={"minimize": tuple(parts), "subject_to": tuple(limits), "numeraire": None})


def _limit(limit: Limit, unit: Numeraire, equity: float) -> Limit:
    word = limit.term.unit
    for bound in (limit.lower, limit.upper):
        if word == "USD" and bound is not None and equity > 0 and abs(bound) * unit.price > _BEYOND * equity:
            told = f"{bound:,.6g} {unit.asset} is {abs(bound) * unit.price / equity:,.0f} × the book's equity"
            fix = f"did you mean USD? Money counts in the numeraire: give {bound / unit.price:.4g}, or leave numeraire out"
            raise InputError(told, file="policy", field=f"limit on {limit.term.kind}", value=bound, fix=fix)
    sides = {n: None if (b := getattr(limit, n)) is None else unit.dollars(b, word) for n in ("lower", "upper")}
    return limit.model_copy(update=sides) if money_power(word) else limit


def side_as_told(side: Side, unit: Numeraire | None) -> Side:
    """A side of a program with its numbers in units of the numeraire; sizes stay in the instrument's own units."""
    if unit is None:
        return side
    word = "units" if side.sizing else side.unit  # "USD" is also what an inverse contract is counted in
    return replace(
        side,
        unit=side.unit if side.sizing else unit.unit(word),
        value=unit.told(side.value, word),
        limit=unit.told(side.limit, word),
        size=unit.told(side.size, word),
        dual=unit.shadow_price(side.dual, word),
    )


def certificate_as_told(certificate: Certificate, unit: Numeraire | None) -> Certificate:
    """The certificate with objective and bound in units of the numeraire; the gap is relative."""
    if unit is None:
        return certificate
    names = ("objective", "lower_bound", "ideal_objective", "ideal_lower_bound")
    told: dict[str, Any] = {name: unit.told(x, "USD") for name in names if (x := getattr(certificate, name)) is not None}
    return replace(certificate, **told)
