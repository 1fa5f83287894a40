"""The engine's assumptions beside the recorded markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pandas as pd

from hedgeopt.backtest.sanity import Sanity
from hedgeopt.backtest.size_costs import FillRules
from hedgeopt.files.calls import strict_class
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

__all__ = ["Halt", "Settings"]


@strict_class
@dataclass(frozen=True)
class Halt:
    """A venue that is paused from ``start`` until ``end``: nothing trades, leaves or is liquidated there."""

    venue: str
    start: datetime
    end: datetime


@strict_class
@dataclass(frozen=True)
class Settings:
    """Assumptions of a run.

    Attributes
    ----------
    scenarios, beta
        For the tail promised by policies that state none, and from the book after trading.
    promise
        ``engine``: so for every policy, instead of its own number: a sample that nobody optimised against, the same for all.
    mark_half_spread
        Share of price around the mark of futures and perpetuals that carry no quotes; None: they cannot be traded.
    halts
        When venues are paused.
    index
        Recorded index prices to settle on, beside those of the snapshots.
    unknown_margin
        ``refuse``: a run ends where the margin of an account that holds anything is unknown (a bilateral contract, or a rule
        that lacks a number); ``not counted``: it goes on without, and every step says so among its events.
    fills
        What limits fills beside the quote: :class:`~hedgeopt.backtest.size_costs.FillRules`.
    warm_up
        Index prices by moment and asset; those before the first snapshot are known from the start.
    index_gap
        Share by which the recorded index may differ from a snapshot's of the same quarter of an hour before it is told.
    sanity
        When a snapshot is passed over, and which quotes cannot be traded: :mod:`hedgeopt.backtest.sanity`.
    """

    scenarios: Any = field(default_factory=lambda: ParametricScenarios(count=1000))
    beta: float = 0.99
    promise: Literal["policy", "engine"] = "policy"
    mark_half_spread: float | None = 0.0001
    halts: Sequence[Halt] = ()
    index: pd.DataFrame | None = None
    sanity: Sanity = field(default_factory=Sanity)
    unknown_margin: Literal["refuse", "not counted"] = "refuse"
    fills: FillRules = field(default_factory=FillRules)
    index_gap: float = 0.05
    warm_up: pd.DataFrame | None = None
