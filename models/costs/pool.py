"""Automated market makers as ladders: constant-product pools, and ranges of concentrated liquidity, with fees.

A pool of ``X`` quote and ``Y`` base units at the fee share ``f`` (``g = 1 - f``) sells ``d`` base units for
``(X Y / (Y - d) - X) / g = p d Y / (Y - d)``, ``p = X / (Y g)``, and pays ``X g d / (Y + g d) = p' d Y' / (Y' + d)``,
``p' = g X / Y``, ``Y' = Y / g``: the fee is taken from what is paid in. A range of liquidity L between the prices a and b is
such a pool of virtual reserves ``Y = L / sqrt(p)``, ``X = L sqrt(p)``, of which ``L (1 / sqrt(p) - 1 / sqrt(b))`` are there
to be bought. Prices rise from range to range, so that ranges are filled in order.

Sources: Adams et al., Uniswap v2 core (2020) and v3 core (2021), section 6; Angeris et al., arXiv 2204.05238, section 3.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.costs.ladder import Ladder, Levels

__all__ = ["DEEPEST", "concentrated", "constant_product", "ranges_of_ticks"]

DEEPEST = 0.5
"""Share of a constant-product pool's reserves that may be taken: at half of them the price is four times, or a quarter."""


def constant_product(
    instrument: str, timestamp: datetime, base: float, quote: float, fee: float, *, gas: float = 0.0, source: str = "pool"
) -> Ladder:
    """The pool of ``base`` and ``quote`` units at ``fee``, such as 0.003; beyond half of it nothing is traded."""
    for name, value in (("base_reserve", base), ("quote_reserve", quote)):
        _positive(value, source, f"{instrument} {name}", "an empty pool trades nothing: leave it out")
    kept = _kept(fee, source, instrument)
    ask = Levels(np.array([quote / base / kept]), np.array([DEEPEST * base]), np.array([base]))
    bid = Levels(np.array([quote / base * kept]), np.array([base / kept]), np.array([base / kept]))
    return Ladder(instrument, timestamp, bid, ask, source, "pool", gas)


def concentrated(
    instrument: str,
    timestamp: datetime,
    price: float,
    ranges: Sequence[tuple[float, float, float]] | np.ndarray,
    fee: float,
    *,
    gas: float = 0.0,
    source: str = "pool",
) -> Ladder:
    """Ranges ``(lower, upper, liquidity)`` in quote per base, in order, and the present ``price``.

    Liquidity is that of human units, ``L = sqrt(x y)`` for a range over all prices; ranges without any are left out.
    """
    _positive(price, source, f"{instrument} price", "give quote units per base unit")
    kept, table = _kept(fee, source, instrument), np.asarray(ranges, float).reshape(-1, 3)
    _check_ranges(table, source, instrument)
    low, high, liquidity = table[table[:, 2] > 0.0].T if len(table) else np.zeros((3, 0))
    above = high > price
    start = np.maximum(low[above], price)
    asks = Levels(
        start / kept,
        liquidity[above] * (1.0 / np.sqrt(start) - 1.0 / np.sqrt(high[above])),
        liquidity[above] / np.sqrt(start),
    )
    below = np.flatnonzero(low < price)[::-1]
    top = np.minimum(high[below], price)
    bids = Levels(
        top * kept,
        liquidity[below] * (1.0 / np.sqrt(low[below]) - 1.0 / np.sqrt(top)) / kept,
        liquidity[below] / np.sqrt(top) / kept,
    )
    if not len(asks) and not len(bids):
        raise InputError("has no liquidity", file=source, field=instrument, fix="an empty pool trades nothing: leave it out")
    return Ladder(instrument, timestamp, bids, asks, source, "pool", gas)


def ranges_of_ticks(
    ticks: Sequence[tuple[int, int]], decimals: tuple[int, int], base: Literal[0, 1], source: str, instrument: str
) -> np.ndarray:
    """Ranges (R, 3) from initialised ticks ``(tick, liquidityNet)`` of a Uniswap v3 pool, as its contract holds them.

    ``decimals`` are those of token0 and token1, ``base`` which of them is bought and sold. A price of the contract is
    ``1.0001**tick`` raw units of token1 per token0.
    """
    order = sorted((int(tick), int(net)) for tick, net in ticks)
    held = 0
    found = []
    unit = 10.0 ** (0.5 * (decimals[0] + decimals[1]))
    for k, ((tick, net), (after, _)) in enumerate(itertools.pairwise(order)):
        held += net
        if held < 0:
            raise InputError("adds up to negative liquidity", file=source, field=f"{instrument} ticks.{k}", value=tick,
                             fix="give every initialised tick, from the lowest on")  # fmt: skip
        ends = [1.0001**t * 10.0 ** (decimals[0] - decimals[1]) for t in (tick, after)]
        low, high = ends if base == 0 else (1.0 / ends[1], 1.0 / ends[0])
        found.append((low, high, held / unit))
    if order and held + order[-1][1] != 0:
        raise InputError("leaves some beyond the last tick", file=source, field=f"{instrument} ticks",
                         value=held + order[-1][1], fix="give every tick: liquidityNet adds up to 0")  # fmt: skip
    return np.array(found if base == 0 else found[::-1], float).reshape(-1, 3)


def _check_ranges(table: np.ndarray, source: str, instrument: str) -> None:
    for k, (low, high, liquidity) in enumerate(table.tolist()):
        where = f"{instrument} ranges.{k}"
        if not 0.0 < low < high < np.inf:
            raise InputError("is no range of prices", file=source, field=where, value=f"{low:g} to {high:g}",
                             fix="write lower and upper above 0, lower first")  # fmt: skip
        if not 0.0 <= liquidity < np.inf:
            raise InputError("must be 0 or more", file=source, field=f"{where}.liquidity", value=liquidity)
        if k and low < table[k - 1, 1] * (1.0 - 1e-12):
            raise InputError("overlaps the one before", file=source, field=f"{where}.lower", value=low,
                             fix="give ranges by price, ascending, each once")  # fmt: skip


def _kept(fee: float, source: str, instrument: str) -> float:
    if not 0.0 <= fee < 0.5:
        fix = "a share: 0.003 is 30 basis points"
        raise InputError("is no fee", file=source, field=f"{instrument} fee", value=fee, fix=fix)
    return 1.0 - fee


def _positive(value: float, source: str, field: str, fix: str) -> None:
    if not 0.0 < value < np.inf:
        raise InputError("must be above 0", file=source, field=field, value=value, fix=fix)
