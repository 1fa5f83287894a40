"""OKX: ``account/positions`` as positions.

``pos`` counts contracts, negative for a short in net mode; ``posSide`` long or short tells the side in long/short mode. The
contract's size comes from the instruments' list; without it, from ``notionalUsd``, which also checks it.
"""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.form import Findings, Form, HeldLine, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.signs import refuse_contradictions

__all__ = ["POSITIONS"]


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, size, side = item.text("instId"), item.number("pos", 0.0), item.text("posSide", "net")
        if side not in ("net", "long", "short"):
            raise item.fault("is none of net, long, short", "posSide", side)
        kind = item.text("instType")
        if kind == "MARGIN":
            found.skip("margin trades of spot: give them as collateral", name)
            continue
        if size == 0:
            continue
        if side != "net" and size < 0:
            raise item.fault("is negative although posSide tells the side", "pos", size, "save the venue's reply as it came")
        quantity = -abs(size) if side == "short" else size
        refuse_contradictions(
            item,
            quantity,
            "pos" if side == "net" else "posSide",
            signed=("optVal",),
            minus=("notionalUsd",),
            entries=("avgPx",),
            mark="markPx",
            profits=("upl",),
            option=kind == "OPTION",
        )
        mark, value = item.number("markPx"), item.number("optVal")
        option = kind == "OPTION"
        found.holdings.append(
            HeldLine(
                "okx",
                name,
                quantity,
                item.where,
                unit="contracts",
                mark=mark,
                notional=abs(item.number("notionalUsd")),
                reference=item.number("idxPx") if option else mark,
                delta=item.number("deltaBS"),
                value=value if option else math.nan,
                option=option,
                lot=f"{side} {item.text('mgnMode', '')}",
            )
        )


POSITIONS = Form(
    name="OKX positions",
    venue="okx",
    holds="positions",
    keys=frozenset({"instId", "pos", "posSide", "mgnMode"}),
    read=_read,
    ignored=keys(
        "posId baseBal ccy fee lever last liqPx mmr interest tradeId uplRatio uTime margin "
        "mgnRatio adl cTime realizedPnl uplLastPx uplRatioLastPx availPos bePx fundingFee idxPx "
        "liqPenalty pendingCloseOrdLiabVal pnl posCcy quoteBal quoteBorrowed quoteInterest usdPx "
        "spotInUseAmt spotInUseCcy imr liab liabCcy deltaPA gammaBS gammaPA thetaBS thetaPA vegaBS "
        "vegaPA closeOrderAlgo bizRefId bizRefType nonSettleAvgPx settledPnl clSpotInUseAmt "
        "maxSpotInUseAmt hedgedPos"
    ),
    source="okx.com/docs-v5, account/positions",
    checked="real payload",
)
