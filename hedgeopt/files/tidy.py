"""Tables as spreadsheets of all countries write them: separators, decimal commas, thousands, repeated headers, title lines.

Everything done is said in a note. What could be read in two ways (``1.234`` in a table with semicolons: a thousand or one?)
is decided by other cells of the same table, which tell the decimal mark; where none does, it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hedgeopt.errors import InputError

__all__ = ["CellText", "delimiter_of", "plain_numbers", "without_apostrophes", "without_headers", "without_title"]

CellText = str | None
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LIKE = re.compile(r"[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?")
_GROUPED = r"[+-]?[0-9]{1,3}(?:\%s[0-9]{3})+"
_SWISS = re.compile(r"[+-]?[0-9]{1,3}(?:['’][0-9]{3})+(?:[.,][0-9]*)?")
_BOTH = {
    ".": re.compile(_GROUPED % "," + r"\.[0-9]*"),
    ",": re.compile(_GROUPED % "." + r",[0-9]*"),
}
"""Cells with both marks, by the decimal one."""
_ONE = re.compile(r"[+-]?(?P<whole>[0-9]+)(?P<mark>[.,])(?P<part>[0-9]*)(?:[eE][+-]?[0-9]+)?")
_MANY = {",": re.compile(_GROUPED % "," + "$"), ".": re.compile(_GROUPED % "." + "$")}


def delimiter_of(header: str) -> str:
    """The mark that separates the names of a header, quoted parts apart: the most frequent of comma, semicolon, tab, bar."""
    bare = re.sub(r'"[^"]*"', "", header)
    counts = {mark: bare.count(mark) for mark in _DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def without_title(text: bytes) -> tuple[bytes, str | None]:
    """A table without a title line above its header, and a note on it: one cell, where the next line has several."""
    first, _, rest = text.partition(b"\n")
    second = rest.partition(b"\n")[0]
    marks = [mark.encode() for mark in _DELIMITERS]
    title = first.strip(b"\xef\xbb\xbf \r")
    if title and not any(mark in first for mark in marks) and max(second.count(mark) for mark in marks) >= 2:
        return rest, f"the title line above the header is left out ({title.decode('utf-8', 'replace')[:60]})"
    return text, None


def without_headers(columns: dict[str, list[CellText]]) -> tuple[dict[str, list[CellText]], int]:
    """The columns without rows that repeat the header, and how many there were."""
    if not columns:
        return columns, 0
    first, cells = next(iter(columns.items()))
    at = [k for k, cell in enumerate(cells) if cell == first and all(column[k] == name for name, column in columns.items())]
    if not at:
        return columns, 0
    gone = set(at)
    return {name: [c for k, c in enumerate(column) if k not in gone] for name, column in columns.items()}, len(at)


def without_apostrophes(columns: Mapping[str, Sequence[CellText]]) -> tuple[dict[str, list[CellText]], str | None]:
    """Columns with numbers such as 79'000 as 79000, and a note; columns that need nothing are not returned."""
    found: dict[str, list[CellText]] = {}
    for name, cells in columns.items():
        if any(cell and _SWISS.fullmatch(cell) for cell in cells):
            found[name] = [re.sub("['’]", "", cell) if cell and _SWISS.fullmatch(cell) else cell for cell in cells]
    return found, f"numbers of {', '.join(found)} are read with ' between thousands" if found else None


def plain_numbers(
    columns: Mapping[str, Sequence[CellText]], file: object, delimiter: str
) -> tuple[dict[str, list[CellText]], str | None]:
    """Columns of numbers with grouping or decimal commas as Python writes them; columns that need nothing are not returned.

    Raises
    ------
    InputError
        Where the decimal mark is not told by any cell, or cells tell different ones.
    """
    marked = {name: _marked(cells) for name, cells in columns.items()}
    marked = {name: cells for name, cells in marked.items() if cells}
    commas = any("," in cell for cells in marked.values() for cell in cells)
    if not commas and (delimiter != ";" or not marked):
        return {}, None
    told: dict[str, tuple[str, str]] = {}
    for name, cells in marked.items():
        for cell in cells:
            mark = _decimal(cell)
            if mark is not None:
                told.setdefault(mark, (name, cell))
    if len(told) == 2:
        (one, first), (two, second) = (told[mark] for mark in (".", ","))
        fix = "write all numbers in one way, such as 1234.56"
        raise InputError(f"has decimal points ({one}: {first}) and decimal commas ({two}: {second})", file=file, fix=fix)
    if not told:
        name, cells = next((name, cells) for name, cells in marked.items() if cells)
        fix = "write it without separators of thousands, such as 1234 or 1.234 with commas between the cells"
        raise InputError(
            "could be thousands or a decimal, and no other cell tells which", file=file, field=name, value=cells[0], fix=fix
        )
    decimal = next(iter(told))
    other = "," if decimal == "." else "."
    found: dict[str, list[CellText]] = {}
    for name in marked:
        found[name] = [_plain(cell, decimal, other) for cell in columns[name]]
    grouped = any(other in cell for cells in marked.values() for cell in cells)
    if decimal == "." and not grouped:
        return {}, None
    word = "commas" if decimal == "," else "points"
    return found, f"numbers are read with decimal {word}" + (f" and {other} between thousands" if grouped else "")


def _marked(cells: Iterable[CellText]) -> list[str]:
    """Distinct cells with a mark in them, where every cell of the column is like a number; [] elsewhere."""
    seen: dict[str, None] = {}
    for cell in cells:
        if cell is None or cell in seen:
            continue
        if not _LIKE.fullmatch(cell):
            return []
        seen[cell] = None
    return [cell for cell in seen if "," in cell or "." in cell]


def _decimal(cell: str) -> str | None:
    """The decimal mark that a cell tells; None where it could be a mark of thousands."""
    for mark, form in _BOTH.items():
        if form.fullmatch(cell):
            return mark
    match = _ONE.fullmatch(cell)
    if match is None:
        return next(
            (("." if mark == "," else ",") for mark, form in _MANY.items() if form.fullmatch(cell) and cell.count(mark) > 1),
            None,
        )
    told = len(match["part"]) != 3 or len(match["whole"]) > 3 or match["whole"].startswith("0") or "e" in cell.lower()
    return match["mark"] if told else None


def _plain(cell: CellText, decimal: str, other: str) -> CellText:
    if cell is None or ("," not in cell and "." not in cell):
        return cell
    body = cell.lstrip("+-")
    whole, _, part = body.partition(decimal)
    if other in whole and not re.fullmatch(rf"[0-9]{{1,3}}(?:\{other}[0-9]{{3}})+", whole):
        return cell  # the reader names it
    if other in part:
        return cell
    return cell[: len(cell) - len(body)] + whole.replace(other, "") + (f".{part}" if part else "")
