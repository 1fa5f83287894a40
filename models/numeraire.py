"""The asset that a policy counts money in, and how units of USD turn into units of it.

Arrays stay in dollars of its price today: a limit of ``b`` units of an asset at price N is one of ``b N`` dollars. A unit
counts money once (``USD``, ``USD per vol point``), twice (``USD^2``) or not at all (``coin``, ``times equity``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Numeraire", "counted_in", "gain_in", "money_power"]

_ROUNDING = 8.0 * float(np.finfo(float).eps)


def money_power(unit: str) -> int:
    """How often a unit counts money: 2 for ``USD^2``, 1 for ``USD`` and ``USD per …``, else 0."""
    return 2 if unit == "USD^2" else int(unit == "USD" or unit.startswith("USD "))


def counted_in(unit: str, asset: str) -> str:
    """Such as ``BTC per vol point`` for ``USD per vol point``."""
    return unit.replace("USD", asset, 1) if money_power(unit) else unit


def gain_in(equity: float | np.ndarray, pnl: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """``(E + P) f - E`` in dollars of the numeraire's price today; what is only rounding of E is nothing."""
    gain = (equity + pnl) * factor - equity
    return np.where(np.abs(gain) <= _ROUNDING * np.abs(equity), 0.0, gain)


@dataclass(frozen=True, eq=False)
class Numeraire:
    """An asset in place of the dollar.

    Attributes
    ----------
    asset
        Its code.
    price
        USD, today.
    stress_factor : (K,)
        Its price today over its price in each stress scenario.
    """

    asset: str
    price: float
    stress_factor: np.ndarray

    def dollars(self, amount: float, unit: str) -> float:
        """An amount that a policy gives, in the unit with dollars in place of the asset."""
        return amount * self.price ** money_power(unit)

    def weight(self, weight: float, unit: str) -> float:
        """Weight of a term in an objective in dollars, for one in an objective in units of the asset."""
        return weight * self.price ** (1 - money_power(unit))

    def told(self, amount: float, unit: str) -> float:
        """An amount in dollars, in units of the asset."""
        return amount / self.price ** money_power(unit)

    def unit(self, unit: str) -> str:
        """The unit with the asset in place of dollars."""
        return counted_in(unit, self.asset)

    def shadow_price(self, price: float, unit: str) -> float:
        """Objective saved per unit of a limit, both in units of the asset, for one in dollars."""
        return price * self.price ** (money_power(unit) - 1)
