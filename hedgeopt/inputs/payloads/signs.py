"""Which way a position goes, told by every figure of its row: side, signed size, signed value, and the P&L of its move."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hedgeopt.inputs.payloads.item import Item

__all__ = ["refuse_contradictions"]

_MOVE, _OPTION_MOVE = 1e-3, 1e-2
"""Moves from entry to mark, parts of the entry, that rounding does not turn: prices of options have fewer digits."""
_AS_IT_CAME = "save the venue's reply as it came: every figure of a position has one direction"


def refuse_contradictions(
    item: Item,
    quantity: float,
    told_by: str,
    *,
    signed: Sequence[str] = (),
    minus: Sequence[str] = (),
    entries: Sequence[str] = (),
    mark: str | float = "",
    profits: Sequence[str] = (),
    option: bool = False,
) -> None:
    """Refuse a position whose figures go both ways.

    Parameters
    ----------
    item, quantity, told_by
        The row, the signed quantity that would be booked, and the key that told its sign.
    signed, minus
        Keys of numbers that have the position's sign; in ``minus``, of which some venues leave the sign out, so that only a
        negative one tells.
    entries, mark, profits
        Keys of prices paid, the key (or value) of the mark, and keys of the open P&L, whose sign is that of the quantity
        times the move from entry to mark, whatever it is counted in. Where several are given (a venue that settles P&L
        daily counts it from the last settlement) one that agrees is enough.
    option
        Whether it is an option, whose prices have few digits.

    Raises
    ------
    InputError
        Names file, field, both values and the fix.
    """
    if quantity == 0.0:
        return
    ours = _way(quantity)
    for key in (*signed, *minus):
        value = item.number(key)
        if math.isnan(value) or value == 0.0 or (value > 0) == (quantity > 0) or (key in minus and value > 0):
            continue
        raise item.fault(
            f"is that of a {_way(value)} position, {_told(item, told_by)} of a {ours} one", key, value, _AS_IT_CAME
        )
    last = item.number(mark) if isinstance(mark, str) else mark
    paid = {key: price for key in entries if (price := item.number(key)) > 0}
    gains = {key: gain for key in profits if not math.isnan(gain := item.number(key))}
    if not (paid and gains and last > 0):
        return
    least = _OPTION_MOVE if option else _MOVE
    turned = (
        abs(last / price - 1.0) > least and gain * quantity * (last - price) < 0.0
        for price in paid.values()
        for gain in gains.values()
    )
    if not all(turned):
        return
    (key, price), (what, gain) = next(iter(paid.items())), next(iter(gains.items()))
    name = mark if isinstance(mark, str) else "the mark"
    raise item.fault(
        f"is the P&L of a {_way(-quantity)} position from {key} {price:.8g} to {name} {last:.8g}, and "
        f"{_told(item, told_by)} is that of a {ours} one",
        what,
        gain,
        _AS_IT_CAME,
    )


def _way(quantity: float) -> str:
    return "long" if quantity > 0 else "short"


def _told(item: Item, key: str) -> str:
    return f"{key} {item.raw(key)}"
