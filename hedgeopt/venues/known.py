"""One place to ask about a venue: how it names instruments, and its lots, ticks and minimum sizes.

A venue is one dated table (:mod:`hedgeopt.models.data`; yours: :mod:`hedgeopt.models.data.own`). Its fees, margin and
haircuts are read by the models; names and sizes are read here. ``names`` in the table are templates
(:mod:`hedgeopt.venues.forms`), or the name of a parser in code: a folder of this package and a line in :data:`PARSERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.data import own_tables, table, tables_key, venues, where
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.rules import margin_model, venue_rule
from hedgeopt.models.margin.tiered import Leveraged
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.venues.binance.names import parse_binance
from hedgeopt.venues.bybit.names import parse_bybit
from hedgeopt.venues.deribit.names import parse_name
from hedgeopt.venues.derive.names import parse_derive
from hedgeopt.venues.forms import Forms
from hedgeopt.venues.hyperliquid.names import parse_hyperliquid
from hedgeopt.venues.okx.names import parse_okx
from hedgeopt.venues.sizes import Sizes, check_sizes, listed_sizes

__all__ = ["PARSERS", "increments", "parser", "perpetual_name"]

PARSERS: dict[str, Callable[..., Any]] = {
    "deribit": parse_name,
    "okx": parse_okx,
    "bybit": parse_bybit,
    "binance": parse_binance,
    "derive": parse_derive,
    "hyperliquid": parse_hyperliquid,
}
"""Parsers in code: ``names = "deribit"`` in a venue's table. A venue whose table gives no names, or
that has none, has the parser of its name."""


def parser(venue: str) -> Callable[[str], Any]:
    """The parser of the venue's instrument names.

    Raises
    ------
    InputError
        For a venue that no table describes, or whose table gives no names.
    """
    return _parser(venue, tables_key(), tuple(FAMILIES))


@lru_cache(maxsize=64)
def _parser(venue: str, tables: str, kinds: tuple[str, ...]) -> Callable[[str], Any]:
    if venue in PARSERS and venue not in venues():
        return partial(PARSERS[venue], venue=venue)
    names = _names(venue)
    _check(venue, tables, kinds)
    if isinstance(names, str):
        if names not in PARSERS:
            raise InputError("unknown parser", file=where(venue), field="names", value=names, fix=advice(names, PARSERS))
        return partial(PARSERS[names], venue=venue)
    return Forms(venue, names, where(venue))


def _names(venue: str) -> Any:
    if venue not in venues():
        fix = (
            f"{advice(venue, venues())}; for a venue of your own write {venue}.toml (hedgeopt schema venue), and name it in "
            f'the policy (tables = ["{venue}.toml"]) or with --tables'
        )
        raise InputError("unknown venue", field="venue", value=venue, fix=fix)
    found = table(venue).get("names") or (venue if venue in PARSERS else None)
    if not found:
        fix = "add [[names]] (hedgeopt.venues.forms)"
        raise InputError("lists no names of instruments", file=where(venue), field="names", fix=fix)
    return found


def perpetual_name(venue: str, asset: str) -> str:
    """The venue's name of an asset's perpetual."""
    reads = parser(venue)
    if isinstance(reads, Forms):
        return reads.perpetual(asset)
    return f"{asset}-PERPETUAL"


def increments(item: Any) -> Sizes:
    """Steps and smallest order of an instrument, and its contract.

    From ``[lots.KIND]`` of its venue's table by ``"UNDERLYING/SETTLEMENT"``, the underlying or ``"*"``, each a table of the
    fields of :class:`hedgeopt.venues.sizes.Sizes`; else from the family's nature; NaN where neither gives it. Where a market
    gives them (columns ``lot``, ``tick``, ``min_size``), those count instead.

    Raises
    ------
    InputError
        For a venue's table with impossible sizes or margin, whichever instrument is asked for.
    """
    underlying, settlement = getattr(item, "underlying", item.assets[0]), getattr(item, "settlement", item.assets[0])
    return _increments(item.venue, item.kind, underlying, settlement, item.nature, tables_key())


@lru_cache(maxsize=4096)
def _increments(venue: str, kind: str, underlying: str, settlement: str, nature: Any, tables: str) -> Sizes:
    if venue in venues():
        _check(venue, tables, tuple(FAMILIES))
    own = listed_sizes(venue, kind, underlying, settlement)
    found = [own.get(name, getattr(nature, name, None)) for name in Sizes._fields]
    return Sizes(*(float("nan") if size is None else float(size) for size in found))


@lru_cache(maxsize=64)
def _check(venue: str, tables: str, kinds: tuple[str, ...]) -> None:
    """Refuse impossible sizes, and a margin table that is no rule."""
    check_sizes(venue)
    if venue in own_tables("venue") and "margin" in table(venue):
        if venue_rule(venue) == "table":
            Generic(where(venue), table(venue), venue=venue)
        elif isinstance(rule := margin_model(venue_rule(venue), venue), Leveraged):
            rule.markets()
