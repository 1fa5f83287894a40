"""Liquidation by the venue when an account's equity falls below maintenance; rules in ``backtest/venue_rules/rules.toml``.

Derivatives: while equity is short, the position whose partial close leaves the smallest shortage is closed by a share, at
the quote or, where nobody quotes, at a worsened mark; a penalty of its notional is paid. Lending: liquidation calls of
:func:`hedgeopt.models.margin.aave_v3.liquidate`. What then remains below zero the venue's insurance fund makes good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hedgeopt.backtest.portfolio import Fill, Portfolio
from hedgeopt.backtest.valuation import Valuation
from hedgeopt.backtest.venue_rules import rules
from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.margin.aave_v3 import liquidate as liquidation_call

__all__ = ["breached", "liquidate_account"]

_ROUNDS = 200
_SMALLEST = 1_000.0
"""USD of notional below which a position is closed whole."""


def breached(portfolio: Portfolio, valuation: Valuation) -> list[str]:
    """Accounts whose equity is below maintenance margin, at venues that are not paused."""
    e = valuation.exposures
    return [
        name
        for c, name in enumerate(e.accounts)
        if e.venues[c] not in portfolio.paused
        and e.equity[c] < valuation.maintenance[c] - 1e-9 * max(1.0, abs(valuation.maintenance[c]))
        and valuation.maintenance[c] != 0.0
    ]


def liquidate_account(
    portfolio: Portfolio, account: str, market: Market, worth: Callable[[], Valuation], half_spread: float | None
) -> tuple[list[Fill], list[dict[str, Any]]]:
    """Liquidate one account until it covers its maintenance margin or holds nothing; fills, and one event.

    ``worth`` values the portfolio as it stands.
    """
    valuation = worth()
    c = valuation.exposures.accounts.index(account)
    venue = portfolio.accounts[account].venue
    event = {
        "timestamp": market.timestamp,
        "kind": "liquidation",
        "account": account,
        "venue": venue,
        "equity": float(valuation.exposures.equity[c]),
        "maintenance_margin": float(valuation.maintenance[c]),
    }
    fills: list[Fill] = []
    rule = _rule(account, venue, valuation, c)
    for _ in range(_ROUNDS):
        e = valuation.exposures
        equity, need = float(e.equity[c]), float(valuation.maintenance[c])
        if need == 0.0 or equity >= rule["target"] * need:
            break
        if any(e.rows.instruments[i].nature.loan == "debt" for i in _mine(e, c)):
            done = _lending(portfolio, account, c, market, valuation)
            if done is None:
                break
            fills.append(done)
            event["lending"] = True
        elif equity < rule.get("backstop", -np.inf) * need:
            fills += _take_over(portfolio, account, market)
            event["backstop"] = True
        else:
            row, part = _choice(portfolio, valuation, c, rule, market)
            if row < 0:
                break
            fills.append(
                _close(portfolio, account, e.rows.instruments[row], part * e.rows.quantity[row], rule, market, half_spread)
            )
        valuation = worth()
    else:
        raise InputError("liquidation does not end", file="rules.toml", field=f"liquidation.{venue}", fix="raise part")
    e = valuation.exposures
    if e.equity[c] < 0 and not _mine(e, c):
        event["made_good"] = -float(e.equity[c])
        _make_good(portfolio, account, market)
        valuation = worth()
        e = valuation.exposures
    event |= {"fills": len(fills), "equity_after": float(e.equity[c]), "maintenance_after": float(valuation.maintenance[c])}
    return fills, [event]


def _rule(account: str, venue: str, valuation: Valuation, c: int) -> dict[str, Any]:
    """What the venue does: by its account's margin table, else by rules.toml; lending accounts need none of it.

    Raises
    ------
    InputError
        Where nobody has written down what the venue does to a derivative.
    """
    e = valuation.exposures
    own = e.margins.models[c].liquidation_rule
    found = own if own is not None else rules("liquidation").get(venue)
    if found is not None:
        return dict(found)
    if any(e.rows.instruments[i].nature.derivative for i in _mine(e, c)):
        raise InputError(
            f"account {account} falls below its maintenance margin, and no liquidation rule of {venue} is known",
            file="hedgeopt/backtest/venue_rules/rules.toml",
            field=f"liquidation.{venue}",
            fix="add [liquidation] to the account's margin table (hedgeopt.models.margin.generic), or post more collateral",
        )
    return {"target": 1.0}


def _mine(e: Any, c: int) -> list[int]:
    """Positions that may be closed or seized: derivatives, deposits and loans."""
    held = np.flatnonzero((e.rows.account == c) & (e.rows.quantity != 0.0)).tolist()
    natures = {i: e.rows.instruments[i].nature for i in held}
    return [i for i in held if natures[i].derivative or natures[i].loan != "none"]


def _penalty(rule: dict[str, Any], item: Any) -> float:
    table = rule.get(f"penalty_{item.nature.fee}")
    if table is None or not {item.underlying, "default"} & set(table):
        raise InputError(
            f"no liquidation penalty of {item.name} ({item.kind})",
            file="hedgeopt/backtest/venue_rules/rules.toml",
            field=f"liquidation.{item.venue}.penalty_{item.nature.fee}",
            fix="add it; default = 0.0 where the venue takes none",
        )
    return float(table.get(item.underlying, table.get("default", 0.0)))


def _choice(portfolio: Portfolio, valuation: Valuation, c: int, rule: dict[str, Any], market: Market) -> tuple[int, float]:
    """Row to close and by which share: the one that leaves the smallest shortage; -1 when nothing can be closed."""
    e = valuation.exposures
    best, chosen = np.inf, (-1, 0.0)
    for row in _mine(e, c):
        item = e.rows.instruments[row]
        if not item.nature.derivative:
            continue
        q, notional = e.rows.quantity[row], e.rows.notional[row]
        small = abs(q) * notional < max(_SMALLEST, rule.get("whole_below", 0.0))
        part = 1.0 if small else float(rule["part"])
        after = e.rows.quantity.copy()
        after[row] -= part * q
        need = e.margins.requirement(c, after, e.collateral[c]).maintenance
        closing = -part * q
        quote = float(market.quoted("ask_price" if closing > 0 else "bid_price", [item.id])[0])
        slip = 0.0
        if np.isfinite(quote) and item.nature.paid == "premium":
            unit = market.price(item.settlement)
            slip = max(closing * (quote * unit - e.rows.value[row]), 0.0)
        paid = slip + _penalty(rule, item) * abs(closing) * notional
        shortage = (need - float(e.equity[c]) + paid - (float(valuation.maintenance[c]) - float(e.equity[c]))) / part
        if shortage < best:
            best, chosen = shortage, (row, part)
    return chosen


def _close(
    portfolio: Portfolio,
    account: str,
    item: Any,
    quantity: float,
    rule: dict[str, Any],
    market: Market,
    half_spread: float | None,
) -> Fill:
    fill = portfolio.trade(
        market, account, item.name, -quantity, "liquidation", half_spread=half_spread, worse=float(rule["no_quote"])
    )
    dollars = market.price(item.settlement)
    penalty = _penalty(rule, item) * fill.notional
    portfolio.cash(
        market.timestamp, account, item.settlement, dollars, -penalty / dollars, "penalties", f"liquidation {item.name}"
    )
    return Fill(**{**fill.__dict__, "fee": fill.fee + penalty})


def _take_over(portfolio: Portfolio, account: str, market: Market) -> list[Fill]:
    """The venue's backstop takes positions at their mark, and all collateral with them."""
    fills = []
    for (owner, _), holding in list(portfolio.holdings.items()):
        if owner != account or not holding.instrument.nature.derivative:
            continue
        fills.append(
            portfolio.trade(
                market, account, holding.instrument.name, -holding.quantity, "liquidation", edge=0.0, charged=False
            )
        )
    for asset in portfolio.ledger.currencies(account):
        left, price = portfolio.ledger.balance(account, asset), market.price(asset)
        portfolio.cash(market.timestamp, account, asset, price, -left, "penalties", "taken over by the backstop")
    return fills


def _make_good(portfolio: Portfolio, account: str, market: Market) -> None:
    for asset in portfolio.ledger.currencies(account):
        left, price = portfolio.ledger.balance(account, asset), market.price(asset)
        if left:
            portfolio.cash(market.timestamp, account, asset, price, -left, "insurance", "bankrupt account set to zero")


def _lending(portfolio: Portfolio, account: str, c: int, market: Market, valuation: Valuation) -> Fill | None:
    """One liquidation call on the largest deposit and the largest loan."""
    e = valuation.exposures
    rows = _mine(e, c)
    supplies = [i for i in rows if e.rows.instruments[i].nature.loan == "deposit" and e.rows.instruments[i].collateral]
    debts = [i for i in rows if e.rows.instruments[i].nature.loan == "debt"]
    if not supplies or not debts:
        return None
    worth = {i: float(e.rows.quantity[i] * e.rows.value[i]) for i in rows}
    supply, debt = max(supplies, key=lambda i: worth[i]), min(debts, key=lambda i: worth[i])
    state = e.margins.state(c)
    threshold = {int(row): float(state.threshold[at]) for at, row in enumerate(e.margins.rows[c])}
    item = e.rows.instruments[supply]
    in_emode = item.emode is not None and threshold[supply] == item.emode.liquidation_threshold
    bonus = item.emode.liquidation_bonus if in_emode and item.emode else item.liquidation_bonus
    call = liquidation_call(
        worth[supply],
        -worth[debt],
        threshold[supply],
        bonus,
        other_backing=sum(worth[i] * threshold[i] for i in supplies if i != supply),
        other_debt=-sum(worth[i] for i in debts if i != debt),
    )
    if call is None or call.repaid <= 0:
        return None
    owed, now = e.rows.instruments[debt], market.timestamp
    prices = market.price(owed.asset), market.price(item.asset)
    repaid, seized = call.repaid / prices[0], call.seized / prices[1]
    fair = call.repaid / prices[1]
    memo = f"liquidation call {item.name}"
    portfolio.ledger.book(now, account, owed.asset, prices[0], [("positions", repaid), ("trading", -repaid)], memo)
    postings = [("positions", -seized), ("trading", fair), ("penalties", seized - fair)]
    portfolio.ledger.book(now, account, item.asset, prices[1], postings, memo)
    portfolio.change(account, owed, -_at_most(repaid / owed.growth, e.rows.quantity[debt]), repaid)
    portfolio.change(account, item, -_at_most(seized / item.growth, e.rows.quantity[supply]), -seized)
    return Fill(now, account, item.name, -seized / item.growth, prices[1], 0.0, call.loss, "liquidation", call.seized)


def _at_most(amount: float, held: float) -> float:
    return float(held) if amount >= held * (1.0 - 1e-12) else amount
