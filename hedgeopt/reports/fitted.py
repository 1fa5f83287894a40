"""Tables for the terminal that drop columns where it is narrow, and never cut a name or a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hedgeopt.files.counted import many
from hedgeopt.reports.near import near

__all__ = ["FittedTable", "Framed", "Plain"]

_Rows = list[tuple[list[Text], str]]
_GAP = 2
_FOLDED = 12
"""Characters that a column of folded names gets at least."""


class FittedTable:
    """A titled table; ``add_row`` as :class:`rich.table.Table` has it.

    Columns are ``(name, justify)``. Where the terminal is too narrow for all of them the columns named in ``drop`` go first,
    in that order; where that is not enough names fold over several lines, those named in ``fold`` before anything is
    dropped. Nothing is shortened.

    Columns that explain each other go together: an entry of ``drop`` is a name or several. ``into`` says which column takes
    up the text of one that is dropped, such as a unit, without which a number would say nothing.
    """

    def __init__(
        self,
        title: str,
        *columns: tuple[str, str],
        drop: Sequence[str | tuple[str, ...]] = (),
        fold: Sequence[str] = (),
        into: Mapping[str, str] | None = None,
    ) -> None:
        self.title, self.columns, self.fold, self.into = title, columns, frozenset(fold), dict(into or {})
        self.drop = tuple((names,) if isinstance(names, str) else tuple(names) for names in drop)
        named = [name for name, _ in columns]
        for name in (*(name for names in self.drop for name in names), *self.into, *self.into.values()):
            if name not in named:
                raise ValueError(f"no column {name!r}: {', '.join(named)}")
        self._rows: _Rows = []
        self._sections: set[int] = set()

    def add_row(self, *cells: str | Text, style: str = "") -> None:
        """One cell per column; cells left out at the end are empty."""
        if len(cells) > len(self.columns):
            raise ValueError(f"{many(len(cells), 'cell')} for {many(len(self.columns), 'column')}")
        row = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        self._rows.append((row + [Text()] * (len(self.columns) - len(row)), style))

    def add_section(self) -> None:
        """An empty line before the next row."""
        self._sections.add(len(self._rows))

    def _widths(self, names: Sequence[str], rows: _Rows) -> list[int]:
        """Characters of each column's longest line."""
        return [
            max([cell_len(name), *(cell_len(line) for row, _ in rows for line in row[k].plain.split("\n"))])
            for k, name in enumerate(names)
        ]

    def _needed(self, widths: Sequence[int]) -> list[int]:
        """Characters that each column needs before anything is dropped."""
        return [
            min(width, _FOLDED) if name in self.fold else width
            for (name, _), width in zip(self.columns, widths, strict=True)
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The title, the columns that fit, and the names of those left out."""
        rows = [([_near(cell, options.encoding) for cell in row], style) for row, style in self._rows]
        names = [near(name, options.encoding) for name, _ in self.columns]
        rows, shown, left_out = self._fitted(names, rows, options.max_width)
        widths = self._widths(names, rows)
        numbers = [k for k in shown if self.columns[k][1] == "right"]
        whole = _total(widths, numbers) + _FOLDED * (len(shown) - len(numbers)) <= options.max_width
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for k in shown:
            least = widths[k] if whole and k in numbers else None
            table.add_column(names[k], justify=self.columns[k][1], overflow="fold", min_width=least)  # type: ignore[arg-type]
        for at, (row, style) in enumerate(rows):
            if at in self._sections:
                table.add_section()
            table.add_row(*(row[k] for k in shown), style=style)
        yield Text(near(self.title, options.encoding), "bold")  # a table's title would wrap at the table's width
        yield table
        if left_out:
            lost = ", ".join(names[k] for k in left_out)
            yield Text(f"not shown at {options.max_width} columns: {lost}\n", "dim")

    def _fitted(self, names: Sequence[str], rows: _Rows, width: int) -> tuple[_Rows, list[int], list[int]]:
        """The rows, the columns shown, and those left out."""
        shown, left_out = list(range(len(names))), list[int]()
        for dropped in self.drop:
            if _total(self._needed(self._widths(names, rows)), shown) <= width:
                break
            for k in [k for k in shown if self.columns[k][0] in dropped]:
                shown.remove(k)
                taken = [at for at in shown if self.columns[at][0] == self.into.get(self.columns[k][0])]
                for at in taken:
                    rows = [(_joined(row, k, at), style) for row, style in rows]
                if not taken:
                    left_out.append(k)
        return rows, shown, left_out


def _joined(row: Sequence[Text], k: int, at: int) -> list[Text]:
    """The row with the text of cell ``k`` behind that of cell ``at``."""
    cells = list(row)
    if cells[k].plain and cells[at].plain:
        cells[at] = Text.assemble(cells[at], f", {cells[k].plain}")
    return cells


def _total(widths: Sequence[int], chosen: Sequence[int]) -> int:
    """Characters that these columns take, with the gaps between them and the margin on both sides."""
    return sum(widths[k] + _GAP for k in chosen) + 1


class Plain:
    """Text whose characters the terminal can express."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The text, near characters in place of those that the encoding lacks."""
        yield _near(self.text, options.encoding)


class Framed:
    """Text in a frame with a title."""

    def __init__(self, text: Text, title: str, style: str) -> None:
        self.text, self.title, self.style = text, title, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The panel; a title too long for it becomes the first line."""
        title, text = near(self.title, options.encoding), _near(self.text, options.encoding)
        if cell_len(title) + 6 > options.max_width:
            title, text = "", Text.assemble(title, "\n", text)
        yield Panel(text, title=Text(title) if title else None, title_align="left", border_style=self.style, box=box.ROUNDED)


def _near(text: Text, encoding: str) -> Text:
    told = near(text.plain, encoding)
    if told == text.plain:
        return text
    parts = [(near(text.plain[span.start : span.end], encoding), span) for span in text.spans]
    if not parts:
        return Text(told, text.style)
    rebuilt, at = Text(style=text.style), 0
    for words, span in sorted(parts, key=lambda part: part[1].start):
        rebuilt.append(near(text.plain[at : span.start], encoding))
        rebuilt.append(words, span.style)
        at = span.end
    rebuilt.append(near(text.plain[at:], encoding))
    return rebuilt
