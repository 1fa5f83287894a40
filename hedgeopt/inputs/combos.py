"""Positions in combos of a book of ours, by their names, as positions in their legs."""

from __future__ import annotations

from hedgeopt.inputs.book import Account, Book, Position
from hedgeopt.inputs.payloads.deribit_names import is_combo, legs_of

__all__ = ["unfolded"]


def unfolded(book: Book) -> Book:
    """The book with every Deribit combo as its legs: lots that the combo's name labels, and a note.

    A shape whose name does not tell its legs stays: it is refused where it is valued, or set aside, by strictness.
    """
    notes: list[str] = []
    accounts = tuple(_of(account, notes) if account.venue == "deribit" else account for account in book.accounts)
    return book.model_copy(update={"accounts": accounts, "notes": (*book.notes, *notes)}) if notes else book


def _of(account: Account, notes: list[str]) -> Account:
    found: list[Position] = []
    for position in account.positions:
        named = isinstance(position.instrument, str) and is_combo(position.name)
        legs = legs_of(position.name) if named else None
        if legs is None:
            found.append(position)
            continue
        lot = position.name if position.lot is None else f"{position.name} {position.lot}"
        found += [Position(instrument=leg, quantity=amount * position.quantity, lot=lot) for leg, amount in legs]
        notes.append(f"account {account.name}: {position.name} is booked as its legs: {_told(legs)}")
    return account if len(found) == len(account.positions) else account.model_copy(update={"positions": tuple(found)})


def _told(legs: list[tuple[str, float]]) -> str:
    return ", ".join(f"{amount:+g} {leg}" for leg, amount in legs)
