"""Turns orders into fills; refuses an order without a quote, permission or margin, and records each refusal as an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from hedgeopt.backtest.policies.protocol import Order, TransferOrder
from hedgeopt.backtest.portfolio import Fill, Portfolio
from hedgeopt.backtest.quotes import NoQuote
from hedgeopt.backtest.size_costs import FillRules, filled
from hedgeopt.backtest.valuation import Valuation
from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.rules import margin_model

__all__ = ["execute", "part_of", "send"]

_DUST = 1.0
"""USD: a solver's rounding of a purchase that takes all there is."""


def execute(
    portfolio: Portfolio,
    market: Market,
    orders: Iterable[Order],
    before: Valuation,
    worth: Callable[[], Valuation],
    half_spread: float | None,
    reason: str = "hedge",
    rules: FillRules | None = None,
) -> tuple[list[Fill], list[dict[str, Any]], Valuation]:
    """Fill orders at the quotes; fills, events, and the book's value after them.

    An account whose initial margin would rise above its equity gets none of its orders done, as a venue would refuse them;
    nor does one that is lent nothing and could not pay for them.
    """
    fills: list[Fill] = []
    events: list[dict[str, Any]] = []
    valuation = before
    by_account: dict[str, list[Order]] = {}
    for order in orders:
        by_account.setdefault(order.account, []).append(order)
    for name, mine in by_account.items():
        if name not in portfolio.accounts:
            raise InputError("orders in an account that the book does not hold", field="policy", value=name)
        account = portfolio.accounts[name]
        if account.venue in portfolio.paused or account.paused or not account.tradable:
            events.append({"kind": "order_refused", "account": name, "reason": "nothing trades in this account now"})
            continue
        mark, cash = portfolio.checkpoint(), _cash(portfolio, market, name)
        done: list[Fill] = []
        for order in mine:
            try:
                options: dict[str, Any] = {"half_spread": half_spread, "maker": order.maker}
                quantity, why = part_of(portfolio, market, name, order, rules or FillRules())
                if why:
                    told = {"asked": order.quantity, "filled": quantity, "reason": why}
                    events.append({"kind": "partly_filled", "account": name, "instrument": order.instrument, **told})
                if quantity:
                    done.append(portfolio.trade(market, name, order.instrument, quantity, reason, **options))
            except NoQuote as error:
                events.append(
                    {"kind": "missing_quote", "account": name, "instrument": order.instrument, "message": str(error)}
                )
        if not done:
            continue
        short = {
            asset: usd
            for asset, usd in _cash(portfolio, market, name).items()
            if usd < min(cash.get(asset, 0.0), 0.0) - _DUST
        }
        if short:
            portfolio.rollback(mark)
            asset, usd = next(iter(short.items()))
            events.append(
                {"kind": "order_refused", "account": name, "reason": f"{-usd:,.2f} USD of {asset} short to pay with"}
            )
            continue
        after = worth()
        c, old = after.exposures.accounts.index(name), valuation.exposures.accounts.index(name)
        if after.initial[c] > max(after.exposures.equity[c], 0.0) and after.initial[c] > valuation.initial[old]:
            portfolio.rollback(mark)
            events.append(
                {
                    "kind": "order_refused",
                    "account": name,
                    "reason": "initial margin",
                    "initial_margin": float(after.initial[c]),
                    "equity": float(after.exposures.equity[c]),
                }
            )
            continue
        fills += done
        valuation = after
    return fills, events, valuation


def part_of(portfolio: Portfolio, market: Market, account: str, order: Order, rules: FillRules) -> tuple[float, str]:
    """What of an order fills, and why the rest does not."""
    key = f"{portfolio.accounts[account].venue}:{order.instrument}"
    held = portfolio.holdings.get((account, key))
    item = market.instruments.get(key) if held is None else held.instrument
    if item is None:  # named where it is traded
        return order.quantity, ""
    return filled(item, market, order.quantity, 0.0 if held is None else held.quantity, rules)


def _cash(portfolio: Portfolio, market: Market, account: str) -> dict[str, float]:
    """USD of cash by asset that an account is not lent; all dollar assets as one where it is lent nothing."""
    where = portfolio.accounts[account]
    model = margin_model(where.margin, where.venue)
    found: dict[str, float] = {}
    for asset in portfolio.ledger.currencies(account):
        if model.lent(asset):
            continue
        name = "dollars" if asset in dollar_assets() and not model.lends else asset
        found[name] = found.get(name, 0.0) + portfolio.ledger.balance(account, asset) * market.price(asset)
    return found


def send(portfolio: Portfolio, market: Market, transfers: Iterable[TransferOrder]) -> list[dict[str, Any]]:
    """Start transfers along the book's links; nothing leaves a paused venue or exceeds what is posted."""
    events: list[dict[str, Any]] = []
    for move in transfers:
        link = next(
            (x for x in portfolio.links if (x.source, x.target, x.asset) == (move.source, move.target, move.asset)), None
        )
        if link is None:
            raise InputError("no link leads there", field="transfer", value=f"{move.source} to {move.target} {move.asset}")
        if {portfolio.accounts[name].venue for name in (move.source, move.target)} & portfolio.paused:
            events.append({"kind": "order_refused", "account": move.source, "reason": "withdrawals are frozen"})
            continue
        amount = min(move.amount, max(portfolio.ledger.balance(move.source, move.asset), 0.0))
        if amount <= 0:
            events.append({"kind": "order_refused", "account": move.source, "reason": f"holds no {move.asset}"})
            continue
        cost = min(amount * link.cost_rate + link.fixed_cost / market.price(move.asset), amount)
        arrives = market.timestamp + timedelta(hours=link.delay_hours)
        portfolio.transfer(market, move.source, move.target, move.asset, amount, cost, arrives)
    return events
