"""Numbers of one solve: the loss models of the tails, and weighted tail sums of a loss vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedgeopt.errors import InputError
from hedgeopt.tail.atom import CVaR
from hedgeopt.tail.recognise import factor_value, offset_value
from hedgeopt.tail.source import ArraySource, Index, ScenarioSource, Vector
from hedgeopt.tail.split import Tail


@dataclass(frozen=True)
class Block:
    """``factor * source @ y[columns]``."""

    source: ScenarioSource
    columns: slice
    factor: float | NDArray[np.float64]


@dataclass
class LossModel:
    """Losses ``L(y) = sum_j factor_j * A_j @ y[columns_j] + offset`` of shape (S,), with dual caps ``u``.

    ``caps`` are ``p / (1 - beta)``; the tail's value is ``scale`` times the CVaR (``sum_largest`` is k times it).
    """

    blocks: list[Block]
    offset: Vector
    caps: Vector
    width: int
    scale: float = 1.0
    uniform: bool = True

    @property
    def size(self) -> int:
        """Number of scenarios."""
        return len(self.offset)

    def band(self, most: int) -> int:
        """Scenarios worth looking at around the level: three times the tail's count, 300 at least, ``most`` at most."""
        beyond = self.size * float(np.mean(self.caps))
        return min(most, max(300, int(3 * self.size / max(beyond, 1.0))))

    def losses(self, y: Vector, threads: int = 1) -> Vector:
        """One pass over every source."""
        total = None
        for block in self.blocks:
            part = block.source.losses(y[block.columns], threads)
            if np.ndim(block.factor) or block.factor != 1.0:
                part *= block.factor
            total = part if total is None else np.add(total, part, out=total)
        return self.offset.copy() if total is None else np.add(total, self.offset, out=total)

    def rows(self, index: Index) -> Vector:
        """Gradients of the indexed losses in y, shape (len(index), width)."""
        out = np.zeros((len(index), self.width))
        for block in self.blocks:
            part = block.source.rows(index)
            factor = block.factor[index, None] if isinstance(block.factor, np.ndarray) else block.factor
            out[:, block.columns] += part if isinstance(factor, float) and factor == 1.0 else part * factor
        return out

    def weighted_sum(self, index: Index, weight: Vector) -> tuple[Vector, float]:
        """``sum_s weight_s L_s(y)`` over ``index`` as (gradient in y, constant)."""
        gradient = np.zeros(self.width)
        for block in self.blocks:
            scaled = weight * (block.factor[index] if isinstance(block.factor, np.ndarray) else block.factor)
            gradient[block.columns] += block.source.weighted_sum(index, scaled)
        return gradient, float(weight @ self.offset[index])

    def subset(self, index: Index, shared: dict[int, ScenarioSource]) -> LossModel:
        """The model of a subsample, its rows in memory (once per source) and its probabilities scaled to sum to one."""
        blocks = []
        for block in self.blocks:
            source = shared.get(id(block.source))
            if source is None:
                source = shared.setdefault(id(block.source), ArraySource(block.source.rows(index)))
            factor = block.factor[index] if isinstance(block.factor, np.ndarray) else block.factor
            blocks.append(Block(source, block.columns, factor))
        caps = self.caps[index]
        total = caps.sum()
        if not total > 0:
            raise InputError("a scenario subsample has no probability")
        return LossModel(blocks, self.offset[index], caps * (self.caps.sum() / total), self.width, self.scale, self.uniform)

    def tail(self, losses: Vector) -> tuple[float, float]:
        """CVaR and VaR level of a loss vector."""
        u, size = self.caps, len(losses)
        if self.uniform:
            k = 1.0 / float(u[0])
            keep = min(size, int(np.ceil(k)))
            top = np.partition(losses, size - keep)[size - keep :]
            var = float(top[0]) if keep < size else float(top.min())
            return float((top.sum() - (keep - k) * var) / k), var
        order = np.argsort(-losses, kind="stable")
        before = np.concatenate(([0.0], np.cumsum(u[order])[:-1]))
        weight = np.clip(1.0 - before, 0.0, u[order])
        last = int(np.flatnonzero(weight)[-1])
        return float(weight @ losses[order] / weight.sum()), float(losses[order[last]])

    def worst(self, losses: Vector) -> Vector:
        """Weights of the risk envelope that attain the CVaR of a loss vector."""
        order = np.argsort(-losses, kind="stable")
        before = np.concatenate(([0.0], np.cumsum(self.caps[order])[:-1]))
        q = np.zeros(len(losses))
        q[order] = np.clip(1.0 - before, 0.0, self.caps[order])
        return q


def build_models(tails: list[Tail], slices: list[slice], width: int) -> list[LossModel]:
    """Loss models with the current parameter values; equal matrices are read once and shared."""
    sources: dict[object, ScenarioSource] = {}
    models = []
    for tail in tails:
        blocks = []
        size = tail.losses.size
        for term, position in zip(tail.losses.terms, tail.inner, strict=True):
            source = sources.get(term.key)
            if source is None:
                source = sources.setdefault(term.key, term.matrix())
            columns = slices[position]
            if source.shape != (size, columns.stop - columns.start):
                raise InputError("scenario matrix of the wrong shape", value=source.shape)
            blocks.append(Block(source, columns, factor_value(term.factors)))
        offset = np.zeros(size)
        for part in tail.losses.offsets:
            offset = offset + offset_value(part, size)
        atom = tail.atom
        if isinstance(atom, CVaR):
            caps, scale = atom.weights() / (1.0 - atom.beta), 1.0
        else:
            caps, scale = np.full(size, 1.0 / min(atom.k, size)), float(atom.k)
        if not np.all(np.isfinite(offset)):
            raise InputError("losses must be finite", field=str(tail.atom.args[0]))
        uniform = not isinstance(atom, CVaR) or atom.probabilities is None
        models.append(LossModel(blocks, offset, caps, width, scale, uniform))
    return models
