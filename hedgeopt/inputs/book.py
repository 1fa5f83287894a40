"""A book: accounts at venues, with collateral and positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, Discriminator, Field, Tag, model_validator

from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given
from hedgeopt.files.names import advice
from hedgeopt.files.notebook import html_card, html_table, shortened
from hedgeopt.files.record import Record
from hedgeopt.inputs.links import KnownFlow, Link
from hedgeopt.models.data import dollar_assets, venues
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.pricing.families import AnyInstrument
from hedgeopt.models.pricing.instrument import Asset
from hedgeopt.models.pricing.transfer import Transfer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Account", "Book", "Collateral", "Position"]


class Collateral(Record):
    """An asset posted at a venue."""

    asset: Asset
    amount: float = Field(
        allow_inf_nan=False,
        description="units of the asset: cash balance with futures P&L, without option values; negative is owed",
    )


class Position(Record):
    """A quantity of one instrument."""

    instrument: Annotated[
        Annotated[str, Tag("name")] | Annotated[AnyInstrument, Tag("whole")],
        Discriminator(lambda value: "name" if isinstance(value, str) else "whole"),
    ] = Field(description="the venue's name of a quoted instrument, or a whole instrument for what no market quotes")
    quantity: float = Field(
        allow_inf_nan=False,
        description="in the instrument's unit (options: contracts of 1 coin; inverse futures and perpetuals: USD of "
        "notional; linear ones: coins); negative is short",
    )
    lot: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="label of one of several lots of the same instrument in an account, such as a trade's date or number",
    )

    @model_validator(mode="after")
    def _not_short(self) -> Position:
        if self.quantity < 0 and not isinstance(self.instrument, str) and self.instrument.nature.short == "never":
            raise ValueError(
                f"quantity {self.quantity:g} of {self.instrument.name}: a {self.instrument.kind} cannot be short; "
                "give the amount held (or owed) as a positive quantity"
            )
        return self

    @property
    def name(self) -> str:
        """The instrument's name."""
        return self.instrument if isinstance(self.instrument, str) else str(self.instrument.name)


class Account(Record):
    """Collateral and positions that share one margin at one venue."""

    name: str = Field(min_length=1, description="unique in the book")
    venue: str = Field(min_length=1)
    collateral: tuple[Collateral, ...] = ()
    positions: tuple[Position, ...] = ()
    margin: str = Field(
        default="standard",
        description="margin model: standard (the venue's own), portfolio, derive, derive_standard, hyperliquid, binance, "
        "binance_portfolio, bybit, bybit_portfolio, okx_portfolio, paradex, dydx, aave, none, otc, or table:FILE.toml; "
        "after a colon the e-mode (aave:eth) or the chosen leverage, for all coins or by coin (binance:10, "
        "hyperliquid:BTC=20,ETH=10)",
    )
    tradable: bool = Field(default=True, description="whether hedges may be traded here")
    paused: bool = Field(default=False, description="venue halted: nothing trades, collateral is stuck")
    chain: str | None = Field(default=None, description="chain the account lives on, for concentration limits")
    tags: tuple[str, ...] = Field(
        default=(),
        exclude_if=lambda value: not value,
        description="strategies, desks or books that the account belongs to; policies and reports may name them",
    )
    counterparty: str | None = Field(default=None, description="who owes the equity; none: the venue")
    fee_tier: str | None = Field(
        default=None,
        min_length=1,
        exclude_if=lambda value: value is None,
        description="tier of [fee_tiers] in the venue's table whose fees the account pays; none: the table's own",
    )

    @model_validator(mode="before")
    @classmethod
    def _venue_of_account(cls, data: Any) -> Any:
        """A whole instrument in a file may leave out its venue: it is held here."""
        if not isinstance(data, dict) or not isinstance(data.get("positions"), list | tuple):
            return data

        def placed(position: Any) -> Any:
            item = position.get("instrument") if isinstance(position, dict) else None
            if not isinstance(item, dict) or "venue" in item:
                return position
            return {**position, "instrument": {"venue": data.get("venue"), **item}}

        return {**data, "positions": [placed(position) for position in data["positions"]]}

    @model_validator(mode="after")
    def _venue_as_spelt(self) -> Account:
        """A venue without a rule of its own lends nothing; one that is almost spelt like another is a slip."""
        if self.margin != "standard" or self.venue in venues():
            return self
        import difflib

        near = difflib.get_close_matches(self.venue.casefold(), venues(), n=1, cutoff=0.8)
        if near:
            raise ValueError(
                f"account {self.name!r}: unknown venue {self.venue!r}: did you mean {near[0]!r}? "
                'If not, name its margin model, such as margin = "none"'
            )
        return self

    @model_validator(mode="after")
    def _owes_nobody_who_lends_nothing(self) -> Account:
        """A negative amount is a debt; dollar assets count together, as one is paid for with the other."""
        if margin_model(self.margin, self.venue).lends:
            return self
        dollars = sum(item.amount for item in self.collateral if item.asset in dollar_assets())
        owed = {item.asset: item.amount for item in self.collateral if item.amount < 0 and item.asset not in dollar_assets()}
        owed |= {"dollars": dollars} if dollars < 0 else {}
        for asset, amount in owed.items():
            raise ValueError(
                f"account {self.name!r} owes {-amount:g} {asset}, and its margin {self.margin!r} lends nothing: "
                'name the rule under which it is lent, such as margin = "aave"'
            )
        return self

    @model_validator(mode="after")
    def _held_here(self) -> Account:
        for position in self.positions:
            if not isinstance(position.instrument, str) and position.instrument.venue != self.venue:
                raise ValueError(
                    f"account {self.name!r} at {self.venue!r} holds {position.name!r} of venue "
                    f"{position.instrument.venue!r}; use one venue, or another account"
                )
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> Account:
        margin_model(self.margin, self.venue)
        lots = [p.name if p.lot is None else f"{p.name} lot {p.lot}" for p in self.positions]
        _refuse_duplicates(lots, "position", f"account {self.name!r}", "; merge the two entries, or give each its lot")
        _refuse_duplicates([c.asset for c in self.collateral], "collateral", f"account {self.name!r}")
        return self


class Book(Record):
    """Everything one desk holds.

    ``timestamp`` is the moment of decision: quotes older than the policy allows at that moment are refused. Without
    one, the market's own timestamp is taken.
    """

    name: str = "book"
    timestamp: AwareDatetime | None = Field(default=None, description="moment of the book, with time zone")
    accounts: Annotated[tuple[Account, ...], Field(min_length=1)]
    links: tuple[Link, ...] = Field(default=(), description="ways to move collateral between the accounts")
    flows: tuple[KnownFlow, ...] = Field(
        default=(),
        exclude_if=lambda value: not value,
        description="collateral to come or go at known moments (unlocks, redemptions, payments), for the cash ladder",
    )
    booked: dict[str, str] = Field(
        default_factory=dict,
        exclude_if=lambda value: not value,
        description="fills that hedgeopt apply has booked: account/identity at the venue, and a digest of what each was; "
        "none is booked again. Those that cannot come again may be deleted",
    )
    notes: tuple[str, ...] = Field(
        default=(),
        exclude_if=lambda value: not value,
        description="notes of whoever made the book, such as the import of a venue's payloads; reports print them",
    )

    @model_validator(mode="after")
    def _nothing_twice(self) -> Book:
        _refuse_duplicates([a.name for a in self.accounts], "account", "book")
        _refuse_duplicates([link.transfer("x").name for link in self.links], "link", "book")
        names = {account.name for account in self.accounts}
        for link in self.links:
            missing = {link.source, link.target} - names
            if missing:
                name = sorted(missing)[0]
                raise ValueError(
                    f"a link names the account {name!r}, which the book does not hold; {advice(name, sorted(names))}"
                )
            if link.source == link.target:
                raise ValueError(f"a link leads from {link.source!r} to itself")
        posted = {account.name: {item.asset: item.amount for item in account.collateral} for account in self.accounts}
        for flow in self.flows:
            if flow.account not in names:
                raise ValueError(f"a flow names the account {flow.account!r}; {advice(flow.account, sorted(names))}")
            if flow.asset not in posted[flow.account]:
                raise ValueError(f"a flow of {flow.asset} in {flow.account!r}, which posts none: add collateral of 0")
            if flow.locked and flow.amount > posted[flow.account][flow.asset]:
                raise ValueError(f"{flow.amount:g} {flow.asset} are locked in {flow.account!r}, which posts less")
        return self

    @classmethod
    @strict_call
    def from_frame(
        cls,
        frame: Given,
        *,
        name: str | None = None,
        timestamp: datetime | str | None = None,
        links: Sequence[Link | Mapping[str, Any]] | None = None,
    ) -> Book:
        """The book in a table with one row per position or collateral.

        Columns: ``account``, ``venue``, ``quantity``, and either ``instrument`` or ``asset``; optionally the account's
        ``margin``, ``tradable``, ``paused``, ``chain``, ``counterparty``, equal in all of its rows. What is not given here
        is taken from ``frame.attrs``, where :meth:`to_frame` keeps it.
        """
        from hedgeopt.inputs.book_frame import book_from_frame

        return book_from_frame(frame, name=name, timestamp=timestamp, links=links)

    def to_frame(self) -> pd.DataFrame:
        """One row per position and collateral, which :meth:`from_frame` reads back to an equal book.

        Name, timestamp, links and notes are kept in ``attrs``, which CSV files lose.
        """
        from hedgeopt.inputs.book_frame import book_to_frame

        return book_to_frame(self)

    def __repr__(self) -> str:
        """One line: name, accounts and positions."""
        when = f", {self.timestamp:%Y-%m-%d %H:%M:%S %Z}" if self.timestamp else ""
        accounts = f"{many(len(self.accounts), 'account')}"
        positions = f"{self.n_positions:,} position{'' if self.n_positions == 1 else 's'}"
        return f"Book({shortened(self.name, 60)!r}, {accounts}, {positions}{when})"

    def _repr_html_(self) -> str:
        """Collateral and positions by account, for notebooks."""
        held = [(a.name, a.venue, p.name, float(p.quantity)) for a in self.accounts for p in a.positions]
        posted = [(a.name, a.venue, c.asset, float(c.amount)) for a in self.accounts for c in a.collateral]
        return html_card(
            repr(self),
            [f"{many(len(self.links), 'link')} between accounts"] if self.links else [],
            html_table("Collateral", ("account", "venue", "asset", "amount"), posted),
            html_table("Positions", ("account", "venue", "instrument", "quantity"), held),
        )

    def transfers(self) -> list[Transfer]:
        """Candidate transfers: every link between two accounts that are not paused."""
        account = {a.name: a for a in self.accounts}
        return [
            link.transfer(account[link.source].venue)
            for link in self.links
            if not account[link.source].paused and not account[link.target].paused
        ]

    @property
    def n_positions(self) -> int:
        """Positions over all accounts."""
        return sum(len(account.positions) for account in self.accounts)


def _refuse_duplicates(names: list[Any], what: str, where: str, fix: str = "; merge the two entries") -> None:
    seen: set[Any] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{where} holds the {what} {name!r} twice{fix}")
        seen.add(name)
