"""Building blocks of the tables on the backtest pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["PageTable", "TableCell"]


@dataclass(frozen=True)
class TableCell:
    """A table cell with a tone: ``good-text``, ``bad-text``, ``warn-text`` or none."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class PageTable:
    """Columns as ``(name, numeric)`` and rows of formatted cells; ``caption`` and ``links`` are shown below."""

    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str | TableCell]]
    caption: str = ""
    links: Sequence[tuple[str, str]] = field(default_factory=tuple)
