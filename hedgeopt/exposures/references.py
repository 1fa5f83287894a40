"""Refuse words of a policy (or of a backtest) that refer to an asset, venue, account or instrument that does not exist.

A word that matches nothing would be ignored in silence: a vol given for ``BTCC`` moves nothing, a halt of ``derbit`` halts
nobody. What is known: what the book and the market hold, and what the packaged tables list, so that a general policy may
name assets and venues that a book does not use today.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from hedgeopt.constraints.limit import Limit
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.errors import InputError
from hedgeopt.exposures.resolve import Holdings, underlying_of
from hedgeopt.files.names import advice, require_known
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.data import dollar_assets, pegged_assets, table, tables_key, venues, wraps
from hedgeopt.models.pricing.instrument import Instrument
from hedgeopt.models.scenarios.stress_table import known_events, read_stress

__all__ = ["Known", "check_references", "refuse_unknown"]

_WORDS = {
    "asset": "asset", "asset_fall": "asset", "underlying": "asset", "assets": "asset", "underlyings": "asset",
    "venue": "venue", "venues": "venue", "paused_venues": "venue",
    "account": "account", "accounts": "account",
    "base": "asset", "quote": "asset", "token": "asset",
}  # fmt: skip
"""Fields whose text is a name of one of these."""
_BY_ASSET = {"vol", "vols", "margin_degrees", "funding", "spill", "holdings", "reserves", "band"}
_BY_ASSET |= {"spot", "skew", "term", "perpetual", "basis", "collateral", "quantity"}
"""Fields that are tables by asset."""


@dataclass(frozen=True)
class Known:
    """Names that exist."""

    asset: frozenset[str]
    venue: frozenset[str]
    account: frozenset[str]
    at_hand: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those of the book and the market alone, by kind of name: the ones that messages suggest."""

    @classmethod
    def of(cls, holdings: Holdings) -> Known:
        """Those of a book, its market and the packaged tables."""
        accounts = holdings.accounts
        held = {*holdings.market.prices, *(c.asset for a in accounts for c in a.collateral)}
        for item in holdings.whole:
            held |= set(_assets_of(item))
        places = {*(a.venue for a in accounts), *(i.venue for i in holdings.listed.values())}
        return cls(
            frozenset({*held, *_tabled_assets(venues(), tables_key())}),
            frozenset({*places, *venues()}),
            frozenset(a.name for a in accounts),
            {"asset": frozenset(held), "venue": frozenset(places)},
        )


def check_references(holdings: Holdings, policy: Policy) -> tuple[str, ...]:
    """Refuse the first word of the policy that refers to nothing; return what else is odd about it, a line each.

    Lists of what is not to be traded hold names that expired or are not quoted today: those forbid nothing, and are a note.

    Raises
    ------
    InputError
        Names the field, the word and the nearest name that exists.
    """
    known = Known.of(holdings)
    for part in ("candidates", "scenarios", "stress", "minimize", "subject_to"):
        refuse_unknown(getattr(policy, part), known, part)
    for path in policy.stress.files:
        refuse_unknown(read_stress(path), known, "event", file=path)
    _match_instruments(holdings, policy)
    return (*_barred_unseen(holdings, policy), *_per_cent(policy))


def refuse_unknown(data: Any, known: Known, field: str, *, file: object = "policy") -> None:
    """Refuse the first word in ``data`` (models, lists and tables of them) that refers to nothing known."""
    for what, name, where in _words(data, field):
        if name not in getattr(known, what):
            near = sorted(known.at_hand.get(what) or getattr(known, what))
            raise InputError(f"unknown {what}", file=file, field=where, value=name, fix=advice(name, near))


def _words(data: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """(kind of name, the name, its field) of every reference in ``data``."""
    if isinstance(data, Instrument):  # a whole instrument describes itself
        return
    if isinstance(data, dict):  # a table without a model, such as the settings of a signal
        for key, value in data.items():
            if key in _WORDS and isinstance(value, str):
                yield _WORDS[key], value, f"{where}.{key}"
    if isinstance(data, list | tuple):
        for k, one in enumerate(data):
            yield from _words(one, f"{where}.{k}" if len(data) > 1 else where)
    if not isinstance(data, BaseModel):
        return
    for name in type(data).model_fields:
        value, here = getattr(data, name), f"{where}.{name}"
        words = (value,) if isinstance(value, str) else value
        if name in _WORDS and isinstance(words, tuple | list) and all(isinstance(one, str) for one in words):
            for one in words:
                yield _WORDS[name], one, here
        elif name in _BY_ASSET and isinstance(value, dict):
            for key in value:
                if key != "*":
                    yield "asset", key, here
        else:
            yield from _words(value, here)


def _match_instruments(holdings: Holdings, policy: Policy) -> None:
    """Candidates' patterns match an instrument of the market, and it quotes instruments on their underlyings."""
    rules, items = policy.candidates, holdings.listed.values()
    if rules.underlyings:
        quoted = sorted({underlying_of(item) for item in items})
        require_known(rules.underlyings, quoted, "underlying", field="candidates.underlyings")
    for pattern in rules.names:
        if not any(fnmatchcase(item.name, pattern) for item in items):
            raise InputError(
                "matches no instrument of the market",
                file="policy",
                field="candidates.names",
                value=pattern,
                fix=advice(pattern, (item.name for item in items)),
            )


def _barred_unseen(holdings: Holdings, policy: Policy) -> Iterator[str]:
    names = [item.name for item in holdings.listed.values()]
    for pattern in policy.candidates.do_not_trade:
        if not any(fnmatchcase(name, pattern) for name in names):
            yield (
                f"candidates.do_not_trade: {pattern!r} matches no instrument that is quoted today and forbids none "
                f"({advice(pattern, names)})"
            )


def _per_cent(policy: Policy) -> Iterator[str]:
    """Limits on margin above all of equity, which are most often per cent where a fraction is meant."""
    for rule in policy.subject_to:
        margin = (
            rule if isinstance(rule, MarginUtilisation) else rule.margin_utilisation() if isinstance(rule, Limit) else None
        )
        if margin is not None and margin.limit > 1.0:
            yield (
                f"{rule.name}: a limit of {margin.limit:g} is {margin.limit:,.0%} of equity, more than venues let be used; "
                f"{margin.limit:g} % is {margin.limit / 100.0:g}"
            )


def _assets_of(item: Any) -> Iterable[str]:
    yield from item.assets
    for name in ("asset", "underlying", "settlement", "base", "quote"):
        value = getattr(item, name, None)
        if isinstance(value, str):
            yield value


@lru_cache
def _tabled_assets(listed: tuple[str, ...], tables: str) -> frozenset[str]:
    """Assets that the packaged tables name."""
    found = {*dollar_assets(), *pegged_assets(), *pegged_assets().values(), *wraps(), *wraps().values()}
    for event in known_events():
        found |= set(event.spot) | set(event.vol)
    for venue in listed:
        margin = table(venue).get("margin", {})
        for name in ("tiers", "brackets", "markets", "initial"):
            of = margin.get(name)
            found |= {key for key in of if key.isupper()} if isinstance(of, dict) else set()
    return frozenset(found - {"*"})
