"""Cash and margin of the next days as a proposal lists them, against sums and rules of the verifier's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.accounts import account
from hedgeopt.verify.cash import cash_of_accounts, left_open
from hedgeopt.verify.claim import Claim
from hedgeopt.verify.margins import asked, not_counted
from hedgeopt.verify.trades import differs

__all__ = ["told_cash"]


def told_cash(claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray) -> None:
    """Cash of the next days, by account and asset, flow by flow; differences are added to ``wrong``."""
    if claim.cash_ahead is None:  # an older file
        return
    days = [int(claim.number(row, "day", f"cash_ahead.{k}")) for k, row in enumerate(claim.cash_ahead)]
    ladder = cash_of_accounts(e, x, max(days, default=0))
    listed: set[tuple[str, str, int]] = set()
    for k, (row, day) in enumerate(zip(claim.cash_ahead, days, strict=True)):
        told, key = claim.number(row, "cash", f"cash_ahead.{k}"), (str(row.get("account")), str(row.get("asset")))
        values, size = ladder.get(key, (np.zeros(max(days) + 1), 0.0))
        listed.add((*key, day))
        if day < 0 or differs(told, float(values[day]), size):
            wrong.append(f"cash: {told:,.10g} {key[1]} in {key[0]} on day {day} is listed, it is {values[day]:,.10g}")
    missing = [key for key, (_, size) in ladder.items() if size and any((*key, day) not in listed for day in set(days))]
    if missing:
        wrong.append(f"cash: {missing[0][1]} in {missing[0][0]} is not listed for every day")
    _told_margins(claim, wrong, e, x, ladder)


def _told_margins(
    claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray, ladder: dict[tuple[str, str], tuple[np.ndarray, float]]
) -> None:
    nothing, seen = np.zeros(e.n_candidates), set[tuple[str, int]]()
    for k, row in enumerate(claim.margin_ahead or ()):
        where = f"margin_ahead.{k}"
        name, day = str(row.get("account")), int(claim.number(row, "day", where))
        if name not in e.accounts or (name, day) in seen:
            wrong.append(f"{where}: {name} on day {day} is no account of the book, or is listed twice")
            return
        seen.add((name, day))
        c, open_ = e.accounts.index(name), left_open(e, x, day)
        posted = e.collateral.copy()
        for a, asset in enumerate(e.assets):
            values, _ = ladder.get((name, asset), (np.zeros(day + 1), 0.0))
            held = [amount for k, b, amount, due, locked in e.flows if (k, b) == (c, a) and locked and due > day]
            posted[c, a] = (values[day] if day < len(values) else np.nan) + sum(held)
        then = replace(e, rows=replace(e.rows, quantity=open_), collateral=posted)
        mine = e.rows.account == c
        equity = float(posted[c] @ e.prices + np.sum((open_ * e.rows.value)[mine]))
        rule = account(then, c)
        initial, maintenance = (float(asked(then, rule, kind, nothing)) for kind in ("initial", "maintenance"))
        free = equity - not_counted(then, rule, "initial", nothing)[0] - initial
        size = float(np.abs(posted[c]) @ e.prices + np.sum(np.abs(open_ * e.rows.value)[mine]))
        for word, found in (("equity", equity), ("initial", initial), ("maintenance", maintenance), ("free", free)):
            if row.get(word) is None and word != "equity":
                continue  # unknown
            told = claim.number(row, word, where)
            if differs(told, found, size):
                wrong.append(f"margin ahead: {word} of {name} is {told:,.10g} on day {day} as listed, it is {found:,.10g}")
    accounts = {name for name, _ in seen}
    if seen and accounts != set(e.accounts):
        wrong.append("margin ahead: not every account is listed")
