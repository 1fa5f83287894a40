"""Book files (JSON) to :class:`~hedgeopt.book.Book`."""

from __future__ import annotations

from pathlib import Path

from hedgeopt.book import Book
from hedgeopt.files import parse_json, validated

__all__ = ["read_book"]


def read_book(path: str | Path) -> Book:
    """Read and validate a book; see ``hedgeopt schema book`` for the format.

    Raises
    ------
    InputError
        One line that names the file, the field, the value and the fix.
    """
    return validated(Book, parse_json(path, "book"), path)
