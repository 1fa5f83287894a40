"""CSV cells without pyarrow: the same cells, faults and types that :mod:`hedgeopt.files.table_file` gets from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator

import numpy as np
import pandas as pd

from hedgeopt.files.counted import many

__all__ = ["plain_column", "plain_header", "plain_rows"]

Cells = list[str | None]


def plain_header(data: bytes, delimiter: str = ",") -> list[str]:
    """The names in the first line that is not empty."""
    return next(_lines(data, delimiter), (0, []))[1]


def plain_rows(data: bytes, kept: Collection[str], nothing: Collection[str], delimiter: str = ",") -> dict[str, Cells]:
    """The cells of the columns kept (of all columns where none of those exists), None for what means nothing.

    Raises
    ------
    ValueError
        For a row with more or fewer cells than the header, or text that is not UTF-8.
    """
    lines = _lines(data, delimiter)
    names = next(lines)[1]
    places = [(at, name) for at, name in enumerate(names) if name in kept] or [*enumerate(names)]
    empty = frozenset(nothing)
    found: dict[str, Cells] = {name: [] for _, name in places}
    columns = [(at, found[name]) for at, name in places]
    for number, cells in lines:
        if len(cells) != len(names):
            raise ValueError(f"CSV parse error: Row #{number}: Expected {many(len(names), 'column')}, got {len(cells)}")
        for at, column in columns:
            cell = cells[at]
            column.append(None if cell in empty else cell)
    return found


def plain_column(cells: Cells, is_number: Callable[[str], object]) -> object:
    """Whole numbers where every cell is one, floats where every cell is a number or nothing, else text."""
    told = [cell for cell in cells if cell is not None]
    if not told:
        return np.full(len(cells), np.nan)
    if not all(map(is_number, told)):
        return pd.Series(cells)
    if len(told) == len(cells) and all(cell.lstrip("+-").isdigit() and len(cell.lstrip("+-")) <= 18 for cell in told):
        return np.array([int(cell) for cell in told], dtype=np.int64)
    return np.array([np.nan if cell is None else float(cell) for cell in cells])


def _lines(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    try:
        for number, cells in enumerate(lines, start=1):
            if cells:
                yield number, cells
    except csv.Error as error:
        raise ValueError(f"CSV parse error: {error}") from None
