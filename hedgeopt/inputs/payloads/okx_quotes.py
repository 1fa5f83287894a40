"""OKX: option summary, tickers, mark prices, index tickers, funding rates and order books as quotes.

Several of these make one quote: vols and forward come from the option summary, bids and asks from the tickers, marks from
the mark prices, the index from the index tickers. Premiums are in coins, vols decimals, sizes contracts (of the instruments'
list), times milliseconds, all as texts.
Source: OKX API guide v5: public/opt-summary, market/tickers, public/mark-price, market/index-tickers, public/funding-rate,
market/books.
"""

from __future__ import annotations

from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form, keys, plain_quotes
from hedgeopt.inputs.payloads.item import Item

__all__ = ["FUNDING", "INDEX_TICKERS", "MARK_PRICES", "OPTION_SUMMARY", "ORDER_BOOK", "TICKERS"]

_VENUE = "okx"
_SOURCE = "okx.com/docs-v5, "


def _read_tickers(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, spot = item.text("instId"), item.text("instType", "") == "SPOT"
        columns = item.columns(bid="bidPx", ask="askPx", bid_size="bidSz", ask_size="askSz", volume="vol24h")
        found.quote(_VENUE, name, item.moment("ts", "ms"), item.where, contracts=not spot, **columns)


def _read_index(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        base, _, quote = item.text("instId").partition("-")
        if quote not in ("USD", "USDT", "USDC"):
            found.skip("an index that is not in dollars", item.text("instId"))
            continue
        when = item.moment("ts", "ms")
        found.prices.setdefault((_VENUE, base), item.needed("idxPx"))
        if quote == "USD":
            found.prices[_VENUE, base] = item.needed("idxPx")
        if when is not None:
            found.times.append((when, item.where))


def _read_funding(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        start, end = item.moment("fundingTime", "ms"), item.moment("nextFundingTime", "ms")
        hours = (end - start).total_seconds() / 3600.0 if start is not None and end is not None else 8.0
        if not 0.0 < hours <= 24.0:
            raise item.fault("lies no funding period after fundingTime", "nextFundingTime", hours, "hours of 1 to 24")
        rate = item.needed("fundingRate") * 8.0 / hours
        found.quote(_VENUE, item.text("instId"), item.moment("ts", "ms"), item.where, funding_8h=rate)


def _read_book(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("@instrument", "") or item.text("@key", "")
        spot = name.count("-") == 1
        columns = item.best("bids", "asks")
        found.quote(_VENUE, name, item.moment("ts", "ms"), item.where, contracts=not spot, **columns)


OPTION_SUMMARY = Form(
    name="OKX option summary",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instId", "markVol", "fwdPx", "ts"}),
    read=plain_quotes(_VENUE, "instId", "ts", iv="markVol", forward="fwdPx", delta="deltaBS"),
    ignored=keys("instType uly bidVol askVol delta gamma vega theta gammaBS vegaBS thetaBS lever realVol volLv"),
    source=_SOURCE + "public/opt-summary",
    checked="real payload",
)
TICKERS = Form(
    name="OKX tickers",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instId", "bidPx", "askPx", "ts", "vol24h"}),
    read=_read_tickers,
    ignored=keys("last lastSz open24h high24h low24h volCcy24h sodUtc0 sodUtc8"),
    source=_SOURCE + "market/tickers",
    checked="real payload",
)
MARK_PRICES = Form(
    name="OKX mark prices",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instId", "markPx", "ts", "instType"}),
    absent=frozenset({"pos", "bidPx"}),
    read=plain_quotes(_VENUE, "instId", "ts", mark="markPx"),
    ignored=frozenset({"instType"}),
    source=_SOURCE + "public/mark-price",
    checked="real payload",
)
INDEX_TICKERS = Form(
    name="OKX index tickers",
    venue=_VENUE,
    holds="prices",
    keys=frozenset({"instId", "idxPx", "ts"}),
    absent=frozenset({"pos", "markPx"}),
    read=_read_index,
    ignored=keys("high24h low24h open24h sodUtc0 sodUtc8"),
    source=_SOURCE + "market/index-tickers",
    checked=PUBLISHED,
)
FUNDING = Form(
    name="OKX funding rates",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"instId", "fundingRate", "fundingTime"}),
    read=_read_funding,
    ignored=keys(
        "instType method formulaType nextFundingRate minFundingRate maxFundingRate interestRate "
        "impactValue settState settFundingRate premium prevFundingTime"
    ),
    source=_SOURCE + "public/funding-rate",
    checked=PUBLISHED,
)
ORDER_BOOK = Form(
    name="OKX order book",
    venue=_VENUE,
    holds="quotes",
    keys=frozenset({"asks", "bids", "ts"}),
    absent=frozenset({"instrument_name", "symbol", "s", "coin"}),
    read=_read_book,
    ignored=frozenset({"checksum", "prevSeqId", "seqId"}),
    source=_SOURCE + "market/books and the channel books",
    checked="real payload",
)
