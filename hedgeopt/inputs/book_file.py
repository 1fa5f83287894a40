"""Book files (JSON) to :class:`~hedgeopt.inputs.book.Book`."""

from __future__ import annotations

from pathlib import Path

from hedgeopt.files.reading import parse_json, validated
from hedgeopt.inputs.book import Book

__all__ = ["read_book"]


def read_book(path: str | Path) -> Book:
    """Read and validate a book; see ``hedgeopt schema book`` for the format.

    Raises
    ------
    InputError
        One line that names the file, the field, the value and the fix.
    """
    return validated(Book, parse_json(path, "book"), path)
