"""Named stress scenarios as a scenario set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import dollar_assets, pegged_assets
from hedgeopt.models.scenarios.events import Occurrence, with_events
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.stress_table import StressEvent, StressSettings

__all__ = ["stress_scenarios"]

_NEUTRAL = {"spot": 0.0, "vol": 1.0}
_OPTIONAL = {
    "skew": "skew_shift",
    "term": "term_shift",
    "perpetual": "perpetual_shift",
    "basis": "basis_shift",
    "funding": "funding",
}


def stress_scenarios(assets: Sequence[str], settings: StressSettings | None = None) -> ScenarioSet:
    """Every stress scenario asked for (all packaged ones by default), instantaneous, over ``assets``.

    An asset that an event does not name takes its ``*`` move; dollar assets keep their price unless named,
    and staked or wrapped tokens move with their underlying unless named. Fields that no event moves stay None.

    Raises
    ------
    InputError
        When no scenario is asked for, or an event has no spot move for an asset.
    """
    events = (settings or StressSettings()).chosen()
    if not events:
        raise InputError("asks for no scenario", file="policy", field="stress", fix="name one, or leave stress out")
    fields: dict[str, Any] = {
        "spot_factor": 1.0 + _table(events, "spot", assets),
        "log_vol_shift": np.log(_table(events, "vol", assets)),
    }
    for name, into in _OPTIONAL.items():
        if any(getattr(event, name) for event in events):
            fields[into] = _table(events, name, assets)
    liquidity = {
        name: np.array([event.liquidity[name].value if name in event.liquidity else 1.0 for event in events])
        for name in ("spread", "depth")
    }
    scenarios = ScenarioSet(
        name="stress",
        assets=tuple(assets),
        horizon_days=0.0,
        labels=tuple(event.name for event in events),
        liquidity=liquidity,
        **fields,
    )
    return _with_own_events(scenarios, events, assets)


def _table(events: Sequence[StressEvent], name: str, assets: Sequence[str]) -> np.ndarray:
    values = np.full((len(events), len(assets)), _NEUTRAL.get(name, 0.0))
    for k, event in enumerate(events):
        given = getattr(event, name)
        for a, asset in enumerate(assets):
            asset = asset if asset in given else pegged_assets().get(asset, asset)
            if asset in given:
                values[k, a] = given[asset].value
            elif asset not in dollar_assets() and "*" in given:
                values[k, a] = given["*"].value
            elif asset not in dollar_assets() and name == "spot":
                raise InputError(
                    f"has no move for {asset}", field=f"stress {event.name}", fix='name it in spot, or give "*"'
                )
    return values


def _with_own_events(scenarios: ScenarioSet, events: Sequence[StressEvent], assets: Sequence[str]) -> ScenarioSet:
    """Each scenario's own events, in that scenario alone."""
    for k, event in enumerate(events):
        if not event.events:
            continue
        alone = np.arange(len(events)) == k
        hit = with_events(scenarios, event.events, needed=assets)
        recorded = tuple(Occurrence(o.event, o.happens & alone) for o in hit.events[len(scenarios.events) :])
        spot = np.where(alone[:, None], hit.spot_factor[:, : scenarios.spot_factor.shape[1]], scenarios.spot_factor)
        scenarios = replace(
            scenarios,
            spot_factor=spot,
            liquidity={n: np.where(alone, hit.liquidity[n], v) for n, v in scenarios.liquidity.items()},
            recovery={n: np.where(alone, v, scenarios.recovery.get(n, 1.0)) for n, v in hit.recovery.items()},
            events=(*scenarios.events, *recorded),
        )
    return scenarios
