"""A book resolved against a market: every name is looked up once, and the market's numbers are read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hedgeopt.inputs.book import Account, Book
from hedgeopt.models.pegs import moved_by
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.pricing.market_arrays import MarketArrays

if TYPE_CHECKING:
    from hedgeopt.inputs.market import Market

__all__ = ["HeldLeg", "Holdings", "resolve", "underlying_of"]


def underlying_of(item: Any) -> str:
    """The asset that an instrument is on."""
    return str(item.underlying if has(item, "underlying") else item.assets[0])


@dataclass(frozen=True)
class HeldLeg:
    """A quantity of one instrument in account number ``account``; a position in a loop is two of them."""

    account: int
    instrument: Any
    quantity: float


@dataclass(frozen=True, eq=False)
class Holdings:
    """Positions of a book, with the instruments in place of their names.

    Attributes
    ----------
    book
        Accounts, collateral and links as given.
    positions
        The instrument of each position (P), in the book's order.
    named
        (P) whether the book gives a name, of a quoted instrument, or the whole instrument.
    legs
        The positions as they are booked: each as itself, or as the legs that it unfolds into.
    market
        Prices and quotes of the moment; whoever prices the holdings reads these.
    listed, doubtful, notes
        The market's own: its instruments by ``venue:name``, why some are not offered, and its oddities.
    memory
        Where a replay keeps what it has priced at this moment; None: nowhere.
    """

    book: Book
    positions: tuple[Any, ...]
    named: tuple[bool, ...]
    legs: tuple[HeldLeg, ...]
    market: MarketArrays = field(repr=False)
    listed: Mapping[str, Any] = field(repr=False)
    doubtful: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()
    memory: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Accounts of the book (C)."""
        return self.book.accounts

    @cached_property
    def ids(self) -> frozenset[str]:
        """``venue:name`` of every position."""
        return frozenset(item.id for item in self.positions)

    @property
    def quoted(self) -> list[Any]:
        """Instruments held by name."""
        return [item for item, name in zip(self.positions, self.named, strict=True) if name]

    @property
    def whole(self) -> list[Any]:
        """Instruments that the book describes itself."""
        return [item for item, name in zip(self.positions, self.named, strict=True) if not name]

    @property
    def quoted_parts(self) -> list[Any]:
        """Quoted instruments inside those, whose quotes must be fresh."""
        return [part for item in self.whole for part in item.quoted_parts]

    @property
    def underlyings(self) -> set[str]:
        """Assets that the positions are on."""
        return {underlying_of(item) for item in self.positions}

    @cached_property
    def assets(self) -> tuple[str, ...]:
        """Columns that move the book, by account: those of its collateral, then of its positions."""
        found: dict[str, None] = {}
        at = 0
        for account in self.accounts:
            for posted in account.collateral:
                found.update(dict.fromkeys(moved_by(posted.asset)))
            for item in self.positions[at : at + len(account.positions)]:
                found.update(dict.fromkeys(item.assets))
            at += len(account.positions)
        return tuple(found)


def resolve(book: Book, market: Market) -> Holdings:
    """Look up every name of a book once, and read the market's prices and quotes once.

    Raises
    ------
    InputError
        For a name that the market does not hold.
    """
    known: dict[tuple[str, str], Any] = {}  # accounts at one venue may hold the same instrument
    positions: list[Any] = []
    named: list[bool] = []
    legs: list[HeldLeg] = []
    for c, account in enumerate(book.accounts):
        for position in account.positions:
            item = position.instrument
            named.append(isinstance(item, str))
            if isinstance(item, str):
                key = account.venue, item
                if key not in known:
                    known[key] = market.instrument(*key)
                item = known[key]
            positions.append(item)
            legs += [HeldLeg(c, leg, units * position.quantity) for leg, units in item.legs() or ((item, 1.0),)]
    return Holdings(
        book=book,
        positions=tuple(positions),
        named=tuple(named),
        legs=tuple(legs),
        market=market.arrays(),
        listed=market.instruments,
        doubtful=market.doubtful,
        notes=market.notes,
        memory=market.memory,
    )
