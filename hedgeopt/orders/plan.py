"""The execution plan of a proposal: in which order its legs are sent, at which limit prices, and what happens on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import html_card, html_table, shortened
from hedgeopt.files.plain import json_text, to_plain
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.orders.combos import COMBINED, combined_legs
from hedgeopt.orders.identity import MOST_ROUNDS
from hedgeopt.orders.legs import ListedLegs, legs_in
from hedgeopt.orders.ordering import LegPart, best_order, in_pieces, least_bad_order, sliced, worst_on_the_way
from hedgeopt.orders.over_time import over_time
from hedgeopt.orders.plan_tables import LEGS, PIECES, STATES, legs_table, pieces_table, states_table
from hedgeopt.orders.prefixes import LimitWatch
from hedgeopt.program.proposal import Proposal

__all__ = ["ExecutionPlan", "execution_plan"]


@strict_class
@dataclass(frozen=True, eq=False)
class ExecutionPlan:
    """How to send a proposal; plain data.

    Attributes
    ----------
    created, book, policy
        Moment of the market, the book's and the policy's name.
    digest
        Of the proposal; client order ids are made from it, so that the same order is never sent twice.
    slippage
        Share of the price that a limit may be beyond the quote.
    legs : DataFrame
        One row per leg, in order, transfers first: account, venue, instrument, side (buy, sell, send), quantity and unit,
        the quote that it hits and its size, limit_price on the tick, lot, usd, reduce_only, wait_hours (of a transfer,
        before the next leg), client_id, and if_it_fails: whether what follows may be sent without it (``go on``), or
        ``stop: LIMIT``; see :mod:`hedgeopt.orders.failing`.
    pieces : DataFrame
        What is sent, in order: a whole leg or part of it, with the minute from the start.
    states : DataFrame
        Every state on the way, with the limit furthest outside what is allowed, where one is.
    combos : DataFrame
        Legs that a venue trades together, with what that saves where it is known.
    breaks
        Sentences about limits that are exceeded on the way; none where the plan keeps all of them.
    advice
        What would help.
    notes
        Anything else that the reader should know.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    created: datetime
    book: str
    policy: str
    digest: str
    slippage: float
    legs: Annotated[pd.DataFrame, LEGS]
    pieces: Annotated[pd.DataFrame, PIECES]
    states: Annotated[pd.DataFrame, STATES]
    combos: Annotated[pd.DataFrame, COMBINED]
    breaks: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    listed: ListedLegs | None = field(default=None, repr=False)

    @property
    def keeps_limits(self) -> bool:
        """Whether every state on the way is allowed."""
        return not self.breaks

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a number that is not known is null."""
        odd: dict[str, str] = {}
        names = ("created", "book", "policy", "digest", "slippage", "legs", "pieces", "states", "combos", "breaks", "advice",
                 "notes")  # fmt: skip
        return {name: to_plain(getattr(self, name), odd, name) for name in names} | {"keeps_limits": self.keeps_limits}

    def to_json(self) -> str:
        """JSON text; the same proposal, market and settings give the same text."""
        return json_text(self.to_dict())

    def __repr__(self) -> str:
        """One line: legs, pieces, whether all limits hold on the way."""
        held = "keeps every limit on the way" if self.keeps_limits else "BREAKS A LIMIT on the way"
        size = f"{many(len(self.legs), 'leg')} in {many(len(self.pieces), 'piece')}"
        return f"ExecutionPlan({shortened(self.book, 60)!r}, {size}, {held})"

    def _repr_html_(self) -> str:
        shown = ("leg", "account", "side", "quantity", "instrument", "limit_price", "usd", "if_it_fails")
        rows = self.legs[list(shown)].to_numpy(dtype=object).tolist()
        return html_card(repr(self), [*self.breaks, *self.advice], html_table("Legs in order", shown, rows))


@strict_call
def execution_plan(
    proposal: Proposal,
    book: Book,
    market: Market,
    *,
    slippage: float = 0.0,
    rounds: int | None = None,
    minutes: float = 0.0,
    risk_aversion: float = 0.0,
) -> ExecutionPlan:
    """Order, limit prices and pieces of a proposal, every state on the way checked against every limit.

    Limits are checked by the verifier's plain rules: after each piece, with it partly filled (25, 50, 75 %) and, of a
    transfer, while it is on its way. None may be exceeded; where the book is outside a limit before the first leg, none
    further than there. Where no order of whole legs does, the plan says which limit breaks at which leg, and in how many
    rounds it holds.

    Parameters
    ----------
    slippage
        Share of the quote that a limit price may be beyond it.
    rounds
        Rounds in which legs are traded in parts; None: whole legs.
    minutes
        Over how long: the rounds are then slices over time, by :func:`~hedgeopt.orders.schedule.optimal_slices`: a leg's
        impact is what it costs beyond the quote (ladder or impact law) where it is traded at once, and risk is the sample's
        covariance. The half-spread is paid at any pace, and counts for nothing here.
    risk_aversion
        Per USD, of the variance of what is left; 0 spreads evenly.

    Raises
    ------
    InputError
        Where the proposal does not fit book and market.
    """
    _check(rounds, minutes, risk_aversion)
    listed = legs_in(proposal, book, market, slippage)
    watch = LimitWatch(proposal.policy, listed.e, listed.keep)
    x, sent = listed.x, listed.sent
    order = best_order(watch, x, sent)
    found = order is not None
    order = order if order is not None else least_bad_order(watch, x, sent)
    whole = [LegPart(leg, float(x[leg])) for leg in order]
    lots = np.array([one.lot for one in listed.legs])
    pieces, advice = whole, []
    if rounds is not None and rounds > 1:
        if minutes > 0.0:
            pieces = over_time(listed, order, rounds, minutes, risk_aversion, lots)
        else:
            pieces = in_pieces(x, order, rounds, lots, sent, _least(listed))
    elif not found:
        advice = [_sliced_advice(watch, listed, order, lots)]
    digest = str(proposal.to_dict()["digest"])
    share, worst, at = worst_on_the_way(watch, pieces, len(x), sent)
    breaks = []
    if worst is not None:
        one = listed.legs[pieces[at].leg]
        place = f"leg {order.index(pieces[at].leg) + 1} ({one.side} {one.quantity:g} {one.instrument})"
        breaks.append(f"{worst} at {place}, {100 * share:.3g} % beyond what is allowed")
    notes = [f"not checked: {kind} is your own, and the verifier has no formula of it" for kind in watch.unknown]
    unpriced = [one.instrument for one in listed.legs if not one.is_transfer and not one.limit > 0.0]
    notes += [f"{name} has no limit price: its quote or its tick is not known" for name in unpriced]
    notes += _beyond_quotes(listed)
    return ExecutionPlan(
        created=market.timestamp,
        book=book.name,
        policy=proposal.policy_name,
        digest=digest,
        slippage=slippage,
        legs=legs_table(listed, order, pieces, watch, digest),
        pieces=pieces_table(listed, order, pieces, digest, minutes, rounds),
        states=states_table(watch, listed, order, pieces),
        combos=combined_legs(listed, order),
        breaks=tuple(breaks),
        advice=tuple(advice),
        notes=tuple(notes),
        listed=listed,
    )


def _beyond_quotes(listed: ListedLegs) -> list[str]:
    """A note per quote whose size is less than what the legs of all accounts trade there."""
    wanted: dict[tuple[str, str], float] = {}
    known = {(one.item.id, one.side): one for one in listed.legs if one.shown >= 0.0}
    for one in listed.legs:
        if not one.is_transfer:
            wanted[one.item.id, one.side] = wanted.get((one.item.id, one.side), 0.0) + one.quantity
    return [
        f"{one.side} {wanted[key]:,.10g} {one.instrument}: only {one.shown:,.10g} {one.unit} at the quote. What is beyond "
        "it is not filled at once, or costs more than the proposal says: solve with --depth, or with a limit participation "
        'of "quoted"'
        for key, one in known.items()
        if wanted[key] > one.shown * (1.0 + 1e-9)
    ]


def _check(rounds: int | None, minutes: float, risk_aversion: float) -> None:
    for name, value, good in (
        ("rounds", rounds, rounds is None or 1 <= rounds <= MOST_ROUNDS),
        ("minutes", minutes, minutes >= 0.0),
        ("risk_aversion", risk_aversion, risk_aversion >= 0.0),
    ):
        if not good:
            raise InputError(
                "is out of range", field=name, value=value, fix="give a number from 1 to 1,000 rounds, or from 0"
            )
    if minutes > 0.0 and (rounds is None or rounds < 2):
        raise InputError("need rounds to spread over", field="minutes", value=minutes, fix="give rounds as well, such as 6")


def _least(listed: ListedLegs) -> np.ndarray:
    """(K,) smallest orders."""
    return np.array([one.least for one in listed.legs])


def _sliced_advice(watch: LimitWatch, listed: ListedLegs, order: Sequence[int], lots: np.ndarray) -> str:
    pieces, rounds, (share, worst, _) = sliced(watch, listed.x, order, lots, listed.sent, _least(listed))
    if worst is None:
        return f"in {rounds} rounds, each leg in {rounds} parts in turn, every limit holds on the way: --rounds {rounds}"
    return (
        f"no number of rounds tried keeps all limits; in {rounds} ({many(len(pieces), 'piece')}) the worst is {worst}, "
        f"{100 * share:.3g} % beyond what is allowed: trade the legs together (combos, a block), or accept it"
    )
