"""The list of trades as a vector, each row checked against the market: instrument, price, cost, fee, premium, notional."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.claim import Claim
from hedgeopt.verify.ladders import fee_of, walked

__all__ = ["differs", "listed_trades"]

_SAME = 1e-9


def differs(claimed: float, found: float, size: float = 0.0) -> bool:
    """Whether two numbers differ by more than rounding of ``size`` (or of themselves)."""
    return not abs(claimed - found) <= _SAME * max(abs(claimed), abs(found), size)


def listed_trades(claim: Claim, e: Exposures, market: Market, policy: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Trades x (N,) of the list, and its differences.

    Raises
    ------
    InputError
        For a row that names no candidate, or twice the same.
    """
    x, wrong = np.zeros(e.n_candidates), []
    sent = set(e.links.candidate.tolist())
    where = {}
    for i, row in enumerate(e.candidate.tolist()):
        if i not in sent:
            where[e.accounts[e.rows.account[row]], e.rows.instruments[row].name] = i
    seen: set[int] = set()
    for k, row in enumerate(claim.trades):
        at = f"trades.{k}"
        place = where.get((str(row.get("account")), str(row.get("instrument"))))
        if place is None or place in seen or row.get("side") not in ("buy", "sell"):
            raise InputError("is no trade that the policy allows, or is listed twice", file=claim.file, field=at,
                             value=f"{row.get('side')} {row.get('instrument')} in {row.get('account')}")  # fmt: skip
        seen.add(place)
        amount = claim.number(row, "quantity", at)
        if amount <= 0.0:
            raise InputError("must be above 0", file=claim.file, field=f"{at}.quantity", value=amount)
        x[place] = amount if row["side"] == "buy" else -amount
        unit = _unit(e.rows.instruments[e.candidate[place]])
        older = hasattr(e.rows.instruments[e.candidate[place]], "strike") and row.get("unit") == "contract"  # of 1 coin
        if row.get("unit") != unit and not older:
            wrong.append(f"{row['instrument']}: the unit {row.get('unit')} is listed, one is of {unit}")
        for name, found in _facts(e, market, policy, place, float(x[place])):
            told = claim.number(row, name, at)
            if differs(told, found):
                wrong.append(f"{row['instrument']}: {name} {told:,.10g} is listed, the market gives {found:,.10g}")
    _sent(claim, e, x, wrong)
    return x, wrong


def _facts(e: Exposures, market: Market, policy: dict[str, Any], i: int, amount: float) -> Iterator[tuple[str, float]]:
    """Expected contents of a row, recomputed from quotes."""
    row = int(e.candidate[i])
    item = e.rows.instruments[row]
    bid, ask, mark = (float(market.quoted(name, [item.id])[0]) for name in ("bid_price", "ask_price", "mark_price"))
    assumed = policy["candidates"]["mark_half_spread"]
    if np.isnan(bid) and np.isnan(ask) and assumed is not None:
        bid, ask = mark * (1.0 - assumed), mark * (1.0 + assumed)
        price = mark
    else:
        price = ask if amount > 0 else bid
    middle = mark if np.isnan(bid) or np.isnan(ask) else 0.5 * (bid + ask)
    half = max(ask - min(middle, mark), 0.0) if amount > 0 else max(max(middle, mark) - bid, 0.0)
    unit = _usd_per_price(item, market, mark)
    charged = fee_of(e, i, mark * unit)
    cost, fee = abs(amount) * (half * unit + charged), abs(amount) * charged
    if item.id in market.depth or market.impact is not None:
        cost, fee = (float(part[i]) for part in walked(e, np.where(np.arange(e.n_candidates) == i, amount, 0.0)))
    yield "price", price
    yield "notional", abs(amount) * float(e.rows.notional[row])
    yield "fee", fee
    yield "cost", cost
    paid = mark if hasattr(item, "strike") and not np.isnan(mark) else float(e.rows.premium[row])  # options at their mark
    yield "premium", amount * paid * market.price(item.settlement)


def _unit(item: Any) -> str:
    """Unit of a quantity: coins of options and linear instruments, dollars of inverse derivatives."""
    if hasattr(item, "strike"):
        return str(item.underlying)
    if item.nature.payoff != "linear":
        return str(item.nature.unit)
    return "USD" if getattr(item, "inverse", False) else str(item.assets[0])


def _usd_per_price(item: Any, market: Market, mark: float) -> float:
    """USD per unit of quantity and of quoted price: coins at the index, or one dollar of an inverse contract's notional."""
    if hasattr(item, "strike"):
        return market.price(item.underlying if item.inverse else item.settlement)
    if getattr(item, "inverse", False):
        return market.price(item.underlying) / mark**2 if item.nature.payoff == "linear" else 1.0
    return market.price(item.settlement) if hasattr(item, "underlying") else 1.0


def _sent(claim: Claim, e: Exposures, x: np.ndarray, wrong: list[str]) -> None:
    links: dict[tuple[Any, ...], list[int]] = {}
    for i in e.links.candidate.tolist():
        item = e.rows.instruments[e.candidate[i]]
        links.setdefault((item.source, item.target, item.asset, item.bridge), []).append(i)
    for k, row in enumerate(claim.transfers):
        at = f"transfers.{k}"
        found = links.get((row.get("source"), row.get("target"), row.get("asset"), row.get("bridge")), [])
        if not found:
            raise InputError("is no link of the book, or is listed twice", file=claim.file, field=at,
                             value=f"{row.get('asset')} from {row.get('source')} to {row.get('target')}")  # fmt: skip
        i = found.pop(0)
        x[i] = claim.number(row, "amount", at)
        if x[i] <= 0.0:
            raise InputError("must be above 0", file=claim.file, field=f"{at}.amount", value=x[i])
        item = e.rows.instruments[e.candidate[i]]
        usd = float(x[i] * e.prices[e.assets.index(item.asset)])
        rate = max(item.cost_rate, 1e-6)  # the least that moving costs, see docs/certificate.md
        facts = {"usd": usd, "cost": rate * usd, "fixed_cost": item.fixed_cost, "delay_hours": item.delay_hours}
        for name, value in facts.items():
            told = claim.number(row, name, at)
            if differs(told, value):
                wrong.append(f"transfer to {item.target}: {name} {told:,.10g} is listed, the book gives {value:,.10g}")
