"""Full revaluation of positions and candidates in every scenario."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.pairs import Table
from hedgeopt.exposures.units import by_family
from hedgeopt.models.pricing.family import MarketView, UnitRisk
from hedgeopt.models.scenarios.effects import as_seen_by, misled_venues
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["Place", "Revalued", "Revaluer", "revalue", "unit_pnl"]


@dataclass(frozen=True)
class Place:
    """Venue of each of C accounts, and their equity (C,) in USD today; ``paid_in`` (U,) as of :func:`paid_in_column`."""

    venues: tuple[str, ...]
    equity: np.ndarray
    paid_in: np.ndarray


@dataclass(frozen=True)
class Revalued:
    """P&L in USD: (S, N) per unit traded, (S, C) of each account's holdings, (S, M) per unit of each row where kept."""

    pnl: np.ndarray
    account_pnl: np.ndarray
    unit_pnl: np.ndarray


@dataclass(frozen=True)
class Revaluer:
    """USD change of value per unit held (S, M) of every row in any scenario set."""

    unique: tuple[Any, ...]
    instrument: np.ndarray
    market: MarketView

    def __call__(self, scenarios: ScenarioSet) -> np.ndarray:
        """(S, M)."""
        return unit_pnl(self.unique, self.market, scenarios)[:, self.instrument]


def revalue(
    table: Table,
    market: MarketView,
    scenarios: ScenarioSet,
    assets: tuple[str, ...],
    collateral: np.ndarray,
    prices: np.ndarray,
    risk: UnitRisk,
    where: Place,
    *,
    keep_units: bool = False,
) -> Revalued:
    """P&L (S, N) per unit traded and (S, C) of each account's present holdings.

    A venue whose oracle errs settles its derivatives at the prices it sees. Where a venue pays out only a share r of equity,
    what counts is ``r (equity + P&L) - equity``: linear in trades, and exact while equity stays positive.
    """
    if scenarios.still:
        n, units = len(scenarios), len(table.instrument) if keep_units else 0
        zero = np.zeros((n, len(table.candidate))), np.zeros((n, len(collateral))), np.zeros((n if keep_units else 0, units))
        return Revalued(*zero)
    pnl = unit_pnl(table.unique, market, scenarios)
    moves = np.empty((len(scenarios), len(assets)), order="F")
    for a, asset in enumerate(assets):
        moves[:, a] = prices[a] * (scenarios.price_factor(asset) - 1.0)
    account_pnl = moves @ collateral.T
    held = np.flatnonzero(table.quantity)
    for c in range(collateral.shape[0]):
        mine = held[table.account[held] == c]
        account_pnl[:, c] += pnl[:, table.instrument[mine]] @ table.quantity[mine]

    at = table.instrument[table.candidate]
    traded = pnl[:, at]
    paid_in = where.paid_in[at]
    for column in np.unique(paid_in[paid_in >= 0]).tolist():
        if moves[:, column].any():  # the coins paid away no longer move with the market
            paid = np.flatnonzero(paid_in == column)
            traded[:, paid] -= moves[:, [column]] * risk.premium[at[paid]]
    for c, venue in enumerate(where.venues):
        if venue in scenarios.recovery:
            kept = scenarios.recovery[venue]
            account_pnl[:, c] = kept * account_pnl[:, c] - (1.0 - kept) * max(where.equity[c], 0.0)
            traded[:, table.account[table.candidate] == c] *= kept[:, None]
    return Revalued(traded, account_pnl, pnl[:, table.instrument] if keep_units else np.zeros((0, 0)))


def unit_pnl(unique: Sequence[Any], market: MarketView, scenarios: ScenarioSet) -> np.ndarray:
    """(S, U) USD P&L per unit held of each instrument; derivatives at the prices that their venue sees."""
    n_scenarios = len(scenarios)
    pnl = np.empty((n_scenarios, len(unique)), order="F")
    misled = misled_venues(scenarios)
    for family, members in by_family(unique):
        by_view: dict[str | None, list[int]] = defaultdict(list)
        for i in members:
            wrong = unique[i].nature.derivative and unique[i].venue in misled
            by_view[unique[i].venue if wrong else None].append(i)
        for venue, mine in by_view.items():
            out = np.empty((n_scenarios, len(mine)), order="F")
            seen = scenarios if venue is None else as_seen_by(scenarios, venue)
            family.scenario_pnl([unique[i] for i in mine], market, seen, out)
            pnl[:, mine] = out
    if not np.isfinite(pnl).all():
        at = int(np.flatnonzero(~np.isfinite(pnl).all(axis=0))[0])
        raise InputError(f"{unique[at].id} has a scenario value that is not finite", field=scenarios.name)
    return pnl
