"""Sizes that no book has: refused by name before anything is solved, where rounding would decide what is certified."""

from __future__ import annotations

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.inputs.book import Book
from hedgeopt.models.rows import Rows

__all__ = ["LARGEST_USD", "refuse_implausible_sizes"]

LARGEST_USD = 1e15
"""USD of one position or one collateral; all crypto assets together are worth some 3e12."""


def refuse_implausible_sizes(book: Book, rows: Rows, prices: dict[str, float]) -> None:
    """Refuse a position or collateral of more than :data:`LARGEST_USD`, by notional or by value.

    Raises
    ------
    InputError
        Names the account, the instrument or asset, and what it would be worth.
    """
    fix = "check its unit"
    for account in book.accounts:
        for item in account.collateral:
            usd = abs(item.amount) * prices[item.asset]
            if not usd <= LARGEST_USD:
                words = f"{item.amount:g} {item.asset} would be worth {usd:.3g} USD, more than {LARGEST_USD:g}"
                raise InputError(words, file="book", field=f"{account.name}: collateral", fix=fix)
    usd = np.abs(rows.quantity) * np.fmax(np.abs(rows.notional), np.abs(rows.value))
    for row in np.flatnonzero(usd > LARGEST_USD)[:1]:
        name, quantity = rows.instruments[row].name, rows.quantity[row]
        words = f"{quantity:g} of {name} would be {usd[row]:.3g} USD, more than {LARGEST_USD:g}"
        account_name = book.accounts[int(rows.account[row])].name
        raise InputError(words, file="book", field=f"{account_name}: positions", fix=fix)
