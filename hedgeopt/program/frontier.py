"""What a tail costs: the least objective for every level of another term, with the kinks where a program is linear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.constraints.limit import Limit
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.names import require_known
from hedgeopt.files.notebook import plain_number
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.risk.cvar import CVaR
from hedgeopt.models.term import Term
from hedgeopt.program.explain.case import Case, with_fields
from hedgeopt.program.explain.knobs import Knob, knobs_of
from hedgeopt.program.explain.pieces import piece_beside
from hedgeopt.program.explain.prices import value_at

__all__ = ["Frontier", "frontier", "term_named"]

_ON_LINE = 1e-9


@strict_class
@dataclass(frozen=True, eq=False)
class Frontier:
    """Least ``of`` for every level of ``against``, trades of any size; every point is certified.

    Attributes
    ----------
    points : DataFrame
        ``against`` (increasing), ``of``, ``slope`` (change of ``of`` per unit of ``against``, at most 0), ``kink`` (the
        straight parts on both sides end here, proven), ``straight`` (the part from here to the next point is straight).
    here
        ``against`` and ``of`` of the policy's own ideal trades.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    points: pd.DataFrame
    here: tuple[float, float]
    of: str
    against: str
    unit_of: str
    unit_against: str
    note: str = field(default="", repr=False)

    @property
    def next_dollar(self) -> float:
        """What one more unit of ``of`` takes off ``against`` from where the policy is; infinite where it is free."""
        at = self.points[self.points["against"] <= self.here[0] * (1 + 1e-9) + 1e-9]
        slope = float((at if len(at) else self.points)["slope"].iloc[-1 if len(at) else 0])
        return 1.0 / -slope if slope < 0.0 else float("inf")

    def summary(self) -> list[str]:
        """Where the policy is, where one more dollar goes, and the ends."""
        first, last = self.points.iloc[0], self.points.iloc[-1]
        lines = [
            f"here: {self.of} {plain_number(self.here[1])} {self.unit_of} at {self.against} {plain_number(self.here[0])} "
            f"{self.unit_against}",
            f"one more {self.unit_of} takes {plain_number(self.next_dollar)} {self.unit_against} off {self.against}",
            f"least {self.against}: {plain_number(first['against'])} for {plain_number(first['of'])} {self.unit_of}",
            f"least {self.of}: {plain_number(last['of'])} at {plain_number(last['against'])} {self.unit_against}",
            f"{many(len(self.points), 'point')}, {int(self.points['kink'].sum())} of them proven kinks",
        ]
        return [*lines, self.note] if self.note else lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "summary": self.summary(), "of": self.of, "against": self.against, "unit_of": self.unit_of,
            "unit_against": self.unit_against, "here": list(self.here), "next_dollar": self.next_dollar,
            "points": self.points.to_dict("records"),
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"Frontier({self.of} against {self.against}, {many(len(self.points), 'point')})"


@strict_call
def frontier(
    book: Book, market: Market, policy: Policy, *, of: Term | None = None, against: Term | None = None, points: int = 15
) -> Frontier:
    """Trace the least ``of`` over levels of ``against`` under the policy's limits.

    Parameters
    ----------
    of
        What is minimised; none: the policy's objective without ``against``, or the cost of trading where nothing is left.
    against
        A convex term; none: ``CVaR(0.99)``. The policy's own limits on it are left out.
    points
        Solves at most, beside those at the ends: the widest gap between bounds is solved for next.

    Raises
    ------
    InputError, InfeasibleError, CertificateError
    """
    if points < 2:
        raise InputError("is too few", field="frontier: points", value=points, fix="give 2 or more")
    against = against or CVaR(0.99)
    rest = [part for part in policy.minimize if part.term != against]
    parts: list[Any] = (
        [{"weight": 1.0, "term": of}] if of is not None else rest or [{"weight": 1.0, "term": TransactionCost()}]
    )
    words = {"of": of.name if of is not None else " + ".join(_weighted(p) for p in rest) or TransactionCost().name}
    kept = [rule for rule in policy.subject_to if not (isinstance(rule, Limit) and rule.term == against)]
    e = expose(book, market, policy)
    nothing = np.zeros(e.n_candidates)
    base = Case(book, market, with_fields(policy, minimize=parts, subject_to=kept), e, nothing)
    tail = Case(book, market, with_fields(policy, minimize=against, subject_to=kept), e, nothing)
    least = tail.ideal

    def level(x: np.ndarray) -> float:
        return float(tail.program(tail.policy, e).objective_value(e, x))

    own = Case(book, market, policy, e, nothing).ideal.x
    objective = base.program(base.policy, e)
    here = base.told(level(own)), base.told(objective.objective_value(e, own))
    low, high = base.told(least.objective), base.told(level(base.ideal.x))
    if high - low <= 1e-9 * max(abs(high), 1.0):
        frame = pd.DataFrame([{"against": low, "of": base.told(base.ideal.objective), "slope": 0.0, "kink": False,
                               "straight": False}])  # fmt: skip
        return Frontier(frame, here, words["of"], against.name, _unit(parts, base), against.unit, "they do not conflict")
    case = Case(book, market, with_fields(base.policy, subject_to=[*kept, Limit(term=against, upper=high)]), e, nothing)
    knob = next(k for k in knobs_of(case.policy) if k.index == len(kept))
    frame = _traced(case, knob, low, high, here[0], points)
    return Frontier(frame, here, words["of"], against.name, _unit(parts, base), against.unit)


def term_named(policy: Policy, name: str) -> Term:
    """A term of the policy's objective or limits by its name, or a CVaR such as ``cvar 0.95``.

    Raises
    ------
    InputError
        With the nearest name.
    """
    known = {part.term.name: part.term for part in policy.minimize}
    known |= {term.name: term for rule in policy.subject_to for term in rule.terms()}
    known.setdefault(TransactionCost().name, TransactionCost())
    known.setdefault(CVaR(0.99).name, CVaR(0.99))
    require_known([name], known, "term of the policy", file=None, field="frontier")
    return known[name]


def _weighted(part: Any) -> str:
    return str(part.term.name) if part.weight == 1.0 else f"{part.weight:g} {part.term.name}"


def _unit(parts: list[Any], case: Case) -> str:
    return "USD" if case.e.numeraire is None else case.e.numeraire.asset


def _traced(case: Case, knob: Knob, low: float, high: float, own: float, points: int) -> pd.DataFrame:
    """Points between the ends, each where the lines of its neighbours meet; the widest gap first."""
    known: dict[float, tuple[float, float]] = {}
    straight: set[tuple[float, float]] = set()

    def ask(b: float) -> bool:
        got = value_at(case, knob, b)
        if got is not None:
            known[b] = got
        return got is not None

    # at the very least level a solve takes longest, and its slope says nothing
    start = next((b for b in (low + share * (high - low) for share in (1e-3, 1e-2)) if ask(b)), None)
    if start is None or not ask(high):
        raise InputError("has no frontier that can be certified", field="frontier: against", value=knob.name,
                         fix="give limits more room")  # fmt: skip
    if start < own < high:
        ask(own)
    scale = max(abs(v) for v, _ in known.values()) or 1.0
    for _ in range(points):
        gaps = []
        at = sorted(known)
        for a, b in pairwise(at):
            if (a, b) in straight:
                continue
            (va, ga), (vb, gb) = known[a], known[b]
            if abs(va + ga * (b - a) - vb) <= _ON_LINE * scale or abs(vb + gb * (a - b) - va) <= _ON_LINE * scale:
                straight.add((a, b))
                continue
            meet = a + (vb - va - gb * (b - a)) / (ga - gb) if ga != gb else 0.5 * (a + b)
            if not a < meet < b:
                meet = 0.5 * (a + b)
            chord = va + (vb - va) * (meet - a) / (b - a)
            gaps.append((chord - (va + ga * (meet - a)), a, b, meet))
        if not gaps:
            break
        _, a, b, meet = max(gaps)
        if meet - a <= 1e-12 * (high - low) or b - meet <= 1e-12 * (high - low) or not ask(meet):
            straight.add((a, b))
            continue
        lines = known[a][0] + known[a][1] * (meet - a), known[b][0] + known[b][1] * (meet - b)
        if all(abs(line - known[meet][0]) <= _ON_LINE * scale for line in lines):
            straight |= {(a, meet), (meet, b)}
    parts, kinks = _beside(known, ask, own, start, high, _ON_LINE * scale)
    at = sorted(known)
    pairs = list(pairwise(at))
    straight |= {(a, b) for a, b in pairs if any(low <= a and b <= high for low, high in parts)}
    rows = []
    for k, b in enumerate(at):
        after = k < len(pairs) and pairs[k] in straight
        before = k > 0 and pairs[k - 1] in straight
        bends = 0 < k < len(at) - 1 and _bends(known, at[k - 1 : k + 2])
        rows.append({"against": b, "of": case.told(known[b][0]), "slope": min(known[b][1], 0.0),
                     "kink": bool((before and after and bends) or b in kinks), "straight": bool(after)})  # fmt: skip
    return pd.DataFrame(rows)


def _beside(
    known: dict[float, tuple[float, float]], ask: Callable[[float], bool], own: float, low: float, high: float, near: float
) -> tuple[list[tuple[float, float]], set[float]]:
    """The straight parts that end where the policy is, and the kinks at their other ends."""
    parts, kinks = list[tuple[float, float]](), set[float]()

    def value(b: float) -> tuple[float, float] | None:
        return known[b] if b in known or ask(b) else None

    for far in (low, high) if own in known else ():
        if far == own:
            continue
        beyond = [b for b in known if (b - own) * (far - own) > 0.0]
        piece = piece_beside(value, own, known[own], min(beyond, key=lambda b: abs(b - own)) if beyond else far, near)
        if piece.end != own:
            parts.append((min(own, piece.end), max(own, piece.end)))
            if not (piece.open or piece.wall):
                kinks.add(piece.end)
    return parts, kinks


def _bends(known: dict[float, tuple[float, float]], at: list[float]) -> bool:
    a, b, c = at
    left, right = (known[b][0] - known[a][0]) / (b - a), (known[c][0] - known[b][0]) / (c - b)
    return right - left > 1e-7 * max(abs(left), abs(right))
