"""Switching between policies by a signal, and the signals that come with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from hedgeopt.backtest.policies.protocol import Decision, Observation, Strategy
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class

__all__ = ["SIGNALS", "RegimeSwitching", "Signal", "drawdown_signal", "implied_vol_signal", "realised_vol", "vol_ratio"]

Signal = Callable[[Observation], float]
"""Any function of what is known; NaN means that it cannot say yet."""


@strict_class
class RegimeSwitching:
    """``calm`` below ``enter``, ``stressed`` from the moment the signal exceeds it until it falls below ``leave``.

    The gap between the two keeps it from switching back and forth on noise. A signal of NaN leaves the regime as it is.
    """

    def __init__(
        self, signal: Signal, calm: Strategy, stressed: Strategy, *, enter: float, leave: float | None = None, name: str = ""
    ) -> None:
        leave = enter if leave is None else leave
        if leave > enter:
            raise InputError("lies above enter: the regime would never last", field="policies.leave", value=leave)
        self.signal, self.calm, self.stressed, self.enter, self.leave = signal, calm, stressed, enter, leave
        self.in_stress = False
        self.name = name or f"{calm.name} / {stressed.name}"

    def decide(self, state: Observation) -> Decision:
        """What the regime's policy decides; an event at each change."""
        level = float(self.signal(state))
        was = self.in_stress
        if np.isfinite(level):
            self.in_stress = level >= self.leave if was else level > self.enter
        chosen = self.stressed if self.in_stress else self.calm
        answer = chosen.decide(state)
        decision = answer if isinstance(answer, Decision) else Decision(orders=tuple(answer))
        if was == self.in_stress:
            return decision
        event = {
            "kind": "regime",
            "regime": "stressed" if self.in_stress else "calm",
            "signal": level,
            "policy": chosen.name,
        }
        return replace(decision, events=(*decision.events, event))


def realised_vol(asset: str, days: float = 10.0) -> Signal:
    """Annual vol of log index returns over the past ``days``: ``sqrt(sum r^2 / years)``; NaN below three returns."""

    def signal(state: Observation) -> float:
        prices = state.history[asset].dropna()
        recent = prices[prices.index >= prices.index[-1] - np.timedelta64(int(86_400 * days), "s")]
        if len(recent) < 4:
            return float("nan")
        years = (recent.index[-1] - recent.index[0]).total_seconds() / (365.0 * 86_400.0)
        return float(np.sqrt((np.diff(np.log(recent.to_numpy(float))) ** 2).sum() / years))

    return signal


def implied_vol_signal(asset: str, days: float = 30.0) -> Signal:
    """At-the-money mark vol at a tenor."""

    def signal(state: Observation) -> float:
        vol = state.market.atm_vol(asset, days)
        return float("nan") if vol is None else vol

    return signal


def vol_ratio(asset: str, short: float = 7.0, long: float = 60.0) -> Signal:
    """Short over long implied vol: above 1 the term structure is inverted."""

    def signal(state: Observation) -> float:
        near, far = state.market.atm_vol(asset, short), state.market.atm_vol(asset, long)
        return float("nan") if near is None or far is None else near / far

    return signal


def drawdown_signal(asset: str, days: float = 30.0) -> Signal:
    """Fall of the index from its highest over the past ``days``, as a positive share."""

    def signal(state: Observation) -> float:
        prices = state.history[asset].dropna()
        recent = prices[prices.index >= prices.index[-1] - np.timedelta64(int(86_400 * days), "s")]
        return float(1.0 - recent.iloc[-1] / recent.max())

    return signal


SIGNALS: Mapping[str, Callable[..., Signal]] = {
    "realised_vol": realised_vol,
    "implied_vol": implied_vol_signal,
    "vol_ratio": vol_ratio,
    "drawdown": drawdown_signal,
}
"""By the name that a configuration gives."""
