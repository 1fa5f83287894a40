"""OKX: ``public/instruments`` as sizes of contracts.

One contract is ``ctVal`` times ``ctMult`` of ``ctValCcy``: BTC options are 0.01 BTC, BTC-USDT-SWAP 0.01 BTC, BTC-USD-SWAP
100 USD. Lots and minimum sizes are contracts as well (the neutral table multiplies them).
"""

from __future__ import annotations

from hedgeopt.inputs.payloads.form import Findings, Form, Spec, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["INSTRUMENTS", "TIERS"]


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("instId")
        if item.text("state", "live") != "live":
            found.skip("not live at the venue", name)
            continue
        spot = item.text("instType") in ("SPOT", "MARGIN")
        size = 1.0 if spot else item.needed("ctVal") * item.number("ctMult", 1.0)
        found.specs["okx", name] = Spec(
            "okx",
            name,
            multiplier=size,
            tick=item.number("tickSz"),
            lot=item.number("lotSz"),
            min_size=item.number("minSz"),
            expiry=item.moment("expTime", "ms"),
        )


def _read_tiers(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        item.text("instFamily", "")
    found.notes.append("OKX position tiers are not read: margin tiers belong to a venue's table (hedgeopt schema venue)")


INSTRUMENTS = Form(
    name="OKX instruments",
    venue="okx",
    holds="sizes",
    keys=frozenset({"instId", "instType", "lotSz", "tickSz", "minSz"}),
    read=_read,
    ignored=keys(
        "alias auctionEndTime baseCcy category ctType ctValCcy instFamily lever listTime maxIcebergSz "
        "maxLmtAmt maxLmtSz maxMktAmt maxMktSz maxStopSz maxTriggerSz maxTwapSz optType quoteCcy "
        "ruleType settleCcy stk uly contTdSwTime openType preMktSwTime futureSettlement groupId "
        "instIdCode tradeQuoteCcyList"
    ),
    source="okx.com/docs-v5, public/instruments",
    checked="real payload",
)
TIERS = Form(
    name="OKX position tiers",
    venue="okx",
    holds="sizes",
    keys=frozenset({"tier", "mmr", "imr", "maxSz", "minSz"}),
    read=_read_tiers,
    ignored=keys("baseMaxLoan imr instId maxLever maxSz minSz mmr optMgnFactor quoteMaxLoan tier uly ccy"),
    source="okx.com/docs-v5, public/position-tiers",
    checked="real payload",
)
