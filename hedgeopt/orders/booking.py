"""A fill booked into the accounts' JSON: position, what it is paid with or settles to, and its fee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.exposures.transfers import share_of_sending
from hedgeopt.files.names import advice
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of
from hedgeopt.orders.differences import Booked, item_of
from hedgeopt.orders.fills import ListedFill
from hedgeopt.orders.odd_fills import OddFills
from hedgeopt.program.book_after import change_position, payer_of, post_cash

__all__ = ["Booking"]


@dataclass(frozen=True)
class Booking:
    """Books fills into the accounts' JSON."""

    book: Book
    market: Market
    accounts: Mapping[str, dict[str, Any]]
    file: str
    odd: OddFills
    proposed: Mapping[tuple[str, str], tuple[float, float]]

    def _refused(self, fill: ListedFill, problem: str, field: str, value: object, fix: str) -> InputError:
        return InputError(problem, file=self.file, field=f"{field}, row {fill.row}", value=value, fix=fix)

    def trade(self, fill: ListedFill, account: str) -> Booked:
        """A purchase or sale: position, what it is paid with, fee."""
        item = item_of(self.book, self.market, account, fill.instrument)
        if item is None:
            near = advice(fill.instrument, [one.name for one in self.market.instruments.values()])
            raise self._refused(fill, "is no instrument of the book or the market", "instrument", fill.instrument, near)
        if not item.nature.quoted:
            raise self._refused(fill, "is not traded at quotes", "instrument", fill.instrument, "change the book itself")
        self.odd.price(fill, item, self.proposed.get((account, fill.instrument), (0.0, float("nan")))[1])
        signed = fill.sign * fill.quantity
        dollars = self.market.price(item.settlement)
        if item.nature.margined:
            mark = float(self.market.quoted("mark_price", [item.id])[0])
            if not mark > 0.0:
                raise self._refused(
                    fill, "has no mark in this market", "instrument", fill.instrument, "give a market with it"
                )
            cash = signed * family_of(item).variation(item, fill.price, mark, dollars)
        else:
            cash = -signed * fill.price / (dollars if item.nature.quote == "dollars" else 1.0)
        change_position(self.accounts[account], item.name, signed)
        self._pay(account, item.settlement, cash)
        return Booked(signed, fill.price, self._fee(fill, account, item.settlement, self._traded(fill, item)))

    def transfer(self, fill: ListedFill, account: str) -> Booked:
        """What was sent: it left its source with the fee, and has arrived."""
        links = {link.transfer("x").name: link for link in self.book.links}
        link = links.get(fill.instrument)
        if link is None or link.source != account:
            raise self._refused(
                fill, "is no link of the book", "instrument", fill.instrument, advice(fill.instrument, links)
            )
        fee = share_of_sending(link.cost_rate) * fill.quantity if fill.fee is None else fill.fee
        self._pay(account, link.asset, -fill.quantity)
        self._pay(link.target, link.asset, fill.quantity)
        paid_in = link.asset if fill.fee is None else fill.fee_asset or link.asset
        usd = fee * self._price(fill, paid_in)
        if fill.fee is not None:
            self.odd.fee(fill, usd, fill.quantity * self._price(fill, link.asset))
        self._pay(account, paid_in, -fee)
        return Booked(fill.quantity, float("nan"), usd)

    def _traded(self, fill: ListedFill, item: Any) -> float:
        """USD of what was traded: contracts of dollars, else coins at the price of the underlying or the price paid."""
        if getattr(item, "inverse", False) and item.nature.payoff == "linear":
            return fill.quantity
        paid = fill.price * (1.0 if item.nature.quote == "dollars" else self.market.price(item.settlement))
        underlying = getattr(item, "underlying", None)
        return fill.quantity * max(paid, self.market.prices.get(underlying, 0.0) if underlying else 0.0)

    def _fee(self, fill: ListedFill, account: str, settlement: str, traded: float) -> float:
        asset = fill.fee_asset or settlement
        if not fill.fee:
            return 0.0
        usd = fill.fee * self._price(fill, asset)
        self.odd.fee(fill, usd, traded)
        self._pay(account, asset, -fill.fee)
        return usd

    def _price(self, fill: ListedFill, asset: str) -> float:
        try:
            return self.market.price(asset)
        except InputError:
            fix = f"give it with --price {asset}=USD"
            raise self._refused(fill, "has no price in this market", "fee_asset", asset, fix) from None

    def _pay(self, account: str, asset: str, amount: float) -> None:
        payer = payer_of(self.accounts[account], asset, self.market.price) if amount < 0 else asset
        rate = 1.0 if payer == asset else self.market.price(asset) / self.market.price(payer)
        post_cash(self.accounts[account], payer, [rate * amount])
