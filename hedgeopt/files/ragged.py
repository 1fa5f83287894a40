"""Lines of a CSV with too few or too many cells, and a last line without its line break.

A line that is cut can lose digits of its last cell, which nothing tells: 95941 becomes 95. So a last line without a line
break is whole only where it has all its cells and the last one is, to the letter, a cell of other rows there, and the
beginning of no longer one. Otherwise the line is left out where the caller can do without single rows, and the file refused
elsewhere.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["LeftLine", "left_told", "without_cut_end", "without_ragged"]

_MOST = 0.05
"""Share of the lines that may be left out; with more the table is another one than it seems."""
_FIX = "mend or remove it; where it is the last, the file may be truncated: fetch it again"


@dataclass(frozen=True)
class LeftLine:
    """A line that is left out: its number in the file, its cells, and why."""

    line: int
    cells: tuple[str, ...]
    why: str

    @property
    def sentence(self) -> str:
        """Why, with the line's number and beginning."""
        shown = ",".join(self.cells)
        return f"line {self.line} {self.why} ({shown[:57]}{'…' * (len(shown) > 57)})"


def left_told(left: list[LeftLine]) -> list[str]:
    """The note on lines left out, if any."""
    if not left:
        return []
    more = ", …" if len(left) > 3 else ""
    return [f"{many(len(left), 'line')} set aside: {'; '.join(one.sentence for one in left[:3])}{more}"]


def without_cut_end(data: bytes, delimiter: str, path: Path, first: int, aside: bool) -> tuple[bytes, list[LeftLine], str]:
    """The table with a line break at its end: its last line read as whole (and a note on it) or left out.

    Parameters
    ----------
    first
        Number of the header's line in the file.
    aside
        Whether a line that may be cut is left out instead of refused.

    Raises
    ------
    InputError
        For a last line without all its cells, or with a last cell that may be cut.
    """
    if data.endswith((b"\n", b"\r")):
        return data, [], ""
    lines = data.decode("utf-8-sig", "replace").splitlines()
    last, number = lines[-1], first + len(lines) - 1
    wanted, cells = len(_cells(lines[0], delimiter)), _cells(last, delimiter)
    shown = f"…{last[-60:]}"
    if len(lines) < 2 or len(cells) != wanted or last.count('"') % 2:
        problem = f"does not end with a line break, and line {number}, the last, has {many(len(cells), 'cell')} of {wanted}"
        raise InputError(f"{problem}: is it truncated?", file=path, value=shown, fix="fetch it again, or remove that line")
    others = [line.rstrip("\r").rpartition(delimiter)[2] for line in lines[1:-1]]
    end = last.rpartition(delimiter)[2]
    if end in others and not any(other != end and other.startswith(end) for other in others):
        note = (
            f"line {number}, the last, has no line break at its end; its last cell ({end or 'nothing'}) is one of other rows"
        )
        return data + b"\n", [], f"{note}, so the line is read as whole"
    why = f"is the last and has no line break at its end: its last cell ({end or 'nothing'}) may be truncated"
    fix = "add a line break where nothing is missing"
    if not aside:
        raise InputError(f"line {number} {why}", file=path, value=shown, fix=f"{fix}, or fetch it again")
    keep = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
    return keep, [LeftLine(number, tuple(cells), f"{why}, {fix}")], ""


def without_ragged(data: bytes, delimiter: str, path: Path, first: int, aside: bool) -> tuple[bytes, list[LeftLine]]:
    """The table without the lines that have more or fewer cells than its header, and those lines.

    Raises
    ------
    InputError
        Where there are such lines and not ``aside``, where they are more than a twentieth, and for a quotation mark that
        swallows lines.
    """
    try:
        lines = list(io.StringIO(data.decode("utf-8-sig"), newline=""))
        rows = csv.reader(lines, delimiter=delimiter)
        kept, left, before, count, wanted = [], [], 0, 0, 0
        for cells in rows:
            span, before = (before, rows.line_num), rows.line_num
            if not cells:
                continue
            wanted = wanted or len(cells)
            count += 1
            if len(cells) == wanted:
                kept += lines[slice(*span)]
                continue
            told = LeftLine(first + span[0], tuple(cells), f"has {many(len(cells), 'cell')}, its header {wanted}")
            if span[1] - span[0] > 1:
                problem = f"line {told.line} opens a quotation mark that swallows the next"
                raise InputError(problem, file=path, fix="close it on its line, or remove it")
            left.append(told)
    except (UnicodeDecodeError, csv.Error):
        return data, []
    if left and (not aside or len(left) > _MOST * count):
        more = f" (and {many(len(left) - 1, 'more line')})" if len(left) > 1 else ""
        raise InputError(f"cannot be read as csv: {left[0].sentence}{more}", file=path, fix=_FIX)
    return "".join(kept).encode(), left


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a cell too long to be one
        return []
