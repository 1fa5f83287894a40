"""P&L of a book against the price of one underlying, before and after trading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.exposures.units import by_family
from hedgeopt.files.calls import strict_call
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["MOVES", "SpotProfile", "spot_profile"]

MOVES = np.linspace(-0.5, 0.5, 101)


@dataclass(frozen=True)
class SpotProfile:
    """USD P&L (G,) at each relative ``move`` of ``asset``, instantly, vols and other prices unchanged, before costs."""

    asset: str
    moves: np.ndarray
    before: np.ndarray
    after: np.ndarray


@strict_call
def spot_profile(exposures: Exposures, trades: np.ndarray, asset: str, moves: np.ndarray = MOVES) -> SpotProfile:
    """Revalue every position in full at each move; ``trades`` (N,) pay their premium in the settlement asset.

    Raises
    ------
    KeyError
        When the exposures do not hold ``asset``.
    """
    e = exposures
    column = e.asset(asset)
    assets = tuple(name for name in e.assets if name not in dollar_assets())
    spot = np.ones((len(moves), len(assets)))
    spot[:, assets.index(asset)] = 1.0 + moves
    grid = ScenarioSet(f"{asset} alone", assets, spot, np.zeros_like(spot), horizon_days=0.0)

    held, traded = e.rows.quantity, e.positions(trades) - e.rows.quantity
    price_change = e.prices[column] * moves
    coins = np.full(len(moves), e.collateral[:, column].sum())
    before = coins * price_change
    after = before.copy()
    moved = [  # a transfer moves coins within the book: no profit or loss
        row
        for row in np.flatnonzero((held != 0) | (traded != 0)).tolist()
        if asset in e.rows.instruments[row].assets and not e.rows.instruments[row].nature.transfer
    ]
    for family, members in by_family([e.rows.instruments[row] for row in moved]):
        rows = [moved[k] for k in members]
        unit = np.empty((len(moves), len(rows)), order="F")
        family.scenario_pnl([e.rows.instruments[row] for row in rows], e.market, grid, unit)
        before += unit @ held[rows]
        after += unit @ (held + traded)[rows]
        for row in rows:  # coins paid away for what was bought no longer move with the price
            if getattr(e.rows.instruments[row], "settlement", None) == asset:
                after -= e.rows.premium[row] * traded[row] * price_change
    return SpotProfile(asset, moves, before, after)
