"""Results of a solve: certified trades, and the seconds that it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.program.box import Box
from hedgeopt.program.proven import Certificate

__all__ = ["Leaf", "Multipliers", "Progress", "Solution", "Stages"]

Progress = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass
class Stages:
    """Seconds spent per stage, in order; ``progress`` hears each stage as it starts."""

    progress: Progress | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the code inside as one stage."""
        if self.progress is not None:
            self.progress(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            _log.debug("%s took %.3f s", name, took)


@dataclass(frozen=True)
class Multipliers:
    """Shadow prices and scenario weights that prove a bound, for who wants to prove it again.

    ``prices`` holds (limit, sense, bound, price); ``tails`` as in :class:`Solution`.
    """

    prices: tuple[tuple[str, str, float, float], ...]
    tails: Mapping[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, sides: Sequence[Side], tails: Mapping[int, np.ndarray]) -> Multipliers:
        """Those of the limits that have a price."""
        priced = [side for side in sides if side.dual > 0.0 and np.isfinite(side.dual)]
        return cls(tuple((s.name, "<=" if s.sign > 0 else ">=", float(s.limit), float(s.dual)) for s in priced), tails)


@dataclass(frozen=True)
class Leaf:
    """A choice of accounts and assets that collateral leaves (see :mod:`hedgeopt.program.branches`), and what proves
    its bound.

    Links out of ``shut`` are closed, the rules of ``used`` hold, the rest is undecided and its rules are left out.
    """

    shut: frozenset[tuple[int, int]]
    used: frozenset[tuple[int, int]]
    proofs: tuple[Multipliers, ...]


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
    proofs
        Multipliers beside the sides' shadow prices that prove a better bound.
    leaves
        With links: choices that together are all there are, each with its proof.
    at_once
        In words, the constraint of the user's own that the solver met by buying and selling one instrument at once, if any.
    """

    trades: np.ndarray
    certificate: Certificate
    sides: tuple[Side, ...]
    box: Box
    binding_sizes: Mapping[str, list[int]]
    statistics: Mapping[str, Any]
    tails: Mapping[int, np.ndarray] = field(default_factory=dict)
    proofs: tuple[Multipliers, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    at_once: str = ""
