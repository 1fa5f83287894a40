"""The four kinds of books, and a file's; each a frozen model that reads from TOML and opens itself on a market."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.backtest.books.source import ClientTrade, nearest_option, options_of
from hedgeopt.files.record import Record
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.amm_concentrated import Concentrated
from hedgeopt.models.pricing.instrument import Asset
from hedgeopt.models.pricing.lending_borrow import LendingBorrow
from hedgeopt.models.pricing.lending_supply import EMode, LendingSupply
from hedgeopt.models.pricing.liquidity import amounts
from hedgeopt.models.pricing.loop import Loop

__all__ = ["AnyBook", "FixedBook", "Flow", "LiquidityBook", "LoopBook", "RollingSeller", "ShortGamma"]

Amounts = dict[Asset, float]


class Flow(Record):
    """Clients who come by chance: a Poisson number a day of trades in options chosen at random; the seed decides all."""

    account: str = "main"
    seed: int = Field(default=0, ge=0)
    per_day: float = Field(default=2.0, ge=0, le=1000, description="mean number of trades a day")
    assets: tuple[str, ...] = ("BTC",)
    quantity: float = Field(default=1.0, gt=0, description="mean contracts per trade (exponential)")
    client_buys: float = Field(default=0.6, ge=0, le=1, description="probability that the client buys, so the desk sells")
    min_days: float = Field(default=2.0, ge=0)
    max_days: float = Field(default=60.0, gt=0)
    min_delta: float = Field(default=0.1, ge=0, lt=0.5, description="options between this and one minus it, absolute")
    edge: float = Field(default=0.01, ge=0, lt=1, description="what clients pay above the mark, as a share of it")

    def trades(self, market: Market, venue: str, step: int, days: float) -> list[ClientTrade]:
        """Those of one step; the same for every policy, because only seed, step and market decide."""
        rng = np.random.Generator(np.random.PCG64([self.seed, step]))
        found = []
        for asset in self.assets:
            items, tenor, delta = options_of(market, asset, venue)
            inside = (tenor >= self.min_days) & (tenor <= self.max_days)
            inside &= (np.abs(delta) >= self.min_delta) & (np.abs(delta) <= 1.0 - self.min_delta)
            choices = np.flatnonzero(inside)
            for _ in range(int(rng.poisson(self.per_day * days))):
                at, sign, size = rng.random(), rng.random(), rng.exponential(self.quantity)
                if len(choices):
                    item = items[int(choices[int(at * len(choices))])]
                    quantity = -size if sign < self.client_buys else size
                    found.append(ClientTrade(self.account, item.name, float(np.round(quantity, 1)), self.edge))
        return [trade for trade in found if trade.quantity]


class _Base(Record):
    kind: str
    name: str = Field(default="", description="shown in results; default: the kind")
    clients: Flow | None = Field(default=None, description="seeded client flow")

    @property
    def title(self) -> str:
        """Its name, else its kind."""
        return self.name or self.kind

    def flow(self, market: Market, book: Book, step: int, days: float) -> list[ClientTrade]:
        """Client flow, if any."""
        if self.clients is None:
            return []
        venue = next((a.venue for a in book.accounts if a.name == self.clients.account), None)
        return [] if venue is None else self.clients.trades(market, venue, step, days)


class FixedBook(_Base):
    """A book from a JSON file; its positions are there from the start, at their marks. Without a name, it has the file's."""

    kind: Literal["fixed"] = "fixed"
    file: str = Field(description="book as for hedgeopt solve")

    def open(self, market: Market) -> Book:
        """The file's book, by the name given here, without its own moment."""
        from hedgeopt.inputs.book_file import read_book

        book = read_book(Path(self.file))
        return book.model_copy(update={"timestamp": None, "name": self.name or book.name})

    @property
    def title(self) -> str:
        """Its name, else the file's."""
        return self.name or Path(self.file).stem


class _Deribit(_Base):
    collateral: Amounts = Field(default={"BTC": 50.0}, description="units by asset, posted in the account")
    venue: str = "deribit"
    margin: str = "standard"

    def _account(self, positions: tuple[Position, ...] = (), name: str = "main") -> Account:
        posted = tuple(Collateral(asset=asset, amount=amount) for asset, amount in self.collateral.items())
        return Account(name=name, venue=self.venue, margin=self.margin, collateral=posted, positions=positions)


class _Sold(_Deribit):
    """What is sold in fixed numbers of contracts: every asset sold has its number."""

    assets: tuple[Asset, ...] = ("BTC",)
    quantity: Amounts = Field(default={"BTC": 10.0}, description="contracts of each leg, by asset")

    @model_validator(mode="after")
    def _every_asset_has_a_number(self) -> _Sold:
        missing = [asset for asset in self.assets if asset not in self.quantity]
        if missing:
            raise ValueError(f"quantity has no {missing[0]}, which assets names: give its contracts")
        return self


class ShortGamma(_Sold):
    """Short strangles (straddles at delta .5) from the start, held to expiry; nothing is sold later."""

    kind: Literal["short_gamma"] = "short_gamma"
    days: tuple[float, ...] = Field(default=(30.0,), description="tenors, one strangle each")
    delta: float = Field(default=0.5, gt=0, le=0.5)

    def open(self, market: Market) -> Book:
        """The strangles, at their marks."""
        held: dict[str, float] = {}
        for asset in self.assets:
            for days in self.days:
                for right in ("call", "put"):
                    item = nearest_option(market, asset, self.venue, right, days, self.delta)
                    held[item.name] = held.get(item.name, 0.0) - self.quantity[asset]
        positions = tuple(Position(instrument=name, quantity=q) for name, q in held.items())
        return Book(name=self.title, accounts=(self._account(positions),))


class RollingSeller(_Sold):
    """Sells a strangle (or one leg) at the bid every ``every_days``, and holds each to expiry."""

    kind: Literal["rolling_seller"] = "rolling_seller"
    rights: tuple[Literal["call", "put"], ...] = ("call", "put")
    every_days: float = Field(default=7.0, gt=0)
    days: float = Field(default=7.0, gt=0, description="tenor sold")
    delta: float = Field(default=0.25, gt=0, le=0.5)
    sell: bool = Field(default=True, description="false: buys at the ask instead")

    def open(self, market: Market) -> Book:
        """Collateral alone."""
        return Book(name=self.title, accounts=(self._account(),))

    def flow(self, market: Market, book: Book, step: int, days: float) -> list[ClientTrade]:
        """Sales on schedule (counted in whole periods of UTC time), then clients."""
        found = []
        if _period(market, self.every_days, days, step):
            for asset in self.assets:
                for right in self.rights:
                    item = nearest_option(market, asset, self.venue, right, self.days, self.delta)
                    sign = -1.0 if self.sell else 1.0
                    found.append(ClientTrade("main", item.name, sign * self.quantity[asset]))
        return found + super().flow(market, book, step, days)


class LiquidityBook(_Deribit):
    """A concentrated pool position opened around the first price, and an account to hedge it with."""

    kind: Literal["amm_lp"] = "amm_lp"
    base: str = "ETH"
    quote: str = "USDC"
    value: float = Field(default=1_000_000.0, gt=0, description="USD put into the pool")
    width: float = Field(default=0.3, gt=0, lt=1, description="range: price times 1 - width to price over 1 - width")
    fee_rate: float = Field(default=0.15, ge=0, description="fees a year as a share of value, while in range")

    def open(self, market: Market) -> Book:
        """Liquidity worth ``value`` at the present price."""
        price = market.price(self.base) / market.price(self.quote)
        low, high = price * (1.0 - self.width), price / (1.0 - self.width)
        x, y = amounts(1.0, price, low, high)
        liquidity = self.value / float(x * market.price(self.base) + y * market.price(self.quote))
        pool = Concentrated(
            name=f"{self.base}/{self.quote} pool", venue="uniswap", base=self.base, quote=self.quote, liquidity=liquidity,
            lower_price=low, upper_price=high, fee_rate=self.fee_rate, entry_price=price,
        )  # fmt: skip
        wallet = Account(
            name="wallet",
            venue="uniswap",
            margin="none",
            tradable=False,
            positions=(Position(instrument=pool, quantity=1.0),),
        )
        return Book(name=self.title, accounts=(wallet, self._account()))


class LoopBook(_Deribit):
    """A looped staking position at a lending pool, with puts bought on schedule at the options venue."""

    kind: Literal["looped_staking"] = "looped_staking"
    token: str = "stETH"
    underlying: str = "ETH"
    deposit: float = Field(default=1_000.0, gt=0, description="units of the token put in")
    ltv: float = Field(default=0.85, gt=0, lt=1)
    loops: int = Field(default=10, ge=0)
    supply_rate: float = Field(default=0.029, ge=0, description="staking yield and supply interest a year")
    borrow_rate: float = Field(default=0.025, ge=0)
    threshold: float = Field(default=0.95, gt=0, le=1, description="liquidation threshold in e-mode")
    bonus: float = Field(default=0.01, ge=0, lt=1)
    put_share: float = Field(default=1.0, ge=0, description="puts per unit deposited; 0: no protection")
    put_delta: float = Field(default=0.2, gt=0, le=0.5)
    put_days: float = Field(default=30.0, gt=0)
    collateral: Amounts = Field(default={"ETH": 200.0})

    def open(self, market: Market) -> Book:
        """The loop's deposit and debt, and coins at the options venue."""
        entry = market.price(self.token) / market.price(self.underlying)
        emode = EMode(category=1, ltv=self.ltv, liquidation_threshold=self.threshold, liquidation_bonus=self.bonus)
        supply = LendingSupply(
            name=f"{self.token} supply", venue="aave", asset=self.token, rate=self.supply_rate, ltv=0.7,
            liquidation_threshold=0.8, liquidation_bonus=0.06, emode=emode,
        )  # fmt: skip
        borrow = LendingBorrow(
            name=f"{self.underlying} debt", venue="aave", asset=self.underlying, rate=self.borrow_rate, emode_category=1
        )
        loop = Loop(
            name=f"{self.token} loop",
            venue="aave",
            supply=supply,
            borrow=borrow,
            ltv=self.ltv,
            loops=self.loops,
            entry_price=entry,
        )
        pool = Account(
            name="loop", venue="aave", tradable=False, positions=(Position(instrument=loop, quantity=self.deposit),)
        )
        return Book(name=self.title, accounts=(pool, self._account()))

    def flow(self, market: Market, book: Book, step: int, days: float) -> list[ClientTrade]:
        """Puts bought at the ask once per tenor."""
        found = []
        if self.put_share > 0 and _period(market, self.put_days, days, step):
            item = nearest_option(market, self.underlying, self.venue, "put", self.put_days, self.put_delta)
            found.append(ClientTrade("main", item.name, self.put_share * self.deposit))
        return found + super().flow(market, book, step, days)


def _period(market: Market, every: float, days: float, step: int) -> bool:
    """Whether a whole period of UTC time has begun since the step before."""
    if step == 0:
        return True
    now = market.timestamp.timestamp() / 86_400.0
    return int(now // every) > int((now - days) // every)


AnyBook: Any = Annotated[FixedBook | ShortGamma | RollingSeller | LiquidityBook | LoopBook, Field(discriminator="kind")]
