"""A margin requirement inside a program: cvxpy expression, plain evaluation, and lower bound.

Positions one at a time (tiers, squares, short charges) are in :mod:`hedgeopt.models.margin.bind_positions`, scenario grids
in :mod:`hedgeopt.models.margin.bind_blocks`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables, put
from hedgeopt.models.margin.bind_blocks import BoundBlocks
from hedgeopt.models.margin.bind_positions import BoundPositions
from hedgeopt.models.margin.bind_ramps import BoundRamps
from hedgeopt.models.margin.effects import account_collateral, candidates_of
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.separable import Separable

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["BoundEncoding"]

_NEAR = 1e-7


class BoundEncoding:
    """``encoding(positions, collateral)`` in USD of one account as a function of scaled trades.

    The part that grows with the square of a futures position or of a net delta enters as chords of the convex curve between
    nodes: exact at the nodes, above the curve between them, so a limit that holds here holds exactly. :meth:`refine` moves
    the nodes to the solution. An encoding that is exact at one portfolio only (:meth:`Encoding.at`) starts at
    the positions held; :meth:`anchor` moves it to a solution.

    Attributes
    ----------
    expression
        Scalar convex cvxpy expression.
    constraints
        Auxiliary cvxpy constraints that define it; they belong to the program.
    """

    def __init__(
        self, trades: TradeVariables, e: Exposures, account: int, encoding: Callable[[Exposures], Encoding]
    ) -> None:
        import cvxpy as cp

        self.account, self._base = account, encoding
        self.constraints: list[cp.Constraint] = []
        self._at: np.ndarray | None = None
        self._reach: np.ndarray | None = None
        self._whole: tuple[np.ndarray, np.ndarray] | None = None
        self._tight = False
        self._seen: weakref.ref[Exposures] | None = None
        self._found: tuple[Encoding, Encoding] | None = None
        self._locate(e)
        first = self._encoding(e)
        self._constant = cp.Parameter()
        self.expression: cp.Expression = self._constant
        self._positions: BoundPositions | None = None
        if len(self._candidates):
            held = e.held[self._candidates]
            self._positions = BoundPositions(trades, self._candidates, self._in_rows, held, first)
            self.expression += self._positions.expression
        self._blocks: BoundBlocks | None = None
        if first.blocks:
            self._blocks = BoundBlocks(trades, e, account, (self._candidates, self._in_rows), first.blocks)
            self.expression += self._blocks.expression
            self.constraints += self._blocks.constraints

        self._ramps: BoundRamps | None = None
        if first.ramps and len(self._candidates):
            self._ramps = BoundRamps(trades, self._candidates, self._in_rows, first.ramps)
            self.expression += self._ramps.expression
            self.constraints += self._ramps.constraints

    def _encoding(self, e: Exposures) -> Encoding:
        """The encoding that is exact at the anchor: the positions held until a solution moves it."""
        if self._seen is None or self._seen() is not e:  # another moment: the last anchor means nothing here
            self._seen, self._at, self._found, self._reach, self._whole = weakref.ref(e), None, None, None, None
        base = self._base(e)
        if not base.anchored:
            return base
        if self._found is None or self._found[0] is not base:
            held = e.rows.quantity[self._mine]
            self._found = base, base.at(held, self._reach) if self._at is None else base.at(self._at)
        return self._found[1]

    def rule(self, other: BoundEncoding) -> None:
        """Take over the rule of another encoding of the same account and shape."""
        self._base, self._seen = other._base, None

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        """Make the encoding exact at trades x; returns whether it asked for more there than it does now."""
        base = self._base(e)
        if not base.anchored:
            return False
        after, before = self._after(e, x), self.evaluate(e, x)
        moved = base.at(after)
        if not moved(after, self._posted(e, x, moved)) < before - _NEAR * max(1.0, abs(before)):
            return False
        self._at, self._found = after, (base, moved)
        return True

    def _posted(self, e: Exposures, x: np.ndarray, encoding: Encoding) -> np.ndarray:
        """(A,) collateral after trades x where the encoding reads it; as it is now where not."""
        rows = len(self._mine)
        reads = any((group.columns >= rows).any() for block in encoding.blocks for group in block.groups)
        return account_collateral(e, self.account, x) if reads else e.collateral[self.account]

    def forget(self, tight: bool = False) -> None:
        """Back to the anchor of the start; the next trade limits are those that bounds hold for.

        ``tight``: what is held counts as it does now, as far as :meth:`domain`; else as wherever trades may take it.
        """
        self._at, self._found, self._whole, self._tight = None, None, None, tight

    def _sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """(R,) smallest and largest size of each position within all trade limits since the start; any, before the first."""
        rows = len(self._mine)
        return (np.zeros(rows), np.full(rows, np.inf)) if self._whole is None else self._whole

    def jumps(self, e: Exposures) -> bool:
        """Whether the rule jumps somewhere within the trade limits, so that bounds rest on its hull."""
        base = self._base(e)
        if base.hull is None:
            return False
        slopes, _ = base.hull(*self._sizes())
        return bool((slopes != slopes[:, :1]).any())

    def local(self, e: Exposures) -> bool:
        """Whether bounds hold for the encoding at its anchor only."""
        return self._base(e).local

    def domain(self, e: Exposures) -> np.ndarray:
        """(N,) size of each candidate's position up to which the encoding holds; infinite for what it does not bound."""
        found, largest = np.full(e.n_candidates, np.inf), self._encoding(e).largest
        if largest is not None:
            found[self._candidates] = largest[self._in_rows]
        return found

    def _after(self, e: Exposures, x: np.ndarray) -> np.ndarray:
        after = e.rows.quantity[self._mine].copy()
        after[self._in_rows] += x[self._candidates]
        return np.asarray(after)

    def _locate(self, e: Exposures) -> None:
        """Rows of the account, which of them candidates trade, and which candidates those are."""
        self._mine = e.margins.rows[self.account]
        self._candidates = np.flatnonzero(np.isin(e.candidate, self._mine))
        self._in_rows = np.searchsorted(self._mine, e.candidate[self._candidates])
        self.touching = candidates_of(e, self.account)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        """Load new data; trades are between minus and plus ``scale`` (N,)."""
        held, at = e.rows.quantity[self._mine], self._in_rows
        self._encoding(e)  # another moment forgets what was known of the last
        reach, most = np.abs(held), e.margins.largest(self.account, e.rows.quantity, e.candidate)[self._mine]
        least = reach.copy()
        reach[at] += scale[self._candidates]
        least[at] = np.maximum(least[at] - scale[self._candidates], 0.0)
        self._reach, self._found = np.minimum(reach, np.maximum(most, np.abs(held))), None
        if self._whole is None:
            self._whole = least, self._reach
        self._whole = np.minimum(self._whole[0], least), np.maximum(self._whole[1], self._reach)
        near = self._base(e).at(held).largest if self._tight else None
        if near is not None:
            self._reach = np.where(held != 0.0, np.minimum(self._reach, near), self._reach)
        encoding = self._encoding(e)
        rest = held.copy()
        rest[at] = 0.0
        put(self._constant, self._apart(encoding, rest))
        if self._positions is not None:
            self._positions.update(encoding, held[at], scale[self._candidates])
        if self._ramps is not None:
            self._ramps.update(encoding.ramps, held, scale)
        if self._blocks is not None:
            self._blocks.update(e, scale, encoding.blocks, held)

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Move the nodes of the squares, and the anchor, to the positions of trades x; whether that changes anything."""
        moved = self.anchor(e, x)
        if self._ramps is not None:
            moved |= self._ramps.refine(self._encoding(e).ramps, self._after(e, x))
        if self._positions is None:
            return moved
        after = self._after(e, x)[self._in_rows]
        return self._positions.refine(after, scale[self._candidates]) or moved

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        """USD in plain numpy at trades x (N,), the square in full."""
        encoding = self._encoding(e)
        return encoding(self._after(e, x), self._posted(e, x, encoding))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        """USD: the magnitude of what :meth:`evaluate` sums, that of positions before and after trading."""
        encoding, gross = self._encoding(e), np.abs(e.rows.quantity[self._mine])
        gross[self._in_rows] += np.abs(x[self._candidates])
        return encoding.size(gross, np.asarray(self._posted(e, x, encoding)))

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        """Nowhere above the requirement (USD): exact in tiers and short charges, tangents in the square, and in blocks the
        scenarios weighted by their duals."""
        encoding, held, n = self._encoding(e), e.rows.quantity[self._mine], e.n_candidates
        at, rest = self._in_rows, held.copy()
        rest[at] = 0.0
        total = Separable(np.zeros(n), self._apart(encoding, rest))
        if self._positions is not None:
            slopes, drops = encoding.slopes, encoding.deductions
            if encoding.hull is not None:
                slopes, drops = encoding.hull(*self._sizes())
            z = held[at] + x[self._candidates]
            total += self._positions.minorant(n, held[at], z, encoding, slopes[at], drops[at])
        if self._blocks is not None:
            total += self._blocks.minorant(e, x, encoding.blocks, held)
        if self._ramps is not None:
            total += self._ramps.minorant(n, x, encoding.ramps, held)
        return total

    def _apart(self, encoding: Encoding, rest: np.ndarray) -> float:
        """What no trade changes: positions without candidates, and ramps of accounts that trade nothing."""
        y = np.concatenate([rest, np.zeros(encoding.n_assets)])
        ramps = 0.0 if self._ramps is not None else sum(ramp.value(float(ramp.row @ y)) for ramp in encoding.ramps)
        return encoding.positions_only()(rest, np.zeros(encoding.n_assets)) + ramps
