"""Dates in instrument names: a format of ``strptime`` as the pattern of the texts it reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["date_pattern", "fault_of", "hours_of", "read_date"]

_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "j": r"\d{1,3}",
    "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}",
    "H": r"\d{1,2}", "M": r"\d{1,2}", "S": r"\d{1,2}", "%": "%",
}  # fmt: skip
_PIECE = re.compile(r"%(.?)|([^%]+)", re.DOTALL)


def _directives(form: str) -> list[str]:
    return [match[1] for match in _PIECE.finditer(form) if match[2] is None]


def fault_of(form: str) -> str | None:
    """Why no day can be read by a format; None where it can."""
    found = _directives(form)
    known = ", ".join(f"%{letter}" for letter in _DIRECTIVES)
    for letter in found:
        if letter not in _DIRECTIVES:
            return f"has the directive %{letter}, which is none of {known}"
    dates = [letter for letter in found if letter != "%"]
    if len(set(dates)) < len(dates):
        return "gives a part of the date more than once"
    given = set(dates)
    if not given & {"Y", "y"} or not ("j" in given or (given & {"m", "b", "B"} and "d" in given)):
        return "names no day: it needs a year (%Y or %y), a month (%m, %b or %B) and a day (%d)"
    return None


def date_pattern(form: str) -> str:
    """Regular expression of the texts that a format may read."""
    pieces = (_DIRECTIVES[match[1]] if match[2] is None else re.escape(match[2]) for match in _PIECE.finditer(form))
    return "".join(pieces)


def hours_of(form: str) -> bool:
    """Whether the names give the hour."""
    return "H" in _directives(form)


def read_date(text: str, form: str, time: str) -> datetime:
    """The moment (UTC) of a text; at ``time`` (``08:00``) where it gives no hour. ValueError where it is no date."""
    found = datetime.strptime(text, form)
    if not hours_of(form):
        hours, minutes = map(int, time.split(":"))
        found = found.replace(hour=hours, minute=minutes)
    return found.replace(tzinfo=UTC)
