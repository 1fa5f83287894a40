"""Views on a scenario sample, as data: each becomes linear conditions on the probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["VIEWS", "AnyView", "Condition", "CorrelationView", "MeanView", "TailView", "VolView", "conditions"]

Sense = Literal["equal", "at_most", "at_least"]


@dataclass(frozen=True)
class Condition:
    """``sum_s p_s values_s`` equal to, at most or at least ``target``; ``view`` names whose it is."""

    view: str
    values: np.ndarray
    target: float
    sense: Sense = "equal"


class _View(Record):
    sense: Sense = Field(default="equal", description="how the sample's number relates to the view's")

    @property
    def title(self) -> str:
        """Short name for reports."""
        raise NotImplementedError

    def _name(self, what: str, value: float) -> str:
        sign = {"equal": "=", "at_most": "<=", "at_least": ">="}[self.sense]
        return f"{what} {sign} {value:g}"


class MeanView(_View):
    """The mean of an asset's log return over the horizon, or of the change of its log vol."""

    kind: Literal["mean"] = "mean"
    asset: str = Field(min_length=1)
    of: Literal["return", "vol"] = Field(default="return", description="log return, or change of the log 30-day vol")
    value: float = Field(allow_inf_nan=False, description="over the horizon")

    @property
    def title(self) -> str:
        """Such as ``mean return BTC = -0.02``."""
        return self._name(f"mean {self.of} {self.asset}", self.value)


class VolView(_View):
    """The annual volatility of an asset's log return; its mean is kept."""

    kind: Literal["volatility"] = "volatility"
    asset: str = Field(min_length=1)
    value: float = Field(gt=0, le=50, description="annual, as a decimal")

    @property
    def title(self) -> str:
        """Such as ``vol BTC = 0.9``."""
        return self._name(f"vol {self.asset}", self.value)


class CorrelationView(_View):
    """The correlation of two assets' log returns; their means and vols are kept (or are what other views say)."""

    kind: Literal["correlation"] = "correlation"
    assets: tuple[str, str]
    value: float = Field(ge=-1, le=1)

    @property
    def title(self) -> str:
        """Such as ``correlation BTC ETH = 0.95``."""
        return self._name(f"correlation {' '.join(self.assets)}", self.value)


class TailView(_View):
    """The probability that an asset falls by a given simple return or more."""

    kind: Literal["tail"] = "tail"
    asset: str = Field(min_length=1)
    below: float = Field(gt=-1, lt=0, description="simple return over the horizon, such as -0.2")
    probability: float = Field(ge=0, le=1)

    @property
    def title(self) -> str:
        """Such as ``P(BTC <= -20%) = 0.05``."""
        return self._name(f"P({self.asset} <= {100 * self.below:g}%)", self.probability)


VIEWS: dict[str, type[_View]] = {
    view.model_fields["kind"].default: view for view in (MeanView, VolView, CorrelationView, TailView)
}

AnyView: Any = Annotated[reduce(or_, VIEWS.values()), Field(discriminator="kind")]
"""Any view, told apart by its ``kind``."""


def conditions(scenarios: ScenarioSet, views: Sequence[Any]) -> list[Condition]:
    """Linear conditions on probabilities that express ``views``.

    Variance and correlation are not linear in p; as in Meucci (2008, section 3) the moments they rest on are fixed first: a
    vol view keeps the mean (``E r^2 = sigma^2 h + m^2``), a correlation view keeps means and vols. What is kept is the
    sample's own, or what another view on the mean or vol demands.
    """
    p, result = scenarios.weights, []
    log_return = {asset: np.log(scenarios.spot_factor[:, a]) for a, asset in enumerate(scenarios.assets)}

    def moves(asset: str) -> np.ndarray:
        if asset not in log_return:
            raise InputError("is moved by no scenario", file="policy", field="scenarios.views", value=asset)
        return log_return[asset]

    means = {v.asset: v.value for v in views if v.kind == "mean" and v.of == "return" and v.sense == "equal"}
    vols = {v.asset: v.value * np.sqrt(scenarios.years) for v in views if v.kind == "volatility" and v.sense == "equal"}
    kept: set[tuple[str, str]] = set()

    def mean(asset: str, view: str) -> float:
        value = means.get(asset, float(p @ moves(asset)))
        for other in views:
            if other.kind == "mean" and other.of == "return" and other.asset == asset and other.sense != "equal":
                value = min(value, other.value) if other.sense == "at_most" else max(value, other.value)
        if asset not in means and ("mean", asset) not in kept:
            kept.add(("mean", asset))
            result.append(Condition(f"{view} (mean kept)", moves(asset), value))
        return value

    def deviation(asset: str, view: str) -> float:
        at = mean(asset, view)
        value = vols.get(asset, float(np.sqrt(p @ (moves(asset) - p @ moves(asset)) ** 2)))
        if asset not in vols and ("vol", asset) not in kept:
            kept.add(("vol", asset))
            result.append(Condition(f"{view} (vol of {asset} kept)", moves(asset) ** 2, value**2 + at**2))
        return value

    for view in views:
        if view.kind == "mean":
            values = moves(view.asset)
            if view.of == "vol":
                values = scenarios.log_vol_shift[:, scenarios.assets.index(view.asset)]
            result.append(Condition(view.title, values, view.value, view.sense))
        elif view.kind == "volatility":
            at = mean(view.asset, view.title)
            target = view.value**2 * scenarios.years + at**2
            result.append(Condition(view.title, moves(view.asset) ** 2, target, view.sense))
        elif view.kind == "correlation":
            a, b = view.assets
            target = mean(a, view.title) * mean(b, view.title)
            target += view.value * deviation(a, view.title) * deviation(b, view.title)
            result.append(Condition(view.title, moves(a) * moves(b), target, view.sense))
        else:
            below = (np.exp(moves(view.asset)) <= 1.0 + view.below).astype(float)
            result.append(Condition(view.title, below, view.probability, view.sense))
    return result
