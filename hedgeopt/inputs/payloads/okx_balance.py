"""OKX: ``account/balance`` as collateral.

``eq`` of a currency is its cash with unsettled P&L and, in the modes that count them, its options; the value of options held
is taken out when positions are given. The sum of ``eqUsd`` is checked against ``totalEq``.
"""

from __future__ import annotations

from hedgeopt.inputs.payloads.form import Findings, Form, Posted, Total, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["BALANCE"]


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        usd, when = 0.0, item.moment("uTime", "ms")
        if when is not None:
            found.times.append((when, item.where))
        for detail in item.items("details"):
            asset, amount = detail.text("ccy"), detail.needed("eq")
            value = detail.number("eqUsd", 0.0)
            usd += value
            if amount:
                found.posted.append(Posted("okx", asset, amount, detail.where, usd=value, with_options=True))
        total = item.number("totalEq")
        if total == total:
            found.totals.append(Total("equity at OKX", usd, total, 0.001, why="the reply leaves out currencies", side=1))


BALANCE = Form(
    name="OKX balance",
    venue="okx",
    holds="collateral",
    keys=frozenset({"details", "totalEq"}),
    read=_read,
    ignored=frozenset(
        [
            *keys(
                "adjEq borrowFroz imr isoEq mgnRatio mmr notionalUsd notionalUsdForBorrow "
                "notionalUsdForFutures notionalUsdForOption notionalUsdForSwap ordFroz upl "
                "availEq delta deltaLever deltaNeutralStatus"
            ),
            *(
                f"details.{key}"
                for key in keys(
                    "accAvgPx availBal availEq borrowFroz cashBal clSpotInUseAmt collateralEnabled "
                    "crossLiab disEq fixedBal frozenBal imr interest isoEq isoLiab isoUpl liab "
                    "maxLoan maxSpotInUseAmt mgnRatio mmr notionalLever openAvgPx ordFrozen rewardBal "
                    "smtSyncEq spotBal spotCopyTradingEq spotInUseAmt spotIsoBal spotUpl spotUplRatio "
                    "stgyEq totalPnl totalPnlRatio twap uTime upl uplLiab colRes "
                    "colBorrAutoConversion autoLendStatus autoLendMtAmt frpType"
                )
            ),
        ]
    ),
    source="okx.com/docs-v5, account/balance",
    checked="real payload",
)
