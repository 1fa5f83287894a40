"""Fills that a book has already: by account and the venue's identity there, with a digest of what each was.

Identities are a venue's own, so two accounts may have the same one: the key is ``ACCOUNT/IDENTITY``. In a firm's book, whose
accounts are ``book/account``, that of a fill which a desk has booked is the same with the book's name before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

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


def new_fills(
    rows: Sequence[ListedFill], book: Book, file: str, account_of: Callable[[ListedFill], str]
) -> tuple[list[tuple[ListedFill, str]], dict[str, str], list[str]]:
    """Fills that the book has not yet with their accounts, the identities of all it then has, and a note on the others.

    Parameters
    ----------
    account_of
        The account of a fill; it raises InputError where nobody can know. A fill of no known account is left out only where
        some account has booked the very same one.

    Raises
    ------
    InputError
        Where the book has every one of them, or another fill of the same account and identity; or two rows are such fills.
    """
    new: list[tuple[ListedFill, str]] = []
    known, first, left, again = dict(book.booked), dict[str, int](), 0, 0
    for fill in rows:
        content = content_of(fill)
        key = None if fill.account is None else f"{fill.account}/{fill.fill_id}"
        if key is None or key not in known:
            try:
                account = account_of(fill)
            except InputError:
                ends = f"/{fill.fill_id}"
                if fill.account is None and any(k.endswith(ends) and told == content for k, told in known.items()):
                    left += 1
                    continue
                raise
            key = f"{account}/{fill.fill_id}"
        booked = known.get(key, known.get(fill.fill_id))  # older books have the identity alone
        if booked is None:
            new.append((fill, account))
            known[key], first[key] = content, fill.row
        elif booked != content:
            there = f"row {first[key]}" if key in first else "this book"
            problem = f"is booked in {there} already, with another instrument, side, quantity or price"
            fix = "which of the two is so? correct the row, its account, or the book's field booked"
            raise InputError(problem, file=file, field=f"fill_id, row {fill.row}", value=fill.fill_id, fix=fix)
        elif key in first:
            again += 1
        else:
            left += 1
    if rows and not new:
        problem = f"{many(len(rows), 'fill')} of it, all booked in this book already"
        raise InputError(problem, file=file, field="fill_id", value=rows[0].fill_id, fix="there is nothing to apply")
    notes = [f"{many(left, 'fill')} booked in this book already, left out"] if left else []
    notes += [f"{many(again, 'row')} of a fill that is listed already, left out"] if again else []
    return new, known, notes
