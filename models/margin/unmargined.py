"""Wallets and anything else that lends nothing: what is held is owned, what is owed must be covered."""

from __future__ import annotations

import numpy as np

from hedgeopt.errors import InputError, MissingNumberError
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_debts, refuse_unknown_rows
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.families import natures

__all__ = ["Bilateral", "Lacking", "Unmargined"]


class Unmargined(MarginModel):
    """No requirement; futures, perpetuals, short options, loans and other debts are refused."""

    name = "none"
    source = "nothing is lent"
    lends = False

    def _refuse(self, state: State, quantity: np.ndarray | None = None) -> None:
        owned = tuple(nature.margin_class for nature in natures().values() if nature.paid == "owned")
        refuse_unknown_rows(state, f"none (account margin at {state.venue})", (*owned, "option"), quantity)
        if quantity is not None:
            refuse_debts(state, self.name, quantity)
        if quantity is not None and (state.option & (quantity < 0)).any():
            at = int(np.flatnonzero(state.option & (quantity < 0))[0])
            raise InputError(
                f"{state.names[at]} is sold short in an account without a margin model",
                file="book",
                field=f"account {state.account}",
                fix="name the account's margin model, such as otc for a bilateral contract",
            )

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Zero."""
        self._refuse(state, quantity)
        return Requirement(0.0, 0.0, {})

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Zero; instruments that would need margin are refused even when only tradable."""
        self._refuse(state)
        return Encoding.zero(len(state), len(state.assets))

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """None."""
        return np.zeros(len(state.assets))


_CONTRACTS = ("perpetual", "future", "option")


class Bilateral(Unmargined):
    """An OTC account: positions of either sign under a contract whose margin no rule here knows; none is counted.

    Equity, P&L and stress count in full; only the requirement is 0. Debts of owned assets are refused as elsewhere.
    """

    name = "otc"
    source = "the desk's contract: no requirement is counted"
    lends = True
    knows_requirement = False

    def _refuse(self, state: State, quantity: np.ndarray | None = None) -> None:
        paid = tuple(nature.margin_class for nature in natures().values() if nature.paid in ("owned", "owed"))
        refuse_unknown_rows(state, self.name, (*paid, *_CONTRACTS), quantity)
        if quantity is not None:
            refuse_debts(state, self.name, quantity)


class Lacking(Bilateral):
    """A venue's rule that lacks a number for what an account holds, where a report of risk goes on: none is counted.

    ``missing`` is why; ``name`` says it in words, such as ``bybit_portfolio lacks portfolio_margin.BTC.vols of bybit.toml``.
    """

    def __init__(self, rule: str, missing: MissingNumberError) -> None:
        self.missing = missing
        self.name = f"{rule} lacks {missing.field or 'a number'}" + (f" of {missing.file}" if missing.file else "")
