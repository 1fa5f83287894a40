"""Several books of one firm as one: accounts keep their book's name and tags.

A file ``{"name": "firm", "books": ["vol.json", "basis.json"]}`` is such a book, with paths from its folder.
"""

from __future__ import annotations

from collections.abc import Sequence

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.inputs.book import Book

__all__ = ["roll_up"]


@strict_call
def roll_up(books: Sequence[Book], name: str = "firm") -> Book:
    """One book of all accounts, named ``book/account`` and tagged with their book's name; links stay within their book.

    The moment is the latest of the books': quotes must be fresh for all of them.

    Raises
    ------
    InputError
        For no book, or two books of one name.
    """
    if not books:
        raise InputError("holds no book", file=name, field="books", fix="name at least one")
    names = [book.name for book in books]
    for one in names:
        if names.count(one) > 1:
            raise InputError("two books have this name", file=name, field="books", value=one, fix="give each its own name")
    moments = [book.timestamp for book in books if book.timestamp is not None]
    return Book(
        name=name,
        timestamp=max(moments, default=None),
        accounts=tuple(
            account.model_copy(
                update={"name": f"{book.name}/{account.name}", "tags": tuple(dict.fromkeys((book.name, *account.tags)))}
            )
            for book in books
            for account in book.accounts
        ),
        links=tuple(
            link.model_copy(update={"source": f"{book.name}/{link.source}", "target": f"{book.name}/{link.target}"})
            for book in books
            for link in book.links
        ),
        notes=tuple(f"{book.name}: {note}" for book in books for note in book.notes),
    )
