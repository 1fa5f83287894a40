"""The tail that the outcome of a step is judged by: over the step's own length, by what was known when it began.

Snapshots are 5 to 13 hours apart where six were meant, and a loss over thirteen hours is no failure of a promise of six. So
nothing is left out: once the next snapshot says how long the step was, the promise is stated for that time, for the book as
it was left, from the market and the prices known then. Of the next snapshot only its moment counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.valuation import Promise, moved_assets, value_in
from hedgeopt.errors import InputError
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.sample_settings import GivenScenarios

__all__ = ["LOUDER", "Judged", "Stated", "judged"]

LOUDER = 1.5
"""Power is told for losses this many times those of the promise."""

_SAME = 1e-3


@dataclass(frozen=True)
class Stated:
    """What a step began with: the book after trading, its market, and the promise with the sample it was drawn from.

    ``horizon_days`` is that of ``promise``, and ``own`` whether the policy states it, not the engine; ``scenarios`` None
    where nothing can be drawn again.
    """

    book: Book
    market: Market
    promise: Promise
    horizon_days: float
    scenarios: Any
    own: bool


@dataclass(frozen=True)
class Judged:
    """CVaR and value at risk over ``days``, USD.

    ``louder`` is the model's own chance that 1.5 times the loss exceeds the value at risk; NaN where it is not known.
    ``scaled``: the promise was scaled with the root of time, because it could not be stated anew.
    """

    days: float
    cvar: float
    var: float
    louder: float = math.nan
    scaled: bool = False


def judged(stated: Stated, until: datetime, history: Callable[[], pd.DataFrame]) -> Judged:
    """The promise over the time until ``until``; ``history`` gives the index prices known when it was made."""
    days = (until - stated.market.timestamp).total_seconds() / 86_400.0
    given, horizon = stated.promise, stated.horizon_days
    root, same = math.sqrt(days / horizon), abs(days / horizon - 1.0) <= _SAME
    scaled = Judged(days, given.cvar * root, given.var * root, scaled=not same)
    if stated.scenarios is None or isinstance(stated.scenarios, GivenScenarios) or not np.isfinite(given.cvar):
        return scaled  # scenarios given one by one have no time in them
    if stated.own and same:
        return Judged(days, given.cvar, given.var)
    holdings = resolve(stated.book, stated.market)
    assets = moved_assets(holdings)
    if not assets:  # cash alone: nothing can be lost
        return Judged(days, 0.0, 0.0)
    try:
        with as_known(stated.scenarios, stated.market.timestamp, history) as known:
            sample = draw(known.model_copy(update={"horizon_days": days}), assets, stated.market)
    except InputError:  # a history whose steps do not add up to this time
        return scaled
    e = value_in(holdings, sample).exposures
    losses, p = -e.base_pnl, e.probabilities
    var = value_at_risk(losses, given.beta, p)
    over = LOUDER * losses > var
    louder = float(over.mean()) if p is None else float(p @ over)
    return Judged(days, tail_loss(losses, given.beta, p), var, louder)
