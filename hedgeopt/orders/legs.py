"""The legs of a proposal: its transfers and trades as rows, and as a vector over the candidates that they touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.orders.ticks import PriceSteps, limit_price, reached, tick_at
from hedgeopt.program.proposal import Proposal
from hedgeopt.venues.known import increments
from hedgeopt.verify.claim import claim_of
from hedgeopt.verify.trades import listed_trades

__all__ = ["ListedLeg", "ListedLegs", "legs_in", "policy_of"]


@dataclass(frozen=True)
class ListedLeg:
    """One trade or transfer.

    Attributes
    ----------
    account, venue, instrument
        Where and what; ``instrument`` of a transfer is its link's name.
    side
        buy, sell or send; ``target`` is where what is sent goes.
    quantity, unit
        Positive, in the instrument's unit (coins; USD of inverse contracts); units of the asset that is sent.
    usd
        Notional.
    quote
        The price that it hits: best bid or ask, or the last level of a ladder that it reaches; NaN where there is none.
    shown
        The size at that quote; NaN where it is not known, and of a ladder, whose levels are walked.
    limit, tick, lot, least
        Limit price and its step there, the step of quantity, and the smallest order; NaN where unknown.
    reduces
        Whether it closes, wholly or in part, what the account holds, and nothing more.
    wait_hours
        Until a transfer has arrived.
    item
        The instrument itself.
    """

    account: str
    venue: str
    instrument: str
    side: str
    quantity: float
    unit: str
    usd: float
    quote: float = float("nan")
    shown: float = float("nan")
    limit: float = float("nan")
    tick: float = float("nan")
    lot: float = float("nan")
    reduces: bool = False
    wait_hours: float = 0.0
    target: str = ""
    item: Any = None
    least: float = float("nan")

    @property
    def sign(self) -> int:
        """1 of purchases, -1 of sales."""
        return -1 if self.side == "sell" else 1

    @property
    def is_transfer(self) -> bool:
        """Whether it moves collateral."""
        return self.side == "send"


@dataclass(frozen=True, eq=False)
class ListedLegs:
    """Legs of a proposal, with the exposures that they are candidates of.

    ``keep`` (K,) are their candidates, ``x`` (K,) the signed trades, in the order of ``legs``; ``sent`` are transfers;
    ``wrong`` are sentences on rows whose price, cost or notional is not what book and market give, by the verifier.
    """

    legs: tuple[ListedLeg, ...]
    e: Exposures
    keep: np.ndarray
    x: np.ndarray
    sent: frozenset[int]
    wrong: tuple[str, ...] = ()

    @property
    def whole(self) -> np.ndarray:
        """(N,) the signed trades over all candidates of ``e``."""
        found = np.zeros(self.e.n_candidates)
        found[self.keep] = self.x
        return found


def policy_of(proposal: Proposal) -> Policy:
    """The policy that a proposal was made under."""
    return Policy.model_validate(proposal.policy)


def legs_in(proposal: Proposal, book: Book, market: Market, slippage: float = 0.0) -> ListedLegs:
    """The proposal's legs at the quotes of ``market``, in the order of its tables, transfers first.

    Raises
    ------
    InputError
        For a trade in something that book, market and policy do not offer.
    """
    if not 0.0 <= slippage <= 0.5:
        raise InputError(
            "is no share of the price", field="slippage", value=slippage, fix="give 0.001 for 10 bp, at most 0.5"
        )
    policy = policy_of(proposal)
    e = expose(book, market, policy)
    whole, wrong = listed_trades(claim_of(proposal.to_dict()), e, market, policy.model_dump(mode="json"))
    moves = set(e.links.candidate.tolist())
    keep = sorted(np.flatnonzero(whole).tolist(), key=lambda i: (i not in moves, i))
    traded = [i for i in keep if i not in moves]
    legs = [_transfer(e, i, whole) if i in moves else _trade(e, i, whole, slippage, traded) for i in keep]
    sent = frozenset(k for k, i in enumerate(keep) if i in moves)
    return ListedLegs(tuple(legs), e, np.array(keep, np.int64), whole[keep], sent, tuple(wrong))


def _transfer(e: Exposures, i: int, x: np.ndarray) -> ListedLeg:
    row = int(e.candidate[i])
    item = e.rows.instruments[row]
    usd, amount = float(x[i] * e.rows.notional[row]), float(x[i])
    return ListedLeg(
        item.source, item.venue, item.name, "send", amount, item.asset, usd,
        wait_hours=item.delay_hours, target=item.target, item=item,
    )  # fmt: skip


def _trade(e: Exposures, i: int, x: np.ndarray, slippage: float, traded: Sequence[int]) -> ListedLeg:
    row, amount = int(e.candidate[i]), float(x[i])
    item, sign = e.rows.instruments[row], 1 if amount > 0 else -1
    quote = float(e.rows.ask[row] if sign > 0 else e.rows.bid[row])
    lot = float(e.rows.lot[row])
    ladder = e.market.depth.get(item.id)
    shown = float(e.market.quoted("ask_size" if sign > 0 else "bid_size", [item.id])[0]) if ladder is None else float("nan")
    if ladder is not None:
        # accounts that walk one side of one ladder reach its last level together, whoever comes first
        together = sum(
            abs(float(x[j])) for j in traded if x[j] * sign > 0.0 and e.rows.instruments[e.candidate[j]].id == item.id
        )
        quote = reached(ladder, sign, together) if ladder.kind == "book" else float("nan")
    tick = tick_at(item, float(e.rows.tick[row]), lot, quote) if quote > 0.0 else float("nan")
    steps = _price_steps(e, item, tick)
    limit = limit_price(quote, sign, slippage, steps) if tick > 0.0 and quote > 0.0 else float("nan")
    held = float(e.rows.quantity[row])
    reduces = item.nature.derivative and held * sign < 0.0 and abs(amount) <= abs(held)
    account = e.accounts[e.rows.account[row]]
    return ListedLeg(
        account, item.venue, item.name, "buy" if sign > 0 else "sell", abs(amount), _unit_of(item),
        abs(amount) * float(e.rows.notional[row]), quote, shown, limit,
        steps.coarse if limit > steps.above else tick, lot, reduces, item=item,
        least=float(e.rows.minimum_size[row]),
    )  # fmt: skip


def _price_steps(e: Exposures, item: Any, tick: float) -> PriceSteps:
    """The market's steps at higher prices where it gives a tick at all, else those of the venue's table."""
    given = [float(e.market.quoted(name, [item.id])[0]) for name in ("tick", "tick_above", "coarse_tick")]
    sizes = increments(item)
    above, coarse = given[1:] if given[0] > 0.0 else (sizes.tick_above, sizes.coarse_tick)
    return PriceSteps(tick, above, coarse)


def _unit_of(item: Any) -> str:
    """Unit of a quantity: USD of inverse futures and perpetuals, coins of the rest, or the family's own word."""
    if item.nature.option:
        return str(item.underlying)
    if item.nature.payoff != "linear":
        return str(item.nature.unit)
    return "USD" if getattr(item, "inverse", False) else str(item.assets[0])
