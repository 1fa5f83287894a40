"""Cash and margin of the next days as a proposal lists them, against sums and rules of the verifier's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.accounts import account
from hedgeopt.verify.cash import AssetLadder, cash_of_accounts, left_open
from hedgeopt.verify.claim import Claim
from hedgeopt.verify.margins import asked, not_counted
from hedgeopt.verify.trades import differs

__all__ = ["told_cash"]

_DAYS = 7
"""Proposals list the days from now to this one."""


def told_cash(claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray) -> None:
    """Cash of the next days, by account and asset, flow by flow; differences are added to ``wrong``."""
    if claim.cash_ahead is None:  # an older file
        return
    ladder = cash_of_accounts(e, x, _DAYS)
    listed: set[tuple[str, str, int]] = set()
    for k, row in enumerate(claim.cash_ahead):
        where = f"cash_ahead.{k}"
        day, key = claim.number(row, "day", where), (str(row.get("account")), str(row.get("asset")))
        if day not in range(_DAYS + 1) or (*key, int(day)) in listed:
            wrong.append(f"cash: {key[1]} in {key[0]} is listed on day {day:g}, twice or outside 0 to {_DAYS}")
            return
        listed.add((*key, int(day)))
        _told_row(claim, wrong, e, row, where, ladder.get(key, AssetLadder(_DAYS)))
    every = {(*key, day) for key, own in ladder.items() if own.size for day in range(_DAYS + 1)}
    if missing := sorted(every - listed):
        wrong.append(f"cash: {missing[0][1]} in {missing[0][0]} is not listed for every day")
    _told_margins(claim, wrong, e, x, ladder)


def _told_row(claim: Claim, wrong: list[str], e: Exposures, row: dict[str, Any], where: str, own: AssetLadder) -> None:
    """One account, asset and day: the cash, then its parts, worth and date; the first difference is told."""
    place, asset, day = str(row.get("account")), str(row.get("asset")), int(row["day"])
    cash, told = float(own.cash[day]), claim.number(row, "cash", where)
    if differs(told, cash, own.size):
        wrong.append(f"cash: {told:,.10g} {asset} in {place} on day {day} is listed, it is {cash:,.10g}")
        return
    price = _price(e, asset) if own.size or told else 0.0
    found = {part: (float(values[day]), own.size) for part, values in own.parts.items()}
    found["usd"] = cash * price, own.size * price
    for word, (value, size) in found.items():
        told = claim.number(row, word, where)
        if differs(told, value, size):
            wrong.append(f"cash: {word} of {asset} in {place} on day {day} is {told:,.10g} as listed, it is {value:,.10g}")
            return
    _told_date(wrong, e, row, where)


def _price(e: Exposures, asset: str) -> float:
    return float(e.prices[e.assets.index(asset)]) if asset in e.assets else float(e.market.price(asset))


def _told_date(wrong: list[str], e: Exposures, row: dict[str, Any], where: str) -> None:
    date = f"{e.timestamp + timedelta(days=int(row['day'])):%Y-%m-%d}"
    if row.get("date") != date:
        wrong.append(f"{where}: day {int(row['day'])} is listed as {row.get('date')}, it is {date}")


def _told_margins(
    claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray, ladder: dict[tuple[str, str], AssetLadder]
) -> None:
    nothing, seen = np.zeros(e.n_candidates), set[tuple[str, int]]()
    for k, row in enumerate(claim.margin_ahead or ()):
        where = f"margin_ahead.{k}"
        name, day = str(row.get("account")), claim.number(row, "day", where)
        if name not in e.accounts or day not in range(_DAYS + 1) or (name, int(day)) in seen:
            wrong.append(f"{where}: {name} on day {day:g} is no account of the book or no day, or is listed twice")
            return
        day = int(day)
        seen.add((name, day))
        c, open_ = e.accounts.index(name), left_open(e, x, day)
        posted, others, others_size = e.collateral.copy(), 0.0, 0.0
        for a, asset in enumerate(e.assets):
            cash = ladder[name, asset].cash if (name, asset) in ladder else np.zeros(_DAYS + 1)
            held = [amount for k, b, amount, due, locked in e.flows if (k, b) == (c, a) and locked and due > day]
            posted[c, a] = cash[day] + sum(held)
        for (place, asset), own in ladder.items():
            if place == name and asset not in e.assets:  # dollars that nobody posts
                others += float(own.cash[day]) * _price(e, asset)
                others_size += own.size * _price(e, asset)
        then = replace(e, rows=replace(e.rows, quantity=open_), collateral=posted)
        mine = e.rows.account == c
        equity = float(posted[c] @ e.prices + np.sum((open_ * e.rows.value)[mine])) + others
        rule = account(then, c)
        initial, maintenance = (float(asked(then, rule, kind, nothing)) for kind in ("initial", "maintenance"))
        free = equity - not_counted(then, rule, "initial", nothing)[0] - initial
        size = float(np.abs(posted[c]) @ e.prices + np.sum(np.abs(open_ * e.rows.value)[mine])) + others_size
        count = float(np.count_nonzero(open_[mine]))
        for word, found in (("equity", equity), ("initial", initial), ("maintenance", maintenance), ("free", free),
                            ("open_positions", count)):  # fmt: skip
            if row.get(word) is None and not np.isfinite(found):
                continue  # unknown to both
            if row.get(word) is None:
                wrong.append(f"margin ahead: {word} of {name} is not told on day {day}, it is {found:,.10g}")
                continue
            told = claim.number(row, word, where)
            if not np.isfinite(found) or differs(told, found, size):
                wrong.append(f"margin ahead: {word} of {name} is {told:,.10g} on day {day} as listed, it is {found:,.10g}")
        _told_date(wrong, e, row, where)
    if seen != {(name, day) for name in e.accounts for day in range(_DAYS + 1)}:
        wrong.append("margin ahead: not every account is listed for every day")
