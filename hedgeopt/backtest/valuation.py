"""The book's exposures at one moment, without candidates: equity, Greeks, margin and the promised tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np

from hedgeopt.errors import MissingNumberError
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.resolve import Holdings, resolve
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.unknown import requirement_unknown
from hedgeopt.models.pegs import tokens
from hedgeopt.models.pricing.family import GREEKS, greek
from hedgeopt.models.pricing.spot import price_slopes
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.models.scenarios.set import ScenarioSet, unmoved

__all__ = ["Promise", "Valuation", "moved_assets", "value", "value_in"]


@dataclass(frozen=True)
class Promise:
    """CVaR and value at risk of the loss over a horizon, USD, at confidence ``beta``."""

    cvar: float
    var: float
    beta: float


@dataclass(frozen=True)
class Valuation:
    """A book at one moment: ``initial`` and ``maintenance`` (C,) USD of margin per account, NaN where it is unknown.

    ``lacking`` says of accounts (by number) which number their rule lacks.
    """

    exposures: Exposures
    initial: np.ndarray
    maintenance: np.ndarray
    lacking: Mapping[int, MissingNumberError] = field(default_factory=dict)

    @property
    def equity(self) -> float:
        """USD, all accounts; what is under way between them apart."""
        return float(self.exposures.equity.sum())

    @property
    def position_value(self) -> float:
        """USD of everything that is not cash."""
        rows = self.exposures.rows
        return float(rows.quantity @ rows.value)

    def greeks(self) -> dict[str, dict[str, float]]:
        """By asset and Greek; delta counts posted coins."""
        return self._greeks

    @cached_property
    def _greeks(self) -> dict[str, dict[str, float]]:
        e = self.exposures
        held = np.tensordot(e.rows.quantity, e.rows.greeks, axes=(0, 1))
        held[greek("delta")] += e.coin_delta.sum(axis=0)
        return {asset: dict(zip(GREEKS, held[:, a].tolist(), strict=True)) for a, asset in enumerate(e.assets)}

    def promise(self, beta: float) -> Promise:
        """From the scenarios the book was valued in."""
        losses, p = -self.exposures.base_pnl, self.exposures.probabilities
        return Promise(tail_loss(losses, beta, p), value_at_risk(losses, beta, p), beta)


def moved_assets(holdings: Holdings) -> list[str]:
    """What scenarios must move for a book: underlyings and pegged tokens, dollars apart."""
    return list(_moved(holdings.assets))


@lru_cache(maxsize=64)
def _moved(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(asset for asset in tokens(columns) if asset not in dollar_assets())


def value(book: Book, market: Market, scenarios: ScenarioSet | None = None, *, before: Valuation | None = None) -> Valuation:
    """Price a book; without ``scenarios`` in one that moves nothing.

    ``before`` is a valuation at the same market: where the book still holds the same instruments and no scenarios are given,
    only quantities and cash are new.
    """
    e = None if before is None or scenarios is not None else _again(before.exposures, book)
    return value_in(resolve(book, market), scenarios) if e is None else _with_margin(e)


def value_in(holdings: Holdings, scenarios: ScenarioSet | None = None) -> Valuation:
    """The same of a book that is resolved already."""
    still = unmoved(tuple(moved_assets(holdings)))
    return _with_margin(build_exposures(holdings, (), scenarios or still, still, trades=False))


def _with_margin(e: Exposures) -> Valuation:
    initial, maintenance = np.full((2, len(e.accounts)), np.nan)
    unknown: dict[int, MissingNumberError] = {}
    for c in range(len(e.accounts)):
        try:
            need = e.margins.requirement(c, e.rows.quantity, e.collateral[c])
        except MissingNumberError as error:
            unknown[c] = error
            continue
        if not requirement_unknown(e, c, e.rows.quantity):
            initial[c], maintenance[c] = need.initial, need.maintenance
    return Valuation(e, initial, maintenance, unknown)


def _again(e: Exposures, book: Book) -> Exposures | None:
    """The exposures with the book's quantities and cash; None unless it holds the same quoted instruments in their order."""
    rows = e.rows
    quantity: list[float] = []
    if len(e.base_pnl) != 1 or e.n_candidates or e.accounts != tuple(account.name for account in book.accounts):
        return None
    accounts = rows.account.tolist()
    collateral, slopes = np.zeros_like(e.collateral), np.zeros_like(e.collateral)
    column = {asset: a for a, asset in enumerate(e.assets)}
    for c, account in enumerate(book.accounts):
        for position in account.positions:
            k, name = len(quantity), position.instrument
            if not isinstance(name, str) or k == len(rows) or accounts[k] != c or rows.instruments[k].name != name:
                return None
            quantity.append(position.quantity)
        for posted in account.collateral:
            if posted.asset not in column:
                return None
            collateral[c, column[posted.asset]] += posted.amount
            for asset, slope in price_slopes(posted.asset, e.market).items():
                slopes[c, column[asset]] += posted.amount * slope
    if len(quantity) != len(rows):
        return None
    held = np.array(quantity, float)
    equity = collateral @ e.prices
    np.add.at(equity, rows.account, held * rows.value)
    return replace(e, equity=equity, collateral=collateral, collateral_delta=slopes, rows=replace(rows, quantity=held))
