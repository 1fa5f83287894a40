"""Positions and collateral of several payloads joined to accounts of a book.

Contracts become units of ours by the venue's list of instruments, or by the notional that the position itself states, which
checks the list too. Option values leave the collateral, the P&L of margined contracts enters it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.inputs.payloads.comparisons import check_delta, check_worth
from hedgeopt.inputs.payloads.form import Findings, HeldLine, Posted
from hedgeopt.venues.known import parser

__all__ = ["accounts_of"]

_NEAR = 0.02
_Key = tuple[str, str, str]


def accounts_of(found: Findings, source: str, margin: str | None = None) -> list[dict[str, Any]]:
    """Accounts as a book's file has them; notes are added to ``found``.

    Raises
    ------
    InputError
        For positions in contracts of unknown size, notionals that contradict it, and positions that may belong to several
        accounts of a venue.
    """
    _by_name(found)
    check_worth(found, source)
    labels = _labels(found)
    pooled = {venue for venue in {p.venue for p in found.posted} if any(p.pool for p in found.posted if p.venue == venue)}
    positions: dict[_Key, dict[str, float]] = {}
    collateral: dict[_Key, dict[str, float]] = {}
    tokens: dict[_Key, list[dict[str, Any]]] = {}
    takes: dict[tuple[_Key, str], float] = {}
    for holding in found.holdings:
        item = _named(holding, found)
        settlement = getattr(item, "settlement", None) if item is not None else None
        label = _label(holding, labels, source)
        key = holding.venue, label, str(settlement) if holding.venue in pooled and settlement else ""
        quantity = _quantity(holding, item, found, source)
        check_delta(holding, item, quantity, source)
        mine = positions.setdefault(key, {})
        if holding.name in mine:
            found.notes.append(f"{holding.name} is held in several lots, which are added up")
        mine[holding.name] = mine.get(holding.name, 0.0) + quantity
        if settlement is not None:
            _settle(holding, (key, str(settlement)), found.posted, takes)
    for posted in found.posted:
        key = posted.venue, _label(posted, labels, source), posted.pool
        mine = collateral.setdefault(key, {})
        mine[posted.asset] = mine.get(posted.asset, 0.0) + posted.amount
    for (key, asset), amount in takes.items():
        if amount and asset in collateral.get(key, {}):
            collateral[key][asset] += amount
            found.notes.append(
                f"collateral of {asset} at {key[0]} changes by {amount:+.8g} for options held or P&L not settled"
            )
    for thing in found.objects:
        tokens.setdefault((thing["venue"], thing.get("account", ""), ""), []).append(thing)
    accounts = []
    for key in dict.fromkeys([*collateral, *positions, *tokens]):
        venue, label, pool = key
        rule = margin or found.margins.get((venue, f"{label}{pool}")) or found.margins.get((venue, label), "standard")
        account: dict[str, Any] = {"name": "-".join(part for part in key if part), "venue": venue, "margin": rule}
        if collateral.get(key):
            account["collateral"] = [{"asset": asset, "amount": x} for asset, x in collateral[key].items() if x != 0.0]
        held = [{"instrument": name, "quantity": x} for name, x in positions.get(key, {}).items() if x != 0.0]
        held += [{"instrument": one["instrument"], "quantity": one["quantity"]} for one in tokens.get(key, [])]
        if held:
            account["positions"] = held
        accounts.append(account)
    return accounts


def _by_name(found: Findings) -> None:
    """Coins that a venue names by number, by their name; those of no known name are left out with the fix."""
    kept = []
    for posted in found.posted:
        name = found.coins.get((posted.venue, posted.asset), posted.asset)
        if name.startswith("@"):
            found.skip('a pair by number: give the reply to {"type": "spotMeta"} too, which names its coin', name)
            continue
        if name != posted.asset:
            found.notes.append(f"{posted.asset} at {posted.venue} is {name}, by the venue's list of pairs")
        kept.append(replace(posted, asset=name))
    found.posted = kept


def _labels(found: Findings) -> Mapping[str, list[str]]:
    """Names of accounts that payloads of each venue state."""
    labels: dict[str, list[str]] = {}
    everything: list[HeldLine | Posted] = [*found.posted, *found.holdings]
    for one in everything:
        mine = labels.setdefault(one.venue, [])
        if one.account and one.account not in mine and not (one.venue == "hyperliquid" and one.account == "spot"):
            mine.append(one.account)
    return labels


def _label(one: HeldLine | Posted, labels: Mapping[str, list[str]], source: str) -> str:
    """The account of a payload; one that names none joins the only one there is."""
    if one.account or not labels[one.venue]:
        return one.account
    if len(labels[one.venue]) > 1:
        raise InputError(
            f"names no account, and the payloads are of {len(labels[one.venue])}: {', '.join(labels[one.venue])}",
            file=source,
            field=one.where or None,
            fix="import the accounts one by one",
        )
    return labels[one.venue][0]


def _named(holding: HeldLine, found: Findings) -> Any:
    try:
        return parser(holding.venue)(holding.name)
    except InputError:
        found.notes.append(f"{holding.venue} calls a position {holding.name!r}: its form of name is not known")
        return None


def _quantity(holding: HeldLine, item: Any, found: Findings, source: str) -> float:
    """In our units: coins, or USD of an inverse contract."""
    spec = found.specs.get((holding.venue, holding.name))
    if holding.unit == "ours":
        if spec is not None and abs(holding.contract / spec.multiplier - 1.0) > 1e-6:
            raise InputError(
                f"of {holding.name} has contracts of {holding.contract:g}, the list of instruments says {spec.multiplier:g}",
                file=source,
                field=holding.where,
                fix="save both as the venue sends them",
            )
        return holding.quantity
    size = math.nan if spec is None else spec.multiplier
    inverse = item is not None and getattr(item, "inverse", False) and not item.nature.option
    reference = 1.0 if inverse else holding.reference
    implied = holding.notional / (abs(holding.quantity) * reference) if holding.notional > 0 and reference > 0 else math.nan
    if math.isnan(size) and math.isnan(implied):
        raise InputError(
            f"counts contracts of {holding.name}, whose size is not known",
            file=source,
            field=holding.where,
            value=holding.quantity,
            fix=f"give {holding.venue}'s list of instruments too: it holds the contract's size",
        )
    if math.isnan(size):
        found.notes.append(
            f"a contract of {holding.name} is {implied:.6g} {'USD' if inverse else 'coins'} by the position's notional; "
            "the venue's list of instruments would confirm it"
        )
        return holding.quantity * implied
    if implied == implied and abs(implied / size - 1.0) > _NEAR:
        raise InputError(
            f"of {holding.name}: {holding.quantity:g} contracts of {size:g} are "
            f"{abs(holding.quantity) * size * reference:,.6g} USD, and the venue's notional is {holding.notional:,.6g}",
            file=source,
            field=holding.where,
            value=holding.quantity,
            fix="save positions and instruments as the venue sends them, of one venue",
        )
    return holding.quantity * size


def _settle(holding: HeldLine, key: tuple[_Key, str], posted: list[Posted], takes: dict[tuple[_Key, str], float]) -> None:
    """What a position adds to or takes from the collateral in which it settles."""
    mine = [one for one in posted if one.venue == holding.venue and one.asset == key[1]]
    if holding.option and any(one.with_options for one in mine) and holding.value == holding.value:
        takes[key] = takes.get(key, 0.0) - holding.value
    if holding.option and any(one.needs_profit for one in mine) and holding.profit == holding.profit:
        takes[key] = takes.get(key, 0.0) - holding.profit
    if not holding.option and holding.profit:
        takes[key] = takes.get(key, 0.0) + holding.profit
