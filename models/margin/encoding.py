"""Margin requirements as convex functions of positions and collateral.

Every venue's rule is a sum of two forms:

* **tiers**, one position at a time: ``max_l (slope_rl |z_r| - deduction_rl) + quadratic_r z_r^2 + short_r max(-z_r, 0)``;
* **blocks**, the worst of K scenarios of a sum over groups (expiries, currencies) of a maximum of L lines:
  ``max_k sum_g max_l (A_gkl . y + c_gkl)`` with ``y = (z, n)``, positions and collateral units.

That covers scenario grids with offsets and discounts, roll and net-short charges (K = 1), haircuts and debt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Block", "Cap", "Encoding", "Group"]


@dataclass(frozen=True, eq=False)
class Group:
    """``max_l (lines[:, l] @ y[columns] + constants[:, l])`` for each of K scenarios.

    Attributes
    ----------
    columns : (C,) int
        Which coordinates of y = (positions, collateral) it reads.
    lines : (K, L, C)
    constants : (K, L)
    """

    columns: np.ndarray
    lines: np.ndarray
    constants: np.ndarray

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

    def values(self, y: np.ndarray) -> np.ndarray:
        """(K, L) value of every line."""
        return np.asarray(self.lines @ y[self.columns] + self.constants)


@dataclass(frozen=True, eq=False)
class Block:
    """The worst of K scenarios; all groups have the same K."""

    name: str
    groups: tuple[Group, ...]

    def values(self, y: np.ndarray) -> np.ndarray:
        """(K,) value in each scenario."""
        total = np.zeros(self.groups[0].lines.shape[0])
        for group in self.groups:
            total += group.values(y).max(axis=1)
        return total

    def __call__(self, y: np.ndarray) -> float:
        """Value at y."""
        return float(self.values(y).max())

    def scaled(self, factor: float) -> Block:
        """The block times ``factor`` >= 0."""
        return Block(self.name, tuple(Group(g.columns, g.lines * factor, g.constants * factor) for g in self.groups))


@dataclass(frozen=True, eq=False)
class Cap:
    """``|row @ y| <= limit``, under which the encoding is exact: beyond it the venue adds a charge that is not convex."""

    name: str
    row: np.ndarray
    limit: float
    unit: str


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
    """

    slopes: np.ndarray
    deductions: np.ndarray
    quadratic: np.ndarray
    short: np.ndarray
    n_assets: int
    blocks: tuple[Block, ...] = ()
    constant: float = 0.0
    caps: tuple[Cap, ...] = field(default=())

    @classmethod
    def zero(cls, rows: int, assets: int) -> Encoding:
        """No requirement."""
        return cls(np.zeros((rows, 1)), np.zeros((rows, 1)), np.zeros(rows), np.zeros(rows), assets)

    @property
    def n_rows(self) -> int:
        """R, the number of positions."""
        return len(self.short)

    def __call__(self, quantity: np.ndarray, collateral: np.ndarray) -> float:
        """Value at positions (R,) and collateral (A,)."""
        size = np.abs(quantity)
        tiers = (self.slopes * size[:, None] - self.deductions).max(axis=1, initial=-np.inf) if len(size) else np.zeros(0)
        own = tiers.sum() + self.quadratic @ size**2 + self.short @ np.maximum(-quantity, 0.0)
        y = np.concatenate([quantity, collateral])
        return float(own + self.constant + sum(block(y) for block in self.blocks))

    def scaled(self, factor: float) -> Encoding:
        """The encoding times ``factor`` >= 0; caps stay."""
        return Encoding(
            self.slopes * factor,
            self.deductions * factor,
            self.quadratic * factor,
            self.short * factor,
            self.n_assets,
            tuple(block.scaled(factor) for block in self.blocks),
            self.constant * factor,
            self.caps,
        )

    def with_blocks(self, *blocks: Block) -> Encoding:
        """The sum with more blocks."""
        return Encoding(
            self.slopes,
            self.deductions,
            self.quadratic,
            self.short,
            self.n_assets,
            self.blocks + blocks,
            self.constant,
            self.caps,
        )
