"""Cash over the next days a second time: flow by flow, from the instruments; nothing of ``models/costs/cash`` is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.verify.convex import Convex
from hedgeopt.verify.ladders import cost_below, walked

__all__ = ["AssetLadder", "cash_by_day", "cash_of_accounts", "left_open"]

_PARTS = ("posted", "trades", "locked", "income", "expiries", "flows", "transfers")


@dataclass(eq=False)
class AssetLadder:
    """Units of an asset in an account by day, each part of them and the magnitudes that were added up."""

    days: int
    parts: dict[str, np.ndarray] = field(init=False)
    size: float = 0.0

    def __post_init__(self) -> None:
        """Start at nothing."""
        self.parts = {part: np.zeros(self.days + 1) for part in _PARTS}

    def add(self, part: str, values: np.ndarray | float) -> None:
        """Add to a part, every day or by day."""
        self.parts[part] += values
        self.size += float(np.max(np.abs(values)))

    @property
    def cash(self) -> np.ndarray:
        """(days + 1,) the sum of the parts."""
        return np.sum(list(self.parts.values()), axis=0)


def cash_by_day(rule: dict[str, Any], e: Exposures, x: np.ndarray) -> Iterator[tuple[str, str, float, float, Convex]]:
    """Of every day: name, unit, cash at trades x, magnitudes in it, and a convex function nowhere above minus the cash."""
    asset, place = rule["asset"], rule["account"]
    if place is not None and place not in e.accounts:
        raise InputError("names an account that the book does not hold", file="policy", field="cash_at_least.account")
    mine = [c for c, name in enumerate(e.accounts) if place in (None, name)]
    counted = dollar_assets() if asset is None else {asset}
    worth = {name: float(p) if asset is None else 1.0 for name, p in zip(e.assets, e.prices, strict=True) if name in counted}
    worth |= {name: float(e.market.price(name)) for name in counted - set(worth)} if asset is None else {}
    dollars = 1.0 if asset is None else float(e.prices[e.assets.index(asset)])
    sent = {int(i): t for t, i in enumerate(e.links.candidate)}
    paying = np.array(
        [
            (e.rows.instruments[row].source if i in sent else e.accounts[e.rows.account[row]])
            in [e.accounts[c] for c in mine]
            and (e.rows.instruments[row].asset if i in sent else e.rows.instruments[row].settlement) in worth
            for i, row in enumerate(e.candidate.tolist())
        ],
        bool,
    )
    cost = float(np.sum(walked(e, x)[0][paying])) / dollars
    above = cost_below(e, x, paying).times(1.0 / dollars)
    name = f"cash {asset or 'dollars'}" + (f" {place}" if place else "")
    for day in range(int(rule["days"]) + 1):
        parts = [worth[a] * float(e.collateral[c, k]) for c in mine for k, a in enumerate(e.assets) if a in worth]
        for c, k, amount, due, locked in e.flows:
            if c in mine and e.assets[k] in worth:
                parts.append(worth[e.assets[k]] * amount * ((day >= due) - 1.0 * locked))
        for row, held in enumerate(e.rows.quantity.tolist()):
            item = e.rows.instruments[row]
            if held and int(e.rows.account[row]) in mine and getattr(item, "settlement", None) in worth:
                parts.append(held * worth[item.settlement] * sum(_brought(e, row, day)))
        slope = np.zeros(e.n_candidates)
        for i, row in enumerate(e.candidate.tolist()):
            item = e.rows.instruments[row]
            if i in sent and item.asset in worth:
                came = item.target in [e.accounts[c] for c in mine] and item.delay_hours <= 24.0 * day + 1e-6
                left = item.source in [e.accounts[c] for c in mine]
                slope[i] = worth[item.asset] * (1.0 * came - 1.0 * left)
            elif i not in sent and int(e.rows.account[row]) in mine and item.settlement in worth:
                slope[i] = worth[item.settlement] * (sum(_brought(e, row, day)) - float(e.rows.premium[row]))
        start = float(sum(parts))
        value = start + float(slope @ x) - cost
        size = float(sum(map(abs, parts))) + float(np.abs(slope) @ np.abs(x)) + cost
        below = Convex(above.slope - slope, above.constant - start, above.corners, above.choices)
        yield f"{name} day {day}", "USD" if asset is None else asset, value, size, below


def cash_of_accounts(e: Exposures, x: np.ndarray, days: int) -> dict[tuple[str, str], AssetLadder]:
    """By account and asset, units on days 0 to ``days`` after trades and transfers x."""
    found: dict[tuple[str, str], AssetLadder] = {}
    every, sent = np.arange(days + 1), {int(i): t for t, i in enumerate(e.links.candidate)}

    def add(account: str, asset: str, part: str, values: np.ndarray | float) -> None:
        found.setdefault((account, asset), AssetLadder(days)).add(part, values)

    for c, k in zip(*np.nonzero(e.collateral), strict=True):
        add(e.accounts[c], e.assets[k], "posted", float(e.collateral[c, k]))
    for c, k, amount, due, locked in e.flows:
        there = (every >= due) - 1.0 * locked
        add(e.accounts[c], e.assets[k], "locked" if locked else "flows", amount * there)
    costs, after = walked(e, x)[0], np.array(e.rows.quantity, float)
    for i in np.flatnonzero(x).tolist():
        row, amount = int(e.candidate[i]), float(x[i])
        item = e.rows.instruments[row]
        if i in sent:
            gone = amount + float(costs[i]) / float(e.prices[e.assets.index(item.asset)])
            add(item.source, item.asset, "transfers", -gone)
            add(item.target, item.asset, "transfers", amount * (24.0 * every + 1e-6 >= item.delay_hours))
            continue
        after[row] += amount
        paid = amount * float(e.rows.premium[row]) + float(costs[i]) / float(e.rows.settlement_price[row])
        asset, rate = _purse(e, row)
        add(e.accounts[e.rows.account[row]], asset, "trades", -paid * rate)
    for row in np.flatnonzero(after).tolist():
        if getattr(e.rows.instruments[row], "settlement", None) is None:
            continue
        asset, rate = _purse(e, row)
        brought = np.array([_brought(e, row, int(day)) for day in every])
        for part, values in (("income", brought[:, 0]), ("expiries", brought[:, 1])):
            if values.any():
                add(e.accounts[e.rows.account[row]], asset, part, after[row] * values * rate)
    return found


def _purse(e: Exposures, row: int) -> tuple[str, float]:
    """What an instrument's account pays in, and units of that for one of its settlement.

    Dollars that are no asset of the book are paid in the account's largest dollar asset; where it posts none, they are owed
    or owned as they are.
    """
    asset = str(e.rows.instruments[row].settlement)
    if asset in e.assets or asset not in dollar_assets():
        return asset, 1.0
    here = e.collateral[int(e.rows.account[row])]
    worth = [
        (float(here[k] * e.prices[k]), -k) for k, name in enumerate(e.assets) if name in dollar_assets() and here[k] > 0.0
    ]
    if not worth:
        return asset, 1.0
    k = -max(worth)[1]
    return e.assets[k], float(e.rows.settlement_price[row]) / float(e.prices[k])


def left_open(e: Exposures, x: np.ndarray, day: int) -> np.ndarray:
    """(M,) positions after trades x that are not settled on a day; everything that is held counts today."""
    sent, found = set(e.links.candidate.tolist()), np.array(e.rows.quantity, float)
    for i in np.flatnonzero(x).tolist():
        if i not in sent:
            found[e.candidate[i]] += x[i]
    for row, item in enumerate(e.rows.instruments):
        if day and item.nature.expires and (item.expiry - e.timestamp).total_seconds() <= 86_400.0 * day + 1e-3:
            found[row] = 0.0
    return found


def _brought(e: Exposures, row: int, day: int) -> tuple[float, float]:
    """Units of its settlement asset that one unit held brings by a day: income while it lives, and its settlement."""
    item, index = e.rows.instruments[row], float(e.rows.index[row])
    dollars, income, total = float(e.rows.settlement_price[row]), 0.0, 0.0
    lives = float(day)
    if item.nature.expires:
        hours = (item.expiry - e.timestamp).total_seconds() / 3600.0
        due = next(d for d in range(10**6) if hours <= 24.0 * d + 1e-6)
        lives = float(min(day, due))
        if day >= due:
            if item.nature.option:
                sign = 1.0 if item.right == "call" else -1.0
                total += max(sign * (index - item.strike), 0.0) / (index if item.inverse else 1.0)
            elif not item.inverse:
                total += index - float(e.rows.mark[row])
            else:
                total += 1.0 / float(e.rows.mark[row]) - 1.0 / index
    if item.nature.accrues in ("funding", "carry"):
        income = lives * float(e.rows.carry[row]) / dollars
    return income, total
