"""Stablecoins, staked and wrapped tokens that follow another price and may leave it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.scenarios.edit import with_asset
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["Peg", "with_pegs"]


class Peg(Record):
    """A token worth a fixed amount of another asset, until it is not.

    Its price factor is that of ``follows`` (1 for a dollar) times ``exp(noise sqrt(h) z)`` times ``1 - loss``. It breaks
    with ``break_probability`` over the horizon, preferably when ``driver`` falls: a Gaussian copula with ``dependence``
    joins the break to the rank of the driver's return. Given a break the loss is uniform between half and one and a half
    times ``depth``.
    """

    asset: str = Field(min_length=1, description="the pegged token, such as USDE or stETH")
    follows: str | None = Field(default=None, description="asset it is pegged to; none: one US dollar")
    noise: float = Field(default=0.0, ge=0, le=2, description="annual vol of the price around the peg")
    break_probability: float = Field(default=0.0, ge=0, le=1, description="that the peg breaks within the horizon")
    depth: float = Field(default=0.1, ge=0, lt=0.66, description="average share of value lost in a break")
    driver: str | None = Field(
        default=None, description="asset whose falls bring breaks; none: the one it follows, or the first"
    )
    dependence: float = Field(default=0.8, ge=0, lt=1, description="copula correlation between break and the driver's fall")

    @model_validator(mode="after")
    def _dollar_or_follower(self) -> Peg:
        if self.follows is None and self.asset not in dollar_assets():
            raise ValueError(f"{self.asset} is no dollar asset; name the asset it follows")
        if self.follows == self.asset:
            raise ValueError(f"{self.asset} cannot follow itself")
        return self


def with_pegs(scenarios: ScenarioSet, pegs: Sequence[Peg], seed: int, needed: Sequence[str]) -> ScenarioSet:
    """The set with a column per peg; a peg of an asset nobody holds whose reference does not move either is left out.

    Raises
    ------
    InputError
        When a token needed follows, or is driven by, an asset that no scenario moves.
    """
    from scipy.special import ndtri

    from hedgeopt.models.scenarios.variates import normals, uniforms

    for peg in pegs:
        if peg.asset in scenarios.assets:
            raise InputError("has two sets of moves", file="policy", field="scenarios.pegs", value=peg.asset)
        driver = peg.driver or peg.follows or scenarios.assets[0]
        missing = [name for name in (peg.follows, driver) if name is not None and name not in scenarios.assets]
        if missing and peg.asset not in needed:
            continue
        if missing:
            raise InputError(
                f"peg of {peg.asset} needs moves of {missing[0]}, which no scenario has",
                file="policy",
                field="scenarios.pegs",
            )
        count = len(scenarios)
        own = normals(seed, f"peg {peg.asset}", count, 2)
        order = np.argsort(scenarios.spot_factor[:, scenarios.assets.index(driver)], kind="stable")
        rank = np.empty(count)
        rank[order] = (np.arange(count) + 0.5) / count
        score = peg.dependence * ndtri(rank) + np.sqrt(1.0 - peg.dependence**2) * own[:, 0]
        broken = score < (ndtri(peg.break_probability) if peg.break_probability > 0 else -np.inf)
        loss = np.where(broken, peg.depth * (0.5 + uniforms(seed, f"depth {peg.asset}", count)[:, 0]), 0.0)
        reference = np.ones(count) if peg.follows is None else scenarios.price_factor(peg.follows)
        factor = reference * np.exp(peg.noise * np.sqrt(scenarios.years) * own[:, 1]) * (1.0 - loss)
        scenarios = with_asset(scenarios, peg.asset, factor, like=peg.follows)
    return scenarios
