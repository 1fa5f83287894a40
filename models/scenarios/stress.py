"""Named stress scenarios from the dated table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.models.data import dollar_assets, table
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["stress_scenarios"]


def stress_scenarios(assets: Sequence[str]) -> ScenarioSet:
    """Every event of ``models/data/stress.toml`` as one instantaneous scenario of ``assets``.

    An asset that an event does not name takes its ``*`` move; dollar assets keep their price unless named.
    """
    events = table("stress")["event"]
    spot, vol = np.empty((len(events), len(assets))), np.zeros((len(events), len(assets)))
    for k, event in enumerate(events):
        for a, asset in enumerate(assets):
            if asset in dollar_assets():
                spot[k, a] = 1.0 + event["spot"].get(asset, 0.0)
            else:
                spot[k, a] = 1.0 + event["spot"].get(asset, event["spot"]["*"])
                vol[k, a] = np.log(event["vol"].get(asset, event["vol"]["*"]))
    return ScenarioSet(
        name="stress",
        assets=tuple(assets),
        spot_factor=spot,
        log_vol_shift=vol,
        horizon_days=0.0,
        labels=tuple(event["name"] for event in events),
    )
