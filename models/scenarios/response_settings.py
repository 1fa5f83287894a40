"""Settings of how vol, skew, basis and funding answer spot: those of all assets, and of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from hedgeopt.files.record import Record
from hedgeopt.models.scenarios.noise import Noise

__all__ = ["OwnResponse", "Response"]


def _own(low: float, high: float) -> Any:
    return Field(default=None, ge=low, le=high, description="in place of the shared one")


class OwnResponse(Record):
    """Slopes and noises of one asset; what is left out is as for all (:class:`Response` says what each is)."""

    vol_beta: float | None = _own(-10, 10)
    vol_beta_up: float | None = _own(-10, 10)
    vol_beta_noise: float | None = _own(0, 10)
    vol_beta_up_noise: float | None = _own(0, 10)
    vol_of_vol: float | None = _own(0, 10)
    skew_beta: float | None = _own(-10, 10)
    skew_noise: float | None = _own(0, 10)
    term_beta: float | None = _own(-10, 10)
    term_noise: float | None = _own(0, 10)
    basis_beta: float | None = _own(-10, 10)
    basis_noise: float | None = _own(0, 10)
    perpetual_beta: float | None = _own(-2, 2)
    funding_beta: float | None = _own(-2, 2)
    funding_noise: float | None = _own(0, 2)


class Response(Record):
    """How everything but spot answers a spot move; :mod:`hedgeopt.models.scenarios.estimate` fits these to data.

    Each ``*_beta`` is a slope on the log spot return of the horizon; each ``*_noise`` the annual standard deviation of what
    spot does not explain. All but vol, and the noise of expiries and strikes, are off unless set.
    """

    vol_beta: float = Field(
        default=-0.8,
        ge=-10,
        le=10,
        description="slope of the log 30-day vol on the log spot return, for falling prices",
    )
    vol_beta_up: float = Field(default=0.2, ge=-10, le=10, description="the same for rising prices")
    vol_beta_noise: float = Field(
        default=0.0, ge=0, le=10, description="standard deviation of vol_beta from regime to regime, drawn per scenario"
    )
    vol_beta_up_noise: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="the same of vol_beta_up: in some regimes vol rises with spot, in others it falls",
    )
    vol_of_vol: float = Field(default=1.0, ge=0, le=10, description="annual standard deviation of the log vol's own part")
    skew_beta: float = Field(
        default=0.0,
        ge=-10,
        le=10,
        description="slope of the skew (vol per ln(strike/forward)/sqrt(years)) on the log return",
    )
    skew_noise: float = Field(default=0.0, ge=0, le=10, description="annual standard deviation of the skew's own part")
    skew_tenor: float = Field(
        default=0.0, ge=0, le=1, description="exponent p: an expiry takes (30/days)^p of the skew move; 0: all the same"
    )
    term_beta: float = Field(
        default=0.0, ge=-10, le=10, description="slope of the log-vol term slope (per ln(30/days)) on the log return"
    )
    term_noise: float = Field(default=0.0, ge=0, le=10, description="annual standard deviation of the term slope's own part")
    expiry_noise: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="annual standard deviation of what each expiry's log vol does alone, at 30 days; above 0 in place of "
        "noise's",
    )
    noise: Noise = Field(
        default="measured",
        description="noise of expiries and single strikes: measured (packaged, by underlying), none, or a table by asset",
    )
    basis_beta: float = Field(
        default=0.0, ge=-10, le=10, description="slope of the annualised log futures basis on the log spot return"
    )
    basis_noise: float = Field(default=0.0, ge=0, le=10, description="annual standard deviation of the basis' own part")
    perpetual_beta: float = Field(
        default=0.0, ge=-2, le=2, description="slope of ln(perpetual mark / index) on the log spot return"
    )
    funding_beta: float = Field(
        default=0.0, ge=-2, le=2, description="slope of the funding paid by longs over the horizon on the log spot return"
    )
    funding_noise: float = Field(
        default=0.0, ge=0, le=2, description="annual standard deviation of funding's own part, share of notional"
    )
    jump_rate: float = Field(
        default=0.0, ge=0, le=1000, description="jumps a year of all spot prices together, beyond the kind's own moves"
    )
    jump_mean: float = Field(default=0.0, ge=-3, le=3, description="mean log size of a jump")
    jump_noise: float = Field(default=0.0, ge=0, le=2, description="standard deviation of a jump's log size")
    spread_beta: float = Field(
        default=0.0, ge=0, le=50, description="log of the half-spread multiplier per unit of log fall of the worst asset"
    )
    depth_beta: float = Field(
        default=0.0, ge=0, le=50, description="minus the log of the depth multiplier per unit of log fall of the worst asset"
    )
    by_asset: dict[str, OwnResponse] = Field(
        default_factory=dict, description="by asset, the slopes and noises that differ from those above"
    )

    def of_each(self, name: str, assets: Sequence[str]) -> np.ndarray:
        """(A,) the slope or noise ``name`` of each asset."""
        shared = getattr(self, name)
        own = [getattr(self.by_asset[asset], name) if asset in self.by_asset else None for asset in assets]
        return np.array([shared if one is None else one for one in own], float)
