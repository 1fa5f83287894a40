"""Checks of terms and constraints that users wrote, before anything is certified with them.

The certificate rests on what a class says of itself: that ``evaluate`` is the value, ``minorant`` nowhere above it, the
expression convex. Of the package's classes tests show that; of a user's, the points below are tried at every solve. They can
refuse, and prove nothing: what they leave open is said in the certificate's notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import OWN_CONSTRAINTS
from hedgeopt.errors import InputError
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm
from hedgeopt.models.pricing.families import OWN_INSTRUMENTS
from hedgeopt.models.sum_of_terms import SumOfTerms
from hedgeopt.models.term import OWN_TERMS, Term
from hedgeopt.program.box import Box

if TYPE_CHECKING:
    from hedgeopt.program.program import Program

__all__ = ["check_form", "check_own_terms", "own_notes"]

_TRIES = 5
_SAME = 1e-6


def own_notes(policy: Policy, e: Exposures) -> tuple[str, ...]:
    """What the certificate takes from a user's classes unproven, one line each."""
    if not (OWN_TERMS.own or OWN_CONSTRAINTS.own or OWN_INSTRUMENTS.own):
        return ()
    terms = dict.fromkeys(_own_terms(policy))
    limits = dict.fromkeys(limit.name for limit in policy.subject_to if OWN_CONSTRAINTS.is_own(limit))
    kinds = dict.fromkeys(item.kind for item in e.rows.instruments if OWN_INSTRUMENTS.is_own(item))
    found = [f"{term.name}: your own term; not proven independently, its value and bound are its own" for term in terms]
    found += [f"{name}: your own limit; not proven independently, its value is its own" for name in limits]
    return (*found, *(f"{kind}: your own family; its prices and scenario P&L are its own" for kind in kinds))


def _own_terms(policy: Policy) -> Iterator[Term]:
    whole = [part.term for part in policy.minimize] + [term for limit in policy.subject_to for term in limit.terms()]
    for term in whole:
        yield from (one for one, _ in _alone(term, None) if OWN_TERMS.is_own(one))


def _alone(term: Any, bound: Any) -> list[tuple[Any, Any]]:
    """The terms of a sum with their bound forms; any other term by itself."""
    if not isinstance(term, SumOfTerms):
        return [(term, bound)]
    parts = [None for _ in term.parts] if bound is None else [one for _, one in bound.parts]
    return [(part.term, one) for part, one in zip(term.parts, parts, strict=True)]


def check_form(term: Term, bound: Any) -> None:
    """Refuse a user's term whose bound form is none: not scalar, not convex, not DPP, without a unit.

    Raises
    ------
    InputError
        Names the class, the term and the fix.
    """
    if isinstance(term, SumOfTerms):
        for part, (_, one) in zip(term.parts, bound.parts, strict=True):
            check_form(part.term, one)
    if not OWN_TERMS.is_own(term):
        return
    if not isinstance(bound, BoundTerm):
        raise _refused(term, "binds to no BoundTerm", "let bind return one, such as a LinearTerm", type(bound).__name__)
    if not isinstance(term.unit, str) or not term.unit:
        raise _refused(term, "has no unit", 'write unit: ClassVar[str] = "USD"', str(term.unit))
    expression = bound.expression
    if not isinstance(expression, cp.Expression) or expression.size != 1:
        raise _refused(
            term, "is not one number", "give a scalar cvxpy expression", str(getattr(expression, "shape", expression))
        )
    if not expression.is_convex():
        fix = "give a convex cvxpy expression (DCP): a minimum over it could not be proven"
        raise _refused(term, "is not convex", fix)
    if not expression.is_dpp():
        raise _refused(term, "is not DPP in its parameters", "use one parameter for each product of them, set in update")
    if term.affine and not expression.is_affine():
        raise _refused(term, "says affine, and is not", "leave affine out, or derive its form from LinearTerm")


def check_own_terms(program: Program, e: Exposures, box: Box) -> None:
    """Refuse a user's term whose parts contradict each other at some trades within the box.

    Raises
    ------
    InputError
        For a value that is not the expression's, one above its size, a minorant above it, an affine form of other values.
    """
    own = [pair for term, bound in program.bound_terms() for pair in _alone(term, bound) if OWN_TERMS.is_own(pair[0])]
    if not own:
        return
    program.update(e, box)
    rng = np.random.default_rng(0)
    low, high = (np.clip(side, -1e12, 1e12) for side in (box.lower, box.upper))
    points = [np.zeros(e.n_candidates), *(rng.uniform(low, high) * rng.random() for _ in range(_TRIES))]
    for term, bound in own:
        values = [_value(program, term, bound, e, x) for x in points]
        affine = bound.affine(e)
        if term.affine and affine is None:
            raise _refused(term, "says affine, and gives no slope", "derive its form from LinearTerm")
        for x in points:
            lower = bound.minorant(e, x, {})
            for other, (value, room) in zip(points, values, strict=True):
                if lower(other) > value + room:
                    fix = "minorant must lie nowhere above the value: the tangent of a convex function, for one"
                    raise _refused(term, f"has a minorant of {lower(other):.6g} above its value", fix, value)
                if affine is not None and abs(affine.constant + affine.slope @ other - value) > room:
                    raise _refused(term, "has an affine form of another value", "see BoundTerm.affine", value)


def _value(program: Program, term: Term, bound: BoundTerm, e: Exposures, x: np.ndarray) -> tuple[float, float]:
    """The value at trades x, and how far rounding may move it."""
    program.place(x)
    value, size, told = float(bound.evaluate(e, x)), float(bound.size(e, x)), float(bound.expression.value)
    room = _SAME * max(abs(value), size, 1e-12)
    if not np.isfinite([value, size, told]).all():
        raise _refused(term, "is not a finite number", "check evaluate, size and expression", value)
    if abs(value) > size + room:
        raise _refused(term, f"has a size of {size:.6g} below its value", "size sums magnitudes: see BoundTerm.size", value)
    if abs(told - value) > room:
        fix = "evaluate and expression must be one function of the trades"
        raise _refused(term, f"evaluates to {value:.6g}, its expression to {told:.6g}", fix)
    return value, room


def _refused(term: Term, problem: str, fix: str, value: object | None = None) -> InputError:
    return InputError(problem, file=type(term).__name__, field=term.name, value=value, fix=fix)
