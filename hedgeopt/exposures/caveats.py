"""The caveats of priced exposures: packaged numbers that they rest on and that are unverified or out of date,
and accounts whose margin follows another venue's rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from hedgeopt.exposures.resolve import Holdings
from hedgeopt.models.caveats import noise_caveats, stress_caveats, table_caveats
from hedgeopt.models.costs.quotes import fee_parameters
from hedgeopt.models.data import averaging_minutes, dollar_assets, pegged_assets
from hedgeopt.models.margin.margins import Margins
from hedgeopt.models.margin.rules import rule_of_another
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["caveats", "unmet_scenarios"]


def caveats(
    margins: Margins,
    collateral: np.ndarray,
    traded: Sequence[Any],
    held: Sequence[Any],
    stress: tuple[str, ...],
    assets: tuple[str, ...],
    now: datetime,
    scenarios: ScenarioSet,
) -> tuple[str, ...]:
    """A sentence each, for the reader of every report and of the certificate.

    Parameters
    ----------
    collateral : (C, A)
        Units posted.
    traded, held
        Instruments that may be traded (their fees are read), and all rows.
    stress
        Names of the stress scenarios shown; empty for none.
    scenarios
        The sample: its noise of vols counts for the underlyings of options.
    """
    reads: dict[tuple[str, str], None] = {}
    foreign: list[str] = []
    for model, state, posted in zip(margins.models, margins.states, collateral, strict=True):
        if len(state) or posted.any():
            reads |= dict.fromkeys(model.reads(state, posted))
            foreign += rule_of_another(model, state.venue, state.account)
    kinds = {(item.venue, type(item)): item for item in traded}  # a fee is one per venue and family
    reads |= dict.fromkeys((venue, name) for (venue, _), item in kinds.items() for name in fee_parameters(item))
    reads |= dict.fromkeys(_windows(held, now))
    pegs = [asset for asset in assets if is_peg(asset) or asset in pegged_assets()]
    dollars = [asset for asset in assets if asset in dollar_assets()]
    reads |= dict.fromkeys(("assets", name) for name, found in (("pegged", pegs), ("dollar", dollars)) if found)
    smiles = dict.fromkeys(item.underlying for item in held if has(item, "strike"))
    noises = noise_caveats({asset: scenarios.noise.get(asset) for asset in smiles} if scenarios.noisy else {}, now.date())
    return (*foreign, *table_caveats(tuple(reads), now.date()), *stress_caveats(stress, assets, now.date()), *noises)


def _windows(items: Sequence[Any], now: datetime) -> Iterator[tuple[str, str]]:
    """Averaging minutes that value an instrument now."""
    for venue, expiry in {(item.venue, item.expiry) for item in items if item.nature.expires}:
        if (expiry - now).total_seconds() < 60.0 * averaging_minutes(venue):
            yield venue, "settlement.averaging_minutes"


def unmet_scenarios(holdings: Holdings, stress: ScenarioSet) -> list[str]:
    """Notes on products that give a P&L for scenarios that are not among these: their grid counts instead."""
    if stress.still or not stress.labels:
        return []
    unmet = {item.name: sorted(set(item.scenarios) - set(stress.labels)) for item in holdings.whole if has(item, "spots")}
    return [
        f"{name} gives a P&L for {', '.join(map(repr, labels[:3]))}{', …' if len(labels) > 3 else ''}, which is no stress "
        f"scenario of this run: they are {', '.join(stress.labels[:4])}{', …' if len(stress.labels) > 4 else ''}"
        for name, labels in unmet.items()
        if labels
    ]
