"""The desk's holdings and their ledger: trades, accruals and settlements change both together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from hedgeopt.backtest.ledger import Identity, Ledger
from hedgeopt.backtest.quotes import fill_price, mark_of, unit_notional, unit_premium, whole, worsened
from hedgeopt.backtest.size_costs import along_ladder, impact_cost
from hedgeopt.errors import InputError
from hedgeopt.exposures.resolve import HeldLeg, resolve
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.links import Link
from hedgeopt.inputs.market import Market
from hedgeopt.models.costs.quotes import FeeTerms, unit_fee
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.pricing.families import family_of

__all__ = ["Fill", "Holding", "Portfolio"]

_DUST = 1e-9
_ROUNDING = 1.0
"""USD by which an order may sell more than is held, from a solver's rounding, and then sells what is held."""


@dataclass(frozen=True)
class Holding:
    """A position: ``cost`` in units of its settlement asset (0 for futures); ``mark`` its last futures price."""

    instrument: Any
    quantity: float
    cost: float = 0.0
    mark: float = 0.0

    @cached_property
    def position(self) -> Position:
        """As a book states it; quoted instruments by name."""
        item = self.instrument
        return Position.model_construct(instrument=item if whole(item) else item.name, quantity=self.quantity)


@dataclass(frozen=True)
class Fill:
    """One trade done: price in the quote unit; cost (spread), fee and ``notional`` of underlying in USD."""

    timestamp: datetime
    account: str
    instrument: str
    quantity: float
    price: float
    cost: float
    fee: float
    reason: str
    notional: float


class Portfolio:
    """Holdings and cash of every account. Opened from a :class:`~hedgeopt.inputs.book.Book`, which becomes the deposits."""

    def __init__(self, book: Book, market: Market) -> None:
        self.ledger = Ledger()
        self.accounts: dict[str, Account] = {account.name: account for account in book.accounts}
        self.links: tuple[Link, ...] = book.links
        self.name = book.name
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.paused: frozenset[str] = frozenset()
        self.transit: list[tuple[datetime, str, str, float]] = []
        legs: list[list[HeldLeg]] = [[] for _ in book.accounts]
        for leg in resolve(book, market).legs:
            legs[leg.account].append(leg)
        for c, account in enumerate(book.accounts):
            for posted in account.collateral:
                price = market.price(posted.asset)
                self._cash(market.timestamp, account.name, posted.asset, price, posted.amount, "deposits", "opening balance")
            for leg in legs[c]:
                self._open(market, account.name, leg.instrument, leg.quantity)

    def _open(self, market: Market, account: str, item: Any, quantity: float) -> None:
        """A position brought in at its mark, as a deposit in kind."""
        premium = unit_premium(item, market)
        paid = premium * quantity
        price = market.price(item.settlement)
        self.ledger.book(
            market.timestamp,
            account,
            item.settlement,
            price,
            [("positions", paid), ("deposits", -paid)],
            f"opening {item.name}",
        )
        self._change(account, item, quantity, paid, mark_of(item, market))

    def book(self, timestamp: datetime) -> Book:
        """The holdings as a :class:`~hedgeopt.inputs.book.Book`; quoted instruments by name."""
        accounts = []
        mine: dict[str, list[Position]] = {name: [] for name in self.accounts}
        for (owner, _), holding in self.holdings.items():
            mine[owner].append(holding.position)
        for name, account in self.accounts.items():
            positions = tuple(mine[name])
            collateral = tuple(
                Collateral.model_construct(asset=asset, amount=self.ledger.balance(name, asset))
                for asset in self.ledger.currencies(name)
            )
            paused = account.paused or account.venue in self.paused
            accounts.append(account.model_copy(update={"positions": positions, "collateral": collateral, "paused": paused}))
        return Book.model_construct(name=self.name, timestamp=timestamp, accounts=tuple(accounts), links=self.links)

    def held(self) -> dict[str, Any]:
        """Instruments held and priced by quotes, by id."""
        return {h.instrument.id: h.instrument for h in self.holdings.values() if not whole(h.instrument)}

    def trade(
        self,
        market: Market,
        account: str,
        instrument: str,
        quantity: float,
        reason: str,
        *,
        half_spread: float | None = None,
        edge: float | None = None,
        worse: float = 0.0,
        charged: bool = True,
        maker: bool = False,
        at: float | None = None,
    ) -> Fill:
        """Hit the quote: the ask to buy, the bid to sell.

        Parameters
        ----------
        half_spread
            Share of price assumed around the mark of futures and perpetuals that carry no quotes at all.
        edge
            Trade at the mark improved by this share of the mark instead: what a client pays the desk.
        worse
            Share of the mark (of the index, for options) lost where the side is not quoted; 0 refuses such a trade.
        charged
            Whether the venue charges its fee.
        maker
            Whether that is its fee of makers, not of takers.
        at
            The price of an order that rested, in the quote unit, in place of all quotes.

        Raises
        ------
        NoQuote
            Nobody quotes the side, and nothing above says what to do about it.
        """
        where = self.accounts[account]
        held = self.holdings.get((account, f"{where.venue}:{instrument}"))
        item = held.instrument if held is not None else market.instrument(where.venue, instrument)
        mark = mark_of(item, market)
        price = at if at is not None else fill_price(item, market, quantity, mark, half_spread, edge, worse)
        own = at is not None or edge is not None
        rest = worsened(item, market, quantity, mark, worse) if worse > 0.0 and not whole(item) else None
        along = None if own else along_ladder(item, market, quantity, rest)
        price = price if along is None else along
        currency = item.settlement
        dollars = market.price(currency)
        if held is not None and abs(held.quantity + quantity) <= _DUST * abs(held.quantity):
            quantity = -held.quantity
        left = quantity + (held.quantity if held is not None else 0.0)
        if left < 0.0 and not margin_model(where.margin, where.venue).may_be_short(item.nature):
            if held is not None and -left * unit_notional(item, market) <= _ROUNDING:
                return self.trade(
                    market, account, instrument, -held.quantity, reason,
                    half_spread=half_spread, edge=edge, worse=worse, charged=charged, maker=maker, at=at,
                )  # fmt: skip
            raise InputError(
                f"{item.name} would be short: margin {where.margin!r} lends none",
                file="backtest",
                field=f"account {account!r}: order in {item.name!r}",
                value=float(quantity),
                fix="sell at most what is held, or a perpetual or future instead",
            )
        if item.nature.margined:
            lost = quantity * family_of(item).variation(item, mark, price, dollars)
            self.ledger.book(
                market.timestamp, account, currency, dollars, [("cash", -lost), ("spread", lost)], f"trade {instrument}"
            )
            self._change(account, item, quantity, 0.0, mark)
        else:
            premium = unit_premium(item, market)
            paid, lost = quantity * price, quantity * (price - premium)
            self._buy(market, account, item, quantity, premium, lost, paid)
        fee = 0.0
        notional = unit_notional(item, market)
        beyond = 0.0 if own else impact_cost(item, market, quantity, half_spread)
        if beyond:
            self._cash(market.timestamp, account, currency, dollars, -beyond / dollars, "spread", f"impact {instrument}")
        pool = along is not None and market.depth[item.id].kind == "pool"
        if charged and pool:  # its fee is in its prices
            fee = market.depth[item.id].gas
            self._cash(market.timestamp, account, currency, dollars, -fee / dollars, "fees", f"gas {instrument}")
        elif charged:
            unit = mark * dollars if item.nature.option else 0.0
            fee = abs(quantity) * unit_fee(item, market, notional, unit, FeeTerms(where.fee_tier, maker))
            self._cash(market.timestamp, account, currency, dollars, -fee / dollars, "fees", f"fee {instrument}")
        return Fill(
            market.timestamp,
            account,
            instrument,
            quantity,
            price,
            lost * dollars + beyond,
            fee,
            reason,
            abs(quantity) * notional,
        )

    def _buy(
        self, market: Market, account: str, item: Any, quantity: float, premium: float, lost: float, paid: float
    ) -> None:
        """Cash against positions at cost; what closes realises against average cost."""
        held = self.holdings.get((account, item.id))
        closing, cost = 0.0, 0.0
        if held is not None and held.quantity * quantity < 0:
            closing = float(np.sign(quantity)) * min(abs(quantity), abs(held.quantity))
            whole_way = closing == -held.quantity
            cost = -held.cost if whole_way else held.cost * closing / held.quantity  # what leaves, negative
        moved = cost + premium * (quantity - closing)
        realised = premium * closing - cost
        postings = [("cash", -paid), ("positions", moved), ("trading", realised), ("spread", lost)]
        self.ledger.book(
            market.timestamp, account, item.settlement, market.price(item.settlement), postings, f"trade {item.name}"
        )
        self._change(account, item, quantity, moved, 0.0)

    def transfer(
        self, market: Market, source: str, target: str, asset: str, amount: float, cost: float, arrives: datetime
    ) -> None:
        """Send units of an asset; ``cost`` (units) is lost on the way, the rest counts at the target from ``arrives`` on."""
        price, now = market.price(asset), market.timestamp
        self.ledger.book(
            now, source, asset, price, [("cash", -amount), ("fees", cost), ("transfers", amount - cost)], f"to {target}"
        )
        self.transit.append((arrives, target, asset, amount - cost))

    def receive(self, market: Market) -> None:
        """Credit what has arrived; nothing arrives at a venue that is paused."""
        waiting = []
        for arrives, target, asset, amount in self.transit:
            if arrives > market.timestamp or self.accounts[target].venue in self.paused:
                waiting.append((arrives, target, asset, amount))
            else:
                self._cash(market.timestamp, target, asset, market.price(asset), amount, "transfers", "arrived")
        self.transit = waiting

    def in_transit(self, market: Market) -> float:
        """USD under way between accounts."""
        return sum(amount * market.price(asset) for _, _, asset, amount in self.transit)

    def identity(self, market: Market, position_value: float) -> Identity:
        """The parts of equity at the market's prices; ``position_value`` is the USD value of everything that is not cash."""
        return self.ledger.identity({asset: market.price(asset) for asset in self.ledger.assets()}, position_value)

    def cash(self, moment: datetime, account: str, asset: str, price: float, amount: float, side: str, memo: str) -> None:
        """Receive (or pay, negative) units of an asset against a side of the ledger."""
        self._cash(moment, account, asset, price, amount, side, memo)

    def change(self, account: str, item: Any, quantity: float, cost: float) -> None:
        """Add to a position and its cost without an entry; the caller books it."""
        self._change(account, item, quantity, cost, 0.0)

    def remark(self, account: str, item: Any, **fields: Any) -> None:
        """Replace fields of a holding (its mark, or its instrument with a grown index)."""
        key = (account, item.id)
        self.holdings[key] = replace(self.holdings[key], **fields)

    def drop(self, account: str, item: Any) -> Holding:
        """Take a position out; the caller books what became of it."""
        return self.holdings.pop((account, item.id))

    def checkpoint(self) -> tuple[Any, ...]:
        """What :meth:`rollback` needs."""
        return self.ledger.checkpoint(), dict(self.holdings), list(self.transit)

    def rollback(self, mark: tuple[Any, ...]) -> None:
        """Undo every change since ``mark``."""
        ledger, holdings, transit = mark
        self.ledger.rollback(ledger)
        self.holdings, self.transit = dict(holdings), list(transit)

    def _cash(self, moment: datetime, account: str, asset: str, price: float, amount: float, side: str, memo: str) -> None:
        self.ledger.book(moment, account, asset, price, [("cash", amount), (side, -amount)], memo)

    def _change(self, account: str, item: Any, quantity: float, cost: float, mark: float) -> None:
        key = (account, item.id)
        old = self.holdings.get(key)
        total = quantity + (old.quantity if old else 0.0)
        if total == 0.0:
            self.holdings.pop(key, None)
            return
        self.holdings[key] = Holding(item, total, cost + (old.cost if old else 0.0), mark or (old.mark if old else 0.0))
