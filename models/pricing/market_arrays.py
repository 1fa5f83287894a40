"""Prices and quotes of one moment as plain arrays, for pricing without the market object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import asset_name, dollar_assets, pegged_assets, wraps
from hedgeopt.models.pegs import is_peg

if TYPE_CHECKING:
    from hedgeopt.models.costs.impact import ImpactLaw
    from hedgeopt.models.costs.ladder import Ladder

__all__ = ["MarketArrays", "asset_price"]


def asset_price(prices: Mapping[str, float], asset: str, source: str) -> float:
    """USD price of ``asset``; dollar assets without a quoted price are worth 1, and peg factors are relative: 1 now.

    Raises
    ------
    InputError
        When ``prices``, read from ``source``, have none for it.
    """
    if asset in prices:
        return float(prices[asset])
    for name in prices:
        if asset_name(name) == asset:  # the market spells it otherwise
            return float(prices[name])
    if asset in dollar_assets() or is_peg(asset):
        return 1.0
    if wraps().get(asset) and wraps()[asset] not in pegged_assets():
        return asset_price(prices, wraps()[asset], source)  # WETH is ETH; wstETH grows against stETH, needs its own price
    fix = f"known: {', '.join(sorted(prices)) or 'none'}"
    if asset in pegged_assets():
        fix = f"give it, such as read_market(..., prices={{'{asset}': ...}}); {fix}"
    raise InputError(f"has no price for {asset}", file=source, fix=fix)


@dataclass(frozen=True, eq=False)
class MarketArrays:
    """A :class:`~hedgeopt.models.pricing.family.MarketView` that holds nothing but numbers; it pickles.

    Attributes
    ----------
    timestamp
        Moment of the snapshot.
    prices
        USD price by asset.
    row
        By ``venue:name``, the row of an instrument in the columns.
    columns
        By field of the quotes, (Q + 1,) values: one per instrument and a NaN at the end.
    source
        Where the market was read from, for messages.
    depth
        Ladders by ``venue:name``, where they are given.
    impact
        What trades cost beyond the best quotes where no ladder is given; None: nothing.
    """

    timestamp: datetime
    prices: Mapping[str, float]
    row: Mapping[str, int]
    columns: Mapping[str, np.ndarray]
    source: str = "market"
    depth: Mapping[str, Ladder] = field(default_factory=dict)
    impact: ImpactLaw | None = None

    def with_rows(self, added: Mapping[str, Mapping[str, float]]) -> MarketArrays:
        """The same market with the columns given for more instruments, by ``venue:name``; others of theirs are NaN."""
        if not added:
            return self
        size = len(next(iter(self.columns.values()))) - 1
        columns = {}
        for name, values in self.columns.items():
            more = np.array([row.get(name, np.nan) for row in added.values()])
            columns[name] = np.concatenate([values[:-1], more, values[-1:]])
            columns[name].setflags(write=False)
        rows = {**self.row, **{key: size + k for k, key in enumerate(added)}}
        return MarketArrays(self.timestamp, self.prices, rows, columns, self.source, self.depth, self.impact)

    def price(self, asset: str) -> float:
        """USD price of an asset; see :func:`asset_price`."""
        known = self.prices.get(asset)  # asked for once per instrument: most are here
        return asset_price(self.prices, asset, self.source) if known is None else float(known)

    def quoted(self, field: str, ids: Sequence[str]) -> np.ndarray:
        """Column ``field`` for the given ``venue:name`` ids; NaN where the market has nothing of the kind."""
        return self.columns[field][self.places(ids)]

    def places(self, ids: Sequence[str]) -> np.ndarray:
        """Rows of these ids in every column, so that several columns are read after one look; the last for others."""
        row = self.row
        return np.array([row.get(key, -1) for key in ids], np.int64)

    def quote(self, field: str, key: str) -> float:
        """:meth:`quoted` of one instrument."""
        return float(self.columns[field][self.row.get(key, -1)])
