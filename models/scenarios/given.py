"""Scenarios that the caller gives: a set, or a table of returns, as settings that a policy's file holds without loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.cells import numbers
from hedgeopt.files.given import is_table, read_frame
from hedgeopt.files.record import Record
from hedgeopt.models.scenarios.events import Occurrence
from hedgeopt.models.scenarios.noise import noise_by_asset
from hedgeopt.models.scenarios.response import responses
from hedgeopt.models.scenarios.sample_settings import (
    GivenEvent,
    GivenScenarios,
    HistoricalScenarios,
    ParametricScenarios,
    RegimeScenarios,
    VolMarket,
)
from hedgeopt.models.scenarios.set import TABLES, ScenarioSet

__all__ = ["Sample", "as_settings", "given", "given_returns", "given_set"]


class _Table(Protocol):
    """A table of another library, such as polars or Arrow."""

    def to_pandas(self) -> pd.DataFrame: ...


Sample = (
    ParametricScenarios | HistoricalScenarios | RegimeScenarios | GivenScenarios | ScenarioSet | pd.DataFrame | _Table
    | Mapping[str, Any]
)  # fmt: skip
"""Scenarios as callers hold them: settings (or their dict), a set, or a table of returns, one column per asset."""

_MOST = 5_000_000
_PROBABILITY = "probability"
_LARGEST_RETURN = 10.0


def as_settings(scenarios: Any) -> Any:
    """Settings of a :class:`ScenarioSet` or of a table of returns (:func:`given_returns`); settings as they are.

    Raises
    ------
    InputError
        For what is none of these.
    """
    if isinstance(scenarios, ScenarioSet):
        return given_set(scenarios)
    if is_table(scenarios):
        return given_returns(scenarios)
    if isinstance(scenarios, Record | Mapping):
        return scenarios
    raise InputError(
        f"must be scenarios, not {type(scenarios).__name__}",
        file="policy",
        field="scenarios",
        fix="give settings such as ParametricScenarios(), a ScenarioSet, or a DataFrame of returns with a column per asset",
    )


@strict_call
def given_returns(
    returns: Any, *, probabilities: Sequence[float] | None = None, horizon_days: float = 1.0, **settings: Any
) -> GivenScenarios:
    """Scenarios from a table of simple returns: one row per scenario, one column per asset (-0.1 is a fall of 10 %).

    Parameters
    ----------
    returns
        DataFrame (pandas, polars, Arrow); the index is ignored. A column ``probability`` holds weights that sum to one.
    probabilities
        The same beside the table.
    horizon_days
        Time over which the returns are.
    settings
        Answers of vol, skew, basis, funding and liquidity (:class:`Response`), pegs, events and views, as of every sample.

    Raises
    ------
    InputError
        For returns that are no finite numbers above -1, and for weights that are none.
    """
    frame = read_frame(returns, "scenarios")
    if _PROBABILITY in frame.columns:
        if probabilities is not None:
            fix = "give the column or the argument"
            raise InputError("is given twice", file="policy", field="scenarios.probabilities", fix=fix)
        probabilities = _column(frame, _PROBABILITY).tolist()
        frame = frame.drop(columns=_PROBABILITY)
    if not len(frame.columns):
        raise InputError("holds no asset", file="policy", field="scenarios", fix="give a column of returns per asset")
    spot = {str(asset): tuple((1.0 + _column(frame, asset)).tolist()) for asset in frame.columns}
    return GivenScenarios(
        spot=spot,
        probabilities=None if probabilities is None else tuple(np.asarray(probabilities).tolist()),
        horizon_days=horizon_days,
        **settings,
    )


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    found = numbers(frame[name]).to_numpy(float)
    least = 0.0 if name == _PROBABILITY else -1.0
    bad = ~np.isfinite(found) | ((found < 0.0) if name == _PROBABILITY else (found <= -1.0))
    if bad.any():
        at = int(bad.argmax())
        word = "a number of 0 or more" if name == _PROBABILITY else f"a finite simple return above {least:g}"
        where = f"scenarios.{name}, row {at + 1}"
        raise InputError(f"is not {word}", file="policy", field=where, value=frame[name].iloc[at])
    if name != _PROBABILITY and len(found):
        _refuse_other_units(found, name)
    return found


def _refuse_other_units(returns: np.ndarray, name: str) -> None:
    """Prices and percent are no simple returns: no asset of a book rises tenfold, nor doubles in half of all scenarios."""
    at = int(returns.argmax())
    if returns[at] > _LARGEST_RETURN or float(np.median(returns)) > 1.0:
        raise InputError(
            "is no simple return: prices or percent?",
            file="policy",
            field=f"scenarios.{name}, row {at + 1}",
            value=float(returns[at]),
            fix="give price after / price before - 1 (0.05 for 5 %); give larger moves as a ScenarioSet",
        )


def given_set(scenarios: ScenarioSet) -> GivenScenarios:
    """The settings that :func:`given` turns back into an equal set."""
    if scenarios.spot_factor.size > _MOST:
        fix = "give fewer scenarios: a policy holds them all"
        raise InputError(f"holds more than {_MOST:,} moves", file="policy", field="scenarios", fix=fix)

    def by_asset(table: np.ndarray | None) -> dict[str, tuple[float, ...]] | None:
        if table is None:
            return None
        return {asset: tuple(table[:, a].tolist()) for a, asset in enumerate(scenarios.assets)}

    return GivenScenarios(
        name=scenarios.name,
        spot=by_asset(scenarios.spot_factor),
        probabilities=None if scenarios.probabilities is None else tuple(scenarios.probabilities.tolist()),
        horizon_days=scenarios.horizon_days,
        labels=scenarios.labels,
        notes=scenarios.notes,
        moves={name: by_asset(getattr(scenarios, name)) for name in TABLES[1:] if getattr(scenarios, name) is not None},
        liquidity={name: tuple(values.tolist()) for name, values in scenarios.liquidity.items()},
        recovery={name: tuple(values.tolist()) for name, values in scenarios.recovery.items()},
        happened=tuple(
            GivenEvent(event=item.event, scenarios=tuple(np.flatnonzero(item.happens).tolist())) for item in scenarios.events
        ),
        path_seed=scenarios.path_seed,
        expiry_noise=scenarios.expiry_noise,
        skew_tenor=scenarios.skew_tenor,
        noise=dict(scenarios.noise) or "none",
    )


def given(settings: GivenScenarios, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """The set; where a table gives spot alone, everything else answers by the settings' slopes and noises."""
    missing = [asset for asset in assets if asset not in settings.spot]
    if missing:
        raise InputError(
            f"no scenario moves {missing[0]}",
            file="policy",
            field="scenarios",
            value=", ".join(settings.spot),
            fix=f"add a column {missing[0]}, or leave its instruments out",
        )
    names = tuple(settings.spot)
    spot = np.column_stack([settings.spot[name] for name in names])
    count = len(spot)
    fields: dict[str, Any] = {} if settings.moves else responses(settings, np.log(spot), names)
    for name, table in settings.moves.items():
        fields[name] = np.column_stack([table[asset] for asset in names])
    fields["liquidity"] = fields.get("liquidity", {}) | {k: np.array(v) for k, v in settings.liquidity.items()}
    happened = []
    for item in settings.happened:
        happens = np.zeros(count, bool)
        happens[list(item.scenarios)] = True
        happened.append(Occurrence(item.event, happens))
    found = ScenarioSet(
        name=settings.name,
        assets=names,
        spot_factor=spot,
        horizon_days=settings.horizon_days,
        probabilities=None if settings.probabilities is None else np.array(settings.probabilities),
        labels=settings.labels,
        notes=settings.notes,
        recovery={name: np.array(values) for name, values in settings.recovery.items()},
        events=tuple(happened),
        **{
            "path_seed": settings.path_seed,
            "expiry_noise": settings.expiry_noise,
            "skew_tenor": settings.skew_tenor,
            "noise": noise_by_asset(settings.noise, names),
            **fields,
        },
    )
    return found if not settings.count or settings.count >= count else _first(found, settings.count)


def _first(scenarios: ScenarioSet, count: int) -> ScenarioSet:
    """The first of the scenarios, with their weights made to sum to one."""
    whole = {name: getattr(scenarios, name) for name in TABLES}
    tables: dict[str, Any] = {name: table if table is None else table[:count] for name, table in whole.items()}
    weights = scenarios.weights[:count]
    if not weights.sum() > 0.0:
        raise InputError("gives the first of them no weight", file="policy", field="scenarios.count", value=count)
    return replace(
        scenarios,
        **tables,
        probabilities=None if scenarios.probabilities is None else weights / weights.sum(),
        labels=scenarios.labels[:count],
        liquidity={name: values[:count] for name, values in scenarios.liquidity.items()},
        recovery={name: values[:count] for name, values in scenarios.recovery.items()},
        events=tuple(replace(item, happens=item.happens[:count]) for item in scenarios.events),
    )
