"""What solving returns: certified trades, and the seconds that it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hedgeopt.certificate import Certificate
from hedgeopt.constraints.constraint import Side
from hedgeopt.program import Box

__all__ = ["Progress", "Solution", "Stages"]

Progress = Callable[[str], None]


@dataclass
class Stages:
    """Seconds spent per stage, in order; ``progress`` hears each stage as it starts."""

    progress: Progress | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what runs inside as one stage."""
        if self.progress is not None:
            self.progress(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Solution:
    """Certified trades.

    Attributes
    ----------
    trades : (N,)
        In the candidates' quantity units; positive buys.
    certificate
    sides
        Every limit with its value after trading, its bound and its shadow price.
    box, binding_sizes
        Trade limits, and the candidates that stand at theirs by the limit's name.
    statistics
        The tail solver's own account: rounds, passes, seconds.
    tails
        Scenario weights (S,) of every CVaR atom by ``id``, with which the lower bound was computed.
    """

    trades: np.ndarray
    certificate: Certificate
    sides: tuple[Side, ...]
    box: Box
    binding_sizes: Mapping[str, list[int]]
    statistics: Mapping[str, Any]
    tails: Mapping[int, np.ndarray] = field(default_factory=dict)
