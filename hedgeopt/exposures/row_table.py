"""The rows of exposures: every position and candidate as its family prices it, with quotes and sizes; and debts refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.pairs import Table
from hedgeopt.exposures.steps import quoted_steps
from hedgeopt.inputs.book import Book
from hedgeopt.models.pricing.family import UnitRisk, greek
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.pricing.market_arrays import MarketArrays
from hedgeopt.models.rows import Rows
from hedgeopt.venues.known import increments
from hedgeopt.venues.sizes import Sizes

__all__ = ["refuse_owed_rows", "rows_of", "trade_greeks"]


def rows_of(table: Table, market: MarketArrays, risk: UnitRisk, carry: np.ndarray) -> tuple[Rows, np.ndarray]:
    """The rows (M,) of a table of instruments by account, and each one's place among the market's quotes (M,)."""
    at = table.instrument
    items = tuple(table.unique[i] for i in at)
    place = market.places([item.id for item in table.unique])[at]
    sizes = np.array([increments(item) for item in table.unique]).reshape(-1, len(Sizes._fields))[at]
    steps = quoted_steps(sizes, risk.notional[at], market, place)
    rows = Rows(
        instruments=items,
        account=table.account,
        quantity=table.quantity,
        value=risk.value[at],
        notional=risk.notional[at],
        premium=risk.premium[at],
        carry=carry[at],
        greeks=risk.greeks[:, at],
        index=_prices(market, [item.assets[0] for item in items]),
        mark=_marks(items, market.columns["mark_price"][place], risk.premium[at]),
        bid=market.columns["bid_price"][place],
        ask=market.columns["ask_price"][place],
        settlement_price=_prices(market, [item.settlement if has(item, "settlement") else item.assets[0] for item in items]),
        lot=steps[:, 0],
        tick=steps[:, 1],
        minimum_size=steps[:, 2],
    )
    return rows, place


def refuse_owed_rows(book: Book, rows: Rows) -> None:
    """Refuse negative quantities of owned or owed assets: a debt is a separate loan, from somebody who lends."""
    for row in np.flatnonzero(rows.quantity < 0).tolist():
        item, account = rows.instruments[row], book.accounts[rows.account[row]]
        if item.nature.short == "margin":
            continue
        debt = item.nature.short == "lender"
        raise InputError(
            f"{item.name} cannot be short: " + (f"margin {account.margin!r} lends none" if debt else f"it is {item.kind}"),
            file="book",
            field=f"account {account.name!r}: position {item.name!r}",
            value=float(rows.quantity[row]),
            fix="sell a perpetual or future instead, or owe the asset where it is lent: a lending_borrow, or a negative "
            "amount of collateral, in an account with margin 'aave'"
            if debt
            else "give the amount held (or owed) as a positive quantity",
        )


def trade_greeks(candidate: np.ndarray, rows: Rows, paid_in: np.ndarray) -> np.ndarray:
    """Greeks per unit traded: a purchase is paid in its settlement asset, whose delta leaves the book."""
    result = rows.greeks[:, candidate].copy()
    paid = np.flatnonzero(paid_in >= 0)
    result[greek("delta"), paid, paid_in[paid]] -= rows.premium[candidate[paid]]
    return result


def _marks(items: Sequence[Any], quoted: np.ndarray, premium: np.ndarray) -> np.ndarray:
    """(M,) marks in the quote unit; options are valued at the venue's mark where it gives one."""
    option = np.array([item.nature.option for item in items], bool)
    return np.where(option, premium, quoted)


def _prices(market: MarketArrays, assets: Sequence[str]) -> np.ndarray:
    """USD price of each asset, each looked up once."""
    found = {asset: market.price(asset) for asset in dict.fromkeys(assets)}
    return np.array([found[asset] for asset in assets], float)
