"""Whose and of when each reply is: one account's holdings come from one reply, all replies are of one moment, no page is
missing, and nothing that a venue's own totals contradict goes on.
"""

from __future__ import annotations

import json
import math
from datetime import timedelta

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings, HeldLine, Posted, Reply

__all__ = ["all_pages", "check_replies", "of_one_moment", "one_reply_each"]

_SAME = 1e-9
_FRESH = timedelta(minutes=5)
_NAME = "of two accounts name each: hedgeopt import … --account FILE=NAME"

_Key = tuple[str, str]
_Values = dict[tuple[str, ...], float]


def check_replies(found: Findings) -> None:
    """Everything that holds between the replies of one import.

    Raises
    ------
    InputError
        For pages that are missing, replies of different moments or that contradict each other, and totals that must be met.
    """
    all_pages(found)
    one_reply_each(found)
    of_one_moment(found)
    for total in found.totals:
        if total.must and not total.met:
            problem = f"of the venue is {total.theirs:,.8g}: {total.what} is {total.ours:,.8g} by what the reply lists"
            raise InputError(problem, file=total.file, field=total.where or None, value=total.theirs, fix=total.must)


def all_pages(found: Findings) -> None:
    """Refuse a list of which pages are missing.

    Raises
    ------
    InputError
        Where every page given says that the list goes on.
    """
    for (form, category), said in found.pages.items():
        ends = [*said, *(one for one in found.pages.get(("", category), []) if form)]
        if all(key for _, key in ends):
            file, key = said[-1]
            raise InputError(
                f"says that the list goes on ({many(len(said), 'page')} given)",
                file=file,
                field=key,
                fix="give all pages, up to the one that names no next (it may be empty)",
            )
        if len(said) > 1:
            found.notes.append(f"{form}: {many(len(said), 'page')}, the last of which says that no more follow")


def one_reply_each(found: Findings) -> None:
    """What several replies say of one account is taken from one of them.

    Equal holdings count once, with a note.

    Raises
    ------
    InputError
        For replies that differ about the same account.
    """
    accounts = _accounts(found)

    def label(venue: str, account: str) -> str:
        mine = accounts.get(venue, [])
        return account or (mine[0] if len(mine) == 1 else "")

    held: dict[tuple[_Key, int], _Values] = {}
    for one in found.holdings:
        values = held.setdefault(((one.venue, label(one.venue, one.account)), one.reply), {})
        key = one.name, one.lot
        if key in values:
            raise _two_lines(found.replies[one.reply], one.venue, one.name, values[key], one.quantity, one.where)
        values[key] = one.quantity
    posted: dict[tuple[_Key, int], _Values] = {}
    for coin in found.posted:
        account = coin.account if coin.account.endswith("spot") else label(coin.venue, coin.account)
        values = posted.setdefault(((coin.venue, account), coin.reply), {})
        if (coin.asset,) in values:
            raise _two_lines(
                found.replies[coin.reply], coin.venue, coin.asset, values[(coin.asset,)], coin.amount, coin.where
            )
        values[(coin.asset,)] = coin.amount
    things: dict[tuple[_Key, int], _Values] = {}
    for thing in found.objects:
        values = things.setdefault(((thing["venue"], thing.get("account", "")), thing["_reply"]), {})
        text = (json.dumps(thing["instrument"], sort_keys=True, default=str),)
        values[text] = values.get(text, 0.0) + thing["quantity"]
    held_drop, coins_drop, things_drop = (
        _counted_once(listed, found, whole) for listed, whole in ((held, True), (posted, False), (things, False))
    )
    found.holdings = [one for one in found.holdings if (one.reply, (one.name, one.lot)) not in held_drop]
    found.posted = [one for one in found.posted if (one.reply, (one.asset,)) not in coins_drop]
    found.objects = [
        one
        for one in found.objects
        if (one["_reply"], (json.dumps(one["instrument"], sort_keys=True, default=str),)) not in things_drop
    ]


def _two_lines(reply: Reply, venue: str, name: str, one: float, other: float, where: str) -> InputError:
    """No venue lists an instrument (on one side, in hedge mode) or a coin twice: neither in a list nor over its pages."""
    return InputError(
        f"lists {name} as {one:,.10g} and as {other:,.10g}, and {venue} has one line for it",
        file=reply.file,
        field=where or None,
        value=other,
        fix=f"the list is put together of two moments or accounts: give one of the two; {_NAME}",
    )


def _accounts(found: Findings) -> dict[str, list[str]]:
    """Names of accounts by venue; spot accounts are their own."""
    accounts: dict[str, list[str]] = {}
    everything: list[HeldLine | Posted] = [*found.holdings, *found.posted]
    for one in everything:
        mine = accounts.setdefault(one.venue, [])
        if one.account and not one.account.endswith("spot") and one.account not in mine:
            mine.append(one.account)
    return accounts


def _counted_once(listed: dict[tuple[_Key, int], _Values], found: Findings, whole: bool) -> set[tuple[int, tuple[str, ...]]]:
    """What is to be left out: it is in an earlier reply too. ``whole``: replies that share something must be equal."""
    drop: set[tuple[int, tuple[str, ...]]] = set()
    kept: dict[_Key, list[tuple[int, _Values]]] = {}
    for (account, number), values in listed.items():
        for before, others in kept.get(account, []):
            common = values.keys() & others.keys()
            if not common:
                continue
            first, second = found.replies[before], found.replies[number]
            apart = [key for key in values if key in common and not _equal(values[key], others[key])]
            only = [key for key in (*others, *values) if key not in common]
            if apart or (only and (whole or first.form == second.form)):
                raise _contradiction(account, (first, second), (others, values), (apart or only)[0])
            some = ", ".join(key[0][:40] for key in list(values)[:3]) + (", …" if len(values) > 3 else "")
            found.notes.append(
                f"{some} at {' '.join(part for part in account if part)}: given twice, by {first.told(second)} and "
                f"{second.told(first)}, and counted once"
            )
            drop |= {(number, key) for key in common}
        kept.setdefault(account, []).append((number, values))
    return drop


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=0.0)


def _contradiction(
    account: _Key, replies: tuple[Reply, Reply], values: tuple[_Values, _Values], key: tuple[str, ...]
) -> InputError:
    first, second = replies
    said = [
        f"{one.told(other)} ({_when(one)}) {f'says {mine[key]:,.10g}' if key in mine else 'does not list it'}"
        for one, other, mine in ((first, second, values[0]), (second, first, values[1]))
    ]
    venue, name = account
    whose = f"account {name} at {venue}" if name else f"the unnamed account at {venue}"
    return InputError(
        f"{key[0][:60]} of {whose} is in two replies that differ: {said[0]}, {said[1]}",
        file=second.file,
        field=second.where or None,
        fix=f"give one of the two; {_NAME}",
    )


def _when(reply: Reply) -> str:
    if reply.moment is not None:
        return reply.moment.isoformat(timespec="seconds")
    return f"not before {reply.since.isoformat(timespec='seconds')}" if reply.since is not None else "no time"


def of_one_moment(found: Findings) -> None:
    """Refuse replies about an account further from each other, or from the quotes, than ``found.within``.

    Raises
    ------
    InputError
        With both files and times.
    """
    dated = [one for one in found.replies if one.holds != "sizes" and (one.moment is not None or one.since is not None)]
    mine = [one for one in dated if one.holds in ("positions", "collateral")]
    for one in mine:
        for other in dated:
            if one.moment is not None and other.moment is not None:
                apart = abs(one.moment - other.moment)
            elif one.since is not None and other.moment is not None:
                apart = one.since - other.moment
            else:
                continue
            if other is one or apart <= min(_FRESH, found.within):
                continue
            if apart <= found.within:
                found.notes.append(
                    f"{one.told(other)} ({_when(one)}) and {other.told(one)} ({_when(other)}) count as one moment"
                )
                continue
            minutes = apart.total_seconds() / 60.0
            far = f"{minutes:,.1f} minutes" if minutes < 2_880 else f"{minutes / 1_440:,.1f} days"
            raise InputError(
                f"is of another moment than {other.told(one)} ({_when(other)}): {far} apart, and at most "
                f"{found.within.total_seconds() / 60.0:g} minutes are allowed",
                file=one.told(other),
                field="time",
                value=_when(one),
                fix="give replies of one moment; if they do belong together, say so: hedgeopt import … --window SECONDS, or "
                "--as-of TIME beside --book",
            )
