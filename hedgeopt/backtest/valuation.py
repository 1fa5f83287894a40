"""The book's exposures at one moment, without candidates: equity, Greeks, margin and the tail that is promised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from hedgeopt.book import Book
from hedgeopt.exposures import build_exposures
from hedgeopt.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import moved_by, tokens
from hedgeopt.models.pricing.family import GREEKS, greek
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.models.scenarios.set import ScenarioSet, unmoved

__all__ = ["Promise", "Valuation", "moved_assets", "value"]


@dataclass(frozen=True)
class Promise:
    """CVaR and value at risk of the loss over a horizon, USD, at confidence ``beta``."""

    cvar: float
    var: float
    beta: float


@dataclass(frozen=True)
class Valuation:
    """A book at one moment: ``initial`` and ``maintenance`` (C,) USD of margin per account."""

    exposures: Exposures
    initial: np.ndarray
    maintenance: np.ndarray

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


def moved_assets(book: Book, market: Market) -> list[str]:
    """What scenarios must move for a book: underlyings and pegged tokens, dollars apart."""
    found: dict[str, None] = {}
    for account in book.accounts:
        for posted in account.collateral:
            found.update(dict.fromkeys(moved_by(posted.asset)))
        for position in account.positions:
            item = position.instrument
            item = market.instrument(account.venue, item) if isinstance(item, str) else item
            for asset in item.assets:
                found[asset] = None
    return list(_moved(tuple(found)))


@lru_cache(maxsize=64)
def _moved(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(asset for asset in tokens(columns) if asset not in dollar_assets())


def value(book: Book, market: Market, scenarios: ScenarioSet | None = None) -> Valuation:
    """Price a book; without ``scenarios`` in one that moves nothing."""
    still = unmoved(tuple(moved_assets(book, market)))
    e = build_exposures(book, market, (), scenarios or still, still, trades=False)
    needs = [e.margins.requirement(c, e.rows.quantity, e.collateral[c]) for c in range(len(e.accounts))]
    return Valuation(e, np.array([need.initial for need in needs]), np.array([need.maintenance for need in needs]))
