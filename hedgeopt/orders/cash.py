"""The treasury's cash ladder: what every account holds of every asset over the next days, and what its margin asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import html_card, html_table
from hedgeopt.files.plain import ColumnKinds, to_plain
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.cash import day_of, row_flow
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.verify.accounts import account
from hedgeopt.verify.margins import asked, not_counted

__all__ = ["LADDER", "MARGINS", "CashLadder", "cash_ladder"]

LADDER = ColumnKinds(
    account="text", asset="text", day="number", date="text", posted="number", locked="number", income="number",
    expiries="number", flows="number", transfers="number", cash="number", usd="number",
)  # fmt: skip
"""Columns of :attr:`CashLadder.cash`."""
MARGINS = ColumnKinds(
    account="text", day="number", date="text", equity="number", initial="number", maintenance="number", free="number",
    open_positions="number",
)  # fmt: skip
"""Columns of :attr:`CashLadder.margins`."""


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
    cash: Annotated[pd.DataFrame, LADDER]
    margins: Annotated[pd.DataFrame, MARGINS]
    notes: tuple[str, ...] = ()

    @property
    def lowest(self) -> pd.DataFrame:
        """Per account and asset the row of the day with the least cash."""
        at = self.cash.groupby(["account", "asset"], sort=False)["cash"].idxmin()
        return self.cash.loc[at].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        odd: dict[str, str] = {}
        names = ("book", "created", "days", "cash", "margins", "notes")
        return {name: to_plain(getattr(self, name), odd, name) for name in names}

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

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
    rows = [row for c in range(len(e.accounts)) for row in _account_rows(e, book, c, days, moved)]
    margins = [row for c in range(len(e.accounts)) for row in _margin_rows(e, c, days, rows)]
    rate = [f"{note}" for note in e.notes if "funding rate" in note]
    notes = (
        "prices stay as they are; funding and income at today's rates; interest of deposits and loans is no cash",
        *rate,
    )
    return CashLadder(
        book.name, market.timestamp, days, LADDER.of({name: [row[name] for row in rows] for name in LADDER}),
        MARGINS.of({name: [row[name] for row in margins] for name in MARGINS}), notes,
    )  # fmt: skip


def _sent(book: Book, sent: dict[str, float]) -> list[tuple[str, str, str, float, int]]:
    """Source, target, asset, amount and day of arrival of transfers."""
    links = {link.transfer("x").name: link for link in book.links}
    for name, amount in sent.items():
        if name not in links:
            known = ", ".join(links) or "none"
            raise InputError("is no link of the book", field="sent", value=name, fix=f"links: {known}")
        if not amount > 0.0:
            raise InputError("must be above 0", field="sent", value=amount, fix="give units of the asset")
    return [(links[n].source, links[n].target, links[n].asset, q, day_of(links[n].delay_hours)) for n, q in sent.items()]


def _account_rows(
    e: Exposures, book: Book, c: int, days: int, moved: list[tuple[str, str, str, float, int]]
) -> Iterator[dict[str, Any]]:
    mine = [row for row in np.flatnonzero(e.rows.quantity).tolist() if int(e.rows.account[row]) == c]
    settled = {getattr(e.rows.instruments[row], "settlement", None) for row in mine}
    held = {e.assets[a] for a in np.flatnonzero(e.collateral[c])}
    touched = {asset for source, target, asset, _, _ in moved if e.accounts[c] in (source, target)}
    touched |= {e.assets[a] for k, a, _, _, _ in e.flows if k == c}
    at = np.arange(days + 1)
    for a, asset in enumerate(e.assets):
        if asset not in settled | held | touched:
            continue
        parts = {name: np.zeros(days + 1) for name in ("locked", "income", "expiries", "flows", "transfers")}
        for row in mine:
            if getattr(e.rows.instruments[row], "settlement", None) == asset:
                q = float(e.rows.quantity[row])
                parts["income"] += q * row_flow(e, row, days, ("income",))
                parts["expiries"] += q * row_flow(e, row, days, ("expiry",))
        for k, column, amount, day, locked in e.flows:
            if (k, column) == (c, a):
                if locked:
                    parts["locked"] += np.where(at < day, -amount, 0.0)
                else:
                    parts["flows"] += np.where(at >= day, amount, 0.0)
        for source, target, name, amount, day in moved:
            if name == asset:
                parts["transfers"] += (e.accounts[c] == target) * np.where(at >= day, amount, 0.0) - amount * (
                    e.accounts[c] == source
                )
        posted = float(e.collateral[c, a])
        total = posted + np.sum(list(parts.values()), axis=0)
        if asset not in held and not any(part.any() for part in parts.values()):
            continue
        for day in range(days + 1):
            yield {
                "account": e.accounts[c], "asset": asset, "day": day, "date": _date(e, day), "posted": posted,
                **{name: float(part[day]) for name, part in parts.items()}, "cash": float(total[day]),
                "usd": float(total[day] * e.prices[a]),
            }  # fmt: skip


def _date(e: Exposures, day: int) -> str:
    return (e.timestamp + timedelta(days=day)).strftime("%Y-%m-%d")


def _margin_rows(e: Exposures, c: int, days: int, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Margin of the positions that are still open, on the cash of each day."""
    cash: dict[int, dict[str, float]] = {}
    for row in rows:
        if row["account"] == e.accounts[c]:
            cash.setdefault(row["day"], {})[row["asset"]] = row["cash"] - row["locked"]
    due = [
        day_of((item.expiry - e.timestamp).total_seconds() / 3600.0) if item.nature.expires else days + 1
        for item in e.rows.instruments
    ]
    nothing = np.zeros(e.n_candidates)
    for day in range(days + 1):
        open_ = np.array([d > day or day == 0 for d in due], bool)
        quantity = np.where(open_, e.rows.quantity, 0.0)
        posted = e.collateral.copy()
        for asset, amount in cash.get(day, {}).items():
            posted[c, e.assets.index(asset)] = amount
        then = replace(e, rows=replace(e.rows, quantity=quantity), collateral=posted)
        mine = e.rows.account == c
        equity = float(posted[c] @ e.prices + np.sum((quantity * e.rows.value)[mine]))
        start = account(then, c)
        counted = equity - not_counted(then, start, "initial", nothing)[0]
        initial, maintenance = (float(asked(then, start, kind, nothing)) for kind in ("initial", "maintenance"))
        yield {
            "account": e.accounts[c], "day": day, "date": _date(e, day), "equity": equity, "initial": initial,
            "maintenance": maintenance, "free": counted - initial,
            "open_positions": float(np.count_nonzero(quantity[mine])),
        }  # fmt: skip
