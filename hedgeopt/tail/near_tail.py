"""The scenarios of a tail among which cuts are looked for: those that are bad at some points, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Index, Vector

# Scenarios at least, and their multiple of the tail's; entries that are kept: beyond that, passes go over all scenarios.
_FEW, _TIMES, _MOST = 20_000, 4.0, 2e7


@dataclass
class NearTail:
    """Any weights of the risk envelope make a true cut: which scenarios are looked at decides only how deep it is."""

    model: LossModel
    index: Index
    rows: NDArray[np.float64] | None
    """(scenarios, columns) gradients by column; None: too many to be kept."""
    offset: Vector
    caps: Vector

    @classmethod
    def around(cls, model: LossModel, start: Sequence[Vector], threads: int) -> NearTail:
        """The worst scenarios at loss arguments ``start``, in turn, up to a number."""
        most = int(max(_FEW, _TIMES / float(np.mean(model.caps))))
        index, caps = np.arange(model.size), np.asarray(model.caps)
        if min(most, model.size) * model.width > _MOST:
            return cls(model, index, None, model.offset, caps)
        if model.size > most:
            mixed = np.stack([np.argsort(-model.losses(y, threads))[:most] for y in start]).T.ravel()
            _, place = np.unique(mixed, return_index=True)
            some = np.sort(mixed[np.sort(place)][:most])
            if float(caps[some].sum()) <= 1.0:
                # Weights of a cut sum to one.
                return cls(model, index, None, model.offset, caps)
            index = some
        return cls(model, index, np.asfortranarray(model.rows(index)), model.offset[index], caps[index])

    def worst(self, y: Vector, threads: int) -> tuple[float, Index, Vector]:
        """CVaR of the scenarios looked at (not above the true one), those that make it, and their weights."""
        if self.rows is None:
            losses = self.model.losses(y, threads)
        else:
            at = np.flatnonzero(y)
            losses = self.rows[:, at] @ y[at] + self.offset
        order, weights = _weighted(losses, self.caps)
        return float(weights @ losses[order]), self.index[order], weights


def _weighted(losses: Vector, caps: Vector) -> tuple[Index, Vector]:
    """The worst scenarios and their weights, which sum to one."""
    count = len(losses)
    keep = min(count, int(np.ceil(1.05 / max(float(caps.mean()), 1e-300))) + 1)
    while True:
        some = np.argpartition(losses, count - keep)[count - keep :] if keep < count else np.arange(count)
        order = some[np.argsort(-losses[some], kind="stable")]
        before = np.concatenate(([0.0], np.cumsum(caps[order])[:-1]))
        q = np.clip(1.0 - before, 0.0, caps[order])
        if q.sum() >= 1.0 - 1e-12 or keep == count:
            at = q > 0
            return order[at], q[at]
        keep = min(count, 2 * keep)
