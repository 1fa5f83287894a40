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
        No feasible trade list has a lower objective.
    gap
        ``(objective - lower_bound) / max(|objective|, min(1, sum of |weights|))``.
    tolerance
        Largest gap the policy accepts.
    worst_limit, worst_violation
        The limit closest to or beyond breach, and its excess over the limit relative to the limit's scale; <= 0 holds.
    feasible, optimal
        Every limit holds (to 1e-9 of it and the rounding of what is summed); the gap is within tolerance.
    notes
        What a reader must know to judge the proof, such as a venue's number that nobody has verified.
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

    def __repr__(self) -> str:
        """One line: valid or why not, objective, gap, and the closest limit."""
        word = "valid" if self.valid else "feasible, not proven optimal" if self.feasible else "NOT FEASIBLE"
        return (
            f"Certificate({word}, objective {plain_number(self.objective)}, gap {self.gap:.1e} of {self.tolerance:g}, "
            f"closest limit {shortened(self.worst_limit, 60)}, {many(len(self.notes), 'note')})"
        )

    def _repr_html_(self) -> str:
        """The numbers and the notes, for notebooks."""
        rows = [
            ("every limit holds", "yes" if self.feasible else "NO"),
            ("optimal within tolerance", "yes" if self.optimal else "NO"),
            ("objective", plain_number(self.objective)),
            ("proven lower bound", plain_number(self.lower_bound)),
            ("relative gap", f"{self.gap:.1e} (allowed {self.tolerance:g})"),
            ("closest limit", self.worst_limit),
            ("its excess, relative", f"{self.worst_violation:.1e}"),
        ]
        title = "Certificate: valid" if self.valid else "Certificate: NOT VALID"
        return html_card(title, self.notes, html_table("Proof", ("what", "value"), rows))

    @property
    def valid(self) -> bool:
        """Feasible and optimal."""
        return self.feasible and self.optimal

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)
