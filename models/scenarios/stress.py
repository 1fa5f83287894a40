"""Named stress scenarios from the dated table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.models.data import dollar_assets, table
from hedgeopt.models.pegs import is_directional, is_peg
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["stress_scenarios"]


def stress_scenarios(assets: Sequence[str]) -> ScenarioSet:
    """Every event of ``models/data/stress.toml`` as one instantaneous scenario of ``assets``.

    An asset that an event does not name takes its ``*`` move; dollar assets and pegs keep their price unless named (pegs
    under ``peg``, by factor such as ``stETH/ETH``). Staked and wrapped assets have no column: they follow both.
    """
    events = table("stress")["event"]
    assets = [asset for asset in assets if is_directional(asset) or is_peg(asset)]
    spot, vol = np.empty((len(events), len(assets))), np.zeros((len(events), len(assets)))
    for k, event in enumerate(events):
        for a, asset in enumerate(assets):
            if is_peg(asset):
                spot[k, a] = 1.0 + event.get("peg", {}).get(asset, 0.0)
            elif asset in dollar_assets():
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
