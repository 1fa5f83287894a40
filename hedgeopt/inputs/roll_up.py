"""Several books of one firm as one: accounts keep their book's name and tags.

A file ``{"name": "firm", "books": ["vol.json", "basis.json"]}`` is such a book, with paths from its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.inputs.book import Book

__all__ = ["roll_up"]

_WITHIN = timedelta(minutes=5)
"""Books lie at most this far apart, as replies of venues do."""


@strict_call
def roll_up(books: Sequence[Book], name: str = "firm", any_moment: bool = False) -> Book:
    """One book of all accounts, named ``book/account`` and tagged with their book's name; links stay within their book.

    The moment is the latest of the books'; books more than five minutes older are refused, or with ``any_moment`` noted with
    their age. A book that states no moment is noted where another one does.

    Raises
    ------
    InputError
        For no book, two books of one name, or books of different moments.
    """
    if not books:
        raise InputError("holds no book", file=name, field="books", fix="name at least one")
    names = [book.name for book in books]
    for own in names:
        if names.count(own) > 1:
            raise InputError("two books have this name", file=name, field="books", value=own, fix="give each its own name")
    dated = [book for book in books if book.timestamp is not None]
    moments = [book.timestamp for book in dated if book.timestamp is not None]
    last = max(moments, default=None)
    said = (
        []
        if not dated
        else [f"{book.name}: states no moment, taken to be the firm's" for book in books if book not in dated]
    )
    for one, moment in zip(dated, moments, strict=True):
        if last is None or last - moment <= _WITHIN:
            continue
        minutes = (last - moment).total_seconds() / 60.0
        other = dated[moments.index(last)].name
        if not any_moment:
            raise InputError(
                f"is {minutes:,.1f} minutes older than {other!r} ({last.isoformat()})",
                file=name,
                field=f"book {one.name!r}: timestamp",
                value=moment.isoformat(),
                fix="give books of one moment, within five minutes, or say that they belong together: --as-of TIME, "
                "any_moment=True",
            )
        said.append(f"{one.name}: is of {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {minutes:,.0f} minutes before {other}")
    return Book(
        name=name,
        timestamp=last,
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
        flows=tuple(
            flow.model_copy(update={"account": f"{book.name}/{flow.account}"}) for book in books for flow in book.flows
        ),
        booked={f"{book.name}/{fill}": content for book in books for fill, content in book.booked.items()},
        notes=(*said, *(f"{book.name}: {note}" for book in books for note in book.notes)),
    )
