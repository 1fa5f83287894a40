"""Loans of a unified account: negative balances, each at the share of its value that the venue asks for.

``charge = sum rate_a price_a max(-n_a, 0)``. An account takes loans of the assets whose rates a table gives: one number for
both requirements, or ``initial`` and ``maintenance``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, where
from hedgeopt.models.margin.encoding import Block, Group
from hedgeopt.models.margin.model import Kind, MarginModel
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.table_numbers import BorrowRates, checked_numbers

__all__ = ["borrow_block", "borrow_rates", "borrowed", "loan_rates"]

_DUST = 1.0
"""USD up to which a negative balance is rounding."""


def loan_rates(given: Any, table: str, asset: str) -> BorrowRates:
    """Rates of one asset as a table gives them, checked."""
    field = f"portfolio_margin.loans.{asset}"
    if isinstance(given, int | float):
        given = {"initial": given, "maintenance": given}
    own = checked_numbers(BorrowRates, given, table, field)
    if own.maintenance > own.initial:
        problem, fix = "is above the initial rate", "exchange the two, or look them up again"
        raise InputError(problem, file=where(table), field=f"{field}.maintenance", value=own.maintenance, fix=fix)
    return own


def borrow_rates(state: State, rates: Mapping[str, Any], kind: Kind, table: str = "") -> np.ndarray:
    """(A,) share of a loan's value that is asked for; NaN where the table has no rate."""
    found = np.full(len(state.assets), np.nan)
    for a, asset in enumerate(state.assets):
        given = rates.get(asset)
        if given is not None:
            own = loan_rates(given, table, asset)
            found[a] = own.initial if kind == "initial" else own.maintenance
    return found


def borrowed(model: MarginModel, state: State, rates: Mapping[str, Any], collateral: np.ndarray, kind: Kind) -> float:
    """USD that the loans (negative ``collateral`` (A,)) ask for.

    Raises
    ------
    InputError
        For a loan whose rate the model's table does not give.
    """
    name = model.table_name or state.venue
    shares, owed = borrow_rates(state, rates, kind, name), np.maximum(-collateral, 0.0) * state.prices
    bad = np.flatnonzero(np.isnan(shares) & (owed > _DUST))
    if len(bad):
        asset = state.assets[int(bad[0])]
        raise lacking(
            name,
            f"{asset} is borrowed in account {state.account}, and no rate for loans of it is given",
            field=f"portfolio_margin.loans.{asset}",
            value=float(collateral[bad[0]]),
            line=f"[portfolio_margin.loans] {asset} = SHARE of the loan (or initial and maintenance shares)",
            instead="repay it",
        )
    return float(np.nan_to_num(shares) @ owed)


def borrow_block(state: State, rates: Mapping[str, Any], kind: Kind, table: str = "") -> Block | None:
    """The same as a sum of lines; None where no loan has a rate."""
    shares = borrow_rates(state, rates, kind, table)
    groups = []
    for a in np.flatnonzero(np.nan_to_num(shares) * state.prices > 0).tolist():
        row = np.array([[-shares[a] * state.prices[a]]])
        groups.append(Group.of(np.array([len(state) + a]), [row, 0.0 * row]))
    return Block("loans", tuple(groups)) if groups else None
