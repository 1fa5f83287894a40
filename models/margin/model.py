"""Margin models: a rule in plain numbers, and the same rule as a convex function.

A new venue is a file with such a class, a line in :mod:`hedgeopt.models.margin.rules`, and a test file that proves the two
equal on random portfolios; or, without any code, a table for :mod:`hedgeopt.models.margin.generic`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.nature import Nature

__all__ = ["Kind", "Liquidation", "MarginModel", "Requirement", "refuse_debts", "refuse_unknown_rows"]

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


@dataclass(frozen=True)
class Liquidation:
    """Outcome of one liquidation call on a lending account, USD.

    ``repaid`` debt, ``seized`` collateral (bonus included), ``protocol_fee`` (part of the bonus), what is left of both, the
    health factor before and after, and the owner's loss of equity.
    """

    repaid: float
    seized: float
    protocol_fee: float
    collateral: float
    debt: float
    health_before: float
    health_after: float

    @property
    def loss(self) -> float:
        """Equity lost by the owner: the bonus paid."""
        return self.seized - self.repaid


class MarginModel(ABC):
    """The rule of one venue, and everything that the code may ask of one.

    Attributes
    ----------
    name
        For messages and reports.
    source
        Where the rule was read.
    lends
        Whether anything may be short or owed at all. False: every purchase is paid for with what is posted.
    knows_requirement
        Whether the requirement is the lender's. False: a contract asks for margin that no rule here knows, and limits on
        margin refuse accounts that hold or may trade what needs it.
    liquidation_rule
        What the venue does below maintenance margin (``part``, ``no_quote``, penalties); None: by
        hedgeopt/backtest/venue_rules/rules.toml. Read by backtests alone.
    table_name
        The table with its numbers; None: no table has them.
    """

    name: str
    source: str
    lends: bool = True
    knows_requirement: bool = True
    liquidation_rule: Mapping[str, Any] | None = None
    table_name: str | None = None

    @property
    def rule_of(self) -> str | None:
        """The venue whose rule it is; None: nobody's, or the user's own."""
        name = self.table_name
        return None if name is None or name.endswith(".toml") else name.removesuffix("_portfolio")

    @abstractmethod
    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Margin in USD for positions ``quantity`` (R,) and ``collateral`` (A,) units, by the venue's own steps."""

    @abstractmethod
    def encode(self, state: State, kind: Kind) -> Encoding:
        """The same requirement as a convex function of positions and collateral."""

    @abstractmethod
    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """(A,) share of each collateral asset's USD value that does not count; 0 counts in full, 1 not at all.

        NaN: the venue does not know the asset.
        """

    @abstractmethod
    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Parameters that the rule uses for these rows and ``collateral`` (A,): names of a table and of its parameters."""

    def largest(self, state: State, quantity: np.ndarray, rows: Iterable[int]) -> np.ndarray:
        """(R,) units of either sign that positions may reach by the rule, of ``rows`` only; infinite where it sets none.

        ``quantity`` (R,) is what is held now.
        """
        return np.full(len(state), np.inf)

    def opens(self, state: State, row: int) -> bool:
        """Whether a position may be opened without a limit on margin: False where the table has no entry for its market.

        What is held, and any limit on margin, asks for the entry.
        """
        return True

    def under(self, *, health: float, relative: float) -> MarginModel:
        """The rule where lending accounts must keep ``health`` as their factor and thresholds are ``relative`` times theirs.

        A rule without either is the same.
        """
        return self

    def health_factor(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> float | None:
        """Of a lending account's positions (R,) and collateral (A,), infinite without debt; None where it means nothing."""
        return None

    def liquidation(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Liquidation | None:
        """The liquidation call that would take most from a lending account now; None where there is none."""
        return None

    def lent(self, asset: str) -> bool:
        """Whether an account may owe an asset: purchases may take its balance below nothing."""
        return self.lends

    def may_be_short(self, nature: Nature) -> bool:
        """Whether an account may hold less than nothing of such an instrument.

        Derivatives are sold against margin; what is owned would have to be lent, which no rule here does.
        """
        return nature.short == "margin" and self.lends


_DUST = 1.0
"""USD up to which a debt is the rounding of a position that was sold whole."""


def refuse_debts(state: State, model: str, quantity: np.ndarray) -> None:
    """Raise for the first negative quantity (R,) of what is owned: somebody must lend it, and no rule here says at what.

    A product held whose value is negative, such as a note that was sold, is no debt of this kind: equity counts it in full.
    """
    short = np.flatnonzero(state.owned & (quantity < 0.0) & (np.abs(quantity * state.value) > _DUST))
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
