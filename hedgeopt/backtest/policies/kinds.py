"""Policies as a configuration describes them; each model builds a fresh policy for every run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hedgeopt.backtest.policies.classic import MeanVarianceDelta, TailHedge, WhalleyWilmott
from hedgeopt.backtest.policies.multi_period import MultiPeriod
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.backtest.policies.protocol import Strategy
from hedgeopt.backtest.policies.regime import SIGNALS, RegimeSwitching
from hedgeopt.backtest.policies.simple import DeltaBand, DeltaVegaMinVariance, DoNothing
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


class OptimizerConfig(_WithRules):
    """:class:`~hedgeopt.backtest.policies.optimizer.Optimizer`."""

    kind: Literal["optimizer"] = "optimizer"
    no_trade: float = Field(default=0.0, ge=0, description="USD by which trading must improve the objective")
    budget: float | None = Field(default=None, gt=0, description="largest trading cost per step, USD")
    infeasible: Literal["hold", "minimise violation"] = "hold"

    def _make(self) -> Strategy:
        return Optimizer(self._rules(), no_trade=self.no_trade, budget=self.budget, infeasible=self.infeasible)


class MultiPeriodConfig(_WithRules):
    """:class:`~hedgeopt.backtest.policies.multi_period.MultiPeriod`."""

    kind: Literal["multi_period"] = "multi_period"
    periods: int = Field(default=3, ge=2, le=12)
    cost_decay: float = Field(default=0.9, gt=0, le=1)
    infeasible: Literal["hold"] = "hold"

    def _make(self) -> Strategy:
        return MultiPeriod(self._rules(), periods=self.periods, cost_decay=self.cost_decay)


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
    | PythonConfig,
    Field(discriminator="kind"),
]
RegimeConfig.model_rebuild()
