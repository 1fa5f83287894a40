"""A book resolved against a market: every name is looked up once, and the market's numbers are read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from hedgeopt.errors import InputError
from hedgeopt.exposures.slips import grid_notes, refuse_slips
from hedgeopt.exposures.unlisted import BOOK_LEGS, COMBO, Aside, QuotedCurve, named_instrument, untold_combo, why_expired
from hedgeopt.inputs.book import Account, Book
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.pegs import moved_by
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.pricing.market_arrays import MarketArrays

if TYPE_CHECKING:
    from hedgeopt.inputs.market import Market

__all__ = ["HeldLeg", "Holdings", "Strictness", "resolve", "underlying_of"]

Strictness = Literal["strict", "lenient"]
"""strict refuses what is not quoted by its name; lenient values it or sets it aside, with a note."""


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
    lenient
        Whether what cannot be valued was set aside.
    aside
        Positions and collateral that are in no figure, as ``book`` leaves them out too.
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
    aside: tuple[Aside, ...] = ()
    lenient: bool = False

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
        """Assets that the positions are on, and coins that are only posted: they move the book as much."""
        posted = {moved_by(entry.asset)[0] for account in self.accounts for entry in account.collateral if entry.amount}
        return {underlying_of(item) for item in self.positions} | (posted - dollar_assets())

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


def resolve(book: Book, market: Market, strictness: Strictness = "strict") -> Holdings:
    """Look up every name of a book once, and read the market's prices and quotes once.

    Instruments that the book describes itself and no market quotes are valued from the surface
    (:mod:`hedgeopt.exposures.unlisted`). ``lenient`` does so with names too, and sets aside what cannot be valued: contracts
    that have expired, names that nobody reads, collateral without a price. Notes name each of them with its size.

    Raises
    ------
    InputError
        For a name that the market does not hold, when strict.
    """
    seen = _Reader(market, strictness == "lenient")
    accounts: list[Account] = []
    positions: list[Any] = []
    named: list[bool] = []
    legs: list[HeldLeg] = []
    for c, account in enumerate(book.accounts):
        kept = []
        for position in account.positions:
            item = seen.instrument(account, position)
            if item is None:
                continue
            kept.append(position)
            named.append(isinstance(position.instrument, str) and item.id in seen.listed)
            positions.append(item)
            legs += [HeldLeg(c, leg, units * position.quantity) for leg, units in item.legs() or ((item, 1.0),)]
        posted = [entry for entry in account.collateral if seen.priced(account, entry)]
        whole = len(kept) == len(account.positions) and len(posted) == len(account.collateral)
        changed: dict[str, Any] = {} if whole else {"positions": tuple(kept), "collateral": tuple(posted)}
        if seen.unmargined(account, kept, positions[len(positions) - len(kept) :]):
            changed["margin"] = "otc"
        accounts.append(account.model_copy(update=changed) if changed else account)
    return Holdings(
        book=book if tuple(accounts) == book.accounts else book.model_copy(update={"accounts": tuple(accounts)}),
        positions=tuple(positions),
        named=tuple(named),
        legs=tuple(legs),
        market=seen.arrays.with_rows(seen.added),
        listed=seen.listed,
        doubtful=market.doubtful,
        notes=(*dict.fromkeys((*book.notes, *market.notes, *seen.notes)), *(one.sentence for one in seen.aside)),
        memory=market.memory,
        aside=tuple(seen.aside),
        lenient=seen.lenient,
    )


class _Reader:
    """Instruments of positions, with the quotes made for those that no market has."""

    def __init__(self, market: Market, lenient: bool) -> None:
        self.market, self.lenient, self.arrays = market, lenient, market.arrays()
        self.listed = market.instruments
        self.known: dict[tuple[str, str], Any] = {}  # accounts at one venue may hold the same instrument
        self.curves: dict[str, QuotedCurve] = {}
        self.added: dict[str, dict[str, float]] = {}
        self.notes: list[str] = []
        self.aside: list[Aside] = []

    def instrument(self, account: Account, position: Any) -> Any:
        """The instrument of a position; None where it is set aside."""
        item = position.instrument
        if not isinstance(item, str):
            return self._whole(account, position, item)
        key = account.venue, item
        if key not in self.known:
            if not self.lenient or ":".join(key) in self.listed:
                if untold_combo(*key) and ":".join(key) not in self.listed:
                    where = f"account {account.name!r}"
                    raise InputError(COMBO, file="book", field=where, value=item, fix=BOOK_LEGS)
                self._refuse_expired(account, item)
                self.known[key] = self.market.instrument(*key)
            else:
                self.known[key] = named_instrument(*key)
        found = self.known[key]
        if isinstance(found, str):
            return self._set_aside(account, position, found)
        return found if found.id in self.listed else self._whole(account, position, found)

    def _refuse_expired(self, account: Account, name: str) -> None:
        """An expired name is refused as that: no other name is near to it."""
        if f"{account.venue}:{name}" in self.listed:
            return
        item = named_instrument(account.venue, name)
        expired = None if isinstance(item, str) else why_expired(item, self.market.timestamp)
        if expired:
            fix = 'remove it, or set strictness = "lenient" in the policy, which leaves it out with a note'
            raise InputError(expired, file="book", field=f"account {account.name!r}", value=name, fix=fix)

    def _whole(self, account: Account, position: Any, item: Any) -> Any:
        """What no market may quote: an option always needs numbers, a future or perpetual only where it is one by name."""
        expired = why_expired(item, self.market.timestamp)
        if expired and self.lenient:
            return self._set_aside(account, position, expired)
        if has(item, "spots"):
            return self._grid(account, position, item)
        makes = item.nature.option or (isinstance(position.instrument, str) and item.nature.margined)
        if not makes or expired or item.id in self.added or item.id in self.arrays.row:
            return item
        try:
            curve = self._curve(item.underlying)
        except InputError as error:
            if not self.lenient:
                raise
            return self._set_aside(account, position, error.problem)
        if item.nature.option:
            refuse_slips(item, curve, self.market.timestamp, f"account {account.name!r}: {item.name}")
        try:
            self.added[item.id], said = curve.quotes(item, self.market.timestamp)
        except InputError as error:
            if not self.lenient:
                raise
            return self._set_aside(account, position, error.problem)
        self.notes.append(said)
        return item

    def _curve(self, underlying: str) -> QuotedCurve:
        if underlying not in self.curves:
            self.curves[underlying] = QuotedCurve(underlying, list(self.listed.values()), self.arrays)
        return self.curves[underlying]

    def _grid(self, account: Account, position: Any, item: Any) -> Any:
        """A product valued by its own grid, where that can be meant."""
        try:
            curve, unit = self._curve(item.underlying), self.arrays.price(item.settlement)
        except InputError as error:
            if not self.lenient:
                raise
            return self._set_aside(account, position, error.problem)
        self.notes += grid_notes(item, curve, unit, f"account {account.name!r}: {item.name}", self.lenient)
        return item

    def unmargined(self, account: Account, kept: list[Any], items: list[Any]) -> bool:
        """Whether an account that lends nothing holds what needs margin: counted without any when lenient, with a note."""
        if account.margin == "otc" and any(item.nature.derivative for item in items):
            self.notes.append(
                f"no margin is counted in account {account.name}: margin otc is a contract that no rule here knows"
            )
        if not self.lenient or margin_model(account.margin, account.venue).lends:
            return False
        needy = [
            p.name for p, i in zip(kept, items, strict=True) if i.nature.margined or (i.nature.option and p.quantity < 0)
        ]
        if needy:
            self.notes.append(
                f"no margin is counted in account {account.name}: its margin {account.margin!r} has no rule for {needy[0]}; "
                "name its margin model, or otc for a bilateral contract"
            )
        return bool(needy)

    def priced(self, account: Account, entry: Any) -> bool:
        """Whether a posted asset has a price; when lenient, one without is set aside."""
        if not self.lenient:
            return True
        try:
            for name in moved_by(entry.asset):
                self.arrays.price(name)
            self.arrays.price(entry.asset)
        except InputError:
            self.aside.append(Aside(account.name, entry.asset, entry.amount, "the market has no price for it"))
            return False
        return True

    def _set_aside(self, account: Account, position: Any, why: str) -> None:
        self.aside.append(Aside(account.name, position.name, position.quantity, why))
