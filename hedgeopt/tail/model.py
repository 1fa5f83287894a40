"""Numbers of one solve: the loss models of the tails, and weighted tail sums of a loss vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedgeopt.errors import InputError
from hedgeopt.tail.atom import CVaRAtom
from hedgeopt.tail.recognise import factor_value, offset_value
from hedgeopt.tail.source import ArraySource, Index, ScenarioSource, Vector
from hedgeopt.tail.split import SplitTail

# Scenarios worth looking at around the level, per instrument at least and per scenario beyond it.
_FEW, _TAILS = 3, 2
# Entries read at a time while looking for the scenario that is not finite.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class LossBlock:
    """``factor * source @ y[columns]``."""

    source: ScenarioSource
    columns: slice
    factor: float | NDArray[np.float64]


@dataclass
class LossModel:
    """Losses ``L(y) = sum_j factor_j * A_j @ y[columns_j] + offset`` of shape (S,), with dual caps ``u``.

    ``caps`` are ``p / (1 - beta)``; the tail's value is ``scale`` times the CVaR (``sum_largest`` is k times it).
    """

    blocks: list[LossBlock]
    offset: Vector
    caps: Vector
    width: int
    scale: float = 1.0
    uniform: bool = True

    @property
    def size(self) -> int:
        """Number of scenarios."""
        return len(self.offset)

    def band(self, most: int, dense: bool = True) -> int:
        """Scenarios worth looking at around the level: some times the tail's count, ``most`` at most.

        A plan that holds many instruments has as many scenarios at the level: some times their number, then.
        """
        beyond = self.size * float(np.mean(self.caps))
        return min(most, max(300, _FEW * self.width if dense else 0, int(_TAILS * self.size / max(beyond, 1.0))))

    def losses(self, y: Vector, threads: int = 1) -> Vector:
        """One pass over every source; InputError names the first scenario whose losses are not finite."""
        total = None
        for block in self.blocks:
            with np.errstate(invalid="ignore", over="ignore"):
                part = block.source.losses(y[block.columns], threads)
            if np.ndim(block.factor) or block.factor != 1.0:
                part *= block.factor
            total = part if total is None else np.add(total, part, out=total)
        if total is None:
            return self.offset.copy()
        total = np.add(total, self.offset, out=total)
        if not np.isfinite(total.sum()) and np.isfinite(y).all():
            _refuse(np.flatnonzero(~np.isfinite(total)))
        return total

    def rows(self, index: Index) -> Vector:
        """Gradients of the indexed losses in y, shape (len(index), width)."""
        out = None
        for block in self.blocks:
            part = block.source.rows(index)
            factor = block.factor[index, None] if isinstance(block.factor, np.ndarray) else block.factor
            if not (isinstance(factor, float) and factor == 1.0):
                part *= factor
            if out is None and part.shape[1] == self.width:
                out = part
                continue
            out = np.zeros((len(index), self.width)) if out is None else out
            out[:, block.columns] += part
        if out is None:
            return np.zeros((len(index), self.width))
        if not np.isfinite(out.sum()):
            _refuse(index[~np.isfinite(out).all(axis=1)])
        return out

    def weighted_sum(self, index: Index, weight: Vector) -> tuple[Vector, float]:
        """``sum_s weight_s L_s(y)`` over ``index`` as (gradient in y, constant)."""
        gradient = np.zeros(self.width)
        for block in self.blocks:
            scaled = weight * (block.factor[index] if isinstance(block.factor, np.ndarray) else block.factor)
            gradient[block.columns] += block.source.weighted_sum(index, scaled)
        if not np.isfinite(gradient.sum()):
            for part in np.array_split(index, 1 + len(index) * self.width // _CHUNK):
                self.rows(part)
        return gradient, float(weight @ self.offset[index])

    def subset(self, rows: slice | Index, shared: dict[int, ScenarioSource]) -> LossModel:
        """The model of some scenarios (sources read once), its probabilities scaled to sum to one."""
        blocks = []
        for block in self.blocks:
            source = shared.get(id(block.source))
            if source is None:
                some = block.source.every(rows) if isinstance(rows, slice) else ArraySource(block.source.rows(rows))
                source = shared.setdefault(id(block.source), some)
            factor = block.factor[rows] if isinstance(block.factor, np.ndarray) else block.factor
            blocks.append(LossBlock(source, block.columns, factor))
        caps = self.caps[rows]
        return LossModel(
            blocks, self.offset[rows], caps * (self.caps.sum() / caps.sum()), self.width, self.scale, self.uniform
        )

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


def _refuse(scenarios: Index) -> None:
    """InputError for scenarios whose losses are not numbers (none: the sum of large numbers overflowed, which is none)."""
    if len(scenarios):
        raise InputError(
            "the losses of every scenario must be finite",
            field="scenario matrix",
            value=f"row {scenarios[0]}" + (f" and {len(scenarios) - 1} more" if len(scenarios) > 1 else ""),
            fix="repair or drop these rows",
        )


def build_models(tails: list[SplitTail], slices: list[slice], width: int) -> list[LossModel]:
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
            blocks.append(LossBlock(source, columns, factor_value(term.factors)))
        # What is the same for every scenario takes the memory of one number.
        offset = np.broadcast_to(0.0, size)
        for part in tail.losses.offsets:
            offset = offset + offset_value(part, size)
        atom = tail.atom
        uniform = not isinstance(atom, CVaRAtom) or atom.probabilities is None
        scale = 1.0 if isinstance(atom, CVaRAtom) else float(atom.k)
        if not isinstance(atom, CVaRAtom):
            caps = np.broadcast_to(1.0 / min(atom.k, size), size)
        elif uniform:
            caps = np.broadcast_to(1.0 / ((1.0 - atom.beta) * size), size)
        else:
            caps = atom.weights() / (1.0 - atom.beta)
        if not np.all(np.isfinite(offset)):
            raise InputError("losses must be finite", field=" ".join(str(tail.atom.args[0]).split()))
        models.append(LossModel(blocks, offset, caps, width, scale, uniform))
    return models
