"""Choosing a policy, and fitting the scenario model that policies see, inside the backtest: from the past alone.

Every choice runs on paper beside the desk, on the same book and snapshots. At each refit the one with the best score over
the training window decides until the next. The window ends ``embargo_days`` before now: a step counts only if it ended by
then (purged), and what lies within the embargo counts for nothing, so that what a choice is judged by has no part in what
comes next. (Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter 7, where the terms are from.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from hedgeopt.backtest.policies.protocol import Decision, Observation, Strategy
from hedgeopt.backtest.results.measures import drawdown_path
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class
from hedgeopt.inputs.market import Market
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.models.scenarios.fit import fit_model

__all__ = ["Paper", "Score", "WalkForward"]

Score = Literal["cvar_95", "max_drawdown", "pnl_less_cvar"]
Made = Callable[[Mapping[str, Any] | None], Strategy]
"""A policy from the settings of a fitted scenario model; None before there is one."""

_LEAST = 10
_RESAMPLES = 20


class Paper(Protocol):
    """A backtest that the engine runs on paper."""

    recorder: Any

    def step(self, snapshot: Market) -> None:
        """One snapshot."""


@strict_class
class WalkForward:
    """See the module.

    Parameters
    ----------
    choices
        By name; the first decides until there is enough to choose by.
    refit_days, train_days, embargo_days
        Between choices; length of the window; and between its end and the choice.
    score
        ``cvar_95`` of steps or ``max_drawdown``, the smaller the better; ``pnl_less_cvar``: mean P&L less the CVaR 95 %.
    fit
        Whether the scenario model is fitted anew at each refit, to the option rows of the window.

    Attributes
    ----------
    chosen
        One record per refit: ``timestamp, choice, scores``, the window, and what was fitted (``model``). A backtest's
        ``config["chosen"]`` holds them.
    """

    def __init__(
        self,
        choices: Mapping[str, Made],
        *,
        refit_days: float = 14.0,
        train_days: float = 45.0,
        embargo_days: float = 1.0,
        score: Score = "cvar_95",
        fit: bool = False,
        name: str = "walk-forward",
    ) -> None:
        if len(choices) < 1 or refit_days <= 0 or train_days <= 0 or embargo_days < 0:
            raise InputError(
                "needs choices, refit_days and train_days above 0, embargo_days of 0 or more", field="policies.walk_forward"
            )
        self.choices, self.score, self.fit, self.name = dict(choices), score, fit, name
        self.refit_days, self.train_days, self.embargo_days = refit_days, train_days, embargo_days
        self.current = next(iter(self.choices))
        self.chosen: list[dict[str, Any]] = []
        self._model: Mapping[str, Any] | None = None
        self._live = {key: make(None) for key, make in self.choices.items()}
        self._paper: dict[str, Paper] = {}
        self._rows: list[pd.DataFrame] = []
        self._last: datetime | None = None
        self._events: list[dict[str, Any]] = []

    def follow(self, start: Callable[[Strategy], Paper]) -> None:
        """Called by the engine with how to run a policy on paper."""
        if len(self.choices) > 1:
            self._paper = {key: start(make(None)) for key, make in self.choices.items()}

    def watch(self, snapshot: Market) -> None:
        """Called by the engine with each snapshot before the decision."""
        for paper in self._paper.values():
            paper.step(snapshot)
        if self.fit:
            self._rows.append(_option_rows(snapshot))
        now = snapshot.timestamp
        self._last = self._last or now
        if (now - self._last).total_seconds() >= 86_400.0 * self.refit_days:
            self._refit(now)

    def decide(self, state: Observation) -> Decision:
        """What the choice of now decides; an event at each refit."""
        answer = self._live[self.current].decide(state)
        decision = answer if isinstance(answer, Decision) else Decision(orders=tuple(answer))
        events, self._events = self._events, []
        return replace(decision, events=(*decision.events, *events))

    @property
    def horizon_days(self) -> float:
        """Of the promise of the choice of now."""
        return float(getattr(self._live[self.current], "horizon_days", 1.0))

    def _refit(self, now: datetime) -> None:
        end = pd.Timestamp(now) - pd.Timedelta(days=self.embargo_days)
        start = end - pd.Timedelta(days=self.train_days)
        scores = {key: self._scored(paper, start, end) for key, paper in self._paper.items()}
        known = {key: value for key, value in scores.items() if np.isfinite(value)}
        if self._paper and not known:
            return  # too few steps yet: asked again at the next snapshot
        self._last = now
        record: dict[str, Any] = {"timestamp": now.isoformat(), "from": start.isoformat(), "to": end.isoformat()}
        if known:
            self.current = min(known, key=lambda key: known[key])
        record |= {"choice": self.current, "scores": scores}
        if self.fit:
            record["model"] = self._fitted(start, end)
        self.chosen.append(record)
        self._events.append({"kind": "walk_forward", **{k: v for k, v in record.items() if k not in ("timestamp", "model")}})

    def _scored(self, paper: Paper, start: pd.Timestamp, end: pd.Timestamp) -> float:
        """Score of the steps that began and ended within the window; the smaller the better, NaN with too few."""
        steps = paper.recorder.steps
        times = [step["timestamp"] for step in steps]
        pnl = np.array(
            [step["pnl"] for before, step in zip(times, steps[1:], strict=False)
             if before >= start and step["timestamp"] <= end]
        )  # fmt: skip
        if len(pnl) < _LEAST:
            return float("nan")
        if self.score == "max_drawdown":
            return float(drawdown_path(pnl).max())
        tail = tail_loss(-pnl, 0.95)
        return tail if self.score == "cvar_95" else tail - float(pnl.mean())

    def _fitted(self, start: pd.Timestamp, end: pd.Timestamp) -> Mapping[str, Any] | str:
        """Fit the model to the window, and make the policies anew with it; what it found, or why it did not."""
        self._rows = [rows for rows in self._rows if len(rows) and rows["timestamp"].iloc[0] >= start]
        seen = [rows for rows in self._rows if rows["timestamp"].iloc[0] <= end]
        try:
            if not seen:
                raise InputError("no option was quoted in the window")
            self._model = fit_model(pd.concat(seen, ignore_index=True), resamples=_RESAMPLES).settings
        except InputError as error:
            return error.problem
        self._live = {key: make(self._model) for key, make in self.choices.items()}
        return self._model


def _option_rows(market: Market) -> pd.DataFrame:
    """The snapshot's options as rows of a chain, as far as a fit reads them."""
    items: Sequence[Any] = [item for item in market.instruments.values() if item.nature.option]
    ids = [item.id for item in items]
    return pd.DataFrame(
        {
            "timestamp": pd.Series([pd.Timestamp(market.timestamp)] * len(items), dtype="datetime64[ns, UTC]"),
            "currency": [item.underlying for item in items],
            "strike": [item.strike for item in items],
            "expiry": pd.Series([pd.Timestamp(item.expiry) for item in items], dtype="datetime64[ns, UTC]"),
            "option_type": [item.right for item in items],
            "mark_iv": market.quoted("mark_iv", ids),
            "underlying_price": market.quoted("underlying_price", ids),
            "index_price": [market.price(item.underlying) for item in items],
        }
    )
