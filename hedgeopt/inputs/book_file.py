"""Book files (JSON) and tables to :class:`~hedgeopt.inputs.book.Book`."""

from __future__ import annotations

import os
from pathlib import Path

from hedgeopt.files.calls import strict_call
from hedgeopt.files.given import Given, is_table, named, read_data, read_frame
from hedgeopt.files.reading import validated
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.book_frame import book_from_frame

__all__ = ["read_book"]

_TABLES = (".csv", ".gz", ".parquet")


@strict_call
def read_book(source: Given) -> Book:
    """Read and validate a book; see ``hedgeopt schema book`` for the format.

    Parameters
    ----------
    source
        A JSON file (path or open file) or a dict of that form; or a table with a row per position and collateral, as
        :meth:`Book.to_frame` gives it: a DataFrame, or a path that ends with ``.csv``, ``.csv.gz`` or ``.parquet``.

    Raises
    ------
    InputError
        One line that names the file, the field, the value and the fix.
    """
    if is_table(source) or isinstance(source, list):
        return book_from_frame(source)
    if isinstance(source, str | os.PathLike) and Path(os.fspath(source)).suffix in _TABLES:
        return book_from_frame(read_frame(source, "book"), file=named(source))
    return validated(Book, read_data(source, "book"), named(source))
