"""Bybit: ``v5/account/wallet-balance`` as collateral.

Collateral of a coin is ``walletBalance - spotBorrow + unrealisedPnl``, the latter without that of options (their value is
theirs). The sum of ``usdValue`` is checked against ``totalEquity``.
"""

from __future__ import annotations

from hedgeopt.inputs.payloads.form import Findings, Form, Posted, Total, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["WALLET"]


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        usd, kind = 0.0, item.text("accountType", "UNIFIED")
        if kind not in ("UNIFIED", "CONTRACT"):
            found.notes.append(f"Bybit account type {kind} is read like a unified account")
        for coin in item.items("coin"):
            asset = coin.text("coin")
            debt = coin.number("spotBorrow") if "spotBorrow" in coin else coin.number("borrowAmount", 0.0)
            amount = coin.needed("walletBalance") - debt + coin.number("unrealisedPnl", 0.0)
            value, equity = coin.number("usdValue", 0.0), coin.number("equity")
            usd += value
            if equity == equity and abs(equity - amount) > 1e-6 * max(abs(equity), abs(amount)):
                found.notes.append(
                    f"{asset} at Bybit: wallet balance less debt with P&L is {amount:.8g}, equity is {equity:.8g}: "
                    "the former is taken (equity counts no debt, or counts options)"
                )
            if amount:
                posted = Posted("bybit", asset, amount, coin.where, usd=value, whole=equity, needs_profit=True)
                found.posted.append(posted)
        for kind in ("Initial", "Maintenance"):
            stated = item.number(f"total{kind}Margin")
            if stated == stated:
                found.stated["bybit", kind.lower()] = stated
        total = item.number("totalEquity")
        if total == total:
            found.totals.append(
                Total(
                    "equity at Bybit",
                    usd,
                    total,
                    0.001,
                    why="usdValue of the coins and totalEquity are of two moments",
                    room=0.02,
                )
            )


WALLET = Form(
    name="Bybit wallet",
    venue="bybit",
    holds="collateral",
    keys=frozenset({"coin", "totalEquity", "accountType"}),
    read=_read,
    ignored=frozenset(
        [
            *keys(
                "accountIMRate accountMMRate accountIMRateByMp accountMMRateByMp totalMarginBalance "
                "totalInitialMarginByMp totalMaintenanceMarginByMp totalAvailableBalance totalPerpUPL totalWalletBalance "
                "accountLTV"
            ),
            *(
                f"coin.{key}"
                for key in keys(
                    "availableToBorrow bonus accruedInterest availableToWithdraw totalOrderIM "
                    "totalPositionMM totalPositionIM cumRealisedPnl locked collateralSwitch "
                    "marginCollateral borrowAmount spotHedgingQty free"
                )
            ),
        ]
    ),
    source="bybit-exchange.github.io/docs/v5, account/wallet-balance",
    compared=True,
    checked="real payload",
)
