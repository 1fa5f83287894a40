"""Bybit: ``v5/position/list`` as positions. ``size`` is coins (USD for inverse contracts), ``side`` the sign.

Checked: ``positionValue`` is ``size`` at ``avgPrice``, and ``unrealisedPnl`` the way from there to the mark (in coins,
``size * (1 / avgPrice - 1 / markPrice)``, for inverse contracts).
"""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.form import Findings, Form, HeldLine, Total, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.signs import refuse_contradictions

__all__ = ["POSITIONS"]

_NEAR = 0.02


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, size, side = item.text("symbol"), item.needed("size"), item.text("side", "")
        if size == 0:
            continue
        if side not in ("Buy", "Sell"):
            raise item.fault("is neither Buy nor Sell", "side", side, "size has no sign of its own")
        if size < 0:
            raise item.fault("is negative although side tells the sign", "size", size, "save the venue's reply as it came")
        quantity = size if side == "Buy" else -size
        entry, mark, value = item.number("avgPrice"), item.number("markPrice"), item.number("positionValue")
        inverse = item.text("@category", "") == "inverse" or (name.endswith("USD") and "-" not in name)
        option = name.endswith(("-C", "-P", "-C-USDT", "-P-USDT"))
        expected = size / entry if inverse and entry else size * entry
        if not option and value == value and entry == entry and abs(expected - value) > _NEAR * max(value, expected):
            fix = "size is coins, or USD of an inverse contract"
            raise item.fault(f"at avgPrice {entry:g} is {expected:g}, not positionValue {value:g}", "size", size, fix)
        refuse_contradictions(
            item,
            quantity,
            "side",
            minus=("positionValue",),
            entries=("avgPrice",),
            mark="markPrice",
            profits=("unrealisedPnl",),
            option=option,
        )
        profit = item.number("unrealisedPnl")
        if profit == profit and mark > 0 and entry > 0:
            ours = quantity * (1.0 / entry - 1.0 / mark) if inverse else quantity * (mark - entry)
            most = abs(quantity) * (1.0 / min(mark, entry) if inverse else max(mark, entry))
            if abs(ours - profit) > max(0.5 * most, 1e-9):
                fix = "prices are dollars: save the venue's reply as it came"
                raise item.fault(f"from avgPrice {entry:g} is not a P&L of {profit:g}", "markPrice", mark, fix)
            unit, why = "coins" if inverse else "settlement", "the venue's P&L was taken at another mark"
            found.totals.append(Total(f"unrealised P&L of {name}", ours, profit, 0.01, unit, why, room=0.5))
        stated, leverage = item.number("positionIM"), item.number("leverage")
        if not option and not inverse and stated == stated and leverage > 0 and value == value:
            why = "the account is in portfolio margin, or fees to close are in it"
            found.totals.append(
                Total(f"initial margin of {name} at {leverage:g}x of its entry", value / leverage, stated, 0.01, why=why)
            )
        found.holdings.append(
            HeldLine(
                "bybit",
                name,
                quantity,
                item.where,
                mark=mark,
                delta=item.number("delta") if option else math.nan,
                value=quantity * mark if option else float("nan"),
                profit=0.0 if not option else profit,
                option=option,
                initial=item.number("positionIM"),
                maintenance=item.number("positionMM"),
                leverage=item.number("leverage"),
                lot=item.text("positionIdx", "").removeprefix("0"),
            )
        )


POSITIONS = Form(
    name="Bybit positions",
    venue="bybit",
    holds="positions",
    keys=frozenset({"symbol", "side", "size", "avgPrice", "positionValue"}),
    read=_read,
    ignored=keys(
        "riskId riskLimitValue tradeMode positionStatus autoAddMargin adlRankIndicator "
        "positionBalance liqPrice bustPrice positionMMByMp "
        "positionIMByMp tpslMode takeProfit stopLoss trailingStop curRealisedPnl cumRealisedPnl seq "
        "isReduceOnly mmrSysUpdatedTime leverageSysUpdatedTime createdTime updatedTime gamma "
        "vega theta sessionAvgPrice breakEvenPrice"
    ),
    source="bybit-exchange.github.io/docs/v5, position/list",
    compared=True,
    checked="real payload",
)
