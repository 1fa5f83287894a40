"""What a form reads of one reply: marked with the reply's number and moment, and with the account that the user names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from hedgeopt.inputs.payloads.form import Findings, Form, HeldLine, Posted, Reply

__all__ = ["statements", "taken_from"]

_FIRST, _LAST = 1_230_768_000_000, 7_258_118_400_000
"""The years 2009 to 2200 in milliseconds: what lies outside is no time (examples in documentations)."""
_CHANGES = ("uTime", "updatedTime", "updateTime")
"""Keys of rows with the time of a position's or balance's last change: their reply is no older."""


def statements(form: Form, rows: list[tuple[int, dict[str, Any]]]) -> list[list[tuple[int, dict[str, Any]]]]:
    """Rows of one list, apart where each states a whole account (or currency) anew: two of one account are two replies."""
    found: list[list[tuple[int, dict[str, Any]]]] = []
    seen: dict[str, int] = {}
    for k, row in rows:
        if form.holds not in ("positions", "collateral"):
            place = 0
        elif any(isinstance(row.get(key), list) for key in form.keys):
            place = len(found)
        elif "currency" in form.keys:
            place = seen[str(row["currency"])] = seen.get(str(row["currency"]), -1) + 1
        else:
            place = 0
        if place == len(found):
            found.append([])
        found[place].append((k, row))
    return found


@contextmanager
def taken_from(form: Form, found: Findings, where: str, rows: list[dict[str, Any]]) -> Iterator[None]:
    """Everything that a form reads inside gets the number of its reply, and the account that the user names."""
    held, posted, objects, times = len(found.holdings), len(found.posted), len(found.objects), len(found.times)
    quotes, margins, stated = len(found.quotes), dict(found.margins), dict(found.stated)
    yield
    number = len(found.replies)
    moments = [when for when, _ in found.times[times:]] or [
        row["timestamp"] for row in found.quotes[quotes:] if row["timestamp"] is not None
    ]
    told = [_time(row.get("@time"), 1) for row in rows] + [_time(row.get("@answered"), 1000) for row in rows]
    moment = max(moments, default=None) or max((when for when in told if when is not None), default=None)
    changes = [when for row in rows for key in _CHANGES if (when := _time(row.get(key), 1)) is not None]
    reply = Reply(found.file, found.path, where, form.name, form.holds, moment, max(changes, default=None))
    found.replies.append(reply)
    name, renamed = found.account, set[tuple[str, str]]()
    found.named |= {name} if name else set()
    found.holdings[held:] = [replace(one, reply=number, account=_named(name, one.account)) for one in found.holdings[held:]]
    for old in [*found.posted[posted:]] if name else []:
        pool = (old.venue, f"{old.account}{old.pool}")
        if pool in found.margins:
            new = old.venue, f"{_named(name, old.account)}{old.pool}"
            found.margins[new] = found.margins[pool]
            renamed.add(new)
    found.posted[posted:] = [replace(one, reply=number, account=_named(name, one.account)) for one in found.posted[posted:]]
    for thing in found.objects[objects:]:
        thing["_reply"] = number
        if name:
            thing["account"] = _named(name, thing.get("account", ""))
    if name:
        read: list[HeldLine | Posted] = [*found.holdings[held:], *found.posted[posted:]]
        mine = {(one.venue, one.account) for one in read}
        for key in [key for key in found.margins if key not in margins and key not in renamed]:
            if any(key[0] == venue for venue, _ in mine):
                rule = found.margins.pop(key)
                found.margins.setdefault((key[0], _named(name, key[1])), rule)
        for one in [key for key, value in found.stated.items() if len(key) == 2 and stated.get(key) != value]:
            found.stated[(*one, name)] = found.stated.pop(one)
            if one in stated:
                found.stated[one] = stated[one]


def _named(name: str, account: str) -> str:
    """The user's name for a file's account, with the one stated where there is one."""
    return "-".join(part for part in (name, account) if part)


def _time(value: Any, per_millisecond: int) -> datetime | None:
    """A count since 1970 as a time; None for anything else."""
    try:
        count = float(value) / per_millisecond
    except (TypeError, ValueError, OverflowError):
        return None
    if not _FIRST <= count < _LAST:
        return None
    found: datetime = pd.Timestamp(int(count), unit="ms", tz="UTC").to_pydatetime(warn=False)
    return found
