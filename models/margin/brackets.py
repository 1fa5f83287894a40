"""Venues whose tiers are brackets: a notional up to which a position may have a leverage, and its maintenance rate.

A table says ``[margin.brackets] BTC = [[USD up to, largest leverage, maintenance rate], ...]``; hyperliquid.toml writes
tiers without rates, which :mod:`hedgeopt.models.margin.hyperliquid` reads.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table, tables_key, where
from hedgeopt.models.margin.leverage import Allowed
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Leveraged
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["Bracketed", "brackets_of", "checked_brackets"]

Bracket = tuple[float, float, float]


def brackets_of(venue: str) -> dict[str, tuple[Bracket, ...]]:
    """Brackets of every coin of a venue's table; empty where it has none.

    Raises
    ------
    InputError
        For a bracket that is none, and for maintenance above what the leverage asks for.
    """
    return _read(venue, tables_key())


@lru_cache(maxsize=64)
def _read(venue: str, tables: str) -> dict[str, tuple[Bracket, ...]]:
    found = table(venue)["margin"].get("brackets", {})
    return {str(coin): checked_brackets(venue, f"margin.brackets.{coin}", rows) for coin, rows in found.items()}


def checked_brackets(venue: str, field: str, rows: Any) -> tuple[Bracket, ...]:
    """Brackets of one coin as a table gives them, or an error that names the ``field``."""

    def refuse(problem: str, value: Any, fix: str) -> InputError:
        return InputError(problem, file=where(venue), field=field, value=value, fix=fix)

    if not isinstance(rows, list) or not rows:
        raise refuse("must be a list of brackets", rows, "write [[USD up to, largest leverage, maintenance rate], ...]")
    for row in rows:
        numbers = isinstance(row, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in row)
        if not numbers or len(row) != 3:
            raise refuse("is no bracket of three numbers", row, "write [USD up to, largest leverage, maintenance rate]")
        up_to, leverage, rate = (float(value) for value in row)
        if not (up_to > 0 and 1 <= leverage <= 1_000 and 0 <= rate <= 1) or not isfinite(leverage + rate):
            raise refuse("is out of range", row, "USD above 0, a leverage from 1 to 1,000, a rate from 0 to 1")
        if rate * leverage > 1.0 + 1e-9:
            problem = f"asks for more maintenance ({rate:g}) than initial margin (1 / {leverage:g} = {1 / leverage:.4g})"
            raise refuse(problem, row, "exchange no columns: USD up to, largest leverage, maintenance rate")
    for one, two in pairwise(rows):
        if two[0] <= one[0] or two[1] > one[1] or two[2] < one[2]:
            fix = "notionals rise from bracket to bracket, leverages do not, and rates do not fall"
            raise refuse("brackets are out of order", [one, two], fix)
    return tuple((float(up_to), float(leverage), float(rate)) for up_to, leverage, rate in rows)


class Bracketed(Leveraged):
    """Maintenance by bracket, initial margin by the leverage that the bracket allows."""

    entries = "margin.brackets"
    entry = "[[1000000, 20, 0.025]] (USD up to, leverage, rate)"

    @property
    def brackets(self) -> dict[str, Any]:
        """By underlying."""
        return dict(brackets_of(self.venue))

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """The brackets of a coin that has any."""
        return (f"{self.entries}.{underlying}",) if underlying in self.brackets else ()

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Maintenance rates by notional."""
        found: Any = self.market(self.brackets, state, row)
        return Tiers((0.0, *(bracket[0] for bracket in found[:-1])), tuple(bracket[2] for bracket in found))

    def allowed(self, underlying: str) -> Allowed:
        """Largest leverage by bracket."""
        found = self.brackets.get(underlying)
        if found is None:
            line = f"[{self.entries}] {underlying} = {self.entry}"
            raise lacking(self.venue, f"no margin tier for {underlying}", field=self.entries, line=line)
        return Allowed(tuple(bracket[0] for bracket in found), tuple(bracket[1] for bracket in found))

    def markets(self) -> dict[str, Allowed]:
        """Every coin of the table."""
        return {name: self.allowed(name) for name in self.brackets}

    def knows(self, underlying: str) -> bool:
        """Whether the table has brackets of a coin."""
        return underlying in brackets_of(self.venue)
