"""Drawing the sample that scenario settings describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.models.data import pegged_assets
from hedgeopt.models.scenarios.amplify import amplify
from hedgeopt.models.scenarios.given import as_settings, given
from hedgeopt.models.scenarios.historical import historical
from hedgeopt.models.scenarios.parametric import parametric
from hedgeopt.models.scenarios.regime import regime
from hedgeopt.models.scenarios.sample_settings import ScenarioSettings, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["draw"]

_GENERATORS: dict[str, Callable[..., ScenarioSet]] = {
    "given": given,
    "historical": historical,
    "parametric": parametric,
    "regime": regime,
}


@strict_call
def draw(settings: Any, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """The sample that ``settings`` describe, for the given assets (dollar assets excluded).

    Order: the base sample of the kind, liquidation cascade, pegs, clearing, events, and last the views, which tilt the
    probabilities of what came out. Staked and wrapped tokens follow their underlying, on the peg unless ``pegs`` says more.
    """
    settings = as_settings(settings)
    declared = type(settings).model_fields.get("kind") if isinstance(settings, ScenarioSettings) else None
    if declared is None:
        fix = "give settings such as ParametricScenarios(), a ScenarioSet, or a table of returns"
        raise InputError("are no scenario settings", field="draw: settings", value=type(settings).__name__, fix=fix)
    if not callable(getattr(type(market), "price", None)):
        raise InputError("is no market", field="draw: market", value=type(market).__name__, fix="give read_market(...)")
    pegged = {peg.asset for peg in settings.pegs} | set(pegged_assets())
    base = _GENERATORS[declared.default](settings, [asset for asset in assets if asset not in pegged], market)
    return amplify(base, settings, assets, market)
