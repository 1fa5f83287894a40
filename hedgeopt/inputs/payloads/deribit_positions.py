"""Deribit: ``private/get_positions`` as positions.

``size`` is signed, in USD for inverse futures and perpetuals, else in coins. Checked against ``size_currency`` and
``delta``. A position in a combo is booked as its legs (:mod:`.deribit_combos`).
"""

from __future__ import annotations

from hedgeopt.inputs.payloads.form import Findings, Form, HeldLine, Total, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.signs import refuse_contradictions

__all__ = ["POSITIONS"]

_NEAR = 0.02
_OPTIONS, _FUTURES = ("option",), ("future",)
"""The venue's words in ``kind``; a perpetual is a future there."""


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, size, mark = item.text("instrument_name"), item.needed("size"), item.number("mark_price")
        side = item.text("direction", "")
        if size == 0:
            continue
        if side not in ("buy", "sell"):
            fix = "save the venue's reply as it came: a position that is held is bought or sold"
            raise item.fault(f"is neither buy nor sell, and size is {size:g}", "direction", side, fix)
        if (size > 0) != (side == "buy"):
            raise item.fault(f"has the sign against its direction {side!r}", "size", size, "size is negative when sold")
        refuse_contradictions(
            item,
            size,
            "size",
            signed=("size_currency",),
            entries=("average_price", "settlement_price"),  # futures' P&L counts from the last settlement
            mark="mark_price",
            profits=("floating_profit_loss", "total_profit_loss"),
            option=item.text("kind") in _OPTIONS,
        )
        word, coins, delta = item.text("kind"), item.number("size_currency"), item.number("delta")
        index = item.number("index_price")
        usd = index if index == index else mark  # of options no rule here is asked, only whether a margin is stated
        usd = 1.0 if word in _FUTURES and "_" in name else usd
        option, future = word in _OPTIONS, word in _FUTURES
        inverse = future and "_" not in name
        ours = size / mark if inverse and mark > 0 else size
        if future and coins == coins and abs(ours - coins) > _NEAR * max(abs(coins), abs(ours)):
            fix = "size is USD of an inverse contract, coins of a linear one; size_currency is coins"
            raise item.fault(f"is not size_currency {coins:g} at the mark {mark:g}", "size", size, fix)
        if future and delta == delta:
            if abs(delta - ours) > 0.5 * max(abs(ours), abs(delta)):
                raise item.fault(f"is not the position's {ours:g} coins", "delta", delta, "deltas are coins, signed")
            found.totals.append(Total(f"delta of {name}", ours, delta, 0.01, "coins"))
        found.holdings.append(
            HeldLine(
                "deribit",
                name,
                size,
                item.where,
                mark=mark,
                delta=delta,
                value=size * mark if option else float("nan"),
                option=option,
                initial=item.number("initial_margin") * usd,
                maintenance=item.number("maintenance_margin") * usd,
                index=index,
            )
        )


POSITIONS = Form(
    name="Deribit positions",
    venue="deribit",
    holds="positions",
    keys=frozenset({"instrument_name", "size", "direction", "average_price", "kind"}),
    read=_read,
    ignored=keys(
        "average_price_usd estimated_liquidation_price "
        "floating_profit_loss_usd leverage gamma vega "
        "theta realized_profit_loss realized_funding "
        "open_orders_margin interest_value"
    ),
    source="docs.deribit.com, private/get_positions",
    compared=True,
    checked="real payload",
)
