"""Tables for notebooks: plain HTML without scripts, everything escaped, in the colours of the notebook, light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["ROWS", "html_card", "html_table", "plain_number", "plain_size", "shortened", "span_of_days"]

ROWS = 20
"""Rows of a table that are shown."""

_CELL = "padding:2px 10px;border:0;border-bottom:1px solid rgba(128,128,128,.35);background:transparent;color:inherit"
_LONGEST = 60


def html_card(title: str, lines: Iterable[str], *tables: str) -> str:
    """A heading, lines of text and tables; ``title`` and ``lines`` are escaped here, tables by :func:`html_table`."""
    text = "".join(f'<div style="margin:2px 0">{escape(line)}</div>' for line in lines)
    head = f'<div style="font-weight:600;margin:4px 0">{escape(title)}</div>'
    return f'<div style="color:inherit;background:transparent">{head}{text}{"".join(tables)}</div>'


def html_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Any]], rows_shown: int = ROWS) -> str:
    """A table of text and numbers, numbers to the right; a last line counts the rows that are left out."""
    if not rows:
        return ""
    shown = [[_cell(value) for value in row] for row in rows[:rows_shown]]
    right = [isinstance(value, int | float) and not isinstance(value, bool) for value in rows[0]]

    def line(cells: Sequence[str], tag: str) -> str:
        aligned = (f"text-align:{'right' if r else 'left'};{_CELL}" for r in right)
        scope = ' scope="col"' if tag == "th" else ""
        inner = (f'<{tag}{scope} style="{style}">{cell}</{tag}>' for cell, style in zip(cells, aligned, strict=True))
        return f"<tr>{''.join(inner)}</tr>"

    more = len(rows) - len(shown)
    rest = f'<div style="opacity:.75">… and {more:,} more</div>' if more > 0 else ""
    head = line([escape(name) for name in header], "th")
    style = "border-collapse:collapse;color:inherit;background:transparent;margin:4px 0"
    title = f'<caption style="text-align:left;color:inherit">{escape(caption)}</caption>'
    body = "".join(line(row, "td") for row in shown)
    return f'<table style="{style}">{title}<thead>{head}</thead><tbody>{body}</tbody></table>{rest}'


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(shortened("" if value is None else str(value), _LONGEST))
    return escape(plain_number(value))


def plain_number(value: float) -> str:
    """Six digits, thousands by commas; all digits before the point from a million on; a dash for nothing."""
    if isinstance(value, float) and math.isnan(value):
        return "–"
    if abs(value) >= 1e15:
        return f"{value:.6g}"
    return f"{value:,.0f}" if abs(value) >= 999_999.5 else f"{value:,.6g}"


def plain_size(value: float) -> str:
    """A size that is traded, to twelve digits: 7,329,023.7 is no whole lot, and 7,329,020 is one."""
    return f"{value + 0.0:,.12g}"  # no minus before nothing


def shortened(text: str, width: int) -> str:
    """The text in one line, cut to ``width`` characters with a mark at its end."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def span_of_days(days: float) -> str:
    """``1 day``, ``0.5 days``, ``7 days``."""
    return f"{days:g} day" if days == 1 else f"{days:g} days"
