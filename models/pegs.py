"""Pegged assets: how the price of a staked or wrapped token splits into its underlying and its peg.

``price(stETH) = price(ETH) * ratio``, and the ratio is a factor of its own, named ``stETH/ETH``. Factors are relative: one
is 1 now, so the delta to a factor is the USD value at stake if the peg were lost entirely, and a scenario that
moves it to 0.92 takes 8 % off the ratio.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from hedgeopt.models.data import pegged_assets, tables_key, wraps

__all__ = ["claim", "is_directional", "is_peg", "moved_by", "peg_factor", "tokens"]


def peg_factor(asset: str, underlying: str) -> str:
    """Name of the factor, such as ``stETH/ETH``, which stETH and wstETH share."""
    return f"{claim(asset)}/{underlying}"


def is_peg(name: str) -> bool:
    """Whether a column of exposures or scenarios is a peg factor."""
    return "/" in name


def tokens(columns: Iterable[str]) -> list[str]:
    """Assets that scenarios move for these columns of exposures, each once: a peg factor's token in its place.

    Tokens outside the table of pegged assets are left out: they follow their underlying.
    """
    named = ((claim(name.split("/")[0]), is_peg(name)) for name in columns)
    return list(dict.fromkeys(name for name, peg in named if not peg or name in pegged_assets()))


def is_directional(name: str) -> bool:
    """Whether a column is an underlying of its own: neither a peg factor nor an asset pegged to another."""
    return not is_peg(name) and name not in pegged_assets() and name not in wraps()


def claim(asset: str) -> str:
    """The asset whose price moves this one: what a redeemable wrapper holds, else itself."""
    return wraps().get(asset, asset)


def moved_by(asset: str) -> tuple[str, ...]:
    """Columns that move the price of ``asset``: itself, or underlying and peg factor where it is a claim on another."""
    return _moved_by(asset, tables_key())


@lru_cache(maxsize=1024)
def _moved_by(asset: str, tables: str) -> tuple[str, ...]:
    held = claim(asset)
    underlying = pegged_assets().get(held)
    return (held,) if underlying is None else (underlying, peg_factor(held, underlying))
