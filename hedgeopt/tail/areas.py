"""Parts of the search for groups to open, and what their relaxation answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.source import Index, Vector


@dataclass
class Area:
    """Part of the search: the most lots of each gate up and down, and clusters of which one gate at least is open."""

    up: Vector
    down: Vector
    open: tuple[Index, ...] = ()
    lower: float = -np.inf

    def alive(self) -> NDArray[np.bool_]:
        """The gates that may be open."""
        return np.asarray((self.up > 0) | (self.down > 0))

    def without(self, gates: Index) -> Area:
        """The same with these gates shut."""
        up, down = self.up.copy(), self.down.copy()
        up[gates] = down[gates] = 0.0
        return Area(up, down, self.open, self.lower)


@dataclass
class SlimAnswer:
    """A relaxation's bound, and per gate its lots up less those down; ``spent`` is what tightens caps."""

    lower: float
    n: Vector
    z: Vector = field(default_factory=lambda: np.zeros(0))
    price: float = 0.0
    """Multiplier of the count."""
    least: Vector = field(default_factory=lambda: np.zeros(0))
    """Per gate, the least that it adds where it is open, without the price of the count."""
    slope: tuple[Vector, Vector] = (np.zeros(0), np.zeros(0))
    """Cost of one lot up and down, without the count."""
    gift: Vector = field(default_factory=lambda: np.zeros(0))
    """What an open gate may gain whatever its lots."""
