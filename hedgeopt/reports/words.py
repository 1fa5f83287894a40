"""Numbers, quantities and units as people read them, for every report."""

from __future__ import annotations

import math

__all__ = ["COST_WORDS", "number", "per_cent", "quantity", "share", "short_unit"]


def number(value: float | None, digits: int = 4) -> str:
    """Thousands separated, ``digits`` significant decimals; a dash for nothing, powers of ten from 1e11 and below 1e-4."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e11:
        text = f"{value:.{max(digits - 1, 0)}e}".replace("e+", "e")
    elif size >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    elif size == 0:
        text = "0"
    elif size < 1e-4:
        text = f"{value:.{digits - 2}e}"
    else:
        text = f"{value:.{max(digits - 1 - math.floor(math.log10(size)), 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def share(value: float) -> str:
    """A proven share of something, such as a gap: never negative, and never finer than rounding is."""
    return "below 1e−12" if value < 1e-12 else f"{value:.1e}".replace("-", "−")


def short_unit(unit: str, asset: str = "coin") -> str:
    """A unit as table cells write it."""
    for long, short in (("coin", asset), (" per ", "/"), ("vol point", "vol pt"), ("times ", "× "), ("share of", "of")):
        unit = unit.replace(long, short)
    return unit


def quantity(amount: float, unit: str) -> str:
    """An amount with its unit; a contract is ``ct``."""
    return f"{number(amount)} {'ct' if unit == 'contract' else unit}"


def per_cent(part: float | None) -> str:
    """A part of something in whole per cent, thousands separated; a dash for nothing.

    100 % is all of it: what is nearly so has two decimals more, since just above and just below it are not the same.
    """
    if part is None or math.isnan(part):
        return "–"
    if part != 1.0 and 0.995 <= part < 1.005:
        near = f"{100 * part:.2f} %"
        return near if near != "100.00 %" else "above 100 %" if part > 1.0 else "below 100 %"
    return f"{number(100 * part)} %" if math.isinf(part) or abs(part) >= 1e9 else f"{100 * part:,.0f} %".replace("-", "−")


COST_WORDS = {"half_spread": "half-spread", "depth": "depth", "fee": "fee", "gas": "gas", "carry": "carry"}
"""Components of a trade's cost, and how tables call them."""
