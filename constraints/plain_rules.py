"""Margin, stress, collateral and transfer limits by the venues' plain rules: a second time, from first principles.

Constraints answer :meth:`~hedgeopt.constraints.constraint.Constraint.plain_sides` with these. Nothing here reads an encoding
or a row of a program: accounts are put together as they would stand after trades, transfers and costs
(:class:`~hedgeopt.models.margin.after.AccountAfter`), and the venue's own rule is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hedgeopt.constraints.constraint import LinkNode, PlainSide, Side
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.after import AccountAfter
from hedgeopt.models.margin.model import Kind, MarginModel

__all__ = ["balances", "covered", "paid", "purse_title", "survived", "transferred", "withdrawn"]


def covered(
    e: Exposures, x: np.ndarray, name: str, accounts: Sequence[int], kind: Kind, share: float, buffer: float
) -> PlainSide:
    """Requirement of some accounts together against ``share`` of their equity that counts, less ``buffer`` USD."""
    need = counted = size = 0.0
    for c in accounts:
        after = AccountAfter.of(e, c, x)
        need += after.need(kind)
        counted += after.equity - after.lost(kind)
        size += after.size
    return PlainSide(Side(name, "USD", need, share * counted - buffer, 1), share * size + buffer, encoded=True)


def survived(
    e: Exposures, x: np.ndarray, name: str, account: int, stress: int, share: float, health: float, buffer: float
) -> PlainSide:
    """Maintenance of one account after a stress against ``share`` of its equity there, less ``buffer`` USD."""
    after = AccountAfter.of(e, account, x, stress)
    need, limit = after.need("maintenance", health), share * after.equity - buffer
    return PlainSide(Side(name, "USD", need, limit, 1), after.size + buffer, encoded=True)


def withdrawn(e: Exposures, x: np.ndarray, everywhere: bool) -> Iterator[PlainSide]:
    """Initial margin stays covered, or the account as short as it was, wherever collateral leaves."""
    for c in sorted({c for c, _ in _left(e, x)}) if not everywhere else sorted(set(e.links.source.tolist())):
        before, after = AccountAfter.of(e, c, np.zeros_like(x)), AccountAfter.of(e, c, x)
        short = max(before.need("initial") + before.lost("initial") - before.equity, 0.0)
        need = after.need("initial") + after.lost("initial")
        yield PlainSide(Side(f"withdrawal {e.accounts[c]}", "USD", need, after.equity + short, 1), after.size, encoded=True)


def _left(e: Exposures, x: np.ndarray) -> set[LinkNode]:
    """Accounts and assets that something is sent from."""
    links = zip(e.links.candidate, e.links.source, e.links.asset, strict=True)
    return {(int(c), int(a)) for i, c, a in links if x[i] > 0.0}


def balances(e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    """Nothing leaves that is not there: units after trading, or the debt as it was."""
    for c, a in sorted(_left(e, x)):
        posted, after = float(e.collateral[c, a]), AccountAfter.of(e, c, x)
        outflow = posted - float(after.collateral[a])
        name = f"{e.assets[a]} of {e.accounts[c]}"
        yield PlainSide(Side(name, e.assets[a], outflow, max(posted, 0.0), 1), float(after.flow[a]))


def purse_title(name: str, account: str, model: MarginModel) -> str:
    """Name of the limit that purchases in an asset, or in dollars, are paid for."""
    return f"{name} to pay with in {account}" + (" (no rate for loans of it)" if model.lends else "")


def paid(e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    """An account owes nothing of what it is not lent after its trades, costs and transfers.

    Where nothing is lent at all, dollars pay for one another.
    """
    dollars = dollar_assets()
    for c, model in enumerate(e.margins.models):
        cash = {} if model.lends else dict.fromkeys(dollars, "dollars")
        posted: dict[str, float] = {}
        spent: dict[str, list[float]] = {}
        for asset, amount, price in zip(e.assets, e.collateral[c].tolist(), e.prices.tolist(), strict=True):
            name = cash.get(asset, asset)
            posted[name] = posted.get(name, 0.0) + amount * price
        links = {int(i): k for k, i in enumerate(e.links.candidate)}
        bought: set[str] = set()
        costs = e.trade_cost(x)
        for i in range(len(x)):
            row, amount = int(e.candidate[i]), float(x[i])
            item = e.rows.instruments[row]
            if i in links:
                k = links[i]
                share = float(e.links.arrives[k]) * (int(e.links.target[k]) == c) - (int(e.links.source[k]) == c)
                name, paid = e.assets[int(e.links.asset[k])], -share * amount * float(e.prices[e.links.asset[k]])
            elif int(e.rows.account[row]) == c and item.nature.paid in ("premium", "owned"):
                name, paid = item.settlement, float(e.rows.value[row]) * amount + float(costs[i])
                bought |= set() if model.lent(name) else {cash.get(name, name)}
            else:
                continue
            spent.setdefault(cash.get(name, name), []).append(paid)
        for name in sorted(bought):
            limit = max(posted.get(name, 0.0), 0.0)
            size = limit + float(np.abs(spent[name]).sum())
            side = Side(purse_title(name, e.accounts[c], model), "USD", float(np.sum(spent[name])), limit, 1)
            yield PlainSide(side, size)


def transferred(e: Exposures, x: np.ndarray, bridge: str | None, asset: str | None) -> float:
    """USD sent through a bridge (none: all) of an asset (none: all)."""
    moved = 0.0
    for i in e.links.candidate.tolist():
        item = e.rows.instruments[e.candidate[i]]
        if bridge in (None, item.bridge) and asset in (None, item.asset):
            moved += max(float(x[i]), 0.0) * float(e.prices[e.asset(item.asset)])
    return moved
