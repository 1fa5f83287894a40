"""Rows of the exposures to the per-account arrays that margin models read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError, MissingNumberError
from hedgeopt.inputs.book import Book
from hedgeopt.models.margin.margins import Margins
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.unmargined import Lacking
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.pricing.market_arrays import MarketArrays
from hedgeopt.models.rows import Rows
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["account_margins", "without_missing"]


def account_margins(
    book: Book,
    market: MarketArrays,
    rows: Rows,
    assets: tuple[str, ...],
    prices: np.ndarray,
    stress: ScenarioSet,
    unit_pnl: np.ndarray,
    revalue: Callable[[ScenarioSet], np.ndarray],
) -> Margins:
    """Every account's instruments (transfers left out) with what its margin model needs to know of the market."""
    moves = np.array([item.nature.transfer for item in rows.instruments], bool)
    members = [np.flatnonzero((rows.account == c) & ~moves) for c in range(len(book.accounts))]
    return Margins(
        models=tuple(margin_model(account.margin, account.venue) for account in book.accounts),
        states=tuple(_state(book, c, market, rows, mine, assets, prices) for c, mine in enumerate(members)),
        rows=tuple(members),
        stress=stress,
        unit_pnl=unit_pnl,
        revalue=revalue,
    )


def without_missing(
    margins: Margins, accounts: Sequence[str], quantity: np.ndarray, collateral: np.ndarray
) -> tuple[Margins, list[str]]:
    """Margins where accounts whose rule lacks a number for what they hold have none (:class:`Lacking`), and notes.

    ``quantity`` (M,) of all rows, ``collateral`` (C, A).
    """
    models, notes = list(margins.models), []
    for c, name in enumerate(accounts):
        try:
            margins.requirement(c, quantity, collateral[c])
        except MissingNumberError as error:
            models[c] = Lacking(margins.models[c].name, error)
            notes.append(f"margin and liquidation of account {name} are unknown: {error}")
        except InputError:
            continue  # refused where its margin is asked for
    return (replace(margins, models=tuple(models), _states={}, _encodings={}), notes) if notes else (margins, [])


def _state(
    book: Book, c: int, market: MarketArrays, rows: Rows, mine: np.ndarray, assets: tuple[str, ...], prices: np.ndarray
) -> State:
    items = [rows.instruments[row] for row in mine]
    place, columns = market.places([item.id for item in items]), market.columns
    settlement = tuple(i.settlement if has(i, "settlement") else i.assets[0] for i in items)
    return State(
        venue=book.accounts[c].venue,
        account=book.accounts[c].name,
        names=tuple(item.name for item in items),
        nature=tuple(item.nature for item in items),
        underlying=tuple(i.underlying if has(i, "underlying") else i.assets[0] for i in items),
        settlement=settlement,
        inverse=np.array([i.nature.inverse and i.inverse for i in items], bool),
        index=rows.index[mine],
        settlement_price=rows.settlement_price[mine],
        mark=rows.mark[mine],
        value=rows.value[mine],
        forward=columns["underlying_price"][place],
        strike=np.array([i.strike if has(i, "strike") else np.nan for i in items], float),
        years=np.array(
            [i.years_from(market.timestamp) if has(i, "years_from") else np.nan for i in items],
            float,
        ),
        vol=columns["mark_iv"][place],
        is_call=np.array([not has(i, "right") or i.right == "call" for i in items], bool),
        open_interest=columns["open_interest"][place],
        rate=columns["interest_rate"][place],
        average=columns["settlement_average"][place],
        funding=columns["funding_8h"][place],
        power=np.array([i.power if has(i, "power") else np.nan for i in items], float),
        assets=assets,
        prices=prices,
        **_lending(items, rows.quantity[mine]),
    )


def _lending(items: list[Any], quantity: np.ndarray) -> dict[str, np.ndarray]:
    """Loan-to-value, threshold and bonus of deposits; e-mode where every debt of the account is of its category."""
    debts = {item.emode_category for item, q in zip(items, quantity, strict=True) if item.nature.loan == "debt" and q != 0}
    found = np.zeros((3, len(items)))
    for at, item in enumerate(items):
        if item.nature.loan == "deposit" and item.collateral:
            rule = item.emode if item.emode is not None and debts <= {item.emode.category} else item
            found[:, at] = rule.ltv, rule.liquidation_threshold, rule.liquidation_bonus
    return {"ltv": found[0], "threshold": found[1], "bonus": found[2]}
