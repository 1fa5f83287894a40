"""What was filled against what was proposed: a row per trade or transfer, and per fill of anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hedgeopt.files.plain import ColumnKinds
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of
from hedgeopt.program.proposal import Proposal

__all__ = ["DIFFERENCES", "Booked", "differences_of", "item_of", "proposed_trades"]

DIFFERENCES = ColumnKinds(
    account="text", instrument="text", state="text", proposed="number", filled="number", open="number", over="number",
    price="number", proposed_price="number", slippage_usd="number", fee_usd="number",
)  # fmt: skip
"""Columns of :attr:`Reconciliation.differences`: quantities are signed, positive was bought or sent."""

_SAME = 1e-9


@dataclass(frozen=True)
class Booked:
    """A fill as booked: signed quantity, price, and USD of its fee."""

    quantity: float
    price: float
    fee_usd: float


def item_of(book: Book, market: Market, account: str, name: str) -> Any:
    """The instrument of this name that the account holds or its venue quotes; None where there is none."""
    mine = next(one for one in book.accounts if one.name == account)
    held = next((p.instrument for p in mine.positions if p.name == name and not isinstance(p.instrument, str)), None)
    return held if held is not None else market.instruments.get(f"{mine.venue}:{name}")


def proposed_trades(proposal: Proposal) -> dict[tuple[str, str], tuple[float, float]]:
    """Signed quantity and price by account and instrument, of trades and transfers."""
    found = {}
    for row in proposal.trades.to_dict("records"):
        sign = 1.0 if row["side"] == "buy" else -1.0
        found[row["account"], row["instrument"]] = sign * row["quantity"], row["price"]
    for row in proposal.transfers.to_dict("records"):
        route = f" via {row['bridge']}" if row["bridge"] else ""
        found[row["source"], f"{row['source']} to {row['target']} {row['asset']}{route}"] = row["amount"], float("nan")
    return found


def differences_of(
    proposed: Mapping[tuple[str, str], tuple[float, float]], done: Mapping[tuple[str, str], Sequence[Booked]],
    book: Book, market: Market,
) -> pd.DataFrame:  # fmt: skip
    """The table of :data:`DIFFERENCES`, of what is proposed and what is done by account and instrument."""
    columns: dict[str, list[Any]] = {name: [] for name in DIFFERENCES}
    for key in dict.fromkeys([*proposed, *done]):
        wanted, price = proposed.get(key, (0.0, float("nan")))
        booked = done.get(key, ())
        filled = float(sum(one.quantity for one in booked))
        size = sum(abs(one.quantity) for one in booked)
        paid = sum(abs(one.quantity) * one.price for one in booked) / size if size else float("nan")
        left = wanted - filled
        rounding = _SAME * max(abs(wanted), size)
        open_, over = (left, 0.0) if left * wanted > 0 else (0.0, -left)
        item = item_of(book, market, *key)
        slipped = sum(_slippage(item, market, price, one) for one in booked) if item is not None and key in proposed else 0.0
        row = {
            "account": key[0], "instrument": key[1], "state": _state(wanted, filled, rounding), "proposed": wanted,
            "filled": filled, "open": open_ if abs(open_) > rounding else 0.0, "over": over if abs(over) > rounding else 0.0,
            "price": paid, "proposed_price": price, "slippage_usd": slipped,
            "fee_usd": float(sum(one.fee_usd for one in booked)),
        }  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return DIFFERENCES.of(columns)


def _state(wanted: float, filled: float, rounding: float) -> str:
    if wanted == 0.0:
        return "not proposed"
    if abs(wanted - filled) <= rounding:
        return "filled"
    if abs(filled) <= rounding:
        return "open"
    if wanted * filled < 0.0:
        return "wrong way"
    return "partly filled" if abs(filled) < abs(wanted) else "over-filled"


def _slippage(item: Any, market: Market, price: float, one: Booked) -> float:
    """USD that a fill cost more than at the proposal's price."""
    dollars = market.price(item.settlement)
    if item.nature.margined:
        return float(one.quantity * family_of(item).variation(item, price, one.price, dollars) * dollars)
    return float(one.quantity * (one.price - price) * (1.0 if item.nature.quote == "dollars" else dollars))
