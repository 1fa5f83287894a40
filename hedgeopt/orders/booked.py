"""Fills that a book has already: by the venue's identity, with a digest of what each was, so that none is booked twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.book import Book
from hedgeopt.orders.fills import ListedFill

__all__ = ["content_of", "new_fills"]


def content_of(fill: ListedFill) -> str:
    """12 hexadecimal digits of a hash of instrument, side, quantity and price: the same fill told again has the same."""
    price = "" if fill.side == "send" else repr(fill.price)
    told = "|".join([fill.instrument, fill.side, repr(fill.quantity), price])
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def new_fills(rows: Sequence[ListedFill], book: Book, file: str) -> tuple[list[ListedFill], dict[str, str], list[str]]:
    """Fills that the book has not yet, the identities of all it then has, and a note on those that are left out.

    Raises
    ------
    InputError
        Where the book has every one of them, or another fill of the same identity.
    """
    new: list[ListedFill] = []
    for fill in rows:
        content = book.booked.get(fill.fill_id)
        if content is None:
            new.append(fill)
        elif content != content_of(fill):
            problem = "is booked in this book already, with another instrument, side, quantity or price"
            fix = "which of the two is so? correct the row, or the book's field booked"
            raise InputError(problem, file=file, field=f"fill_id, row {fill.row}", value=fill.fill_id, fix=fix)
    if rows and not new:
        problem = f"{many(len(rows), 'fill')} of it, all booked in this book already"
        raise InputError(problem, file=file, field="fill_id", value=rows[0].fill_id, fix="there is nothing to apply")
    left = len(rows) - len(new)
    notes = [f"{many(left, 'fill')} booked in this book already, left out"] if left else []
    return new, {**book.booked, **{fill.fill_id: content_of(fill) for fill in new}}, notes
