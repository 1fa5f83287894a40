"""Book files (JSON), tables and payloads of venues to :class:`~hedgeopt.inputs.book.Book`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.given import Given, is_table, named, read_data, read_frame
from hedgeopt.files.reading import validated
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.book_frame import BOOK_TEXT, book_from_frame
from hedgeopt.inputs.combos import unfolded
from hedgeopt.inputs.importing import imported_book
from hedgeopt.inputs.payloads.documents import held, json_of
from hedgeopt.inputs.payloads.recognise import is_payload
from hedgeopt.inputs.roll_up import roll_up

__all__ = ["read_book"]


@strict_call
def read_book(*sources: Given, venue: str | None = None, any_moment: bool = False) -> Book:
    """Read and validate a book; see ``hedgeopt schema book`` for the format.

    Parameters
    ----------
    sources
        A JSON file (path or open file) or a dict of that form; or a table with a row per position and collateral, as
        :meth:`Book.to_frame` gives it; or one or several payloads of venues (positions, balances, lists of instruments).
        Combos of Deribit whose names tell their legs become these. Several books of ours are rolled up (:func:`roll_up`).
    venue
        Venue of payloads that do not name theirs.
    any_moment
        Whether payloads, and books of a firm, may be further apart than five minutes: the caller states the moment.

    Raises
    ------
    InputError
        One line that names the file, the field, the value and the fix.
    """
    if not sources:
        raise InputError("no book given", field="book", fix="give a path, an open file, or a dict")
    if len(sources) > 1:
        sources = tuple(map(held, sources))
        ours = [named(source, "book").name for source in sources if _is_ours(source)]
        if len(ours) == len(sources):
            return roll_up([read_book(source, any_moment=any_moment) for source in sources], any_moment=any_moment)
        if ours:
            problem = "is a book of ours, and not all of the others are"
            fix = "turn the venues' replies into a book first (hedgeopt import), then give the books together"
            raise InputError(problem, file=ours[0], field="book", fix=fix)
        return imported_book(sources, venue, any_moment)
    source: Any = held(sources[0])
    if is_table(source) or _is_rows(source):
        return unfolded(book_from_frame(source))
    values = json_of(source, "book")
    if values is not None and (len(values) > 1 or is_payload(values[0])):
        return imported_book([source], venue, any_moment)
    if values is None and _is_table_file(source):
        return unfolded(book_from_frame(read_frame(source, "book", text=BOOK_TEXT), file=named(source, "book")))
    data = read_data(source, "book") if values is None else values[0]
    if isinstance(data, dict) and "books" in data:
        return _firm(data, named(source, "book"), any_moment)
    return unfolded(validated(Book, data, named(source, "book")))


def _firm(
    data: dict[str, Any], file: Path, any_moment: bool, above: tuple[Path, ...] = (), seen: set[Path] | None = None
) -> Book:
    """A file that names the books of a firm, which may be firms: ``above`` name it, ``seen`` are all read so far."""
    listed = data["books"]
    odd = sorted(set(data) - {"name", "books"})
    if odd or not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        fix = 'write {"name": "firm", "books": ["vol.json", "basis.json"]}, paths from its folder'
        raise InputError("is no list of books", file=file, field=odd[0] if odd else "books", fix=fix)
    folder, seen = file.parent if file.is_file() else Path(), set() if seen is None else seen
    above, books = (*above, file.resolve()), []
    for one in listed:
        path = (folder / one).resolve()
        if path in above or path in seen:
            problem = "names itself" if path in above else "is counted twice in the firm"
            raise InputError(problem, file=file, field="books", value=one, fix="name every book once")
        seen.add(path)
        inner = _inner(folder / one)
        books.append(
            read_book(folder / one, any_moment=any_moment)
            if inner is None
            else _firm(inner, folder / one, any_moment, above, seen)
        )
    return roll_up(books, str(data.get("name", "firm")), any_moment)


def _inner(path: Path) -> dict[str, Any] | None:
    """The contents of a file that names books itself; None for any other."""
    values = json_of(path, "book") if path.is_file() else None
    firm = values is not None and len(values) == 1 and isinstance(values[0], dict) and "books" in values[0]
    return values[0] if values is not None and firm else None


def _is_ours(source: Any) -> bool:
    """Whether it is a book file of ours, or a table of one."""
    if is_table(source) or _is_rows(source):
        return True
    if not isinstance(source, str | Path | dict):
        return False
    values = json_of(source, "book")
    if values is None:
        return _is_table_file(source)
    return len(values) == 1 and isinstance(values[0], dict) and ("accounts" in values[0] or "books" in values[0])


def _is_rows(source: object) -> bool:
    """Whether it is a list of rows of a book's table."""
    return (
        isinstance(source, list)
        and bool(source)
        and all(isinstance(row, dict) and any(str(name).strip().casefold() == "account" for name in row) for row in source)
    )


def _is_table_file(source: object) -> bool:
    """Whether its name says that it is a table."""
    return any(
        part in (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls") for part in map(str.lower, named(source).suffixes)
    )
