"""Whether a proposal may be sent: certified, of this book and market, young enough, whole lots, within limits on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np

from hedgeopt.errors import InputError, StaleQuoteError
from hedgeopt.files.counted import many
from hedgeopt.files.names import require_known
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.orders.legs import policy_of
from hedgeopt.orders.plan import ExecutionPlan
from hedgeopt.program.book_after import book_after
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.provenance import book_digest, market_digest

__all__ = ["ALLOWED", "refuse_old", "refuse_unfit"]

_SAME = 1e-9
ALLOWED = ("stale", "uncertified", "ideal", "breaks")
"""What may be asked for explicitly: a proposal that is old or of other inputs, not certified, not in whole lots, or that
exceeds limits on the way."""


def refuse_unfit(
    proposal: Proposal,
    plan: ExecutionPlan,
    book: Book,
    market: Market,
    *,
    allow: Collection[str] = (),
    now: datetime | None = None,
    max_age_seconds: float | None = None,
) -> None:
    """Refuse a proposal that should not be sent, but for what ``allow`` names.

    Parameters
    ----------
    now, max_age_seconds
        Moment of sending, default the clock's; and how old the proposal's market may be, default the policy's
        ``max_quote_age_seconds``.

    Raises
    ------
    InputError
        One line: what is unfit, and how to send it all the same.
    """
    require_known([*allow], ALLOWED, "permission", file=None, field="allow")
    if "uncertified" not in allow and not proposal.certificate.valid:
        raise _unfit("is not certified", "certificate", proposal.certificate.worst_limit, "solve again", "uncertified")
    if "stale" not in allow:
        _refuse_stale(proposal, plan, book, market, now or datetime.now(UTC), max_age_seconds)
    if "uncertified" not in allow:
        _refuse_another_list(proposal, plan, book, market)
    if "ideal" not in allow:
        _refuse_ideal(plan)
    if "breaks" not in allow and plan.breaks:
        fix = plan.advice[0] if plan.advice else "send it in rounds, or as combos"
        raise _unfit(f"exceeds a limit on the way: {plan.breaks[0]}", "plan", None, fix, "breaks")


def _refuse_another_list(proposal: Proposal, plan: ExecutionPlan, book: Book, market: Market) -> None:
    """Refuse rows that are not what book and market give, and ones that do not lead to the proposal's ``book_after``."""
    known, listed, fix = proposal.inputs or {}, plan.listed, "the list was changed after it was certified: solve again"
    if listed is None or book_digest(book) != known.get("book") or market_digest(market) != known.get("market"):
        return
    if plan.digest != str(proposal.to_dict()["digest"]):
        raise _unfit("the plan is that of another list", "plan", None, "plan this proposal", "uncertified")
    if listed.wrong:
        raise _unfit(listed.wrong[0], "trades", None, fix, "uncertified")
    if proposal.book_after is None:
        return
    expected, after = (_held(data) for data in (book_after(book, listed.e, listed.whole), proposal.book_after))
    named = _held(book.model_dump(mode="json"))
    for key in dict.fromkeys([*expected, *after]):
        told, found = after.get(key, 0.0), expected.get(key, 0.0)
        if abs(told - found) > _SAME * max(abs(told), abs(found), abs(named.get(key, 0.0)), 1.0):
            problem = f"the list leads to {found:,.10g} of {key[1]} in {key[0]}, book_after holds {told:,.10g}"
            raise _unfit(problem, "trades", None, fix, "uncertified")


def _held(book: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Quantities and collateral by account and name in a book's JSON."""
    found: dict[tuple[str, str], float] = {}
    for account in book["accounts"]:
        for held in account.get("positions", ()):
            name = held["instrument"] if isinstance(held["instrument"], str) else held["instrument"]["name"]
            key = account["name"], name
            found[key] = found.get(key, 0.0) + held["quantity"]
        for posted in account.get("collateral", ()):
            found[account["name"], posted["asset"]] = posted["amount"]
    return found


def _unfit(problem: str, field: str, value: object, fix: str, word: str, kind: type[InputError] = InputError) -> InputError:
    return kind(problem, file="proposal", field=field, value=value, fix=f"{fix} (or say --allow {word})")


def _refuse_stale(
    proposal: Proposal, plan: ExecutionPlan, book: Book, market: Market, now: datetime, max_age_seconds: float | None
) -> None:
    known = proposal.inputs or {}
    if not known:
        raise _unfit("does not say which inputs it was made from", "inputs", None, "solve again", "stale", StaleQuoteError)
    if book_digest(book) != known["book"]:
        raise _unfit("was made for another book", "inputs.book", book.name, "solve again for it", "stale", StaleQuoteError)
    if market_digest(market) != known["market"]:
        problem = f"was made from another market: {_moved(proposal, plan, market)}"
        raise _unfit(problem, "inputs.market", market.source, _fix_of(market), "stale", StaleQuoteError)
    refuse_old(proposal, now, max_age_seconds)


def refuse_old(proposal: Proposal, now: datetime | None = None, max_age_seconds: float | None = None) -> None:
    """Refuse a proposal whose market is too old, or lies in the future: known before any other file is read.

    Raises
    ------
    StaleQuoteError
        Names age and limit, and how to send it all the same.
    """
    now = now or datetime.now(UTC)
    most = policy_of(proposal).max_quote_age_seconds if max_age_seconds is None else max_age_seconds
    age, created = (now - proposal.created).total_seconds(), proposal.created.isoformat()
    if age > most:
        told = f"is {age:,.0f} s old at {now:%Y-%m-%d %H:%M:%S} UTC, allowed are {most:,.0f} s"
        fix = f"solve again; or, to replay a recorded market, --now {created}"
        raise _unfit(told, "created", created, fix, "stale", StaleQuoteError)
    if age < -most:
        raise _unfit(f"lies {-age:,.0f} s in the future", "created", created, "check the clock", "stale", StaleQuoteError)


def _fix_of(market: Market) -> str:
    """What to do about another market: the same files may be given with other ladders or another law of impact."""
    given = [word for word, there in (("--depth", market.depth), ("--impact", market.impact)) if there]
    told = " and ".join(given) or "neither --depth nor --impact"
    return f"solve again for it; here it has {told}: give those that it was solved with"


def _moved(proposal: Proposal, plan: ExecutionPlan, market: Market) -> str:
    """How far the quotes that the trades hit have moved."""
    trades = proposal.trades[["account", "instrument", "price"]].itertuples(index=False)
    first = {(account, name): float(price) for account, name, price in trades}
    changes = {}
    for account, name, quote in zip(plan.legs["account"], plan.legs["instrument"], plan.legs["quote"], strict=True):
        was = first.get((account, name))
        if was and np.isfinite(quote) and quote != was:
            changes[name] = quote / was - 1.0
    if not changes:
        return f"none of the {many(len(first), 'quote')} it trades at has changed"
    name = max(changes, key=lambda one: abs(changes[one]))
    return f"{len(changes)} of {many(len(first), 'quote')} changed, most of all {name} by {changes[name]:+.2%}"


def _refuse_ideal(plan: ExecutionPlan) -> None:
    for row in plan.pieces.to_dict("records"):
        leg = plan.legs.iloc[int(row["leg"]) - 1]
        if leg["side"] == "send":
            continue
        lot = float(leg["lot"])
        if not lot >= 0.0:
            raise _unfit("its lot is not known", str(leg["instrument"]), row["quantity"],
                         "give a column lot in the market file, or [lots] in the venue's table", "ideal")  # fmt: skip
        least = float(leg["min_size"])
        if row["quantity"] < least * (1.0 - 1e-9):
            raise _unfit(f"is below the smallest order of {least:g}", str(leg["instrument"]), row["quantity"],
                         "plan fewer rounds, or solve again in whole lots", "ideal")  # fmt: skip
        if lot > 0.0 and (Fraction(str(float(row["quantity"]))) / Fraction(str(lot))).denominator != 1:
            raise _unfit(f"is no whole number of lots of {lot:g}", str(leg["instrument"]), row["quantity"],
                         'solve with lots = "whole" in the policy', "ideal")  # fmt: skip
