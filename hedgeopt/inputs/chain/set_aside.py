"""Single rows that cannot be trusted are set aside with a note; many of them refuse the file.

One bad row among hundreds of something nobody holds must not hide the market. A position in an instrument set aside is
refused later, with the reason. Where more than a twentieth of the rows is bad the table is another one than it seems.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["FIXES", "SetAside", "refuse"]

_MOST = 0.05
FIXES = {
    "is not a number": "write it such as 0.0125, and nothing where there is none",
    "is not finite": "write it such as 0.0125, and nothing where there is none",
    "is negative": "mend its sign or drop the row",
    "is empty": "fill it in or drop the row",
    "is not a date and time of the years 2000 to 2200": "write 2026-02-05T21:29:37Z",
}
"""The fix of each problem."""


class SetAside:
    """Rows of a table that are left out one by one, or refused together."""

    def __init__(self, source: object, rows: pd.DataFrame, venue: str | None = None) -> None:
        self.source, self.rows, self.venue = source, rows, venue
        self.why: dict[int, tuple[str, str, object]] = {}

    def where(self, bad: object, column: str, problem: str, fix: str | None = None) -> None:
        """Leave out the rows where ``bad`` (n,) holds.

        Raises
        ------
        InputError
            Where rows set aside so far are more than a twentieth of all; names the first row of this problem.
        """
        at = np.flatnonzero(np.asarray(bad, bool))
        new = [row for row in at.tolist() if row not in self.why]
        if not new:
            return
        if len(self.why) + len(new) > _MOST * len(self.rows):
            mask = np.zeros(len(self.rows), bool)
            mask[new] = True
            refuse(self.source, self.rows, mask, column, problem, fix)
        for row in new:
            self.why[row] = column, problem, self.rows[column].iloc[row]

    def kept(self, notes: list[str], left: dict[str, str]) -> pd.DataFrame:
        """The other rows; a note counts and names, and ``left`` gains the reason by ``venue:name``."""
        if not self.why:
            return self.rows
        said = []
        for row, (column, problem, value) in self.why.items():
            name = str(self.rows["instrument_name"].iloc[row])
            venue = self.venue if self.venue is not None else self.rows["venue"].iloc[row]
            shown = "" if value is None or (not isinstance(value, str) and pd.isna(value)) else f" (got {value})"
            left[f"{venue}:{name}"] = f"{column} {problem}{shown}"
            said.append(f"{name}: {column} {problem}{shown}")
        more = ", …" if len(said) > 3 else ""
        count = f"{len(said)} of {many(len(self.rows), 'row')} {'is' if len(said) == 1 else 'are'}"
        notes.append(f"{count} set aside: {'; '.join(said[:3])}{more}")
        keep = np.ones(len(self.rows), bool)
        keep[list(self.why)] = False
        return self.rows[keep]


def refuse(source: object, rows: pd.DataFrame, bad: object, column: str, problem: str, fix: str | None = None) -> None:
    """Raise an InputError for the first row where ``bad`` holds, with a count of such rows."""
    mask = np.asarray(bad, bool)
    if not mask.any():
        return
    at = int(np.flatnonzero(mask)[0])
    name = rows["instrument_name"].iloc[at] if "instrument_name" in rows.columns else "?"
    count = int(mask.sum())
    more = f" (and {many(count - 1, 'more row')})" if count > 1 else ""
    value = rows[column].iloc[at]
    raise InputError(
        f"{problem} in the row of {name}{more}",
        file=source,
        field=column,
        value="nothing" if pd.isna(value) else value,
        fix=fix or _without_percent(value) or FIXES.get(problem),
    )


def _without_percent(value: object) -> str | None:
    """The fix of a number with a sign of per cent: columns are decimals."""
    told = re.fullmatch(r"([+-]?[0-9]*\.?[0-9]+) ?%", value.strip()) if isinstance(value, str) else None
    return f"write it as a decimal without the sign, {float(told[1]) / 100.0:.10g}" if told else None
