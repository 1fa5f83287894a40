"""What a venue's table says of sizes: ``[lots.KIND]`` by ``"UNDERLYING/SETTLEMENT"``, the underlying or ``"*"``."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.data import dollar_assets, table, venues, where
from hedgeopt.models.pricing.families import natures, quoted_kinds

__all__ = ["ANY_SIZE", "Sizes", "check_sizes", "listed_sizes"]

ANY_SIZE = 0.0
"""The lot of what trades in any size, such as a pool's swaps."""

_KEY = re.compile(r"\*|(?P<underlying>[A-Za-z0-9._-]+)(?:/(?P<settlement>[A-Za-z0-9._-]+))?")


class Sizes(NamedTuple):
    """Steps and smallest order of an instrument; NaN where unknown.

    Attributes
    ----------
    lot
        Step of the quantity, in its quantity unit (coins, or USD of an inverse contract); 0: any size.
    tick
        Step of the quoted price; up to ``tick_above``, where the venue's prices have larger steps beyond.
    minimum_size
        The smallest order, likewise.
    minimum_notional
        The smallest order, USD of underlying; both count where both are known.
    contract
        Quantity units in one of the contracts that the venue counts orders in, where it does not count quantity units.
    tick_above, coarse_tick
        The price beyond which the step is ``coarse_tick``.
    """

    lot: float
    tick: float
    minimum_size: float
    minimum_notional: float
    contract: float
    tick_above: float
    coarse_tick: float


def listed_sizes(venue: str, kind: str, underlying: str, settlement: str) -> dict[str, float]:
    """What the venue's table says of an instrument; empty where it says nothing."""
    listed = table(venue).get("lots", {}).get(kind, {}) if venue in venues() else {}
    key = next((key for key in (f"{underlying}/{settlement}", underlying, "*") if key in listed), None)
    return {} if key is None else listed[key]


def check_sizes(venue: str) -> None:
    """Refuse sizes of an unknown kind or instrument, and sizes that are not positive; a lot of 0 says any size.

    Raises
    ------
    InputError
        Names the table, the field and the fix.
    """
    for kind, listed in table(venue).get("lots", {}).items():
        known = quoted_kinds()
        if kind not in known:
            raise InputError("is no kind that is traded", file=where(venue), field=f"lots.{kind}", fix=advice(kind, known))
        for key, sizes in listed.items():
            field = f"lots.{kind}.{key}"
            _check_key(venue, kind, key, field)
            for name, size in sizes.items():
                if name not in Sizes._fields:
                    fix = advice(name, Sizes._fields)
                    raise InputError("is no size", file=where(venue), field=f"{field}.{name}", fix=fix)
                number = isinstance(size, int | float) and not isinstance(size, bool)
                if not number or not 0.0 <= size < 1e18 or (size == 0.0 and name != "lot"):
                    told: dict[str, Any] = {"file": where(venue), "field": f"{field}.{name}", "value": size}
                    fix = "0 says that any size is traded" if name == "lot" else "leave it out where it is unknown"
                    raise InputError("must be a positive number", fix=fix, **told)
            _check_ticks(venue, field, sizes)
            if sizes.get("minimum_size", sizes.get("lot", 0.0)) < sizes.get("lot", 0.0):
                fix = f"an order is at least one lot, {sizes['lot']:g}"
                told = {"field": f"{field}.minimum_size", "value": sizes["minimum_size"], "fix": fix}
                raise InputError("is less than a lot", file=where(venue), **told)


def _check_ticks(venue: str, field: str, sizes: dict[str, float]) -> None:
    """Larger steps beyond a price are multiples of the smaller ones, and all three numbers are there."""
    if "tick_above" not in sizes and "coarse_tick" not in sizes:
        return
    for name in ("tick", "tick_above", "coarse_tick"):
        if name not in sizes:
            fix = "give tick, tick_above and coarse_tick together"
            raise InputError("is missing", file=where(venue), field=f"{field}.{name}", fix=fix)
    count = sizes["coarse_tick"] / sizes["tick"]
    if count < 1.0 or abs(count - round(count)) > 1e-9 * count:
        told: dict[str, Any] = {"field": f"{field}.coarse_tick", "value": sizes["coarse_tick"]}
        raise InputError("is no multiple of tick", file=where(venue), fix="check the two steps", **told)


def _check_key(venue: str, kind: str, key: str, field: str) -> None:
    match = _KEY.fullmatch(key)
    if match is None:
        fix = 'write an underlying as ETH, with its settlement as "ETH/USDC", or "*" for the rest'
        raise InputError("names no instruments", file=where(venue), field=field, fix=fix)
    underlying, settlement = match["underlying"], match["settlement"]
    if natures()[kind].derivative and settlement not in (None, underlying) and settlement not in dollar_assets():
        dollars = ", ".join(sorted(dollar_assets()))
        fix = f"what settles in its coin is {underlying}/{underlying}, and dollars are {dollars}"
        raise InputError("names no settlement", file=where(venue), field=field, value=settlement, fix=fix)
