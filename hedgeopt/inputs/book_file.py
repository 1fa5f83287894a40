"""Book files (JSON), tables and payloads of venues to :class:`~hedgeopt.inputs.book.Book`."""

from __future__ import annotations

from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.given import Given, is_table, named, read_data, read_frame
from hedgeopt.files.reading import validated
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.book_frame import book_from_frame
from hedgeopt.inputs.importing import imported_book
from hedgeopt.inputs.payloads.documents import held, json_of
from hedgeopt.inputs.payloads.recognise import is_payload

__all__ = ["read_book"]


@strict_call
def read_book(*sources: Given, venue: str | None = None) -> Book:
    """Read and validate a book; see ``hedgeopt schema book`` for the format.

    Parameters
    ----------
    sources
        A JSON file (path or open file) or a dict of that form; or a table with a row per position and collateral, as
        :meth:`Book.to_frame` gives it; or one or several payloads of venues (positions, balances, lists of instruments).
    venue
        Venue of payloads that do not name theirs.

    Raises
    ------
    InputError
        One line that names the file, the field, the value and the fix.
    """
    if not sources:
        raise InputError("no book given", field="book", fix="give a path, an open file, or a dict")
    if len(sources) > 1:
        return imported_book(sources, venue)
    source: Any = held(sources[0])
    if is_table(source) or _is_rows(source):
        return book_from_frame(source)
    values = json_of(source, "book")
    if values is not None and (len(values) > 1 or is_payload(values[0])):
        return imported_book([source], venue)
    if values is None and _is_table_file(source):
        return book_from_frame(read_frame(source, "book"), file=named(source))
    return validated(Book, read_data(source, "book") if values is None else values[0], named(source))


def _is_rows(source: object) -> bool:
    """Whether it is a list of rows of a book's table."""
    return isinstance(source, list) and bool(source) and all(isinstance(row, dict) and "account" in row for row in source)


def _is_table_file(source: object) -> bool:
    """Whether its name says that it is a table."""
    return any(
        part in (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls") for part in map(str.lower, named(source).suffixes)
    )
