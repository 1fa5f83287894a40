"""Options of a solve, and the result of the active-set loop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hedgeopt.tail.active import ActiveSet
from hedgeopt.tail.masters.base import Master, Point
from hedgeopt.tail.source import Vector


def clock() -> float:
    """Wall-clock seconds."""
    return time.perf_counter()


@dataclass(frozen=True)
class Options:
    """Options of a solve (see :func:`hedgeopt.tail.register.solve_tail`)."""

    tolerance: float = 1e-6
    max_rounds: int = 60
    time_limit: float | None = None
    threads: int = 1
    verbose: bool = False
    max_nodes: int = 100_000
    started: float = field(default_factory=lambda: clock())

    def remaining(self) -> float | None:
        """Seconds until the time limit; None without one."""
        return None if self.time_limit is None else self.time_limit - (clock() - self.started)

    def late(self) -> bool:
        """Whether the time limit has passed."""
        left = self.remaining()
        return left is not None and left <= 0


@dataclass
class Outcome:
    """Where the loop ended: best point, bounds, and what it cost."""

    status: str
    master: Master
    point: Point
    active: list[ActiveSet] = field(default_factory=list)
    values: Vector = field(default_factory=lambda: np.zeros(0))
    var: Vector = field(default_factory=lambda: np.zeros(0))
    weights: list[Vector] = field(default_factory=list)
    lower: float = -np.inf
    upper: float = np.inf
    gap: float = np.inf
    rounds: int = 0
    passes: float = 0.0
    master_seconds: float = 0.0
    pass_seconds: float = 0.0
    iterations: int = 0
    losses: list[Vector] = field(default_factory=list)
    q: list[Vector] = field(default_factory=list)
    proven: bool = False
    """Whether ``lower`` is shown by the data; otherwise it is the solver's claim, or infinite."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    """Masters that had no answer: name, status, reason, whether technical, in how many rounds."""
    search: dict[str, Any] = field(default_factory=dict)
    """With integers: how many problems were solved, the bound before branching, entries fixed by reduced cost."""
    certificate: Any = None
    """Multipliers that prove ``lower`` together with ``weights`` (:class:`hedgeopt.tail.certificate.RowMultipliers`)."""
    dual: Point | None = None
    """The master solve that proved the bound (``point`` has the best objective); None when none did."""
