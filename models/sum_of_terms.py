"""Weighted sums of terms of one unit, as one term: ``Delta("BTC") + 0.8 * Delta("ETH") <= 5``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import Affine, BoundTerm, TradeVariables
from hedgeopt.models.one_term import OneTerm
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term, weighted_name

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["SumOfTerms", "SumPart"]


class SumPart(Record):
    """A term and its weight in a sum."""

    weight: float = 1.0
    term: OneTerm


class SumOfTerms(Term):
    """``sum of weight * term`` over terms of one unit; a term that is not affine has a weight of 0 or more."""

    source: ClassVar[str] = "its terms' own"

    kind: Literal["sum"] = "sum"
    parts: tuple[SumPart, ...] = Field(min_length=1, description="terms of one unit, with their weights")

    @model_validator(mode="after")
    def _adds_up(self) -> SumOfTerms:
        first = self.parts[0].term
        for part in self.parts:
            one = part.term
            if one.unit != first.unit:
                raise ValueError(
                    f"{first.name} is in {first.unit}, {one.name} in {one.unit}: a limit adds up one unit; limit each alone"
                )
            if one.requirement_of is not None:
                raise ValueError(f"{one.name} is a share of each account's equity, which no sum can hold; limit it alone")
            if part.weight < 0 and not one.affine:
                raise ValueError(f"{one.name} is convex and cannot have the negative weight {part.weight:g} in a limit")
        return self

    @property
    def name(self) -> str:
        """Such as ``delta BTC + 0.8 delta ETH``."""
        return weighted_name([(part.weight, part.term.name) for part in self.parts])

    @property
    def unit(self) -> str:  # type: ignore[override]  # of its terms
        """That of its terms."""
        return str(self.parts[0].term.unit)

    @property
    def affine(self) -> bool:  # type: ignore[override]
        """Whether every term is."""
        return all(part.term.affine for part in self.parts)

    @property
    def by_candidate(self) -> bool:  # type: ignore[override]
        """Whether every term is."""
        return all(part.term.by_candidate for part in self.parts)

    @property
    def tail(self) -> bool:  # type: ignore[override]
        """Whether any term is."""
        return any(part.term.tail for part in self.parts)

    @property
    def reads_stress(self) -> bool:  # type: ignore[override]
        """Whether any term does."""
        return any(part.term.reads_stress for part in self.parts)

    def plain_parts(self, e: Exposures, x: np.ndarray) -> np.ndarray | None:
        """Those of its terms, weighted; None where one has none."""
        found = [(part.weight, part.term.plain_parts(e, x)) for part in self.parts]
        known = [weight * np.asarray(parts, float).ravel() for weight, parts in found if parts is not None]
        return np.concatenate(known) if len(known) == len(found) else None

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundSum:
        """Its terms, each bound for itself."""
        found = [(part.weight, part.term, part.term.bind(trades, e)) for part in self.parts]
        for _, term, bound in found:
            if not isinstance(bound, BoundTerm):
                kind, fix = type(bound).__name__, "let bind return one, such as a LinearTerm"
                raise InputError("binds to no BoundTerm", file=type(term).__name__, field=term.name, value=kind, fix=fix)
        return _BoundSum([(weight, bound) for weight, _, bound in found])


class _BoundSum(BoundTerm):
    def __init__(self, parts: Sequence[tuple[float, BoundTerm]]) -> None:
        self.parts = parts
        self.expression = sum(weight * bound.expression for weight, bound in parts)
        self.auxiliary: Sequence[cp.Constraint] = [row for _, bound in parts for row in bound.auxiliary]

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        for _, bound in self.parts:
            bound.update(e, scale)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        return float(sum(weight * bound.evaluate(e, x) for weight, bound in self.parts))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        return float(sum(abs(weight) * bound.size(e, x) for weight, bound in self.parts))

    def affine(self, e: Exposures) -> Affine | None:
        found = [(weight, bound.affine(e)) for weight, bound in self.parts]
        known = [(weight, one) for weight, one in found if one is not None]
        if len(known) < len(found):
            return None
        slope = np.sum([weight * one.slope for weight, one in known], axis=0)
        constant, size = (sum(w * one.constant for w, one in known), sum(abs(w) * one.size for w, one in known))
        return Affine(slope, float(constant), float(size))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        total = Separable(np.zeros(e.n_candidates))
        for weight, bound in self.parts:
            total += bound.minorant(e, x, tails).scaled(weight)
        return total

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        changed = [bound.refine(e, x, scale) for _, bound in self.parts]  # every one, not only until the first
        return any(changed)

    def domain(self, e: Exposures) -> np.ndarray:
        return np.asarray(np.min([bound.domain(e) for _, bound in self.parts], axis=0))
