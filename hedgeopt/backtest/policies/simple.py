"""Policies without an optimizer: nothing, a delta band, and the least-variance mix of perpetual and one option."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.policies.protocol import Observation, Order
from hedgeopt.backtest.valuation import moved_assets
from hedgeopt.errors import InputError
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.calls import strict_class
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

__all__ = ["DeltaBand", "DeltaVegaMinVariance", "DoNothing"]


class DoNothing:
    """Hold what there is."""

    name = "do nothing"

    def decide(self, state: Observation) -> Sequence[Order]:
        """No orders."""
        return ()


@strict_class
class DeltaBand:
    """Trade a perpetual when delta leaves ``[-band, band]``: back to zero, or with ``to_edge`` to the edge it left.

    ``band`` is in coins by asset (``*`` for any other); delta counts posted coins unless ``count_collateral`` is false.
    """

    def __init__(
        self, band: dict[str, float], *, to_edge: bool = False, count_collateral: bool = True, account: str | None = None
    ) -> None:
        if not band or min(band.values()) < 0:
            raise InputError("needs a band of zero or more coins by asset", field="policies.band", value=band)
        self.band, self.to_edge, self.count_collateral, self.account = band, to_edge, count_collateral, account
        self.name = "delta band"

    def decide(self, state: Observation) -> Sequence[Order]:
        """One order per asset outside its band, in the first perpetual that is quoted."""
        orders = []
        e = state.valuation.exposures
        for asset, greeks in state.valuation.greeks().items():
            band = self.band.get(asset, self.band.get("*"))
            perpetual = find_perpetual(state, asset, self.account)
            if band is None or perpetual is None:
                continue
            account, item, unit_delta = perpetual
            delta = greeks["delta"] - (0.0 if self.count_collateral else float(e.coin_delta[:, e.asset(asset)].sum()))
            if abs(delta) <= band:
                continue
            target = np.sign(delta) * band if self.to_edge else 0.0
            orders.append(Order(account, item.name, (target - delta) / unit_delta))
        return orders


@strict_class
class DeltaVegaMinVariance:
    """Least scenario variance with a perpetual and the option nearest the money at ``days``, per asset.

    With the book's P&L b and unit P&L P of the hedges over the scenarios, x = argmin Var(b + P x): ordinary least squares.
    It does not see spreads and therefore trades at every step unless the gain in standard deviation is below
    ``least_gain`` (a share of it).
    """

    def __init__(
        self, scenarios: Any = None, *, days: float = 30.0, least_gain: float = 0.05, account: str | None = None
    ) -> None:
        self.scenarios = ParametricScenarios(count=1000) if scenarios is None else scenarios
        self.days, self.least_gain, self.account = days, least_gain, account
        self.name = "delta-vega minimum variance"

    def decide(self, state: Observation) -> Sequence[Order]:
        """Orders in two instruments per asset."""
        chosen: list[tuple[str, Any]] = []
        holdings = resolve(state.book, state.market)
        assets = moved_assets(holdings)
        for asset in assets:
            perpetual = find_perpetual(state, asset, self.account)
            if perpetual is None:
                continue
            account, item, _ = perpetual
            chosen.append((account, item))
            option = self._option(state, asset, account)
            if option is not None:
                chosen.append((account, option))
        if not chosen:
            return ()
        accounts = {account for account, _ in chosen}
        book = state.book.model_copy(
            update={"accounts": tuple(a.model_copy(update={"tradable": a.name in accounts}) for a in state.book.accounts)}
        )
        with as_known(self.scenarios, state.market.timestamp, lambda: state.history) as known:
            sample = draw(known, assets, state.market)
        e = build_exposures(
            replace(holdings, book=book), list(dict.fromkeys(item for _, item in chosen)), sample, sample,
            mark_half_spread=state.mark_half_spread,
        )  # fmt: skip
        p = np.full(len(sample), 1.0 / len(sample)) if e.probabilities is None else e.probabilities
        root = np.sqrt(p)[:, None]
        unit = np.maximum(e.rows.notional[e.candidate], 1e-12)  # USD of underlying: columns of like size
        matrix = root * (e.pnl - p @ e.pnl) / unit
        target = root[:, 0] * (e.base_pnl - p @ e.base_pnl)
        x = -np.linalg.lstsq(matrix, target, rcond=1e-10)[0]
        before, after = np.linalg.norm(target), np.linalg.norm(target + matrix @ x)
        if before - after <= self.least_gain * before:
            return ()
        orders = []
        for n, row in enumerate(e.candidate):
            account, item = e.accounts[e.rows.account[row]], e.rows.instruments[row]
            quantity = float(x[n] / unit[n])
            if (account, item) in chosen and quantity and state.can_trade(account, item, quantity):
                orders.append(Order(account, item.name, quantity))
        return orders

    def _option(self, state: Observation, asset: str, account: str) -> Any | None:
        venue = next(a.venue for a in state.book.accounts if a.name == account)
        market = state.market
        every = [i for i in market.instruments.values() if i.nature.option and i.underlying == asset and i.venue == venue]
        buy, sell = state.tradable(account, every)
        items = [every[k] for k in np.flatnonzero(buy & sell)]
        if not items:
            return None
        ids = [i.id for i in items]
        forward = market.quoted("underlying_price", ids)
        far = np.array([abs(365.0 * i.years_from(market.timestamp) - self.days) for i in items])
        near = np.abs(np.log(np.array([i.strike for i in items]) / forward))
        out = np.array([(i.right == "call") == (i.strike >= f) for i, f in zip(items, forward, strict=True)])
        return items[int(np.lexsort((~out, near, far))[0])]


def find_perpetual(state: Observation, asset: str, account: str | None) -> tuple[str, Any, float] | None:
    """The first account with a tradable perpetual on an asset, the perpetual, and its delta per unit in coins."""
    for where in state.book.accounts:
        if account not in (None, where.name) or where.paused or not where.tradable:
            continue
        for item in state.market.instruments.values():
            if item.nature.perpetual and item.underlying == asset and item.venue == where.venue:
                if not (state.can_trade(where.name, item, 1.0) and state.can_trade(where.name, item, -1.0)):
                    continue
                mark = float(state.market.quoted("mark_price", [item.id])[0])
                return where.name, item, 1.0 / mark if item.inverse else mark / state.market.price(asset)
    return None
