"""From coarse to fine: which scenarios a level looks at, and how many its boundary starts with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hedgeopt.tail.model import LossModel
from hedgeopt.tail.source import Index, ScenarioSource

# Scenarios of the first level: this many at least. Without costs on trading a plan holds many instruments: so many beyond
# the level per instrument, at most in units of their number. With costs it holds some ten whatever there is to choose from:
# so many beyond the level are enough, and a small sample misleads less than a first relaxation of a large one.
_LEAST, _BEYOND, _DENSE, _BEYOND_SPARSE = 1000.0, 0.2, 32, 12
# Effective scenarios (one over the sum of squared probabilities) below which a sample takes the likeliest.
_FEWEST = 1000.0
# Share of the tail that may be left out of such a sample.
_LEFT = 0.3
# Most times the scenarios of one level to the next.
_RATIO = 16.0
# Up to so many scenarios the first level keeps all in its boundary.
_WHOLE_SPARSE, _WHOLE_DENSE = 1500, 2500
# First boundary of a level in units of the number of instruments (a plan that holds few pays little for more scenarios, and
# a round for too few), and per scenario of the boundary that the level below ended with. A sample of m scenarios misplaces
# the plan by 1 / sqrt(m): where n / sqrt(m) passes this, both grow.
_BAND, _BAND_SPARSE, _BELOW, _SPREAD = 15, 30, 0.7, 632.0


@dataclass
class Level:
    """Models of one level, the share of the scenarios they hold, and how far the level below reached."""

    models: list[LossModel]
    share: float
    final: bool
    dense: bool
    first: bool
    growth: float
    below: float
    """Scenarios around the level that the boundary of the level below represents."""

    @property
    def whole(self) -> bool:
        """Whether a start from nothing keeps every scenario in the boundary."""
        most = _WHOLE_DENSE if self.dense else _WHOLE_SPARSE
        return self.first and all(m.size <= max(most, m.band(8 * m.width, self.dense)) for m in self.models)

    def band(self, model: LossModel) -> int:
        """Scenarios the boundary starts with."""
        return model.band(
            int(max(self.growth * ((_BAND if self.dense else _BAND_SPARSE) * model.width + 200), _BELOW * self.below)),
            self.dense,
        )


class Schedule:
    """Levels for the loss models of a problem; ``dense`` expects a plan that holds many instruments."""

    def __init__(self, models: list[LossModel], dense: bool) -> None:
        self.models, self.dense = models, dense
        self.size = max((m.size for m in models), default=1)
        self.boundary = 0
        """Set after each level: the scenarios its boundary ended with."""

    def levels(self, begun: bool) -> Iterator[Level]:
        """The levels in order; only the last where there is a point to begin from."""
        before = None
        for share in [1.0] if begun or not self.models else self._shares():
            final = share == 1.0
            models = self.models if final else self._sample(share)
            if not models and not final:
                continue
            count = max((m.size for m in models), default=1)
            growth = 1.0 if before is None else max(1.0, count / before**0.5 / _SPREAD)
            below = 0.0 if before is None or not self.dense else self.boundary * (count / before) ** 0.5
            yield Level(models, share, final, self.dense, before is None and not begun, growth, below)
            before = count

    def _shares(self) -> list[float]:
        """Shares of the scenarios per level, in equal ratios."""
        width = self.models[0].width
        tails = [float(m.caps.sum()) for m in self.models]
        wanted = [min(_BEYOND * width * t, _DENSE * width) if self.dense else _BEYOND_SPARSE * t for t in tails]
        first = max(_LEAST, *wanted)
        if self.size <= 3 * first:
            return [1.0]
        steps = max(1, math.ceil(math.log(self.size / first) / math.log(_RATIO)))
        return [(first / self.size) ** (i / steps) for i in range(steps, 0, -1)] + [1.0]

    def _sample(self, share: float) -> list[LossModel]:
        """Every k-th scenario (k is odd: of pairs both kinds are drawn), or the likeliest where few hold the mass."""
        step = max(1, round(1.0 / share)) | 1
        every: dict[int, slice | Index] = {m.size: slice(step // 2, None, step) for m in self.models}
        for size in every:
            heavy = [m.caps for m in self.models if m.size == size and _concentrated(m)]
            if heavy:
                # Those of the greatest probability stand for all.
                most = np.maximum.reduce([u / u.sum() for u in heavy])
                chosen = np.sort(np.argpartition(-most, size // step)[: size // step])
                # Unless what they leave out could fill a good part of the tail.
                if all(u[chosen].sum() >= u.sum() - _LEFT for u in heavy):
                    every[size] = chosen
        if not all(m.caps[every[m.size]].sum() > 0 for m in self.models):
            return []
        shared: dict[int, dict[int, ScenarioSource]] = {size: {} for size in every}
        return [m.subset(every[m.size], shared[m.size]) for m in self.models]


def _concentrated(model: LossModel) -> bool:
    """Whether few scenarios hold the probability: a sample of them is another problem."""
    if model.uniform:
        return False
    p = model.caps / model.caps.sum()
    return float(1.0 / (p @ p)) < _FEWEST
