"""Fills booked: tomorrow's book, what differs from the proposal, and the limits of the new book.

Conventions are those of a proposal's own book (:mod:`hedgeopt.program.book_after`): positions change by what was filled;
options are paid for at the price of the fill, in what they settle in; a margined contract settles the difference from the
price of the fill to its mark now; fees are paid in their own asset. So fills at the prices and fees of the proposal give its
``book_after``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given, named
from hedgeopt.files.names import require_known
from hedgeopt.files.plain import ColumnKinds, to_plain
from hedgeopt.files.reading import validated
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.orders.booked import new_fills
from hedgeopt.orders.booking import Booking
from hedgeopt.orders.differences import DIFFERENCES, Booked, differences_of, proposed_trades
from hedgeopt.orders.fills import read_fills
from hedgeopt.orders.legs import policy_of
from hedgeopt.orders.odd_fills import OddFills
from hedgeopt.orders.owners import Owners
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.provenance import book_digest
from hedgeopt.verify.counted import policy_in_dollars, price_of_unit
from hedgeopt.verify.limits import checked_limits, known_limit
from hedgeopt.verify.sizes import trade_range

__all__ = ["BOOKED_ALL_THE_SAME", "CHECKED", "Reconciliation", "apply_fills"]

BOOKED_ALL_THE_SAME = ("other-book", "price", "fee", "early", "late")
"""What may be asked for explicitly: fills booked to another book than the proposal's, far from every known price, with a fee
that is a large share of what was traded, from before the proposal, or long after the market. A fill that the book has is
never booked again."""

CHECKED = ColumnKinds(limit="text", value="number", bound="number", sense="text", unit="text", holds="truth")
"""Columns of :attr:`Reconciliation.limits`."""


@strict_class
@dataclass(frozen=True, eq=False)
class Reconciliation:
    """What the fills did.

    Attributes
    ----------
    book
        The book after them, in the form of the input.
    differences : DataFrame
        One row per trade or transfer of the proposal, and per fill of anything else: state (filled, partly filled, open,
        over-filled, wrong way, not proposed), quantities, average price, slippage against the proposal's price (USD,
        positive cost more) and fees (USD).
    limits : DataFrame
        Every limit of the policy at the new book, by the verifier's rules.
    notes
        Anything else that the reader should know.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    book: Book
    differences: Annotated[pd.DataFrame, DIFFERENCES]
    limits: Annotated[pd.DataFrame, CHECKED]
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every limit holds at the new book."""
        return bool(self.limits["holds"].all())

    @property
    def complete(self) -> bool:
        """Whether exactly the proposal was filled."""
        return bool((self.differences["state"] == "filled").all())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the book."""
        odd: dict[str, str] = {}
        told = {name: to_plain(getattr(self, name), odd, name) for name in ("differences", "limits", "notes")}
        return {"complete": self.complete, "holds": self.holds, **told}

    def __repr__(self) -> str:
        """One line: states and limits."""
        states = self.differences["state"].value_counts()
        told = ", ".join(f"{count} {state}" for state, count in states.items()) or "nothing proposed"
        broken = int((~self.limits["holds"]).sum())
        limits = f"{many(broken, 'limit')} exceeded" if broken else "every limit holds"
        return f"Reconciliation({told}; {limits})"


@strict_call
def apply_fills(
    fills: Given,
    book: Book,
    proposal: Proposal,
    market: Market,
    *,
    allow: Collection[str] = (),
    now: datetime | None = None,
) -> Reconciliation:
    """Book fills of a proposal, and compare.

    Parameters
    ----------
    fills
        See :mod:`hedgeopt.orders.fills`.
    market
        Of now: marks that contracts settle to, prices of what fees are paid in, and the limits of the new book.
    allow
        What is booked though it is refused otherwise, see :data:`BOOKED_ALL_THE_SAME`.
    now
        Moment of booking, default the clock's: no fill is later.

    Raises
    ------
    InputError
        One line: another book than the proposal's, fills that are booked already, a fill of something that neither book nor
        market knows, of no known account, or that leaves a book that cannot be (an account that owes what nobody lends).
    """
    require_known([*allow], BOOKED_ALL_THE_SAME, "permission", file=None, field="allow")
    if "other-book" not in allow:
        _refuse_other_book(book, proposal)
    rows, notes = read_fills(fills)
    file = str(named(fills, "fills"))
    proposed = proposed_trades(proposal)
    data = book.model_dump(mode="json")
    accounts = {account["name"]: account for account in data["accounts"]}
    done: dict[tuple[str, str], list[Booked]] = {}
    owners = Owners(proposal, proposed, accounts, file)
    new, data["booked"], left = new_fills(rows, book, file, owners.account)
    notes += left
    odd = OddFills(proposal, market, file, now or datetime.now(UTC), allow)
    paid = Booking(book, market, accounts, file, odd, proposed)
    for fill, account in new:
        odd.moment(fill)
        booked = paid.transfer(fill, account) if fill.side == "send" else paid.trade(fill, account)
        done.setdefault((account, fill.instrument), []).append(booked)
    times = [fill.time for fill, _ in new if fill.time is not None]
    if book.timestamp is not None and times:
        data["timestamp"] = max(book.timestamp, *times).isoformat()
    after = validated(Book, data, file)
    notes += owners.notes
    differences = differences_of(proposed, done, book, market)
    over = differences.loc[differences["state"].isin(("over-filled", "wrong way", "not proposed"))]
    notes += [f"{row.account}: {row.instrument} is {row.state} ({row.filled:+,.10g} against {row.proposed:+,.10g})"
              for row in over.itertuples()]  # fmt: skip
    limits, unknown = _limits(after, market, proposal)
    return Reconciliation(after, differences, limits, (*notes, *unknown))


def _refuse_other_book(book: Book, proposal: Proposal) -> None:
    """The book after fills is another one, so the same fills are not booked twice in silence."""
    known = (proposal.inputs or {}).get("book")
    if known != book_digest(book):
        problem = "is not the book that the proposal was made for" if known else "may be another: the proposal names none"
        fix = "are these fills booked in it already? give the book of solve (or say --allow other-book)"
        raise InputError(problem, file="book", field="inputs.book", value=book.name, fix=fix)


def _limits(book: Book, market: Market, proposal: Proposal) -> tuple[pd.DataFrame, list[str]]:
    """Every limit at the book as it is, and a note on those that the verifier has no formula of."""
    policy = policy_of(proposal)
    e = expose(book.model_copy(update={"timestamp": None}), market, policy, candidates=[], check_names=False)
    rules = policy_in_dollars(policy.model_dump(mode="json"), price_of_unit(e, policy.model_dump(mode="json")))
    own = [rule["kind"] for rule in rules["subject_to"] if not known_limit(rule)]
    rules = {**rules, "subject_to": [rule for rule in rules["subject_to"] if known_limit(rule)]}
    sides = checked_limits(rules, e, np.zeros(e.n_candidates), trade_range(rules, e), ())
    columns: dict[str, list[Any]] = {name: [] for name in CHECKED}
    for side in sides:
        if not side.asked(frozenset()):
            continue
        row = {"limit": side.name, "value": side.value, "bound": side.limit, "sense": "<=" if side.sign > 0 else ">=",
               "unit": side.unit, "holds": side.holds}  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return CHECKED.of(columns), [f"not checked: {kind} is your own, and the verifier has no formula of it" for kind in own]
