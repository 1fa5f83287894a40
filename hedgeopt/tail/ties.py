"""Scenarios that are equal, as a bootstrap draws them: one of each with their probabilities summed is the same problem."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import ArraySource, Index, OnesSource, ScenarioSource, Vector

# Fewer scenarios are solved as they are; scenarios drawn to see whether any are equal, the share of these that says so, the
# share of distinct ones that is worth it, and entries compared at a time.
_FEWEST, _DRAWN, _SEEN, _WORTH, _CHUNK = 4_000, 1_000, 0.02, 0.5, 1 << 20


@dataclass(frozen=True)
class Merged:
    """Models of the distinct scenarios, and for each scenario given which of these it is."""

    models: list[LossModel]
    place: Index | None
    given: list[LossModel]

    def spread(self, weights: list[Vector]) -> list[Vector]:
        """Weights of the distinct scenarios shared out among those given, by their probabilities."""
        if self.place is None:
            return weights
        return [
            (q / np.maximum(few.caps, 1e-300))[self.place] * many.caps
            for q, few, many in zip(weights, self.models, self.given, strict=True)
        ]


def merged(models: list[LossModel]) -> Merged:
    """One scenario of each kind; the models themselves where few are equal, or the matrix is not an array in memory."""
    as_given = Merged(models, None, models)
    size = models[0].size if models else 0
    if size < _FEWEST or any(m.size != size for m in models) or not all(map(_in_memory, models)):
        return as_given
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(models[0].width)
    drawn = np.sort(rng.choice(size, _DRAWN, replace=False))
    few = np.column_stack([m.rows(drawn) @ direction + m.offset[drawn] for m in models])
    if len(np.unique(few, axis=0)) > (1.0 - _SEEN) * _DRAWN:
        return as_given
    losses = np.column_stack([m.losses(direction) for m in models])
    _, first, place = np.unique(losses, axis=0, return_index=True, return_inverse=True)
    place = place.ravel()
    if len(first) > _WORTH * size or not all(_equal(m, first[place]) for m in models):
        return as_given
    shared: dict[int, ScenarioSource] = {}
    distinct = []
    for m in models:
        blocks = []
        for block in m.blocks:
            source = shared.get(id(block.source))
            if source is None:
                ones = isinstance(block.source, OnesSource)
                source = OnesSource(len(first)) if ones else ArraySource(block.source.rows(first))
                shared[id(block.source)] = source
            factor = block.factor[first] if isinstance(block.factor, np.ndarray) else block.factor
            blocks.append(replace(block, source=source, factor=factor))
        caps = np.asarray(np.bincount(place, m.caps, len(first)), dtype=float)
        distinct.append(LossModel(blocks, m.offset[first], caps, m.width, m.scale, uniform=False))
    return Merged(distinct, place, models)


def _in_memory(model: LossModel) -> bool:
    return all(
        isinstance(b.source, OnesSource) or (type(b.source) is ArraySource and b.source._map is None) for b in model.blocks
    )


def _equal(model: LossModel, other: Index) -> bool:
    """Whether every scenario has the numbers of the one that stands for it."""
    if not np.array_equal(model.offset, model.offset[other]):
        return False
    for block in model.blocks:
        if isinstance(block.factor, np.ndarray) and not np.array_equal(block.factor, block.factor[other]):
            return False
        if isinstance(block.source, ArraySource):
            array = block.source.array
            step = max(1, _CHUNK // max(1, array.shape[1]))
            for lo in range(0, len(array), step):
                if not np.array_equal(array[lo : lo + step], array[other[lo : lo + step]]):
                    return False
    return True
