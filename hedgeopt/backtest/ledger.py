"""Double entry per account and currency.

Assets are the sides ``cash`` (coins and dollars posted), ``positions`` (what options, deposits, loans and liquidity cost, at
average cost in their settlement asset) and ``transfers`` (under way between accounts); they grow with positive amounts.
Every other side is a counterpart, so the postings of an entry add up to zero in each currency.

With prices P now and p at booking, the book's equity is

    equity = deposits + realised + unrealised - costs,
    realised   = what trading, settlement, funding and interest booked, each at its p,
    unrealised = market value of positions less their cost at P, plus all assets (at cost) at P less the same at their p,
    costs      = spread, fees and penalties at their p, less what an insurance fund made good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from hedgeopt.backtest.result import LEDGER_COLUMNS
from hedgeopt.errors import InputError

__all__ = ["ASSET_SIDES", "COST_SIDES", "REALISED_SIDES", "SIDES", "Identity", "Ledger"]

ASSET_SIDES = ("cash", "positions", "transfers")
REALISED_SIDES = ("trading", "settlement", "funding", "interest")
COST_SIDES = ("spread", "fees", "penalties", "insurance")
SIDES = (*ASSET_SIDES, "deposits", *REALISED_SIDES, *COST_SIDES)

Posting = tuple[str, float]


@dataclass(frozen=True)
class Identity:
    """The parts of equity, USD; ``equity = deposits + realised + unrealised - costs``."""

    deposits: float
    realised: float
    unrealised: float
    costs: float

    @property
    def equity(self) -> float:
        """What the parts add up to."""
        return self.deposits + self.realised + self.unrealised - self.costs


class Ledger:
    """Entries in order, and the balances they add up to."""

    def __init__(self) -> None:
        self._rows: list[tuple[datetime, int, str, str, str, float, float, str]] = []
        self._entries = 0
        self._balance: dict[tuple[str, str, str], float] = defaultdict(float)
        self._dollars: dict[str, float] = defaultdict(float)

    def book(
        self, moment: datetime, account: str, currency: str, price: float, postings: Iterable[Posting], memo: str
    ) -> None:
        """One entry in one currency: (side, amount) pairs that add up to zero.

        Parameters
        ----------
        price
            USD per unit of the currency at ``moment``.

        Raises
        ------
        InputError
            When the postings do not balance, name an unknown side, or hold a number that is not finite.
        """
        kept = [posting for posting in postings if posting[1] != 0.0]
        total = size = 0.0
        for side, amount in kept:
            if side not in SIDES:
                raise InputError("unknown side", file="ledger", field=memo, value=side, fix=f"known: {', '.join(SIDES)}")
            total += amount
            size += abs(amount)
        if not (abs(total) <= 1e-9 * max(size, 1.0) and price > 0):
            raise InputError(
                "an entry does not balance", file="ledger", field=memo, value=f"{total:g} {currency} at {price:g}"
            )
        if not kept:
            return
        self._entries += 1
        for side, amount in kept:
            self._rows.append((moment, self._entries, account, currency, side, amount, price, memo))
            self._balance[account, currency, side] += amount
            self._dollars[side] += amount * price

    def balance(self, account: str, currency: str, side: str = "cash") -> float:
        """Units of a currency on one side of an account."""
        return self._balance.get((account, currency, side), 0.0)

    def currencies(self, account: str) -> tuple[str, ...]:
        """Currencies in which the account has ever had cash, in order of first use."""
        return tuple(c for a, c, side in self._balance if a == account and side == "cash")

    def assets(self) -> tuple[str, ...]:
        """Every currency that was ever booked, in order of first use."""
        return tuple(dict.fromkeys(currency for _, currency, _ in self._balance))

    def dollars(self, side: str) -> float:
        """USD booked on a side, each posting at the price of its moment."""
        return self._dollars.get(side, 0.0)

    def identity(self, prices: dict[str, float], position_value: float) -> Identity:
        """The parts of equity at USD ``prices`` by currency, with ``position_value`` USD of positions at market."""
        at_cost = sum(v * prices[c] for (_, c, side), v in self._balance.items() if side == "positions")
        assets = sum(v * prices[c] for (_, c, side), v in self._balance.items() if side in ASSET_SIDES)
        booked = sum(self._dollars[side] for side in ASSET_SIDES)
        return Identity(
            deposits=-self.dollars("deposits"),
            realised=-sum(self.dollars(side) for side in REALISED_SIDES),
            unrealised=position_value - at_cost + (assets - booked),
            costs=sum(self.dollars(side) for side in COST_SIDES),
        )

    def checkpoint(self) -> tuple[int, int, dict[tuple[str, str, str], float], dict[str, float]]:
        """What :meth:`rollback` needs to forget everything booked after now."""
        return len(self._rows), self._entries, dict(self._balance), dict(self._dollars)

    def rollback(self, mark: tuple[int, int, dict[tuple[str, str, str], float], dict[str, float]]) -> None:
        """Forget everything booked since ``mark``."""
        rows, self._entries, balance, dollars = mark
        del self._rows[rows:]
        self._balance, self._dollars = defaultdict(float, balance), defaultdict(float, dollars)

    def frame(self) -> pd.DataFrame:
        """Every posting; see :data:`~hedgeopt.backtest.result.LEDGER_COLUMNS`."""
        return pd.DataFrame(self._rows, columns=list(LEDGER_COLUMNS))
