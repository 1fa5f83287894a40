"""Quotes of replies that do not say their instrument: an order book or a slim ticker saved without its channel.

The name is the one given (``instrument``, ``--instrument``), or that of another file given with it: the only instrument
that those name at this venue, the only one with the same best bid and ask, or the only option whose mark and delta are
those of the reply's own vol and forward. A name that contradicts these is refused, and so is everything else, with the fix.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.models.pricing.black76 import black76_price, greeks
from hedgeopt.venues.known import parser

__all__ = ["name_the_nameless"]

_NEAR = 0.2
"""A best bid and ask this far from those of the instrument's other quote are another instrument's."""
_DELTA, _PART, _SHARE = 0.02, 0.02, 1e-3
"""An option is the reply's where its delta lies this near, and its price within this part of it and share of the forward."""


def name_the_nameless(found: Findings) -> None:
    """Give every quote without a name its instrument; a note says where the name is from.

    Raises
    ------
    InputError
        Where no name is given or found, several are possible, or a name is given and nothing needs it.
    """
    rows = [row for row in found.quotes if not row["instrument"]]
    if not rows and found.instrument:
        fix = "leave --instrument out: every reply names its own"
        raise InputError("names nothing", field="--instrument", value=found.instrument, fix=fix)
    if found.instrument and len(rows) > 1:
        places = ", ".join(sorted({row["_file"] for row in rows}))
        raise InputError(
            f"is one name, and {many(len(rows), 'reply has', 'replies have')} none ({places})",
            field="--instrument",
            value=found.instrument,
            fix="import them one by one",
        )
    for row in rows:
        row["instrument"], how = (found.instrument, "--instrument") if found.instrument else _from_others(row, found)
        if _fits(row["instrument"], row) is False:
            raise InputError(
                "is not the instrument of the reply: its mark or delta is not what vol and forward of the reply give it",
                file=row["_file"],
                field="--instrument" if found.instrument else f"{row['_where']}.instrument".lstrip("."),
                value=row["instrument"],
                fix="check expiry and strike",
            )
        row["_contracts"] = row["_contracts"] and not _spot(row)
        found.notes.append(f"{row['_file']}: a reply without its instrument is of {row['instrument']} ({how})")


def _spot(row: dict[str, Any]) -> bool:
    """Whether its sizes are coins: OKX's names of spot have one dash."""
    return bool(row["venue"] == "okx" and row["instrument"].count("-") == 1)


def _from_others(row: dict[str, Any], found: Findings) -> tuple[str, str]:
    venue = row["venue"]
    others = [one for one in found.quotes if one["venue"] == venue and one["instrument"]]
    names = dict.fromkeys([*(one["instrument"] for one in others), *(name for at, name in found.specs if at == venue)])
    same = {one["instrument"]: None for one in others if _same(one, row)}
    near = [name for name in names if not any(one["instrument"] == name and _far(one, row) for one in others)]
    fitting = [name for name in near if _fits(name, row)]
    ways = (
        (list(same), "another file quotes it at the same bid and ask"),
        (fitting, "its mark and delta are those of the reply's vol and forward"),
        ([name for name in near if _fits(name, row) is not False], "the only one that the other files name"),
    )
    for chosen, how in ways:
        if len(chosen) == 1:
            return chosen[0], how
    chosen = ways[-1][0]
    problem = "is a reply without its instrument"
    if len(chosen) > 1:
        problem += f", and the other files name {len(chosen)} ({', '.join(chosen[:3])}{', …' if len(chosen) > 3 else ''})"
    elif names:
        problem += f", and it is not that of the other files ({', '.join(list(names)[:3])})"
    keep = {
        "okx": '"arg": {"instId": NAME}, as the web socket sends it',
        "derive": 'the channel ("params": {"channel": "ticker_slim.NAME.1000", "data": …})',
    }.get(venue, "the reply's envelope")
    fix = f'hedgeopt import FILE --instrument NAME names it; or keep {keep}, or store it as {{"NAME": …}}'
    raise InputError(problem, file=row["_file"], field=f"{row['_where']}.instrument".lstrip("."), fix=fix)


def _pairs(one: dict[str, Any], row: dict[str, Any]) -> list[tuple[float, float]]:
    both = [(one.get(name, math.nan), row.get(name, math.nan)) for name in ("bid", "ask")]
    return [(a, b) for a, b in both if a > 0 and b > 0]


def _same(one: dict[str, Any], row: dict[str, Any]) -> bool:
    pairs = _pairs(one, row)
    return bool(pairs) and all(a == b for a, b in pairs)


def _far(one: dict[str, Any], row: dict[str, Any]) -> bool:
    return any(abs(math.log(a / b)) > math.log1p(_NEAR) for a, b in _pairs(one, row))


def _fits(name: str, row: dict[str, Any]) -> bool | None:
    """Whether an option's price and delta are those of the reply; None where neither is told."""
    vol, forward, mark, delta = (row.get(key, math.nan) for key in ("iv", "forward", "mark", "delta"))
    when = row["timestamp"]
    try:
        item = parser(row["venue"])(name)
    except InputError:
        return None
    if not item.nature.option:
        return None if math.isnan(vol) else False
    if not (vol > 0 and forward > 0) or when is None or item.expiry <= when:
        return None
    years = (item.expiry - when).total_seconds() / (365 * 86_400)
    f, k, t, v = (np.array([x]) for x in (forward, item.strike, years, vol))
    call = np.array([item.right == "call"])
    price, ours = float(black76_price(f, k, t, v, call)[0]), float(greeks(f, k, t, v, call).delta[0])
    price = price / forward if item.inverse else price
    told = []
    if mark == mark:
        told.append(abs(price - mark) <= _PART * max(price, mark) + _SHARE * (1.0 if item.inverse else forward))
    if delta == delta:
        net = ours - mark if item.inverse and mark == mark else ours
        told.append(min(abs(ours - delta), abs(net - delta)) <= _DELTA)
    return all(told) if told else None
