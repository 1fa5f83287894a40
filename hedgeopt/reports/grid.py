"""Tables of the pages as data: columns, rows of formatted cells, caption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ShownCell", "ShownTable", "numeric"]


@dataclass(frozen=True)
class ShownCell:
    """A formatted cell: ``tone`` colours it (``good-text``, ``bad-text``, ``warn-text``), ``value`` sorts it."""

    text: str
    tone: str = ""
    value: float | None = None


@dataclass(frozen=True)
class ShownTable:
    """A table: ``label`` names it to who cannot see it, column ``head`` names its rows.

    Columns are ``(name, numeric)``; ``csv`` is what "copy as CSV" gives, under the file name ``file``; ``groups`` are rows
    with a rule above them.
    """

    label: str
    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str | ShownCell]]
    caption: str = ""
    head: int = 0
    sortable: bool = False
    csv: str = ""
    file: str = ""
    groups: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """A table without rows is not shown."""
        return bool(self.rows)


def numeric(text: str, value: Any, tone: str = "") -> ShownCell:
    """A number's cell, sorted by the number itself."""
    return ShownCell(text, tone, None if math.isnan(value) else float(value))
