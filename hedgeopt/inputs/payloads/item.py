"""One object of a payload, read by name: every read is remembered, and every value is checked as it is read.

A reader that leaves a key unread and unlisted is found out: :meth:`Reading.unknown` names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.record import LARGEST

__all__ = ["Item", "Reading", "items_of"]

_NOTHING = ("", "-", "--", "N/A", "null", "None", "nan", "NaN")
_UNITS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_FIRST, _LAST = 946_684_800e9, 7_258_118_400e9  # the years 2000 and 2200 in nanoseconds
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass
class Reading:
    """Keys of one payload: ``read`` by the reader, and ``ignored`` on purpose (with everything inside)."""

    file: str
    ignored: frozenset[str] = frozenset()
    read: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def unknown(self) -> list[str]:
        """Keys that were neither read nor listed as ignored."""
        return sorted(
            key
            for key in self.seen - self.read
            if not any(f"{key}.".startswith(f"{known}.") for known in self.ignored)
            and not any(other.startswith(f"{key}.") for other in self.read)
        )


class Item:
    """A JSON object (or a row of a table) at ``where`` in a payload; ``path`` is the same without positions in lists."""

    __slots__ = ("data", "path", "reading", "where")

    def __init__(self, data: dict[str, Any], reading: Reading, where: str = "", path: str = "") -> None:
        self.data, self.reading, self.where, self.path = data, reading, where, path
        reading.seen.update(f"{path}{key}" for key in data)

    def __contains__(self, key: str) -> bool:
        return self.given(key)

    def given(self, key: str) -> bool:
        """Whether the key is there with a value."""
        value = self.raw(key)
        return value is not None and not (isinstance(value, str) and value.strip() in _NOTHING)

    def raw(self, key: str) -> Any:
        """The value as it is; None where there is none."""
        self.reading.read.add(f"{self.path}{key}")
        return self.data.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A text; an integer counts as one (ids)."""
        value = self.raw(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (not value and default is None):
            raise self.fault("is missing" if value is None else "must be text", key, value)
        return value

    def number(self, key: str, default: float = math.nan) -> float:
        """A finite number, or a text that is one; ``default`` (NaN) where there is nothing."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str):
            text = value.strip()
            if text in _NOTHING:
                return default
            try:
                if "_" in text:
                    raise ValueError
                value = float(text)
            except ValueError:
                raise self.fault("is not a number", key, value, "write it such as 0.0125") from None
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise self.fault("is not a number", key, value, "write it such as 0.0125")
        found = float(value)
        if math.isnan(found):
            return default
        if not abs(found) <= LARGEST:
            raise self.fault(f"is beyond {LARGEST:g}", key, value, "check the unit")
        return found

    def columns(self, **names: str | tuple[str, ...]) -> dict[str, Any]:
        """Numbers under our names: of each the first of the venue's keys that has one, NaN where none has."""
        found: dict[str, float] = {}
        for ours, theirs in names.items():
            values = [self.number(key) for key in ((theirs,) if isinstance(theirs, str) else theirs)]
            found[ours] = next((value for value in values if not math.isnan(value)), math.nan)
        return found

    def needed(self, key: str) -> float:
        """A number that must be there."""
        found = self.number(key)
        if math.isnan(found):
            raise self.fault("is missing", key, None, "save the venue's whole reply")
        return found

    def moment(self, key: str, unit: str, default: datetime | None = None) -> datetime | None:
        """A time as a count since 1970 in ``unit`` (s, ms, us or ns).

        Raises
        ------
        InputError
            For a count that is no time of ours in this unit; the unit that it looks like is named.
        """
        if not self.given(key):
            return default
        return self.epoch(key, self.data[key], unit)

    def epoch(self, key: str, value: Any, unit: str) -> datetime:
        """``value`` of ``key`` as a time; see :meth:`moment`."""
        try:
            count = int(value) if not isinstance(value, float) else round(value)
        except (TypeError, ValueError, OverflowError):
            raise self.fault("is no count of " + _WORDS[unit], key, value, "save the venue's reply as it came") from None
        nanoseconds = count * _UNITS[unit]
        if not _FIRST <= nanoseconds < _LAST:
            near = next((w for u, w in _WORDS.items() if _FIRST <= count * _UNITS[u] < _LAST), None)
            fix = (
                f"it looks like {near}: multiply or divide it by 1000s" if near else "give a time of the years 2000 to 2200"
            )
            raise self.fault(f"is no time in {_WORDS[unit]}", key, value, fix)
        found: datetime = pd.Timestamp(int(nanoseconds), tz="UTC").to_pydatetime(warn=False)
        return found

    def item(self, key: str) -> Item | None:
        """The object inside; None where there is none."""
        value = self.raw(key)
        if value is None or value == "":
            return None
        if not isinstance(value, dict):
            raise self.fault("must be an object", key, value)
        return Item(value, self.reading, f"{self.where}.{key}".lstrip("."), f"{self.path}{key}.")

    def items(self, key: str) -> Iterator[Item]:
        """The objects of a list inside."""
        value = self.raw(key)
        if value is None:
            return
        if not isinstance(value, list | tuple):
            raise self.fault("must be a list", key, value)
        yield from items_of(value, self.reading, f"{self.where}.{key}".lstrip("."), f"{self.path}{key}.")

    def levels(self, key: str) -> list[tuple[float, float]]:
        """Price and amount of each level of an order book side, best first; [] where there is none."""
        value = self.raw(key)
        if value is None:
            return []
        try:
            return [(float(level[0]), float(level[1])) for level in value]
        except (TypeError, ValueError, IndexError, KeyError):
            raise self.fault("is no list of prices and amounts", key, str(value)[:60]) from None

    def best(self, bids: str, asks: str) -> dict[str, Any]:
        """The best level of each side of an order book, in whatever order they come, as columns of quotes."""
        none = (math.nan, math.nan)
        sides = [[level for level in self.levels(key) if level[1] > 0] for key in (bids, asks)]
        (bid, bid_size), (ask, ask_size) = max(sides[0], default=none), min(sides[1], default=none)
        return {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size}

    def fault(self, problem: str, key: str, value: Any, fix: str | None = None) -> InputError:
        """An error that names the place."""
        return InputError(problem, file=self.reading.file, field=f"{self.where}.{key}".lstrip("."), value=value, fix=fix)


def items_of(rows: Iterable[Any], reading: Reading, where: str, path: str = "") -> Iterator[Item]:
    """Each object of a list, with its place."""
    for k, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError("must be an object", file=reading.file, field=f"{where}[{k}]", value=row)
        yield Item(row, reading, f"{where}[{k}]", path)
