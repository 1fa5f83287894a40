"""The active set of one tail: which scenarios are out, in the aggregate, or kept one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.masters.base import Piece
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Index, Vector

OUT, IN, BOUNDARY = 0, 1, 2
# Caps that together are rounding: a tail of losses of order one changes by less.
_DUST = 1e-10
# The share of a tail's error that new scenarios cover where probabilities differ, within so many times the usual number.
_MOSTLY, _TIMES = 0.95, 10


class ActiveSet:
    """Partition of a model's scenarios, with the boundary rows and the aggregate kept up to date."""

    def __init__(self, model: LossModel) -> None:
        self.model = model
        self.state = np.zeros(model.size, dtype=np.int8)
        self.boundary: Index = np.zeros(0, dtype=np.intp)
        self._rows = np.zeros((0, model.width))
        self._summed = np.zeros(0, dtype=bool)
        self.name: object = object()
        # Scenarios whose probabilities together are rounding: what they could add is in the gap, not in the program.
        self._dust = 0.0 if model.uniform else _negligible(model.caps)
        self.gradient, self.constant, self.mass = np.zeros(model.width), 0.0, 0.0

    def rebuild(self, losses: Vector, band: int) -> None:
        """Classify by losses: about ``band`` scenarios around the VaR level become the boundary."""
        model, self.name = self.model, object()
        u, size = model.caps, model.size
        if u.sum() <= 1.0 + 1e-9:
            # Beta is zero: every scenario counts in full and the tail is a plain mean.
            everything = np.arange(size)
            self.state[:] = IN
            self.gradient, self.constant = model.weighted_sum(everything, u)
            self.mass = 1.0
            return
        band = min(band, size)
        if model.uniform:
            k = 1.0 / u[0]
            lo = int(np.clip(np.ceil(k) - 1 - band // 2, 0, size))
        else:
            order = np.argsort(-losses, kind="stable")
            k = float(np.searchsorted(np.cumsum(u[order]), 1.0))
            lo = int(np.clip(k - band // 2, 0, size))
        hi = int(np.clip(max(lo + band, np.floor(k) + 2), lo, size))
        if model.uniform:
            cuts = [cut for cut in (size - lo, size - hi) if 0 < cut < size]
            order = np.argpartition(losses, cuts)[::-1] if cuts else np.arange(size)
        inside, self.boundary = np.sort(order[:lo]), np.sort(order[lo:hi])
        if not model.uniform and band < size:
            # Whatever the losses, scenarios of great probability decide.
            heavy = np.argpartition(-u, band // 2)[: band // 2]
            self.boundary = np.union1d(self.boundary, heavy)
            inside = np.setdiff1d(inside, heavy, assume_unique=True)
        if band >= size:
            inside, self.boundary = inside[:0], np.sort(order)
        # A scenario without probability has a dual weight of zero and no interior.
        self.boundary = self.boundary[u[self.boundary] > self._dust]
        self.state[:] = OUT
        self.state[inside], self.state[self.boundary] = IN, BOUNDARY
        self._rows = model.rows(self.boundary)
        self._summed = np.zeros(len(self.boundary), dtype=bool)
        self.gradient, self.constant = model.weighted_sum(inside, u[inside])
        self.mass = float(u[inside].sum())
        self._ensure_interior(losses)

    def restore(self, state: NDArray[np.int8], boundary: Index, name: object) -> bool:
        """Take over the partition of an earlier solve with new numbers; False where new probabilities forbid it."""
        u = self.model.caps
        mass = float(u[state == IN].sum())
        if u.sum() > 1.0 + 1e-9 and not (mass < 1.0 - 1e-9 and mass + u[boundary].sum() > 1.0 + 1e-9):
            return False
        if np.any(u[boundary] <= 0) or (u.sum() <= 1.0 + 1e-9 and len(boundary)):
            return False
        self.state, self.boundary, self.name = state.copy(), boundary, name
        inside = np.flatnonzero(state == IN)
        self._rows = self.model.rows(np.sort(boundary))[np.argsort(np.argsort(boundary))]
        self._summed = np.zeros(len(boundary), dtype=bool)
        self.gradient, self.constant = self.model.weighted_sum(inside, u[inside])
        self.mass = mass
        return True

    def trimmed(
        self, losses: Vector, level: float, binding: NDArray[np.bool_], keep: int
    ) -> tuple[NDArray[np.int8], Index, NDArray[np.bool_]]:
        """Partition without the boundary scenarios far from the level; also which of the boundary stay."""
        b = self.boundary
        distance = np.abs(losses[b] - level)
        stays = np.ones(len(b), dtype=bool)
        if len(b) > keep:
            stays[np.argsort(distance)[keep:]] = False
        stays |= binding
        state = self.state.copy()
        gone = b[~stays]
        state[gone] = np.where(losses[gone] > level, IN, OUT)
        return state, b[stays], stays

    def grow(self, new: Index) -> None:
        """Move scenarios into the boundary."""
        if len(new) == 0:
            return
        new = np.sort(new)
        rows = self.model.rows(new)
        was_in = self.state[new] == IN
        if was_in.any():
            u = self.model.caps[new[was_in]]
            self.gradient = self.gradient - u @ rows[was_in]
            self.constant -= float(u @ self.model.offset[new[was_in]])
            self.mass -= float(u.sum())
        self.state[new] = BOUNDARY
        self.boundary = np.concatenate((self.boundary, new))
        self._summed = np.concatenate((self._summed, was_in))
        self._rows = np.concatenate((self._rows, rows))

    def _ensure_interior(self, losses: Vector) -> None:
        """The boundary must be able to hold more, and be asked for more than nothing."""
        u = self.model.caps
        while True:
            total = float(u[self.boundary].sum())
            if self.mass >= 1.0 - 1e-12:
                pool = np.flatnonzero(self.state == IN)
                self.grow(pool[np.argsort(losses[pool])[: max(1, len(pool) // 8)]])
            elif self.mass + total <= 1.0 + 1e-12 and (self.state == OUT).any():
                pool = np.flatnonzero((self.state == OUT) & (u > 0))
                if len(pool) == 0:
                    return
                self.grow(pool[np.argsort(-losses[pool])[: max(1, len(pool) // 8)]])
            else:
                return

    @property
    def rows(self) -> Vector:
        """Gradients of the boundary's losses, in its order."""
        return self._rows

    def piece(self) -> Piece:
        """The reduced tail for the master."""
        b = self.boundary
        return Piece(
            self._rows, self.model.offset[b], self.model.caps[b], self.gradient, self.constant, self.mass,
            self.model.scale, self._summed, self.name,
        )  # fmt: skip

    def reduced(self, losses: Vector) -> tuple[float, float]:
        """Value and VaR level of the reduced tail at a loss vector."""
        b = self.boundary
        u = self.model.caps
        order = b[np.argsort(-losses[b], kind="stable")]
        if len(b) == 0:
            return float(u @ losses), -np.inf
        need = 1.0 - self.mass
        before = np.concatenate(([0.0], np.cumsum(u[order])[:-1]))
        weight = np.clip(need - before, 0.0, u[order])
        used = np.flatnonzero(weight > 0)
        inside = np.flatnonzero(self.state == IN)
        aggregate = float(u[inside] @ losses[inside])
        level = float(losses[order[used[-1]]]) if len(used) else float(losses.max())
        return aggregate + float(weight @ losses[order]), level

    def misplaced(self, losses: Vector, level: float, slack: float, cap: int) -> Index:
        """Scenarios on the wrong side of the level, the ``cap`` of each kind that change the tail most."""
        out = np.flatnonzero((self.state == OUT) & (losses > level + slack) & (self.model.caps > self._dust))
        inside = np.flatnonzero((self.state == IN) & (losses < level - slack) & (self.model.caps > self._dust))
        u = None if self.model.uniform else self.model.caps
        return np.concatenate((_worst(losses[out] - level, u, out, cap), _worst(level - losses[inside], u, inside, cap)))

    def weights(self, q: Vector) -> Vector:
        """Dense dual weights over all scenarios from the boundary's, feasible to the last digit."""
        u = self.model.caps
        full = np.where(self.state == IN, u, 0.0)
        full[self.boundary] = np.clip(q, 0.0, u[self.boundary])
        # Clipping and the master's tolerance leave a sum of 1 + O(tolerance): move the rest where there is room.
        for _ in range(3):
            gap = 1.0 - full.sum()
            if abs(gap) < 1e-15:
                break
            b = self.boundary
            room = u[b] - full[b] if gap > 0 else full[b]
            total = room.sum()
            if total <= 0:
                break
            full[b] += gap * room / total
        return np.clip(full, 0.0, u)


def _worst(excess: Vector, u: Vector | None, index: Index, cap: int) -> Index:
    """The ``cap`` scenarios of the largest excess; with unequal probabilities more, until most of the tail's error is in."""
    if len(index) <= cap:
        return index
    if u is None:
        return np.asarray(index[np.argpartition(-excess, cap)[:cap]])
    order = np.argsort(-excess * u[index])
    error = np.cumsum((excess * u[index])[order])
    many = int(np.searchsorted(error, _MOSTLY * error[-1])) + 1
    return np.asarray(index[order[: min(max(many, cap), _TIMES * cap)]])


def _negligible(u: Vector) -> float:
    """The cap up to which all scenarios together hold no more than ``_DUST``."""
    order = np.sort(u)
    few = int(np.searchsorted(np.cumsum(order), _DUST, side="right"))
    return float(order[few - 1]) if few else 0.0
