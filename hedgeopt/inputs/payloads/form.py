"""A form of payload and its findings: quotes, contract sizes, positions, collateral, prices and the venue's own totals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from hedgeopt.inputs.payloads.item import Item

__all__ = [
    "BEST",
    "PUBLISHED",
    "Findings",
    "Form",
    "HeldLine",
    "Holds",
    "Posted",
    "Reader",
    "Reply",
    "Spec",
    "Total",
    "keys",
    "plain_quotes",
]

Holds = Literal["quotes", "sizes", "positions", "collateral", "prices"]


def keys(text: str) -> frozenset[str]:
    """Names in a text, separated by spaces."""
    return frozenset(text.split())


@dataclass(frozen=True)
class HeldLine:
    """A position as the venue states it.

    ``quantity`` is signed. ``unit`` is ``ours`` (coins, or USD of an inverse contract) or ``contracts`` (of a
    :class:`Spec`). ``notional`` (USD, unsigned, at the price ``reference``) and ``delta`` (coins, signed) are the venue's
    figures, NaN where it gives none; so are ``initial`` and ``maintenance`` (margin, USD), the ``leverage`` chosen and the
    ``index`` they rest on; ``value`` is the market value of options in their settlement asset, ``contract`` the size of a
    contract that the position itself states, and ``profit`` the unsettled P&L of margined contracts in their settlement
    asset, where collateral leaves it out.
    """

    venue: str
    name: str
    quantity: float
    where: str
    unit: Literal["ours", "contracts"] = "ours"
    account: str = ""
    mark: float = math.nan
    notional: float = math.nan
    reference: float = math.nan
    delta: float = math.nan
    value: float = math.nan
    profit: float = 0.0
    option: bool = False
    contract: float = math.nan
    initial: float = math.nan
    maintenance: float = math.nan
    leverage: float = math.nan
    index: float = math.nan
    lot: str = ""
    """Tells apart several positions of one instrument that the venue keeps (hedge mode)."""
    reply: int = 0
    """Number of its :class:`Reply`."""


@dataclass(frozen=True)
class Posted:
    """An asset in an account: ``amount`` without option values. ``pool`` separates accounts that margin one currency each.

    ``with_options`` says that ``amount`` still holds the value of the account's options, which is taken out when positions
    are known. ``usd`` is the venue's worth of ``whole``, everything that the account has of the asset, options with it
    (NaN: of ``amount``).
    """

    venue: str
    asset: str
    amount: float
    where: str
    account: str = ""
    pool: str = ""
    usd: float = math.nan
    whole: float = math.nan
    with_options: bool = False
    needs_profit: bool = False
    reply: int = 0
    """Number of its :class:`Reply`."""


@dataclass(frozen=True)
class Spec:
    """Sizes of an instrument: ``multiplier`` is units of ours in one contract (coins, or USD of an inverse contract).

    ``min_notional`` is USD of underlying; prices above ``tick_above`` have steps of ``coarse_tick``.
    """

    venue: str
    name: str
    multiplier: float = math.nan
    tick: float = math.nan
    lot: float = math.nan
    min_size: float = math.nan
    min_notional: float = math.nan
    tick_above: float = math.nan
    coarse_tick: float = math.nan
    expiry: datetime | None = None


@dataclass(frozen=True)
class Total:
    """A figure of the venue's, to be reproduced: ``ours`` against ``theirs`` within ``tolerance`` (relative).

    ``why`` explains a difference of the sign ``side`` (of theirs less ours; 0 for both) that is at most ``room`` of the
    larger: it is printed for no other. ``must`` is the fix where a difference is refused, at ``where`` in ``file``.
    """

    what: str
    ours: float
    theirs: float
    tolerance: float
    unit: str = "USD"
    why: str = ""
    side: int = 0
    room: float = math.inf
    must: str = ""
    file: str = ""
    where: str = ""

    @property
    def met(self) -> bool:
        """Whether both agree."""
        return abs(self.ours - self.theirs) <= self.tolerance * max(abs(self.ours), abs(self.theirs)) + 1e-9

    def line(self) -> str:
        """For a note."""
        word = "agrees with" if self.met else "differs from"
        apart, size = self.theirs - self.ours, max(abs(self.ours), abs(self.theirs))
        explains = self.why and apart * self.side >= 0.0 and abs(apart) <= self.room * size
        reason = "" if self.met else f": {self.why}" if explains else ": not explained, check before use"
        return (
            f"{self.what}: ours {self.ours:,.8g} {self.unit} {word} the venue's {self.theirs:,.8g} "
            f"(tolerance {self.tolerance:.1%}){reason}"
        )


@dataclass(frozen=True)
class Reply:
    """One reply of a venue: the ``file`` (and its ``path``) and place it came from, the name of its form, what that holds,
    the ``moment`` at which the venue answered, and the time ``since`` which it must be (the last change that it tells)."""

    file: str
    path: str
    where: str
    form: str
    holds: Holds
    moment: datetime | None = None
    since: datetime | None = None

    def told(self, other: Reply) -> str:
        """Its name where it stands beside ``other``."""
        if self.file != other.file:
            return self.file
        if self.path != other.path:
            return self.path
        return f"{self.file} {self.where}".strip()


@dataclass
class Findings:
    """Everything that payloads hold, before it is joined; ``instrument`` is the name given for a reply that has
    none, ``coins`` the coin behind a venue's number of it (``@107``)."""

    file: str = ""
    instrument: str = ""
    quotes: list[dict[str, Any]] = field(default_factory=list)
    specs: dict[tuple[str, str], Spec] = field(default_factory=dict)
    holdings: list[HeldLine] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    prices: dict[tuple[str, str], float] = field(default_factory=dict)
    coins: dict[tuple[str, str], str] = field(default_factory=dict)
    combos: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """Legs of Deribit's combos, by name."""
    objects: list[dict[str, Any]] = field(default_factory=list)
    margins: dict[tuple[str, str], str] = field(default_factory=dict)
    totals: list[Total] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    times: list[tuple[datetime, str]] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    unverified: set[str] = field(default_factory=set)
    published: set[str] = field(default_factory=set)
    """Names of forms read that only an example has checked."""
    history: Any = None
    tables: dict[str, str] = field(default_factory=dict)
    """Texts of venues' tables by venue."""
    stated: dict[tuple[str, ...], float] = field(default_factory=dict)
    """Margin of whole accounts in USD, by venue and kind (and the account, where it is named), where positions' margins
    should add up to it."""
    path: str = ""
    account: str = ""
    """The user's name for the account of the file being read."""
    named: set[str] = field(default_factory=set)
    """Every such name that was given."""
    replies: list[Reply] = field(default_factory=list)
    within: timedelta = timedelta(minutes=5)
    """Replies lie at most this far apart."""
    pages: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Lists that say they go on: by form and category, the files and keys that say so; an empty key ends the list."""

    def quote(
        self, venue: str, name: str, when: datetime | None, where: str, contracts: bool = False, **columns: Any
    ) -> None:
        """A row of quotes; columns are those of :mod:`hedgeopt.inputs.quotes`, and may be partial.

        ``contracts``: sizes are the venue's contracts.
        """
        row = {"venue": venue, "instrument": name, "timestamp": when, "_where": where, "_contracts": contracts}
        self.quotes.append({**row, "_file": self.file, **columns})

    def skip(self, why: str, name: str) -> None:
        """Leave an instrument out; one note per reason counts and names them."""
        self.skipped.setdefault(why, []).append(name)

    def of(self, account: str) -> str:
        """The user's name that an account goes by, which may be followed by a hyphen and the venue's; empty for none."""
        mine = [name for name in self.named if account == name or account.startswith(f"{name}-")]
        return max(mine, key=len, default="")

    def said(self) -> list[str]:
        """Every note, those of skipped instruments first."""
        lines = []
        for why, names in self.skipped.items():
            some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            lines.append(f"{len(names)} left out: {why} ({some})")
        return [*lines, *dict.fromkeys(self.notes), *(total.line() for total in self.totals)]


Reader = Callable[[list[Item], Findings, str], None]


PUBLISHED = "published example"
"""What checked a form where no reply of our own did: an example, or a schema, printed by the venue or by a client of it."""

BEST = {"bid": "best_bid_price", "ask": "best_ask_price", "bid_size": "best_bid_amount", "ask_size": "best_ask_amount"}
"""The best quotes as Deribit and Derive both name them."""


def plain_quotes(venue: str, name: str, time: str, **names: str | tuple[str, ...]) -> Reader:
    """A reader of rows that are quotes as they are: keys of the name, of the time (ms), and of each column of ours."""

    def read(items: list[Item], found: Findings, _: str) -> None:
        for item in items:
            found.quote(venue, item.text(name), item.moment(time, "ms"), item.where, **item.columns(**names))

    return read


@dataclass(frozen=True)
class Form:
    """One form of payload.

    Attributes
    ----------
    name, venue
        As printed; venue "" where the payload does not name it (``--venue``).
    holds
        Its contents.
    keys
        Keys that every row has; the form with most of them is the one.
    absent
        Keys that no row of it has.
    compared
        Whether margins that it states are compared with ours, or the reader says why not.
    read
        Reads the rows into a :class:`Findings`; the last argument is the venue for forms without one.
    ignored
        Keys that are left unread on purpose, with everything inside them.
    source
        The venue's documentation.
    checked
        "real payload"; "published example", of which every key is read or ignored; or "form unverified".
    """

    name: str
    venue: str
    holds: Holds
    keys: frozenset[str]
    read: Reader
    ignored: frozenset[str] = frozenset()
    source: str = ""
    checked: str = "form unverified"
    absent: frozenset[str] = frozenset()
    compared: bool = False
