"""A tree of gates: those whose groups move the losses alike are near one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from hedgeopt.tail.source import Index


class Clusters:
    """Binary tree over ``effects`` (gates, numbers), by the angle between them; ``either`` takes both directions for one.

    Clusters are numbered: gates first, then joined pairs, the last is all of them.
    """

    def __init__(self, effects: NDArray[np.float64], either: bool) -> None:
        count = len(effects)
        size = np.sqrt((effects**2).sum(axis=1))
        unit = effects / np.where(size > 0, size, 1.0)[:, None]
        cosine = np.clip(unit @ unit.T, -1.0, 1.0)
        far = np.maximum(1.0 - (np.abs(cosine) if either else cosine), 0.0)
        self.count = count
        self.members: list[Index] = [np.array([i], dtype=np.intp) for i in range(count)]
        self.parent = np.full(2 * count - 1, -1, dtype=np.intp)
        joined = linkage(np.sqrt(far[np.triu_indices(count, 1)]), "average") if count > 1 else np.zeros((0, 4))
        for k, (a, b) in enumerate(joined[:, :2].astype(int).tolist()):
            self.members.append(np.concatenate((self.members[a], self.members[b])))
            self.parent[[a, b]] = count + k

    def above(self, gate: int) -> list[int]:
        """The clusters that a gate is in, itself first."""
        found = [gate]
        while self.parent[found[-1]] >= 0:
            found.append(int(self.parent[found[-1]]))
        return found
