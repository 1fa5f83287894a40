"""Margin requirements as convex functions of positions and collateral.

Every venue's rule is a sum of two forms:

* **tiers**, one position at a time: ``max_l (slope_rl |z_r| - deduction_rl) + quadratic_r z_r^2 + short_r max(-z_r, 0)``;
* **blocks**, the worst of K scenarios of a sum over groups (expiries, currencies) of a maximum of L lines:
  ``max_k sum_g max_l (A_gkl . y + c_gkl)`` with ``y = (z, n)``, positions and collateral units.

That covers scenario grids with offsets and discounts, roll and net-short charges (K = 1), haircuts and debt. A third form,
the **ramp**, is a charge on a net amount that grows with its square above a threshold.

Where a rule is not convex an encoding is a convex function that is nowhere below it and meets it at one portfolio, the
anchor: :meth:`Encoding.at` gives the one that is exact at a given portfolio. A program starts at the book as it is and
moves the anchor to its last solution, so that what it ends with is the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

__all__ = ["Anchor", "Block", "Cap", "Encoding", "Group", "Hull", "Ramp"]


@dataclass(frozen=True, eq=False)
class Group:
    """``max_l (lines[:, l] @ y[columns] + constants[:, l])`` for each of K scenarios.

    Attributes
    ----------
    columns : (C,) int
        Which coordinates of y = (positions, collateral) it reads.
    lines : (K, L, C)
    constants : (K, L)
    at : (K,) int or None
        Which scenarios of its block it counts in; None: all of them.
    """

    columns: np.ndarray
    lines: np.ndarray
    constants: np.ndarray
    at: np.ndarray | None = None

    @classmethod
    def linear(cls, columns: np.ndarray, rows: np.ndarray) -> Group:
        """One line per scenario, ``rows`` (K, C)."""
        return cls(np.asarray(columns, np.int64), rows[:, None, :], np.zeros((len(rows), 1)))

    @classmethod
    def of(cls, columns: np.ndarray, lines: Sequence[np.ndarray], constants: Sequence[float] | None = None) -> Group:
        """L lines (K, C) each, with one constant per line."""
        stacked = np.stack(lines, axis=1)
        given = np.zeros(len(lines)) if constants is None else np.asarray(constants, float)
        return cls(np.asarray(columns, np.int64), stacked, np.broadcast_to(given, stacked.shape[:2]).copy())

    @classmethod
    def worst(cls, columns: np.ndarray, lines: np.ndarray, scenario: int, constants: np.ndarray | None = None) -> Group:
        """The largest of ``lines`` (L, C), in one scenario of its block alone."""
        given = np.zeros((1, len(lines))) if constants is None else np.asarray(constants, float)[None, :]
        return cls(np.asarray(columns, np.int64), lines[None, :, :], given, np.array([scenario]))

    def values(self, y: np.ndarray) -> np.ndarray:
        """(K, L) value of every line."""
        return np.asarray(self.lines @ y[self.columns] + self.constants)


@dataclass(frozen=True, eq=False)
class Block:
    """The worst of K scenarios; groups have all K of them, or say which.

    ``anchor`` gives the block that is exact at positions (R,), where that depends on them: another one of the same shape.
    """

    name: str
    groups: tuple[Group, ...]
    anchor: Callable[[np.ndarray], Block] | None = field(default=None)

    @property
    def count(self) -> int:
        """K, the number of scenarios."""
        return max(len(g.lines) if g.at is None else int(g.at.max()) + 1 for g in self.groups)

    def _summed(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """(K,) sums of one number per group and scenario."""
        total = np.zeros(self.count)
        for group, part in zip(self.groups, parts, strict=True):
            total[slice(None) if group.at is None else group.at] += part
        return total

    def values(self, y: np.ndarray) -> np.ndarray:
        """(K,) value in each scenario."""
        return self._summed([group.values(y).max(axis=1) for group in self.groups])

    def __call__(self, y: np.ndarray) -> float:
        """Value at y."""
        return float(self.values(y).max())

    def size(self, y: np.ndarray) -> float:
        """Magnitude of what the value is summed from."""
        sums = (np.abs(g.lines) @ np.abs(y[g.columns]) + np.abs(g.constants) for g in self.groups)
        return float(self._summed([one.max(axis=1) for one in sums]).max())

    def at(self, quantity: np.ndarray) -> Block:
        """The block that is exact at positions (R,)."""
        return self if self.anchor is None else self.anchor(quantity)

    def scaled(self, factor: float) -> Block:
        """The block times ``factor`` >= 0."""
        anchor = self.anchor
        return Block(
            self.name,
            tuple(Group(g.columns, g.lines * factor, g.constants * factor, g.at) for g in self.groups),
            None if anchor is None else lambda quantity: anchor(quantity).scaled(factor),
        )


@dataclass(frozen=True, eq=False)
class Ramp:
    """A charge on ``u = |row @ y|`` USD: the venue asks ``min(rate max(u - threshold, 0) u, flat_rate u)``.

    That is convex up to the kink, where the two meet, and not beyond. Either of them alone is nowhere below their minimum:
    the square (continued by its tangent at the kink) is exact up to the kink, the flat charge beyond it. ``flat`` tells
    which one counts.
    """

    name: str
    row: np.ndarray
    threshold: float
    rate: float
    flat_rate: float
    flat: bool = False

    @property
    def kink(self) -> float:
        """USD at which the two charges meet: ``threshold + flat_rate / rate``."""
        return self.threshold + self.flat_rate / self.rate

    def value(self, amount: float) -> float:
        """USD charged on an amount of either sign."""
        u, kink = abs(amount), self.kink
        if self.flat:
            return self.flat_rate * u
        inside = min(u, kink)
        square = self.rate * max(inside - self.threshold, 0.0) * inside
        return square + self.rate * (2.0 * kink - self.threshold) * max(u - kink, 0.0)

    def at(self, y: np.ndarray) -> Ramp:
        """The charge that is exact at y."""
        return replace(self, flat=abs(float(self.row @ y)) > self.kink)

    def scaled(self, factor: float) -> Ramp:
        """The charge times ``factor`` > 0; the kink stays."""
        return replace(self, rate=self.rate * factor, flat_rate=self.flat_rate * factor)


@dataclass(frozen=True, eq=False)
class Cap:
    """``|row @ y| <= limit``: beyond it the venue's charge is not convex, and the encoding asks for more than the rule."""

    name: str
    row: np.ndarray
    limit: float
    unit: str


Anchor = Callable[[np.ndarray, "np.ndarray | None"], "Encoding"]
"""Positions (R,), and the largest size that each can have (R,) or None, to the encoding that is exact there."""

Hull = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Smallest and largest size (R,) of each position to slopes and deductions (R, L)."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """A requirement in USD of y = (z, n): positions (R,) and collateral units (A,).

    Attributes
    ----------
    slopes, deductions : (R, L)
        Tiers, both non-negative; a row without tiers has slope 0.
    quadratic, short : (R,)
    blocks
    constant
    caps
    ramps
    anchor
        Gives the encoding whose tiers are exact at positions (R,), where that depends on them; None where it does not.
        Called by :meth:`at`, beside the anchors of blocks and ramps.
    largest : (R,) or None
        Units of either sign up to which the encoding is nowhere below the rule; None: everywhere.
    hull
        From the smallest and the largest size (R,) of each position to slopes and deductions (R, L) of tiers that are
        nowhere above the rule between them: what a lower bound rests on. None: the encoding's own are nowhere above it.
    """

    slopes: np.ndarray
    deductions: np.ndarray
    quadratic: np.ndarray
    short: np.ndarray
    n_assets: int
    blocks: tuple[Block, ...] = ()
    constant: float = 0.0
    caps: tuple[Cap, ...] = field(default=())
    ramps: tuple[Ramp, ...] = field(default=())
    anchor: Anchor | None = field(default=None)
    largest: np.ndarray | None = field(default=None)
    hull: Hull | None = field(default=None)

    @classmethod
    def zero(cls, rows: int, assets: int) -> Encoding:
        """No requirement."""
        return cls(np.zeros((rows, 1)), np.zeros((rows, 1)), np.zeros(rows), np.zeros(rows), assets)

    @property
    def anchored(self) -> bool:
        """Whether the encoding depends on where it is to be exact."""
        return self.anchor is not None or bool(self.ramps) or any(block.anchor is not None for block in self.blocks)

    @property
    def local(self) -> bool:
        """Whether bounds hold for the encoding at its anchor only; brackets of leverage have a hull, for all sizes."""
        moves = self.anchor is not None and self.hull is None
        return moves or bool(self.ramps) or any(block.anchor is not None for block in self.blocks)

    def at(self, quantity: np.ndarray, reach: np.ndarray | None = None) -> Encoding:
        """The encoding that is exact at positions (R,); nowhere below the rule, like every other.

        With ``reach`` (R,), the largest size that each position can have, it is nowhere below the rule up to there, and
        exact at the positions only where that allows it.
        """
        if not self.anchored:
            return self
        found = self if self.anchor is None else self.anchor(quantity, reach)
        y = np.concatenate([quantity, np.zeros(self.n_assets)])
        return replace(
            found, blocks=tuple(b.at(quantity) for b in found.blocks), ramps=tuple(ramp.at(y) for ramp in found.ramps)
        )

    def __call__(self, quantity: np.ndarray, collateral: np.ndarray) -> float:
        """Value at positions (R,) and collateral (A,)."""
        size = np.abs(quantity)
        tiers = (self.slopes * size[:, None] - self.deductions).max(axis=1, initial=-np.inf) if len(size) else np.zeros(0)
        own = tiers.sum() + self.quadratic @ size**2 + self.short @ np.maximum(-quantity, 0.0)
        y = np.concatenate([quantity, collateral])
        ramps = sum(ramp.value(float(ramp.row @ y)) for ramp in self.ramps)
        return float(own + self.constant + ramps + sum(block(y) for block in self.blocks))

    def size(self, quantity: np.ndarray, collateral: np.ndarray) -> float:
        """Sum of the magnitudes of what the value is summed from, USD; rounding is judged by it."""
        size = np.abs(quantity)
        tiers = (np.abs(self.slopes) * size[:, None] + np.abs(self.deductions)).max(axis=1, initial=0.0)
        own = tiers.sum() + self.quadratic @ size**2 + self.short @ size
        y = np.concatenate([quantity, collateral])
        ramps = sum(2.0 * ramp.value(float(np.abs(ramp.row) @ np.abs(y))) for ramp in self.ramps)  # 2: they grow as squares
        return float(own + abs(self.constant) + ramps + sum(block.size(y) for block in self.blocks))

    def scaled(self, factor: float) -> Encoding:
        """The encoding times ``factor`` > 0; caps stay."""
        anchor, hull = self.anchor, self.hull

        def scaled_hull(smallest: np.ndarray, largest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            assert hull is not None
            slopes, deductions = hull(smallest, largest)
            return slopes * factor, deductions * factor

        return Encoding(
            self.slopes * factor,
            self.deductions * factor,
            self.quadratic * factor,
            self.short * factor,
            self.n_assets,
            tuple(block.scaled(factor) for block in self.blocks),
            self.constant * factor,
            self.caps,
            tuple(ramp.scaled(factor) for ramp in self.ramps),
            None if anchor is None else lambda quantity, reach: anchor(quantity, reach).scaled(factor),
            self.largest,
            None if hull is None else scaled_hull,
        )

    def with_blocks(self, *blocks: Block) -> Encoding:
        """The sum with more blocks."""
        anchor = self.anchor
        return replace(
            self,
            blocks=self.blocks + blocks,
            anchor=None if anchor is None else lambda quantity, reach: anchor(quantity, reach).with_blocks(*blocks),
        )

    def positions_only(self) -> Encoding:
        """Tiers, squares, short charges and the constant: what is worked out one position at a time."""
        return replace(self, blocks=(), ramps=(), anchor=None)
