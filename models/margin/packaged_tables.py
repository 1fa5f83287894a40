"""Margin sections of a table that extends a packaged one: every name is read by its rule, and every number can be one.

Bybit, Binance and OKX have records of their own. The others are compared with what is packaged: a name that the rule does
not read is refused, and a coin that is added has the numbers that the packaged coins have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.reading import parse_toml
from hedgeopt.files.record import Record
from hedgeopt.models.data import own_tables, packaged_table, table, where
from hedgeopt.models.margin.borrowed import loan_rates
from hedgeopt.models.margin.brackets import checked_brackets
from hedgeopt.models.margin.bybit_portfolio import BybitCoin
from hedgeopt.models.margin.okx_portfolio import check_okx
from hedgeopt.models.margin.table_numbers import both_ways, checked_numbers
from hedgeopt.models.margin.table_rules import ShortOptionRules

__all__ = ["check_own_tables"]

_SECTIONS = (
    "margin", "portfolio_margin", "portfolio_margin_legacy", "standard_margin", "standard_manager", "reserve", "emode",
)  # fmt: skip
_CLOSED = {("derive", "portfolio_margin"), ("derive", "portfolio_margin.skew"), ("derive", "standard_manager")}
"""Sections whose inner sections are no coins."""


class _BinancePortfolio(Record):
    initial_ratio: float = Field(ge=1, le=100)
    maintenance_ratio: float = Field(ge=1, le=100)
    loans: dict[str, Any] = Field(default_factory=dict)


class _HyperliquidMargin(Record):
    maintenance_share: float = Field(gt=0, le=1)
    withdraw_share: float = Field(ge=0, le=1)
    tiers: dict[str, Any]


@lru_cache(maxsize=64)
def check_own_tables(tables: str) -> None:
    """Check the margin sections of every table of the user's that extends a packaged one; ``tables`` is their key.

    Raises
    ------
    InputError
        Names the file, the section and the name or number.
    """
    for name, path in own_tables("venue").items():
        given = parse_toml(path, "venue table")
        own = {section: given[section] for section in _SECTIONS if section in given}
        if own and "extends" in given:
            _check(name, packaged_table(name), own, table(name))


def _check(name: str, base: Mapping[str, Any], own: Mapping[str, Any], merged: Mapping[str, Any]) -> None:
    if name in _RECORDS:
        _RECORDS[name](merged)
        return
    for section, value in own.items():
        _like(name, base.get(section, {}), value, section)
    if name == "hyperliquid":
        checked_numbers(_HyperliquidMargin, merged["margin"], name, "margin")
    for coin, tier in merged["margin"]["markets"].items() if name == "dydx" else ():
        known = merged["margin"]["tiers"]
        if tier not in known:
            raise _fault(name, "names no tier of [margin.tiers]", f"margin.markets.{coin}", tier, advice(str(tier), known))


def _like(venue: str, base: Mapping[str, Any], given: Mapping[str, Any], field: str) -> None:
    """Names of a section of the user's that the packaged one has, or coins like those that it has."""
    members = [value for value in base.values() if isinstance(value, dict)]
    for name, value in given.items():
        where_ = f"{field}.{name}"
        if name == "scenarios":
            _both_ways(venue, value, where_)
        if name in base:
            if isinstance(base[name], dict):
                _like(venue, base[name], value, where_)
            continue
        _one_case(venue, name, base, field)
        if not isinstance(value, dict) and base and not any(isinstance(one, int | float) for one in base.values()):
            continue  # tiers and markets by coin
        if not isinstance(value, dict) or not members or (venue, field) in _CLOSED:
            raise _fault(venue, "is read by nothing", where_, value, advice(name, base))
        alike = [one for one in members if set(one) & set(members[0])]
        for key in value:
            if not any(key in one for one in alike):
                raise _fault(venue, "is read by nothing", f"{where_}.{key}", value[key], advice(key, alike[0]))
        for key in alike[0]:
            if key not in value and all(key in one for one in alike):
                raise _fault(venue, "is missing", f"{where_}.{key}", None, f"give it, as for {next(iter(base))}")


def _both_ways(venue: str, rows: Any, field: str) -> None:
    """Refuse scenarios ``[[move, ...], ...]`` (Derive: ``[[1 + move, ...], ...]``) that go one way only."""
    still = 1.0 if venue == "derive" else 0.0
    try:
        both_ways(tuple(float(row[0]) - still for row in rows))
    except (TypeError, ValueError, IndexError) as error:
        told = str(error) if "hold none" in str(error) else "must be rows of numbers"
        raise _fault(venue, told, field, rows, None) from None


def _one_case(venue: str, name: str, known: Mapping[str, Any], field: str) -> None:
    """Refuse a name that differs from a known one in capitals only."""
    same = [one for one in known if one.lower() == name.lower() and one != name]
    if same:
        raise _fault(venue, "is read by nothing", f"{field}.{name}", None, f"did you mean {same[0]!r}?")


def _fault(venue: str, problem: str, field: str, value: Any, fix: str | None) -> InputError:
    told = None if isinstance(value, dict | list) else value
    return InputError(problem, file=Path(where(venue)), field=field, value=told, fix=fix)


def _capitals(venue: str, coins: Mapping[str, Any], field: str) -> None:
    for coin in coins:
        if coin != coin.upper():
            raise _fault(venue, "is no coin of the venue", f"{field}.{coin}", None, f"did you mean {coin.upper()!r}?")


def _brackets(venue: str, margin: Mapping[str, Any]) -> None:
    own = margin.get("brackets", {})
    if not isinstance(own, dict):
        raise _fault(venue, "must be a section of coins", "margin.brackets", own, None)
    _capitals(venue, own, "margin.brackets")
    for coin, rows in own.items():
        checked_brackets(venue, f"margin.brackets.{coin}", rows)


def _loans(venue: str, section: Mapping[str, Any]) -> None:
    for asset, given in section.get("loans", {}).items():
        loan_rates(given, venue, asset)


def _bybit(merged: Mapping[str, Any]) -> None:
    _brackets("bybit", merged["margin"])
    checked_numbers(ShortOptionRules, {k: v for k, v in merged["margin"].items() if k != "brackets"}, "bybit", "margin")
    coins = {name: value for name, value in merged["portfolio_margin"].items() if name != "loans"}
    for coin, numbers in coins.items():
        if not isinstance(numbers, dict):
            fix = advice(coin, BybitCoin.model_fields) or "write [portfolio_margin.BTC] above it, the section of a coin"
            raise _fault("bybit", "is read by nothing", f"portfolio_margin.{coin}", numbers, fix)
    _capitals("bybit", coins, "portfolio_margin")
    for coin, numbers in coins.items():
        checked_numbers(BybitCoin, numbers, "bybit", f"portfolio_margin.{coin}")
    _loans("bybit", merged["portfolio_margin"])


def _binance(merged: Mapping[str, Any]) -> None:
    _brackets("binance", merged["margin"])
    for name in merged["margin"]:
        if name != "brackets":
            raise _fault("binance", "is read by nothing", f"margin.{name}", None, advice(name, ["brackets"]))
    checked_numbers(_BinancePortfolio, merged["portfolio_margin"], "binance", "portfolio_margin")
    _loans("binance", merged["portfolio_margin"])


def _okx(merged: Mapping[str, Any]) -> None:
    check_okx(merged["portfolio_margin"])


_RECORDS: dict[str, Callable[[Mapping[str, Any]], None]] = {"bybit": _bybit, "binance": _binance, "okx_portfolio": _okx}
