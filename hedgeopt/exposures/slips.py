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
    else tells from dollars, at most 1,000,000 USD a unit; a P&L by scenario at most 100 times the largest value.

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


def _off(value: float, known: float) -> float:
    return max(value / known, known / value) if known > 0 else 1.0


def _refuse(where: str, field: str, value: float, told: str, fix: str) -> None:
    raise InputError(f"cannot be meant: {told}", file="book", field=f"{where}: {field}", value=value, fix=fix)
