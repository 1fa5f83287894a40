"""The certificate of a trade list, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from hedgeopt.files.calls import strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import html_card, html_table, plain_number, shortened

__all__ = ["AROUND", "Certificate"]


AROUND = "optimal for the margin rule as encoded around this answer"
"""How a note begins where the bound does not hold for every trade list."""


@strict_class
@dataclass(frozen=True)
class Certificate:
    """Proof about a trade list: feasibility, and the distance to the optimum.

    Attributes
    ----------
    objective
        Recomputed value at the trades, USD (or the policy's unit).
    lower_bound
        No feasible trade list has a lower objective; with ``lot_gap``, no feasible list in whole lots.
    gap
        ``(objective - lower_bound) / max(|objective|, min(1, sum of |weights|))``.
    tolerance
        Largest gap the policy accepts of trades of any size.
    worst_limit, worst_violation
        The limit closest to or beyond breach, and its excess over the limit relative to the limit's scale; <= 0 holds.
    feasible, optimal
        Every limit holds (to 1e-9 of it and the rounding of what is summed); the gap is within what is allowed.
    notes
        What a reader must know to judge the proof, such as a venue's number that nobody has verified.
    lot_gap
        Largest gap the policy accepts of a list in whole lots; none: trades of any size.
    ideal_objective, ideal_lower_bound, ideal_trades
        Of the ideal trades, those of any size: objective, lower bound, and how many they are; none without ``lot_gap``.
    missing
        Of a list in whole lots that is feasible and no more: what it lacks, and what would help.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True
    """A bound of minus infinity proves nothing, and is a bound."""

    objective: float
    lower_bound: float
    gap: float
    tolerance: float
    worst_limit: str
    worst_violation: float
    feasible: bool
    optimal: bool
    notes: tuple[str, ...] = ()
    lot_gap: float | None = None
    ideal_objective: float | None = None
    ideal_lower_bound: float | None = None
    ideal_trades: int | None = None
    missing: str = ""

    def __repr__(self) -> str:
        """One line: valid or why not, objective, gap, and the closest limit."""
        word = "valid" if self.valid else "feasible, not proven optimal" if self.feasible else "NOT FEASIBLE"
        return (
            f"Certificate({word}, objective {plain_number(self.objective)}, gap {self.gap:.1e} of {self.allowed:g}, "
            f"closest limit {shortened(self.worst_limit, 60)}, {many(len(self.notes), 'note')})"
        )

    def _repr_html_(self) -> str:
        """The numbers and the notes, for notebooks."""
        rows = [
            ("every limit holds", "yes" if self.feasible else "NO"),
            ("optimal within tolerance", "yes" if self.optimal else "NO"),
            ("objective", plain_number(self.objective)),
            ("proven lower bound", plain_number(self.lower_bound)),
            ("relative gap", f"{self.gap:.1e} (allowed {self.allowed:g})"),
            *((("whole lots", self.lots_words),) if self.lots_words else ()),
            ("closest limit", self.worst_limit),
            ("its excess, relative", f"{self.worst_violation:.1e}"),
        ]
        title = "Certificate: valid" if self.valid else "Certificate: NOT VALID"
        return html_card(title, self.notes, html_table("Proof", ("what", "value"), rows))

    @property
    def allowed(self) -> float:
        """Largest gap that is accepted: ``lot_gap`` of a list in whole lots, else the tolerance."""
        return self.tolerance if self.lot_gap is None else self.lot_gap

    @property
    def lots_cost(self) -> float | None:
        """By how much the list in whole lots costs more than the ideal trades; None without them."""
        return None if self.ideal_objective is None else self.objective - self.ideal_objective

    @property
    def lots_cost_at_most(self) -> float | None:
        """By how much at most it costs more than any trades of any size may; None without whole lots."""
        return None if self.ideal_lower_bound is None else self.objective - self.ideal_lower_bound

    @property
    def lots_words(self) -> str:
        """``cost 4.3 more than the ideal, proven at most 4.3 (0.035 %)``; empty without whole lots."""
        if self.lots_cost is None or self.lots_cost_at_most is None:
            return ""
        cost, most = max(self.lots_cost, 0.0), max(self.lots_cost_at_most, 0.0)
        share = f" ({most / abs(self.objective):.2g} of the objective)" if self.objective else ""
        return f"cost {plain_number(cost)} more than the ideal, proven at most {plain_number(most)}{share}"

    @property
    def valid(self) -> bool:
        """Feasible and optimal."""
        return self.feasible and self.optimal

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)
