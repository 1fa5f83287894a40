"""Cash of every account and asset over the next days, and margin of what is still open then, if prices stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.files.plain import ColumnKinds
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.cash import day_of, row_flow
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.collateral import lost_value
from hedgeopt.models.margin.unknown import requirement_unknown

__all__ = ["CASH_AHEAD", "MARGIN_AHEAD", "SentAsset", "cash_tables", "least_cash", "sent_by"]

CASH_AHEAD = ColumnKinds(
    account="text", asset="text", day="number", date="text", posted="number", trades="number", locked="number",
    income="number", expiries="number", flows="number", transfers="number", cash="number", usd="number",
)  # fmt: skip
"""Per account, asset and day, units of the asset: posted now; premium and costs of trades made now; locked until later
(negative); what income, expiries, known flows and transfers have brought by then; their sum ``cash``, and ``usd``."""
MARGIN_AHEAD = ColumnKinds(
    account="text", day="number", date="text", equity="number", initial="number", maintenance="number", free="number",
    open_positions="number",
)  # fmt: skip
"""Per account and day, USD: equity, margin of what is still open by the venue's rule at today's prices, and ``free``, the
equity that counts less initial margin; NaN where the rule is unknown."""

_PARTS = ("trades", "locked", "income", "expiries", "flows", "transfers")


@dataclass(frozen=True)
class SentAsset:
    """A transfer: units that leave the source now, with ``cost`` units, and arrive on ``day``."""

    source: str
    target: str
    asset: str
    amount: float
    day: int
    cost: float = 0.0


def sent_by(e: Exposures, x: np.ndarray) -> list[SentAsset]:
    """The transfers among trades x (N,)."""
    found, costs = [], e.trade_cost(x)
    for t, i in enumerate(e.links.candidate.tolist()):
        if x[i]:
            item, price = e.rows.instruments[e.candidate[i]], float(e.prices[e.links.asset[t]])
            arrived = day_of(item.delay_hours)
            found.append(SentAsset(item.source, item.target, item.asset, float(x[i]), arrived, float(costs[i]) / price))
    return found


def cash_tables(
    e: Exposures, days: int, sent: Sequence[SentAsset] = (), x: np.ndarray | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of :data:`CASH_AHEAD` and :data:`MARGIN_AHEAD` for days 0 (now) to ``days``, after trades x (N,) and transfers.

    Premium and costs of trades are paid on day 0 in what each instrument settles in. What is due within a day counts on it.
    """
    traded = (
        np.zeros(e.n_candidates) if x is None else np.where(np.isin(np.arange(e.n_candidates), e.links.candidate), 0.0, x)
    )
    z, paid = e.positions(traded), _paid(e, traded)
    rows = [row for c in range(len(e.accounts)) for row in _account_rows(e, c, days, sent, z, paid)]
    margins = [row for c in range(len(e.accounts)) for row in _margin_rows(e, c, days, rows, z)]
    return (
        CASH_AHEAD.of({name: [row[name] for row in rows] for name in CASH_AHEAD}),
        MARGIN_AHEAD.of({name: [row[name] for row in margins] for name in MARGIN_AHEAD}),
    )


def least_cash(cash: pd.DataFrame) -> pd.DataFrame:
    """Per account and asset the row of the day with the least cash."""
    return cash.loc[cash.groupby(["account", "asset"], sort=False)["cash"].idxmin()].reset_index(drop=True)


def _paid(e: Exposures, x: np.ndarray) -> dict[tuple[int, str], float]:
    """Units that trades bring (or cost, negative) now, by account and settlement asset."""
    found: dict[tuple[int, str], float] = {}
    costs = e.trade_cost(x)
    for i in np.flatnonzero(x).tolist():
        row = int(e.candidate[i])
        c = int(e.rows.account[row])
        settlement = e.rows.instruments[row].settlement
        paid_in = _payer(e, c, settlement)
        key, rate = (c, paid_in), 1.0
        if paid_in != settlement:
            rate = float(e.rows.settlement_price[row]) / e.price(paid_in)
        units = float(e.rows.premium[row]) * float(x[i]) + float(costs[i]) / float(e.rows.settlement_price[row])
        found[key] = found.get(key, 0.0) - units * rate
    return found


def _payer(e: Exposures, c: int, settlement: str) -> str:
    """What an account pays a settlement asset in: itself, or for dollars that are no asset of the book (spot pairs settle in
    them) the dollar asset that the account posts most of; where it posts none, the dollars are an asset of their own."""
    if settlement in e.assets or settlement not in dollar_assets():
        return settlement
    posted = {a: float(e.collateral[c, k] * e.prices[k]) for k, a in enumerate(e.assets) if a in dollar_assets()}
    known = {a: usd for a, usd in posted.items() if usd > 0.0}
    return max(known, key=lambda a: known[a]) if known else settlement


def _price(e: Exposures, asset: str) -> float:
    """USD of one unit; of dollars that nobody posts the market's."""
    return e.price(asset) if asset in e.assets else float(e.market.price(asset))


def _account_rows(
    e: Exposures, c: int, days: int, sent: Sequence[SentAsset], z: np.ndarray, paid: dict[tuple[int, str], float]
) -> Iterator[dict[str, Any]]:
    mine: dict[str, list[int]] = {}
    for row in np.flatnonzero(z).tolist():
        settlement = getattr(e.rows.instruments[row], "settlement", None)
        if int(e.rows.account[row]) == c and settlement is not None:
            mine.setdefault(_payer(e, c, settlement), []).append(row)
    name, at = e.accounts[c], np.arange(days + 1)
    not_posted = sorted({*mine, *(asset for k, asset in paid if k == c)} - set(e.assets))
    for a, asset in enumerate((*e.assets, *not_posted)):
        parts = {part: np.zeros(days + 1) for part in _PARTS}
        parts["trades"] += paid.get((c, asset), 0.0)
        for row in mine.get(asset, ()):
            own = getattr(e.rows.instruments[row], "settlement", None) == asset
            rate = 1.0 if own else float(e.rows.settlement_price[row]) / e.price(asset)
            parts["income"] += rate * z[row] * row_flow(e, row, days, ("income",))
            parts["expiries"] += rate * z[row] * row_flow(e, row, days, ("expiry",))
        for k, column, amount, day, locked in e.flows:
            if (k, column) == (c, a):
                if locked:
                    parts["locked"] += np.where(at < day, -amount, 0.0)
                else:
                    parts["flows"] += np.where(at >= day, amount, 0.0)
        for one in sent:
            if one.asset == asset:
                parts["transfers"] += (name == one.target) * np.where(at >= one.day, one.amount, 0.0)
                parts["transfers"] -= (name == one.source) * (one.amount + one.cost)
        posted = float(e.collateral[c, a]) if a < len(e.assets) else 0.0
        if posted == 0.0 and not any(part.any() for part in parts.values()):
            continue
        total = posted + np.sum(list(parts.values()), axis=0)
        for day in range(days + 1):
            yield {
                "account": name, "asset": asset, "day": day, "date": _date(e, day), "posted": posted,
                **{part: float(values[day]) for part, values in parts.items()}, "cash": float(total[day]),
                "usd": float(total[day]) * _price(e, asset),
            }  # fmt: skip


def _date(e: Exposures, day: int) -> str:
    return (e.timestamp + timedelta(days=day)).strftime("%Y-%m-%d")


def _margin_rows(e: Exposures, c: int, days: int, rows: list[dict[str, Any]], z: np.ndarray) -> Iterator[dict[str, Any]]:
    """Margin of the positions that are still open, on the cash of each day; what is locked counts for margin."""
    cash: dict[int, dict[str, float]] = {}
    for row in rows:
        if row["account"] == e.accounts[c]:
            cash.setdefault(row["day"], {})[row["asset"]] = row["cash"] - row["locked"]
    due = np.array(
        [
            day_of((item.expiry - e.timestamp).total_seconds() / 3600.0) if item.nature.expires else days + 1
            for item in e.rows.instruments
        ]
    )
    state, (model, _), mine = e.margins.state(c), e.margins.rule(c), e.rows.account == c
    for day in range(days + 1):
        quantity = np.where((due > day) | (day == 0), z, 0.0)
        posted, dollars = e.collateral[c].copy(), 0.0
        for asset, amount in cash.get(day, {}).items():
            if asset in e.assets:
                posted[e.assets.index(asset)] = amount
            else:
                dollars += amount * _price(e, asset)
        need = e.margins.requirement(c, quantity, posted)
        equity = float(posted @ e.prices + np.sum((quantity * e.rows.value)[mine])) + dollars
        counted = equity - lost_value(state, model.haircut(state, "initial"), posted, model.table_name)
        unknown = requirement_unknown(e, c, quantity)
        initial, maintenance = (np.nan, np.nan) if unknown else (float(need.initial), float(need.maintenance))
        yield {
            "account": e.accounts[c], "day": day, "date": _date(e, day), "equity": equity, "initial": initial,
            "maintenance": maintenance, "free": counted - initial,
            "open_positions": float(np.count_nonzero(quantity[mine])),
        }  # fmt: skip
