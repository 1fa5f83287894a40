"""Slips of units in options and products that a book describes itself: a vol in percent, prices of another coin or scale."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.unlisted import QuotedCurve
from hedgeopt.models.data import dollar_assets

__all__ = ["grid_notes", "refuse_slips"]

_LARGEST_VOL = 5.0
"""Annual vol, a decimal: the largest that pricing moves a vol to."""
_VOL_FACTOR, _FORWARD_FACTOR, _STRIKE_FACTOR = 20.0, 2.0, 50.0
"""Largest ratio, either way, to the surface's vol and to the index."""
_ATM_FACTOR = 4.0
"""Largest ratio, either way, of a product's vol to the surface's at-the-money vols."""
_SPOTS_FACTOR = 3.0
"""How far the index may lie beyond a product's spots before they are of another coin or scale."""
_LARGEST_UNIT = 1e6
"""USD of one unit of a product whose values are in coins."""
_LARGEST_OWN = 100.0
"""Largest ratio of a P&L that a product gives by scenario to the largest of its values."""

_RENT_FACTOR, _LIVES = 20.0, 2.0
"""How many times its curvature's gain in a day, ``gamma S^2 vol^2 / 2``, and how much of its largest value over the grid's
length in days, a product's value may change by in a day."""


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
        known = curve.vol_near(item.strike, years, forward)
        if _off(item.vol, known) > _VOL_FACTOR:
            told = f"the surface of {coin} has {known:.4g} " + ("there" if curve.reaches(years) else "at its last expiry")
            _refuse(where, "vol", item.vol, told, "give an annual vol as a decimal, such as 0.62 for 62 %")


def grid_notes(item: Any, curve: QuotedCurve, unit: float, where: str, lenient: bool) -> list[str]:
    """Refuse a product's grid whose spots, vol, values or P&L by scenario cannot be meant; sentences on what may be.

    ``unit`` is the price of its settlement asset, USD; ``where`` names it. The index must lie on the grid (when lenient, at
    most 3 times beyond, with a note); the vol within 4 times of the surface's at the money; values in coins, which nothing
    else tells from dollars, at most 1,000,000 USD a unit; days not all within one, and no change before the first day's
    end that curvature and size do not account for; a P&L by scenario at most 100 times the largest value.

    Raises
    ------
    InputError
        Names field, value and what to give.
    """
    index, coin, low, high = curve.index, item.underlying, item.spots[0], item.spots[-1]
    said = []
    if not low <= index <= high:
        beyond = max(low / index, index / high)
        scale = next((k for k in (1e3, 1e-3) if low * k <= index <= high * k), None)
        told = f"the grid of {low:,.6g} to {high:,.6g} USD does not hold the index of {coin}, {index:,.6g}"
        if beyond > _SPOTS_FACTOR or not lenient:
            fix = f"give spots in US dollars for 1 {coin}" + (
                f", {scale:g} times these" if scale else ", from below to above it"
            )
            _refuse(where, "spots", low if index < low else high, told, fix)
        said.append(f"{item.name}: {told}; its end slope is continued to there")
    if item.vol is not None:
        if item.vol > _LARGEST_VOL:
            told = f"{100 * item.vol:,.6g} % a year is more than {100 * _LARGEST_VOL:g} %"
            _refuse(where, "vol", item.vol, told, f"give a decimal: {item.vol / 100:.6g} for {item.vol:.6g} %")
        if curve.surface is not None:
            smiles = curve.surface.smiles
            forwards, years = np.array([one.forward for one in smiles]), np.array([one.years for one in smiles])
            near = curve.surface.vol(forwards, years, forwards)
            if not near.min() / _ATM_FACTOR <= item.vol <= near.max() * _ATM_FACTOR:
                told = f"options on {coin} have {near.min():.4g} to {near.max():.4g} at the money"
                _refuse(where, "vol", item.vol, told, "give the annual vol at ratio 1 as a decimal, such as 0.62 for 62 %")
    _refuse_days(item, where)
    largest = float(np.abs(np.array(item.values)).max())
    if item.settlement not in dollar_assets() and largest * unit > _LARGEST_UNIT:
        told = f"one unit would be worth up to {largest * unit:,.4g} USD, {largest:,.6g} {item.settlement}"
        fix = f'give values in {item.settlement}, or settlement "USD"; where a unit is so large, smaller ones'
        _refuse(where, "values", largest, told, fix)
    for name, pnl in item.scenarios.items():
        if abs(pnl) > _LARGEST_OWN * largest:
            told = f"no value of the grid is more than {largest:,.6g}"
            _refuse(where, f"scenarios.{name}", pnl, told, "give the P&L of one unit, in the unit of the values")
    return said


def _refuse_days(item: Any, where: str) -> None:
    """Refuse days that are years: all of them within one day, or values that change too fast for their curvature."""
    days, spots = np.array(item.days), np.array(item.spots)
    if len(days) == 1:
        return
    fix = f"give days as days: {', '.join(f'{365.0 * day:,.4g}' for day in days[:4])} where these are years"
    if days[-1] < 1.0:
        _refuse(where, "days", float(days[-1]), "the grid ends within its first day", fix)
    if days[1] >= 1.0:
        return
    table = np.array(item.values)
    pace = float(np.abs(table[1] - table[0]).max() / days[1])
    slopes = np.diff(table[:2], axis=2) / np.diff(spots)
    widths = (spots[2:] - spots[:-2]) / 2.0
    curvature = float(np.max(np.abs(np.diff(slopes, axis=2)) / widths * spots[1:-1] ** 2, initial=0.0))
    rent = 0.5 * curvature * ((1.0 if item.vol is None else item.vol) * max(item.vol_ratios)) ** 2 / 365.0
    most = _RENT_FACTOR * rent + _LIVES * float(np.abs(table).max() / days[-1])
    if pace > most:
        told = f"values change by {pace:,.4g} a day, and their curvature and size account for {most:,.4g} at most"
        _refuse(where, "days", float(days[1]), told, fix)


def _off(value: float, known: float) -> float:
    return max(value / known, known / value) if known > 0 else 1.0


def _refuse(where: str, field: str, value: float, told: str, fix: str) -> None:
    raise InputError(f"cannot be meant: {told}", file="book", field=f"{where}: {field}", value=value, fix=fix)
