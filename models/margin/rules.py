"""The margin models hedgeopt knows, by the name that a book's account gives. A new one is a file, a line here, and a
test file.

A name may carry an option after a colon: ``aave:eth`` (e-mode category), ``hyperliquid:10`` or ``binance:BTC=10,ETH=5``
(chosen leverage), ``table:my_venue.toml`` (:mod:`hedgeopt.models.margin.generic`). ``standard`` means the venue's own
default.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.reading import parse_toml
from hedgeopt.models.data import table, tables_key, venues, where
from hedgeopt.models.margin.aave_v3 import AaveV3
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
from hedgeopt.models.margin.bybit import Bybit
from hedgeopt.models.margin.bybit_portfolio import BybitPortfolio
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
from hedgeopt.models.margin.deribit_standard import DeribitStandard
from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.derive_standard import DeriveStandard
from hedgeopt.models.margin.dydx_v4 import DydxV4
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.hyperliquid import Hyperliquid
from hedgeopt.models.margin.leverage import read_leverage
from hedgeopt.models.margin.model import MarginModel
from hedgeopt.models.margin.okx_portfolio import OkxPortfolio
from hedgeopt.models.margin.packaged_tables import check_own_tables
from hedgeopt.models.margin.paradex import Paradex
from hedgeopt.models.margin.unmargined import Bilateral, Unmargined

__all__ = ["MODELS", "OTHER_RULE", "margin_model", "rule_of_another", "venue_rule"]

OTHER_RULE = "Margin by another venue's rule: "
"""With which a note on an account that follows one begins."""


def _plain(model: Callable[[], MarginModel]) -> Callable[[str | None], MarginModel]:
    """A model that takes no option: one that is given is refused, not dropped."""

    def make(option: str | None) -> MarginModel:
        if option is not None:
            raise InputError(
                "this margin model takes nothing after a colon",
                file="book",
                field="margin",
                value=option,
                fix="leave it out",
            )
        return model()

    return make


def _generic(option: str | None) -> MarginModel:
    if option is None:
        raise InputError("needs a file", field="margin", value="table", fix="write table:my_venue.toml")
    return Generic(Path(option).name, parse_toml(option, "margin table"))


MODELS: dict[str, Callable[[str | None], MarginModel]] = {
    "deribit_standard": _plain(DeribitStandard),
    "portfolio": lambda option: DeribitPortfolio(option or "current"),
    "derive": _plain(Derive),
    "derive_standard": _plain(DeriveStandard),
    "hyperliquid": lambda option: Hyperliquid(read_leverage(option)),
    "binance": lambda option: Binance(read_leverage(option)),
    "bybit": lambda option: Bybit(read_leverage(option)),
    "bybit_portfolio": _plain(BybitPortfolio),
    "binance_portfolio": _plain(BinancePortfolio),
    "okx_portfolio": _plain(OkxPortfolio),
    "dydx": _plain(DydxV4),
    "aave": lambda option: AaveV3(option),
    "paradex": _plain(Paradex),
    "none": _plain(Unmargined),
    "otc": _plain(Bilateral),
    "table": _generic,
}


_OWN_PORTFOLIO = {
    "okx": "write margin 'okx_portfolio'",
    "bybit": "write margin 'bybit_portfolio', or 'bybit' for its cross margin",
    "binance": "write margin 'binance_portfolio'",
    "derive": "write margin 'derive'",
    "paradex": "write margin 'paradex'",
}
"""Venues with a portfolio margin of their own, and what to write instead of ``portfolio``."""


def venue_rule(venue: str) -> str:
    """What ``standard`` means at a venue: ``default_margin`` of its table; where there is none, nothing is lent."""
    if venue not in venues():
        return "none"
    own = table(venue)
    return str(own.get("default_margin") or ("table" if "margin" in own else "none"))


def rule_of_another(model: MarginModel, venue: str, account: str) -> tuple[str, ...]:
    """A note where an account's margin follows the rule of a venue that is not its own; none where its table says so."""
    if model.rule_of in (None, venue) or margin_model("standard", venue).name == model.name:
        return ()
    return (
        f"{OTHER_RULE}{venue}/{account} follows {model.name}, which is {model.rule_of}'s. What {venue} itself requires, and "
        "where it liquidates, may be otherwise",
    )


def margin_model(name: str, venue: str) -> MarginModel:
    """The model that an account's ``margin`` names at its venue.

    Raises
    ------
    InputError
        For an unknown name, with the known ones.
    """
    base, _, option = name.partition(":")
    return _made(name, venue, tables_key(), _stamp(option) if base == "table" else None)


def _stamp(path: str) -> tuple[int, ...] | None:
    """Changes when a file does: a table that was mended is read again."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=256)
def _made(name: str, venue: str, tables: str, stamp: tuple[int, ...] | None) -> MarginModel:
    check_own_tables(tables)
    base, _, option = name.partition(":")
    field = "margin"
    if base == "standard":
        base, field = venue_rule(venue), "default_margin"
        if base == "table":
            return Generic(where(venue), table(venue), venue=venue)
    if base == "portfolio" and venue in _OWN_PORTFOLIO:
        raise InputError(
            f"is Deribit's portfolio margin, and the account is at {venue}",
            file="book",
            field="margin",
            value=name,
            fix=_OWN_PORTFOLIO[venue],
        )
    if base not in MODELS:
        raise InputError(
            "unknown margin model",
            file="book" if field == "margin" else where(venue),
            field=field,
            value=base if field == "default_margin" else name,
            fix=advice(base, ["standard", *MODELS]),
        )
    return MODELS[base](option or None)
