"""Tiered margins: a rate that rises with a position's size, ``rate_n * notional - deduction_n``.

With rates increasing and the function continuous this is the largest of its lines, ``max_n (rate_n N - deduction_n)``, hence
convex: ``deduction_n = deduction_{n-1} + lower_n (rate_n - rate_{n-1})``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.state import State

__all__ = ["Tiers", "encode_tiers"]


@dataclass(frozen=True)
class Tiers:
    """Notional (USD) from which each rate applies, ascending from 0, and the rates, non-decreasing."""

    lower: tuple[float, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.lower or len(self.lower) != len(self.rates) or self.lower[0] != 0.0:
            raise InputError("tiers start at notional 0, with one rate each", field="tiers", value=self.lower)
        if any(b <= a for a, b in zip(self.lower, self.lower[1:], strict=False)):
            raise InputError("tier bounds must rise", field="tiers", value=self.lower)
        if any(b < a for a, b in zip(self.rates, self.rates[1:], strict=False)) or self.rates[0] < 0:
            raise InputError(
                "tier rates must not fall: the requirement would not be convex", field="tiers", value=self.rates
            )

    @property
    def deductions(self) -> np.ndarray:
        """USD subtracted in each tier."""
        found = [0.0]
        for n in range(1, len(self.rates)):
            found.append(found[-1] + self.lower[n] * (self.rates[n] - self.rates[n - 1]))
        return np.array(found)

    def margin(self, notional: float) -> float:
        """USD for one position: the line of the tier that its notional falls into."""
        size = abs(notional)
        n = int(np.searchsorted(self.lower, size, side="right")) - 1
        return float(self.rates[n] * size - self.deductions[n])


def encode_tiers(state: State, tiers: Callable[[int], Tiers]) -> Encoding:
    """Every margined contract by the tiers that ``tiers(row)`` gives for it."""
    linear = np.flatnonzero(state.margined)
    found: Sequence[Tiers] = [tiers(int(row)) for row in linear]
    n, width = len(state), max([1, *(len(t.rates) for t in found)])
    slopes, deductions = np.zeros((n, width)), np.zeros((n, width))
    for row, own in zip(linear, found, strict=True):
        last = len(own.rates) - 1
        for column in range(width):
            at = min(column, last)  # shorter tables repeat their last line
            slopes[row, column] = own.rates[at] * state.notional[row]
            deductions[row, column] = own.deductions[at]
    return Encoding(slopes, deductions, np.zeros(n), np.zeros(n), len(state.assets))
