"""Policies as a configuration describes them; each model builds a fresh policy for every run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hedgeopt.backtest.policies.classic import MeanVarianceDelta, TailHedge, WhalleyWilmott
from hedgeopt.backtest.policies.multi_period import MultiPeriod
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.backtest.policies.protocol import Strategy
from hedgeopt.backtest.policies.regime import SIGNALS, RegimeSwitching
from hedgeopt.backtest.policies.simple import DeltaBand, DeltaVegaMinVariance, DoNothing
from hedgeopt.backtest.policies.walk_forward import Score, WalkForward
from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.inputs.policy import Policy, read_policy
from hedgeopt.models.scenarios.sample_settings import AnyScenarios, ParametricScenarios

__all__ = ["AnyPolicy"]


class _Base(Record):
    name: str = Field(default="", description="shown in results; default: what the policy calls itself")

    def build(self) -> Strategy:
        """A fresh policy."""
        policy = self._make()
        if self.name:
            policy.name = self.name
        return policy

    def _make(self) -> Strategy:
        raise NotImplementedError


class DoNothingConfig(_Base):
    """Hold."""

    kind: Literal["do_nothing"] = "do_nothing"

    def _make(self) -> Strategy:
        return DoNothing()


class DeltaBandConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.simple.DeltaBand`."""

    kind: Literal["delta_band"] = "delta_band"
    band: dict[str, float] = Field(default={"*": 1.0}, description="coins by asset, * for any other")
    to_edge: bool = False
    count_collateral: bool = True
    account: str | None = None

    def _make(self) -> Strategy:
        return DeltaBand(self.band, to_edge=self.to_edge, count_collateral=self.count_collateral, account=self.account)


class DeltaVegaConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.simple.DeltaVegaMinVariance`."""

    kind: Literal["delta_vega"] = "delta_vega"
    scenarios: AnyScenarios = ParametricScenarios(count=1000)
    days: float = Field(default=30.0, gt=0)
    least_gain: float = Field(default=0.05, ge=0, lt=1)
    account: str | None = None

    def _make(self) -> Strategy:
        return DeltaVegaMinVariance(self.scenarios, days=self.days, least_gain=self.least_gain, account=self.account)


class WhalleyWilmottConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.classic.WhalleyWilmott`."""

    kind: Literal["whalley_wilmott"] = "whalley_wilmott"
    risk_aversion: float = Field(default=1e-5, gt=0, description="of exponential utility, per USD")
    cost_rate: float = Field(default=6e-4, gt=0, lt=0.1, description="cost of a trade as a share of its notional")
    account: str | None = None

    def _make(self) -> Strategy:
        return WhalleyWilmott(self.risk_aversion, cost_rate=self.cost_rate, account=self.account)


class MeanVarianceDeltaConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.classic.MeanVarianceDelta`."""

    kind: Literal["mean_variance_delta"] = "mean_variance_delta"
    scenarios: AnyScenarios = ParametricScenarios(count=1000)
    risk_aversion: float = Field(default=1e-5, gt=0, description="per USD of variance")
    cost_rate: float = Field(default=6e-4, gt=0, lt=0.1, description="cost of a trade as a share of its notional")
    account: str | None = None

    def _make(self) -> Strategy:
        options: dict[str, Any] = {"risk_aversion": self.risk_aversion, "cost_rate": self.cost_rate}
        return MeanVarianceDelta(self.scenarios, **options, account=self.account)


class TailHedgeConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.classic.TailHedge`."""

    kind: Literal["tail_hedge"] = "tail_hedge"
    quantity: dict[str, Annotated[float, Field(gt=0)]] = Field(description="contracts of each right, by asset")
    rights: tuple[Literal["call", "put"], ...] = ("call", "put")
    days: float = Field(default=60.0, gt=0, description="tenor bought")
    delta: float = Field(default=0.1, gt=0, le=0.5, description="absolute delta bought")
    roll_days: float = Field(default=14.0, ge=0, description="bought anew with less time left")
    band: dict[str, float] = Field(default={"*": 1.0}, description="delta band beside it, coins by asset")
    account: str = "main"

    def _make(self) -> Strategy:
        return TailHedge(
            self.quantity, rights=self.rights, days=self.days, delta=self.delta, roll_days=self.roll_days, band=self.band,
            account=self.account,
        )  # fmt: skip


class _WithRules(_Base):
    policy: dict[str, Any] | str = Field(description="a policy file, or the policy itself as a table")

    def _rules(self) -> Policy:
        return read_policy(Path(self.policy)) if isinstance(self.policy, str) else Policy(**self.policy)

    def _of(self, rules: Policy) -> Strategy:
        raise NotImplementedError

    def _make(self) -> Strategy:
        return self._of(self._rules())

    def _build_of(self, rules: Policy) -> Strategy:
        made = self._of(rules)
        if self.name:
            made.name = self.name
        return made


class OptimizerConfig(_WithRules):
    """:class:`~hedgeopt.backtest.policies.optimizer.Optimizer`."""

    kind: Literal["optimizer"] = "optimizer"
    no_trade: float = Field(default=0.0, ge=0, description="USD by which trading must improve the objective")
    budget: float | None = Field(default=None, gt=0, description="largest trading cost per step, USD")
    infeasible: Literal["hold", "minimise violation"] = "hold"

    def _of(self, rules: Policy) -> Strategy:
        return Optimizer(rules, no_trade=self.no_trade, budget=self.budget, infeasible=self.infeasible)


class MultiPeriodConfig(_WithRules):
    """:class:`~hedgeopt.backtest.policies.multi_period.MultiPeriod`."""

    kind: Literal["multi_period"] = "multi_period"
    periods: int = Field(default=3, ge=2, le=12)
    cost_decay: float = Field(default=0.9, gt=0, le=1)
    infeasible: Literal["hold"] = "hold"

    def _of(self, rules: Policy) -> Strategy:
        return MultiPeriod(rules, periods=self.periods, cost_decay=self.cost_decay)


class RegimeConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.regime.RegimeSwitching`."""

    kind: Literal["regime"] = "regime"
    signal: str = Field(description="realised_vol, implied_vol, vol_ratio or drawdown")
    signal_options: dict[str, Any] = Field(default={"asset": "BTC"}, description="the signal's own settings")
    enter: float
    leave: float | None = None
    calm: AnyPolicy
    stressed: AnyPolicy

    @model_validator(mode="after")
    def _known_signal(self) -> RegimeConfig:
        if self.signal not in SIGNALS:
            raise ValueError(f"unknown signal {self.signal!r}; known: {', '.join(SIGNALS)}")
        return self

    def _make(self) -> Strategy:
        signal = SIGNALS[self.signal](**self.signal_options)
        return RegimeSwitching(signal, self.calm.build(), self.stressed.build(), enter=self.enter, leave=self.leave)


class WalkForwardConfig(_Base):
    """:class:`~hedgeopt.backtest.policies.walk_forward.WalkForward`."""

    kind: Literal["walk_forward"] = "walk_forward"
    choices: tuple[AnyPolicy, ...] = Field(min_length=1, description="policies to choose from, each with its own name")
    refit_days: float = Field(default=14.0, gt=0, description="days between choices")
    train_days: float = Field(default=45.0, gt=0, description="days that a choice looks back on")
    embargo_days: float = Field(default=1.0, ge=0, description="days between their end and the choice")
    score: Score = Field(default="cvar_95", description="what decides")
    fit: bool = Field(default=False, description="fit the scenario model of optimizers anew, too")

    @model_validator(mode="after")
    def _named_apart(self) -> WalkForwardConfig:
        names = [choice.build().name for choice in self.choices]
        if len(set(names)) < len(names):
            raise ValueError("two choices have one name: give each its own")
        return self

    def _make(self) -> Strategy:
        made = {choice.build().name: partial(_with_model, choice) for choice in self.choices}
        days: dict[str, Any] = {
            "refit_days": self.refit_days,
            "train_days": self.train_days,
            "embargo_days": self.embargo_days,
        }
        return WalkForward(made, **days, score=self.score, fit=self.fit)


def _with_model(choice: Any, model: Mapping[str, Any] | None) -> Strategy:
    """The policy, its sample drawn from a fitted model where it has one of its own."""
    if model is None or not isinstance(choice, _WithRules):
        made: Strategy = choice.build()
        return made
    rules = choice._rules()
    kept = {name: getattr(rules.scenarios, name) for name in ("count", "seed", "horizon_days")}
    sample = ParametricScenarios(**{**model, **kept})
    table = rules.model_copy(update={"scenarios": sample})
    return choice._build_of(table)


class PythonConfig(_Base):
    """A class of your own with one method ``decide(state)``."""

    kind: Literal["python"] = "python"
    object: str = Field(pattern=r"^[\w.]+:\w+$", description="module:Class, importable from where the backtest runs")
    options: dict[str, Any] = Field(default={}, description="keyword arguments of the class")

    def _make(self) -> Strategy:
        module, _, name = self.object.partition(":")
        try:
            made: Strategy = getattr(importlib.import_module(module), name)(**self.options)
        except (ImportError, AttributeError, TypeError) as error:
            raise InputError(f"cannot be made: {error}", field="policies.object", value=self.object) from None
        if not callable(getattr(made, "decide", None)):
            raise InputError("has no method decide(state)", field="policies.object", value=self.object)
        if not getattr(made, "name", ""):
            made.name = name
        return made


AnyPolicy: Any = Annotated[
    DoNothingConfig
    | DeltaBandConfig
    | DeltaVegaConfig
    | WhalleyWilmottConfig
    | MeanVarianceDeltaConfig
    | TailHedgeConfig
    | OptimizerConfig
    | MultiPeriodConfig
    | RegimeConfig
    | WalkForwardConfig
    | PythonConfig,
    Field(discriminator="kind"),
]
RegimeConfig.model_rebuild()
WalkForwardConfig.model_rebuild()
