"""Limit prices: on the venue's ticks, at the quote that a trade hits or within a bound beyond it, never outside."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from hedgeopt.errors import InputError
from hedgeopt.models.costs.ladder import Ladder

__all__ = ["PriceSteps", "limit_price", "reached", "tick_at"]

_FIGURES, _DECIMALS = 5, 6
"""Hyperliquid: five significant figures, and six decimals less those of sizes; whole prices are always valid."""


class PriceSteps(NamedTuple):
    """Steps of an instrument's price: ``tick`` up to the price ``above``, ``coarse`` beyond it; NaN where there is none."""

    tick: float
    above: float = math.nan
    coarse: float = math.nan

    def at_or_below(self, price: Fraction) -> Fraction:
        """The highest valid price that is not above ``price``."""
        if not self._beyond(price):
            return _floor(price, self.tick)
        return max(_floor(price, self.coarse), _floor(Fraction(str(self.above)), self.tick))

    def at_or_above(self, price: Fraction) -> Fraction:
        """The lowest valid price that is not below ``price``."""
        found = -_floor(-price, self.coarse if self._beyond(price) else self.tick)
        return -_floor(-price, self.coarse) if self._beyond(found) else found

    def _beyond(self, price: Fraction) -> bool:
        return self.above > 0.0 and self.coarse > 0.0 and price > Fraction(str(self.above))


def _floor(price: Fraction, tick: float) -> Fraction:
    step = Fraction(str(tick))
    return math.floor(price / step) * step


def limit_price(quote: float, sign: int, slippage: float, steps: PriceSteps) -> float:
    """The price furthest from ``quote`` that is on a tick and costs at most ``slippage`` (a share of the price) more.

    A purchase (sign 1) is limited at ``quote`` or above, a sale at ``quote`` or below: it can trade at once. A quote that is
    on no tick is a price of the venue as well.
    """
    price = Fraction(str(quote))
    bound = price * (1 + sign * Fraction(str(slippage)))
    return float(max(steps.at_or_below(bound), price) if sign > 0 else min(steps.at_or_above(bound), price))


def tick_at(item: Any, tick: float, lot: float, price: float) -> float:
    """The tick of an instrument at a price: the market's or its table's, or that of the venue's rule of figures."""
    if tick > 0.0 or item.venue != "hyperliquid":
        return tick
    decimals = 0 if not lot > 0.0 else max(round(-math.log10(lot)), 0)
    figures = 10.0 ** (math.floor(math.log10(price)) - _FIGURES + 1)
    return float(Fraction(str(min(max(figures, 10.0 ** (decimals - _DECIMALS)), 1.0))))


def reached(ladder: Ladder, sign: int, quantity: float) -> float:
    """The worst price that an order of ``quantity`` units meets in a book.

    Raises
    ------
    InputError
        For more than the book holds.
    """
    levels = ladder.asks if sign > 0 else ladder.bids
    left = quantity
    for price, size in zip(levels.price.tolist(), levels.size.tolist(), strict=True):
        left -= size
        if left <= 1e-9 * quantity:
            return float(price)
    raise InputError("holds less than the trade", file=ladder.instrument, field="depth", value=quantity - left)
