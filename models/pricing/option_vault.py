"""Option vault shares, looked through to what is inside: a deposit, less the options sold against it.

A share is worth ``deposit_per_share * price(asset) - contracts_per_share * option``. A covered call deposits the
underlying (or a token pegged to it) and sells calls; a cash-secured put deposits dollars and sells puts. The option is
priced by its own family from the market's quote for it; ``vol`` and ``forward`` are used where no market quotes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import moved_by
from hedgeopt.models.pricing.family import Family, MarketView, UnitRisk
from hedgeopt.models.pricing.instrument import Asset, Instrument, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.option import OPTION, Option
from hedgeopt.models.pricing.spot import add_delta
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["OPTION_VAULT", "OptionVault"]

_COVER = 1e-9


class OptionVault(Instrument):
    """One unit of quantity is one share of the vault."""

    nature: ClassVar[Nature] = Nature(
        kind="option_vault",
        paid="owned",
        short="never",
        payoff="curved",
        quote="none",
        accrues="carry",
        settles="nothing",
        margin_class="option_vault",
        fee=None,
        unit="vault share",
    )

    kind: Literal["option_vault"] = "option_vault"
    strategy: Literal["covered_call", "cash_secured_put"]
    asset: Asset = Field(description="what the vault holds")
    deposit_per_share: Positive = Field(description="units of asset per share, premium received included")
    option: Option = Field(description="what the vault has sold; quoted under its own venue and name")
    contracts_per_share: float = Field(ge=0, allow_inf_nan=False, description="contracts sold per share")
    vol: Positive | None = Field(default=None, description="annual vol where no market quotes the option")
    forward: Positive | None = Field(default=None, description="USD forward of the option's expiry, likewise")
    annual_fee: float = Field(default=0.0, ge=0, lt=1, description="management fee a year as a share of value")

    @model_validator(mode="after")
    def _covered(self) -> OptionVault:
        option, sold = self.option, self.contracts_per_share * (1.0 - _COVER)
        if self.strategy == "covered_call":
            if option.right != "call" or option.underlying != moved_by(self.asset)[0]:
                raise ValueError(f"a covered_call of {self.asset} sells calls on it, not {option.name}")
            if sold > self.deposit_per_share:
                raise ValueError(f"contracts_per_share {self.contracts_per_share:g} exceed deposit_per_share: not covered")
        else:
            if option.right != "put" or self.asset not in dollar_assets():
                raise ValueError(f"a cash_secured_put holds dollars and sells puts, not {self.asset} and {option.name}")
            if sold * option.strike > self.deposit_per_share:
                raise ValueError(
                    f"contracts_per_share {self.contracts_per_share:g} at strike {option.strike:g} exceed "
                    "deposit_per_share: not secured"
                )
        return self

    @property
    def assets(self) -> tuple[str, ...]:
        """Of the option and of the deposit."""
        return tuple(dict.fromkeys((*self.option.assets, *moved_by(self.asset))))

    @property
    def settlement(self) -> str:
        """Shares are bought and redeemed in the deposit asset."""
        return self.asset

    @property
    def quoted_parts(self) -> tuple[Instrument, ...]:
        """The option sold, unless the vault brings its own vol and forward."""
        return () if self.vol is not None and self.forward is not None else (self.option,)

    def years_from(self, moment: datetime) -> float:
        """Time to the option's expiry, by which its vega and gamma are bucketed."""
        return self.option.years_from(moment)


@dataclass(frozen=True)
class _Quoted:
    """A market that quotes the vaults' own vol and forward where it has none."""

    market: MarketView
    own: dict[str, dict[str, float]]

    @property
    def timestamp(self) -> datetime:
        return self.market.timestamp

    def price(self, asset: str) -> float:
        return self.market.price(asset)

    def quoted(self, field: str, ids: Sequence[str]) -> np.ndarray:
        found = self.market.quoted(field, ids)
        given = np.array([self.own.get(name, {}).get(field, np.nan) for name in ids])
        return np.where(np.isnan(found), given, found)


def _market(instruments: Sequence[OptionVault], market: MarketView) -> MarketView:
    own: dict[str, dict[str, float]] = {}
    for item in instruments:
        columns = {"mark_iv": item.vol, "underlying_price": item.forward}
        given = {name: value for name, value in columns.items() if value is not None}
        if own.setdefault(item.option.id, given) != given:
            raise InputError("vaults give it different vols or forwards", field=item.option.id, fix="give both the same")
    return _Quoted(market, own)


class OptionVaultFamily(Family):
    """Deposit less options sold; per share."""

    kind = "option_vault"
    instrument = OptionVault

    def unit_risk(self, instruments: Sequence[OptionVault], market: MarketView, assets: tuple[str, ...]) -> UnitRisk:
        """Greeks of deposit and short option; premium is the value in the deposit asset; the fee is negative carry."""
        risk = OPTION.unit_risk([item.option for item in instruments], _market(instruments, market), assets)
        sold = np.array([item.contracts_per_share for item in instruments])
        risk.greeks[:] *= -sold[:, None]
        risk.value[:] *= -sold
        for i, item in enumerate(instruments):
            price = market.price(item.asset)
            risk.value[i] += item.deposit_per_share * price
            risk.notional[i] = item.deposit_per_share * price
            risk.premium[i] = risk.value[i] / price
            risk.carry[i] = -item.annual_fee * risk.value[i] / 365.0
            add_delta(risk, i, assets, item.asset, item.deposit_per_share, market)
        return risk

    def scenario_pnl(
        self, instruments: Sequence[OptionVault], market: MarketView, scenarios: ScenarioSet, out: np.ndarray
    ) -> None:
        """Full revaluation of the option, and of the deposit."""
        OPTION.scenario_pnl([item.option for item in instruments], _market(instruments, market), scenarios, out)
        out *= -np.array([item.contracts_per_share for item in instruments])
        for i, item in enumerate(instruments):
            out[:, i] += item.deposit_per_share * market.price(item.asset) * (scenarios.price_factor(item.asset) - 1.0)


OPTION_VAULT = OptionVaultFamily()
