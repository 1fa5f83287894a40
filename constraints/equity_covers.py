"""Shared by margin limits: an account's requirement against its equity after trades, transfers and their costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.effects import account_cost, account_size, candidates_of, equity_effect
from hedgeopt.models.margin.encoding import Encoding

__all__ = ["Cover", "DeltaCap", "SideForm", "Withdrawal"]


@dataclass(frozen=True)
class Cover:
    """``requirement + share * (cost - change of equity) <= share * equity - buffer``, summed over ``accounts``.

    ``stress`` is a stress index or None for now; the side's value and limit are in USD.
    """

    name: str
    accounts: tuple[int, ...]
    encoding: Callable[[Exposures, int], Encoding]
    stress: int | None
    share: float = 1.0
    buffer: float = 0.0
    unit: str = "USD"
    sign: int = 1

    def start(self, e: Exposures) -> float:
        """Equity before trading, USD."""
        total = sum(float(e.equity[c]) for c in self.accounts)
        if self.stress is not None:
            total += sum(float(e.stress_account_pnl[self.stress, c]) for c in self.accounts)
        return total

    def limit(self, e: Exposures) -> float:
        """The right-hand side."""
        return self.share * self.start(e) - self.buffer

    def effect(self, e: Exposures) -> np.ndarray:
        """(N,) change of equity per unit, before costs."""
        return np.asarray(sum(equity_effect(e, c, self.stress) for c in self.accounts))

    def costs(self, e: Exposures) -> tuple[np.ndarray, np.ndarray]:
        """(N,) USD per unit bought and sold."""
        pairs = [account_cost(e, c) for c in self.accounts]
        return np.asarray(sum(buy for buy, _ in pairs)), np.asarray(sum(sell for _, sell in pairs))

    def pays(self, e: Exposures) -> np.ndarray:
        """(N,) bool: candidates whose costs come out of the equity."""
        return np.isin(e.rows.account[e.candidate], self.accounts)

    def start_size(self, e: Exposures) -> float:
        """Sum of the magnitudes in equity before trading, USD."""
        total = sum(account_size(e, c) for c in self.accounts)
        if self.stress is not None:
            total += sum(abs(float(e.stress_account_pnl[self.stress, c])) for c in self.accounts)
        return self.share * total + self.buffer

    def touching(self, e: Exposures) -> np.ndarray:
        """Candidates that change requirement or equity."""
        return np.unique(np.concatenate([candidates_of(e, c) for c in self.accounts]))


@dataclass(frozen=True)
class Withdrawal(Cover):
    """Initial margin after transfers out; an account that is short already may stay as short, and no shorter."""

    def limit(self, e: Exposures) -> float:
        """Equity, or today's requirement where that is more."""
        held = {c: e.rows.quantity[e.margins.rows[c]] for c in self.accounts}
        need = sum(self.encoding(e, c).at(held[c])(held[c], e.collateral[c]) for c in self.accounts)
        return max(super().limit(e), need)


@dataclass(frozen=True)
class DeltaCap:
    """``|delta| <= limit`` in USD on the net delta of an account, up to which its delta shock is convex.

    An account that is beyond it already is not made to trade: it may not go further.
    """

    name: str
    account: int
    number: int
    stress: int | None
    unit: str = "USD"

    def row(self, e: Exposures) -> tuple[np.ndarray, float, float]:
        """(N,) coefficients, value without trades, and the limit."""
        cap = e.margins.encoding(self.account, "maintenance", self.stress).caps[self.number]
        rows = e.margins.rows[self.account]
        per_row = np.zeros(len(e.rows))
        per_row[rows] = cap.row[: len(rows)]
        start = float(per_row @ e.rows.quantity)
        return per_row[e.candidate], start, max(cap.limit, abs(start))


SideForm = Cover | DeltaCap
