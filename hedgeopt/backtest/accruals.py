"""Accruals of holdings between two snapshots: futures P&L, funding, interest, pool fees."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from hedgeopt.backtest.portfolio import Holding, Portfolio
from hedgeopt.backtest.quotes import unit_premium
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of

__all__ = ["accrue", "mark_futures", "variation"]

_DAY = 86_400.0


def variation(holding: Holding, price: float, settlement_price: float) -> float:
    """Settlement units gained since the last mark, as its family counts them."""
    item = holding.instrument
    return holding.quantity * family_of(item).variation(item, holding.mark, price, settlement_price)


def mark_futures(portfolio: Portfolio, market: Market) -> None:
    """Settle the P&L of perpetuals and futures since their last mark into cash."""
    for (account, _), holding in list(portfolio.holdings.items()):
        item = holding.instrument
        if not item.nature.margined:
            continue
        mark = float(market.quoted("mark_price", [item.id])[0])
        dollars = market.price(item.settlement)
        gain = variation(holding, mark, dollars)
        portfolio.cash(market.timestamp, account, item.settlement, dollars, gain, "trading", f"variation {item.name}")
        portfolio.remark(account, item, mark=mark)


def accrue(portfolio: Portfolio, before: Market, now: Market) -> None:
    """Funding and income from ``before`` to ``now``, at the rates known at ``before``.

    Funding: longs pay ``rate * hours / 8`` of the notional (USD of an inverse perpetual at the index then, coins at the
    index of a linear one, the mark of a curved contract); deposits grow linearly, loans compound every second, liquidity
    earns its fee rate while it stood in range at ``before``. Nothing accrues where no rate was given.
    """
    seconds = (now.timestamp - before.timestamp).total_seconds()
    for (account, _), holding in list(portfolio.holdings.items()):
        accrual = holding.instrument.nature.accrues
        if accrual == "funding":
            _funding(portfolio, account, holding, before, now, seconds)
        elif accrual in ("deposit interest", "loan interest"):
            _interest(portfolio, account, holding, now, seconds)
        elif accrual == "carry":
            _income(portfolio, account, holding, before, now, seconds)
        elif accrual != "nothing":
            assert_never(accrual)


def _funding(portfolio: Portfolio, account: str, holding: Holding, before: Market, now: Market, seconds: float) -> None:
    item = holding.instrument
    rate = float(before.quoted("funding_8h", [item.id])[0])
    if np.isfinite(rate) and rate != 0.0:
        paid = holding.quantity * rate * seconds / (8.0 * 3_600.0) * family_of(item).funded(item, before)
        dollars = now.price(item.settlement)
        portfolio.cash(now.timestamp, account, item.settlement, dollars, -paid, "funding", f"funding {item.name}")


def _interest(portfolio: Portfolio, account: str, holding: Holding, now: Market, seconds: float) -> None:
    item, q = holding.instrument, holding.quantity
    grown = family_of(item).grown(item, seconds)
    earned = q * (unit_premium(grown, now) - unit_premium(item, now))
    dollars = now.price(item.asset)
    postings = [("positions", earned), ("interest", -earned)]
    portfolio.ledger.book(now.timestamp, account, item.asset, dollars, postings, f"interest {item.name}")
    portfolio.remark(account, item, instrument=grown, cost=holding.cost + earned)
    reward = q * item.growth * item.reward_rate * seconds / (365.0 * _DAY)
    portfolio.cash(now.timestamp, account, item.asset, dollars, reward, "interest", f"rewards {item.name}")


def _income(portfolio: Portfolio, account: str, holding: Holding, before: Market, now: Market, seconds: float) -> None:
    item = holding.instrument
    assets = tuple(dict.fromkeys((*item.assets, item.settlement)))
    carry = float(family_of(item).unit_risk([item], before, assets).carry[0])
    earned = holding.quantity * carry * seconds / _DAY
    if np.isfinite(earned) and earned != 0.0:
        dollars = now.price(item.settlement)
        portfolio.cash(now.timestamp, account, item.settlement, dollars, earned / dollars, "interest", f"income {item.name}")
