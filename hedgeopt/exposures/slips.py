"""Slips of units in options that a book describes itself: a vol in percent, a forward or strike of another coin or scale."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.exposures.unlisted import QuotedCurve

__all__ = ["refuse_slips"]

_LARGEST_VOL = 5.0
"""Annual vol, a decimal: the largest that pricing moves a vol to."""
_VOL_FACTOR, _FORWARD_FACTOR, _STRIKE_FACTOR = 20.0, 2.0, 50.0
"""Largest ratio, either way, to the surface's vol and to the index."""


def refuse_slips(item: Any, curve: QuotedCurve, now: datetime, where: str) -> None:
    """Refuse an unlisted option whose vol, forward or strike cannot be meant; ``where`` names it.

    A vol above 5 (500 %) or 20 times off the surface's, a forward more than 2 times and a strike more than 50 times off the
    index.

    Raises
    ------
    InputError
        Names field, value and what to give.
    """
    index, coin = curve.index, item.underlying
    if _off(item.strike, index) > _STRIKE_FACTOR:
        _refuse(where, "strike", item.strike, f"the index of {coin} is {index:,.6g}", f"give US dollars for 1 {coin}")
    if item.forward is not None and _off(item.forward, index) > _FORWARD_FACTOR:
        _refuse(where, "forward", item.forward, f"the index of {coin} is {index:,.6g}", f"give US dollars for 1 {coin}")
    if item.vol is None:
        return
    if item.vol > _LARGEST_VOL:
        told = f"{100 * item.vol:,.6g} % a year is more than {100 * _LARGEST_VOL:g} %"
        _refuse(where, "vol", item.vol, told, f"give a decimal: {item.vol / 100:.6g} for {item.vol:.6g} %")
    if curve.surface is not None:
        years = item.years_from(now)
        forward = curve.forward(years)[0] if item.forward is None else item.forward
        known, _ = curve.vol(item.strike, years, forward)
        if _off(item.vol, known) > _VOL_FACTOR:
            told = f"the surface of {coin} has {known:.4g} there"
            _refuse(where, "vol", item.vol, told, "give an annual vol as a decimal, such as 0.62 for 62 %")


def _off(value: float, known: float) -> float:
    return max(value / known, known / value) if known > 0 else 1.0


def _refuse(where: str, field: str, value: float, told: str, fix: str) -> None:
    raise InputError(f"cannot be meant: {told}", file="book", field=f"{where}: {field}", value=value, fix=fix)
