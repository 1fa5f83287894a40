"""The treasury's cash ladder: what every account holds of every asset over the next days, and what its margin asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import html_card, html_table
from hedgeopt.files.plain import json_text, to_plain
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.cash import CASH_AHEAD, MARGIN_AHEAD, SentAsset, cash_tables, least_cash
from hedgeopt.models.costs.cash import day_of
from hedgeopt.models.costs.transaction import TransactionCost

__all__ = ["CashLadder", "cash_ladder"]


@strict_class
@dataclass(frozen=True, eq=False)
class CashLadder:
    """Cash by account, asset and day, if prices stay as they are.

    Attributes
    ----------
    book, created
        Name of the book and moment of the market.
    days
        The last day; day 0 is now.
    cash : DataFrame
        Per account, asset and day: units posted now, locked until later (negative), what income, expiries, known flows and
        transfers have brought by then, and their sum ``cash`` (units) and ``usd``.
    margins : DataFrame
        Per account and day: equity, initial and maintenance margin of what is still open by the venue's rule at today's
        prices, ``free`` = equity that counts less initial margin (USD).
    notes
        Assumptions.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    book: str
    created: datetime
    days: int
    cash: Annotated[pd.DataFrame, CASH_AHEAD]
    margins: Annotated[pd.DataFrame, MARGIN_AHEAD]
    notes: tuple[str, ...] = ()

    @property
    def lowest(self) -> pd.DataFrame:
        """Per account and asset the row of the day with the least cash."""
        return least_cash(self.cash)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        odd: dict[str, str] = {}
        names = ("book", "created", "days", "cash", "margins", "notes")
        return {name: to_plain(getattr(self, name), odd, name) for name in names}

    def to_json(self) -> str:
        """JSON text."""
        return json_text(self.to_dict())

    def __repr__(self) -> str:
        """One line: accounts, days, assets that run out."""
        short = self.lowest.query("cash < 0")
        told = ", ".join(f"{r.account} {r.asset} below 0 on day {r.day:g}" for r in short.itertuples()) or "nothing runs out"
        return f"CashLadder({self.book!r}, {many(self.days, 'day')}, {told})"

    def _repr_html_(self) -> str:
        shown = ("account", "asset", "day", "date", "cash", "usd")
        return html_card(
            repr(self), self.notes, html_table("Least cash", shown, self.lowest[list(shown)].to_numpy(object).tolist())
        )


@strict_call
def cash_ladder(
    book: Book, market: Market, *, days: int = 7, sent: dict[str, float] | None = None, policy: Policy | None = None
) -> CashLadder:
    """Funding, income, expiries, unlocks, known flows, transfers and margin of the next days.

    Parameters
    ----------
    days
        1 to 366.
    sent
        Transfers made now, units by the link's name (``rich to poor USDC``): gone at once, arrived after its delay.
    policy
        Its age limit of quotes is used, nothing else.

    Raises
    ------
    InputError
        Where book and market do not fit together, and for a link that the book does not have.
    """
    if not 1 <= days <= 366:
        raise InputError("is no number of days", field="days", value=days, fix="give 1 to 366")
    rules = policy or Policy(minimize=TransactionCost())
    e = expose(book, market, rules, trades=False, sampled="if known", check_names=False)
    moved = _sent(book, sent or {})
    cash, margins = cash_tables(e, days, moved)
    rate = [f"{note}" for note in e.notes if "funding rate" in note]
    notes = (
        "prices stay as they are; funding and income at today's rates; interest of deposits and loans is no cash",
        *rate,
    )
    return CashLadder(book.name, market.timestamp, days, cash, margins, notes)


def _sent(book: Book, sent: dict[str, float]) -> list[SentAsset]:
    """Transfers by the names of their links; what they cost is left out."""
    links = {link.transfer("x").name: link for link in book.links}
    for name, amount in sent.items():
        if name not in links:
            known = ", ".join(links) or "none"
            raise InputError("is no link of the book", field="sent", value=name, fix=f"links: {known}")
        if not amount > 0.0:
            raise InputError("must be above 0", field="sent", value=amount, fix="give units of the asset")
    return [
        SentAsset(links[n].source, links[n].target, links[n].asset, q, day_of(links[n].delay_hours)) for n, q in sent.items()
    ]
