"""What a margin model is: a rule in plain numbers, and the same rule as a convex function.

A new venue is a file with such a class, a line in :mod:`hedgeopt.models.margin.rules`, and a test file that proves the two
equal on random portfolios; or, without any code, a table for :mod:`hedgeopt.models.margin.generic`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.state import State

__all__ = ["Kind", "MarginModel", "Requirement", "refuse_debts", "refuse_unknown_rows"]

Kind = Literal["initial", "maintenance"]


@dataclass(frozen=True)
class Requirement:
    """Margin that a venue demands, USD. ``breakdown`` names the parts of the initial requirement."""

    initial: float
    maintenance: float
    breakdown: dict[str, float] = field(default_factory=dict)

    def of(self, kind: Kind) -> float:
        """Initial or maintenance."""
        return self.initial if kind == "initial" else self.maintenance


class MarginModel(Protocol):
    """The rule of one venue. ``sources`` says where it was read."""

    name: str
    source: str

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Margin in USD for positions ``quantity`` (R,) and ``collateral`` (A,) units, by the venue's own steps."""
        ...

    def encode(self, state: State, kind: Kind) -> Encoding:
        """The same requirement as a convex function of positions and collateral."""
        ...

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """(A,) share of each collateral asset's USD value that does not count; 0 counts in full, 1 not at all."""
        ...

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """What the rule reads for these rows and ``collateral`` (A,): names of a packaged table and of its parameters."""
        ...


_DUST = 1.0
"""USD up to which a debt is the rounding of a position that was sold whole."""


def refuse_debts(state: State, model: str, quantity: np.ndarray) -> None:
    """Raise for the first negative quantity (R,) of what is owned: somebody must lend it, and no rule here says at what."""
    short = np.flatnonzero(quantity * np.where(state.owned, state.value, 0.0) < -_DUST)
    if len(short):
        at = int(short[0])
        raise InputError(
            f"{state.names[at]} is owed: a debt needs a lender, and the margin model {model!r} lends none",
            file="book",
            field=f"account {state.account}",
            value=float(quantity[at]),
            fix="hold at least 0; owe it as a loan (kind lending_borrow, or a negative amount of collateral in an aave "
            "account), or sell a perpetual or future instead",
        )


def refuse_unknown_rows(
    state: State,
    model: str,
    kinds: tuple[str, ...],
    quantity: np.ndarray | None = None,
    *,
    owed: np.ndarray | None = None,
) -> None:
    """Raise for the first instrument whose kind the model has no rule for (and that is held, when quantities are given).

    ``owed`` (R,) are quantities whose debts are refused: see :func:`refuse_debts`.
    """
    if owed is not None:
        refuse_debts(state, model, owed)
    for at, kind in enumerate(state.kind):
        if kind in kinds or (quantity is not None and quantity[at] == 0.0):
            continue
        raise InputError(
            f"{state.names[at]} ({kind}) has no rule in the margin model {model!r}",
            file="book",
            field=f"account {state.account}",
            fix=f"the model takes {', '.join(kinds)}: hold it in an account of its own, or choose another margin model",
        )
