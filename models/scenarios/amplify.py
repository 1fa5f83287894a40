"""From a base sample to the sample a policy asks for: contagion, pegs, events, views."""

from __future__ import annotations

from collections.abc import Sequence

from hedgeopt.errors import InputError
from hedgeopt.models.data import pegged_assets
from hedgeopt.models.scenarios.cascade import with_cascade
from hedgeopt.models.scenarios.clearing import with_clearing
from hedgeopt.models.scenarios.edit import with_asset
from hedgeopt.models.scenarios.events import with_events
from hedgeopt.models.scenarios.pegs import with_pegs
from hedgeopt.models.scenarios.sample_settings import ScenarioSettings, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.tilt import tilted

__all__ = ["amplify"]


def amplify(base: ScenarioSet, settings: ScenarioSettings, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """Apply the settings' generators to a base set, in the order in which one causes the next.

    Raises
    ------
    InputError
        When a generator names an asset that no scenario moves, or views cannot be met.
    """
    scenarios = base
    if settings.cascade is not None:
        if settings.cascade.asset not in scenarios.assets:
            raise InputError(
                "is moved by no scenario", file="policy", field="scenarios.cascade.asset", value=settings.cascade.asset
            )
        scenarios = with_cascade(
            scenarios,
            settings.cascade,
            market.price(settings.cascade.asset),
            float(settings.of_each("vol_beta", [settings.cascade.asset])[0]),
        )
    scenarios = with_pegs(scenarios, settings.pegs, settings.seed, assets)
    for token in assets:
        if token in pegged_assets() and token not in scenarios.assets:
            scenarios = with_asset(scenarios, token, scenarios.price_factor(token), like=pegged_assets()[token])
    if settings.clearing is not None:
        held = sorted({asset for node in settings.clearing.nodes for asset in node.holdings})
        scenarios = with_clearing(scenarios, settings.clearing, {a: market.price(a) for a in held}, settings.vol_beta)
    scenarios = with_events(scenarios, settings.events, settings.seed, assets)
    if settings.views:
        scenarios = tilted(scenarios, settings.views, settings.min_effective)
    return scenarios
