"""Policies of the literature to compare with: a band by cost and gamma, the least-variance delta, a static tail hedge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.backtest.books.source import nearest_option
from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.policies.protocol import Decision, Observation, Order
from hedgeopt.backtest.policies.simple import DeltaBand, find_perpetual
from hedgeopt.backtest.valuation import moved_assets
from hedgeopt.errors import InputError
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.calls import strict_class
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

__all__ = ["MeanVarianceDelta", "TailHedge", "WhalleyWilmott"]


def _positive(**numbers: float) -> None:
    for field, value in numbers.items():
        if not value > 0.0:
            raise InputError("must be above 0", field=f"policies.{field}", value=value)


@strict_class
class WhalleyWilmott:
    """Trade the perpetual to the edge of a band whose width follows cost and gamma.

    Delta within ``H = (3 k S G^2 / (2 risk_aversion))^(1/3)`` coins of zero is left alone, with the cost rate k, the price S
    and the book's gamma G (coins squared per USD): the asymptotic solution for exponential utility with small proportional
    costs (Whalley and Wilmott, An asymptotic analysis of an optimal hedging model for option pricing with transaction costs,
    Mathematical Finance 7(3), 1997). ``risk_aversion`` is per USD; delta counts posted coins.
    """

    def __init__(self, risk_aversion: float = 1e-5, *, cost_rate: float = 6e-4, account: str | None = None) -> None:
        _positive(risk_aversion=risk_aversion, cost_rate=cost_rate)
        self.risk_aversion, self.cost_rate, self.account = risk_aversion, cost_rate, account
        self.name = "Whalley–Wilmott band"

    def band(self, price: float, gamma: float) -> float:
        """Coins on either side of zero."""
        return float((1.5 * self.cost_rate * price * gamma**2 / self.risk_aversion) ** (1.0 / 3.0))

    def decide(self, state: Observation) -> Sequence[Order]:
        """One order per asset outside its band."""
        orders: list[Order] = []
        for asset, greeks in state.valuation.greeks().items():
            if asset in state.market.prices:
                width = self.band(state.market.price(asset), greeks["gamma"])
                orders += DeltaBand({asset: width}, to_edge=True, account=self.account).decide(state)
        return orders


@strict_class
class MeanVarianceDelta:
    """The perpetual position that minimises ``cost + risk_aversion / 2 * variance`` of the next step, asset by asset.

    With the book's P&L b and the perpetual's p (per USD) over the scenarios, ``c = Cov(b, p)``, ``v = Var(p)`` and cost rate
    k: ``x = -sign(c) max(abs(c) - k / risk_aversion, 0) / v`` USD. Without costs it is the minimum-variance delta of Hull
    and White (Optimal delta hedging for options, J. of Banking and Finance 82, 2017), which counts that vol answers spot.
    """

    def __init__(
        self,
        scenarios: Any = None,
        *,
        risk_aversion: float = 1e-5,
        cost_rate: float = 6e-4,
        account: str | None = None,
    ) -> None:
        _positive(risk_aversion=risk_aversion, cost_rate=cost_rate)
        self.scenarios = ParametricScenarios(count=1000) if scenarios is None else scenarios
        self.risk_aversion, self.cost_rate, self.account = risk_aversion, cost_rate, account
        self.name = "mean-variance delta"

    def decide(self, state: Observation) -> Sequence[Order]:
        """One order per asset whose covariance pays for a trade."""
        holdings = resolve(state.book, state.market)
        assets = moved_assets(holdings)
        found = [(asset, find_perpetual(state, asset, self.account)) for asset in assets]
        chosen = {asset: one for asset, one in found if one is not None}
        if not chosen:
            return ()
        names = {account for account, _, _ in chosen.values()}
        accounts = tuple(a.model_copy(update={"tradable": a.name in names}) for a in state.book.accounts)
        holdings = replace(holdings, book=state.book.model_copy(update={"accounts": accounts}))
        with as_known(self.scenarios, state.market.timestamp, lambda: state.history) as known:
            sample = draw(known, assets, state.market)
        items = list(dict.fromkeys(item for _, item, _ in chosen.values()))
        e = build_exposures(holdings, items, sample, sample, mark_half_spread=state.mark_half_spread)
        p = np.full(len(sample), 1.0 / len(sample)) if e.probabilities is None else e.probabilities
        book, orders = e.base_pnl - p @ e.base_pnl, []
        for account, item, _ in chosen.values():
            n = next(
                n for n, row in enumerate(e.candidate)
                if e.rows.instruments[row] == item and e.accounts[e.rows.account[row]] == account
            )  # fmt: skip
            notional = float(e.rows.notional[e.candidate[n]])
            unit = (e.pnl[:, n] - p @ e.pnl[:, n]) / notional
            covariance, variance = float(p @ (book * unit)), float(p @ unit**2)
            dollars = -np.sign(covariance) * max(abs(covariance) - self.cost_rate / self.risk_aversion, 0.0) / variance
            if dollars:
                orders.append(Order(account, item.name, float(dollars / notional)))
                book = book + dollars * unit
        return orders


@strict_class
class TailHedge:
    """Options bought far from the money and held, with a delta band beside them.

    ``quantity`` contracts of every right of ``rights`` and asset, nearest to ``days`` and ``delta``, are bought at the ask
    at the first step, and again when fewer than that are held with ``roll_days`` left; none is sold.
    """

    def __init__(
        self,
        quantity: Mapping[str, float],
        *,
        rights: Sequence[str] = ("call", "put"),
        days: float = 60.0,
        delta: float = 0.1,
        roll_days: float = 14.0,
        band: dict[str, float] | None = None,
        account: str = "main",
    ) -> None:
        _positive(days=days, delta=delta, **{f"quantity.{asset}": n for asset, n in quantity.items()})
        if not set(rights) <= {"call", "put"}:
            raise InputError(
                "holds what is no right", field="policies.rights", value=list(rights), fix="give call, put or both"
            )
        if roll_days >= days:
            raise InputError("must be less than days", field="policies.roll_days", value=roll_days)
        self.quantity, self.rights, self.account = dict(quantity), tuple(rights), account
        self.days, self.delta, self.roll_days = days, delta, roll_days
        self.delta_band = DeltaBand(band or {"*": 1.0}, account=account)
        self.name = "static tail hedge"

    def decide(self, state: Observation) -> Decision:
        """Purchases that are due, and the delta of the book as it stands."""
        orders, events = list(self.delta_band.decide(state)), []
        account = next((a for a in state.book.accounts if a.name == self.account), None)
        if account is None:
            raise InputError("names no account of the book", field="policies.account", value=self.account)
        for asset, contracts in self.quantity.items():
            state.market.price(asset)  # an asset that nobody prices is refused
            for right in self.rights:
                if self._held(state, account, asset, right) >= contracts * (1.0 - 1e-9):
                    continue
                try:
                    item = nearest_option(state.market, asset, account.venue, right, self.days, self.delta)
                except InputError as error:
                    events.append({"kind": "note", "message": f"no {right} on {asset} to buy: {error.problem}"})
                    continue
                orders.append(Order(self.account, item.name, contracts))
        return Decision(tuple(orders), events=events)

    def _held(self, state: Observation, account: Any, asset: str, right: str) -> float:
        """Contracts bought of a right on an asset that have at least ``roll_days`` left."""
        total = 0.0
        for position in account.positions:
            item = state.market.instruments.get(f"{account.venue}:{position.instrument}")
            if item is None or not item.nature.option or (item.underlying, item.right) != (asset, right):
                continue
            if position.quantity > 0 and 365.0 * item.years_from(state.market.timestamp) >= self.roll_days:
                total += position.quantity
        return total
