"""Margin utilisation of a venue as a term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.deribit_standard import RowMargin, row_margin
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term, TradeVariables

__all__ = ["Margin", "account_requirement"]

_CHORDS = 24


def account_requirement(e: Exposures, account: int, quantity: np.ndarray, kind: str) -> float:
    """Margin required by one account in USD for positions ``quantity`` (M,)."""
    mine = np.flatnonzero(e.rows.account == account)
    return row_margin(e, mine, kind).requirement(quantity[mine])


class _BoundAccount:
    """Requirement over equity of one account.

    The part that grows with the square of a futures position enters as chords of the convex curve between fixed nodes:
    exact at the nodes, above the curve between them, so a limit that holds here holds exactly.
    """

    def __init__(self, trades: TradeVariables, e: Exposures, account: int, kind: str) -> None:
        import cvxpy as cp

        self.account, self.kind = account, kind
        self._mine, self._in_rows, self._candidates = self._locate(e)
        n = len(self._candidates)
        self._held_cost = cp.Parameter(nonneg=True)
        self.expression: cp.Expression = self._held_cost
        self._ramped = np.array([], int)
        if n == 0:
            return
        net = trades.net[self._candidates]
        margin = row_margin(e, self._mine, kind).at(self._in_rows)
        # weights stand inside the convex functions: a parameter times another would not be DPP. Without a position
        # max(-x, 0) is at most sell, so only held candidates and futures cost extra variables.
        self._flat_at = np.flatnonzero(margin.flat > 0)
        if len(self._flat_at):
            k = len(self._flat_at)
            self._flat, self._flat_held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            self.expression += cp.norm1(cp.multiply(self._flat, net[self._flat_at]) + self._flat_held)
        held = e.held[self._candidates]
        self._short_at, self._open_at = np.flatnonzero(held), np.flatnonzero(~held)
        if len(self._open_at):
            self._open = cp.Parameter(len(self._open_at), nonneg=True)
            self.expression += self._open @ trades.sell[self._candidates[self._open_at]]
        if len(self._short_at):
            k = len(self._short_at)
            self._short, self._short_held = cp.Parameter(k, nonneg=True), cp.Parameter(k)
            self.expression += cp.sum(cp.neg(cp.multiply(self._short, net[self._short_at]) + self._short_held))
        self._ramped = np.flatnonzero(row_margin(e, self._mine, kind).quadratic[self._in_rows] > 0)
        if len(self._ramped):
            shape = (len(self._ramped), _CHORDS)
            self._slopes, self._slopes_held = cp.Parameter(shape, nonneg=True), cp.Parameter(shape)
            self._offsets = cp.Parameter(shape, nonneg=True)
            sizes = net[self._ramped][:, None] @ np.ones((1, _CHORDS))
            lines = cp.abs(cp.multiply(self._slopes, sizes) + self._slopes_held) - self._offsets
            self.expression += cp.sum(cp.max(lines, axis=1))

    def _locate(self, e: Exposures) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the account, where its candidates stand among those rows, and which candidates they are."""
        mine = np.flatnonzero(e.rows.account == self.account)
        candidates = np.flatnonzero(np.isin(e.candidate, mine))
        return mine, np.searchsorted(mine, e.candidate[candidates]), candidates

    def _margin(self, e: Exposures) -> tuple[RowMargin, np.ndarray, float]:
        equity = float(e.equity[self.account])
        if equity <= 0:
            raise InputError(
                "margin utilisation has no meaning: equity is not positive",
                file="book",
                field=f"account {e.accounts[self.account]}",
                value=f"{equity:,.0f} USD",
                fix="post collateral",
            )
        return row_margin(e, self._mine, self.kind).scaled(1.0 / equity), e.rows.quantity[self._mine], equity

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        margin, held, _ = self._margin(e)
        at = self._in_rows
        rest = np.ones(len(held), bool)
        rest[at] = False
        self._held_cost.value = margin.at(rest).requirement(held[rest])
        if len(at) == 0:
            return
        s = scale[self._candidates]
        flat, short = margin.flat[at], margin.short[at]
        if len(self._flat_at):
            self._flat.value, self._flat_held.value = (flat * s)[self._flat_at], (flat * held[at])[self._flat_at]
        if len(self._open_at):
            self._open.value = (short * s)[self._open_at]
        if len(self._short_at):
            self._short.value, self._short_held.value = (short * s)[self._short_at], (short * held[at])[self._short_at]
        if len(self._ramped):
            # nodes from 0 to the largest position that the trade limits allow (|net| <= 1)
            largest = (np.abs(held[at]) / s + 1.0)[self._ramped]
            nodes = largest[:, None] * np.linspace(0.0, 1.0, _CHORDS + 1)
            k = (margin.quadratic[at] * s**2)[self._ramped][:, None]
            slopes = k * (nodes[:, 1:] + nodes[:, :-1])
            self._slopes.value, self._slopes_held.value = slopes, slopes * (held[at] / s)[self._ramped][:, None]
            self._offsets.value = k * nodes[:, 1:] * nodes[:, :-1]

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        margin, held, _ = self._margin(e)
        after = held.copy()
        after[self._in_rows] += x[self._candidates]
        return margin.requirement(after)

    def minorant(self, e: Exposures, x: np.ndarray) -> Separable:
        """Exact but for the square, which is taken at its tangent (on the side of today's solution)."""
        margin, held, _ = self._margin(e)
        n, at, chosen = e.n_candidates, self._in_rows, self._candidates
        h = held[at]
        z = h + x[chosen]
        tangent = margin.quadratic[at] * np.abs(z)  # k z^2 >= 2 k |z*| |z| - k z*^2
        absolute = margin.flat[at] + 2.0 * tangent
        slope, weights, kinks = np.zeros(n), np.zeros((2, n)), np.zeros((2, n))
        # a |z| = 2 a max(z, 0) - a z;  s max(-z, 0) = s max(z, 0) - s z
        slope[chosen] = -absolute - margin.short[at]
        weights[0, chosen] = 2.0 * absolute
        weights[1, chosen] = margin.short[at]
        kinks[:, chosen] = -h
        constant = float(((-absolute - margin.short[at]) * h).sum() - (tangent * np.abs(z)).sum())
        rest = np.ones(len(held), bool)
        rest[at] = False
        return Separable(slope, constant + margin.at(rest).requirement(held[rest]), weights, kinks)


class _BoundMargin:
    def __init__(self, trades: TradeVariables, e: Exposures, spec: Margin) -> None:
        import cvxpy as cp

        found = [i for i, venue in enumerate(e.venues) if venue == spec.venue and spec.account in (None, e.accounts[i])]
        if not found:
            raise InputError(
                "names a venue or account that the book does not hold",
                file="policy",
                field="margin",
                value=spec.account or spec.venue,
                fix=f"held: {', '.join(f'{v}/{a}' for v, a in zip(e.venues, e.accounts, strict=True))}",
            )
        self._accounts = [_BoundAccount(trades, e, i, spec.requirement) for i in found]
        parts = [account.expression for account in self._accounts]
        self.expression = parts[0] if len(parts) == 1 else cp.maximum(*parts)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        for account in self._accounts:
            account.update(e, scale)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        return max(account.evaluate(e, x) for account in self._accounts)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        worst = max(self._accounts, key=lambda account: account.evaluate(e, x))
        return worst.minorant(e, x)


class Margin(Term):
    """Margin required at a venue over equity there: 0.6 means that 60 % of equity is tied up.

    With several accounts at the venue the worst one counts, unless ``account`` names one. Rules: the account's margin
    model (standard margin for perpetuals, futures and short options).
    """

    unit: ClassVar[str] = "share of equity"
    source: ClassVar[str] = "Deribit standard margin, models/data/deribit.toml"

    kind: Literal["margin"] = "margin"
    venue: str = Field(min_length=1)
    account: str | None = Field(default=None, description="one account of the venue; none: the worst of them")
    requirement: Literal["initial", "maintenance"] = "initial"

    def __init__(self, venue: str | None = None, **data: object) -> None:
        super().__init__(**({} if venue is None else {"venue": venue}), **data)

    @property
    def name(self) -> str:
        """Such as ``margin deribit``."""
        what = "margin" if self.requirement == "initial" else "maintenance margin"
        return f"{what} {self.venue}" + (f" {self.account}" if self.account else "")

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundMargin:
        """Piecewise linear in positions."""
        return _BoundMargin(trades, e, self)
