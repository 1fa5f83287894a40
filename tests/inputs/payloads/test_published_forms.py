"""Forms of which no real reply is at hand: every key that an example or a schema of them prints is read or ignored.

The keys are those of the venues' documentation, of their clients' schemas, and of test data of public adapters, read in
2026-11. A reader that meets a key it does not know says so, and then the form is another one than was published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.inputs.payloads.form import PUBLISHED
from hedgeopt.inputs.payloads.recognise import FORMS

from .units import WITH

EXAMPLES = Path(__file__).parent / "examples"
KEYS = {
    # docs.deribit.com, public/get_combos, and a reply of the test network (May 2026) in a public adapter's tests
    "deribit-combos": "creation_timestamp id instrument_id legs state state_timestamp",
    # okx.com/docs-v5, and messages in a public adapter's tests
    "okx-index-tickers": "instId idxPx high24h sodUtc0 open24h low24h sodUtc8 ts",
    "okx-funding-rates": "instType instId fundingRate nextFundingRate fundingTime nextFundingTime minFundingRate "
    "maxFundingRate method formulaType premium interestRate impactValue settState settFundingRate ts",
    # developers.binance.com, options-trading and derivatives
    "binance-option-marks": "symbol markPrice bidIV askIV markIV delta theta gamma vega highPriceLimit lowPriceLimit "
    "riskFreeInterest",
    "binance-option-mark-stream": "s mp E e i P bo ao bq aq b a hl ll vo rf d t g v",
    "binance-option-exchange-information": "expiryDate filters symbol side strikePrice underlying unit makerFeeRate "
    "takerFeeRate liquidationFeeRate minQty maxQty initialMargin maintenanceMargin minInitialMargin "
    "minMaintenanceMargin priceScale quantityScale quoteAsset",
    "binance-option-positions": "entryPrice symbol side quantity reducibleQty markValue ror unrealizedPNL markPrice "
    "strikePrice expiryDate positionCost priceScale quantityScale optionSide quoteAsset time bidQuantity askQuantity",
    "binance-premium-index": "symbol pair markPrice indexPrice estimatedSettlePrice lastFundingRate interestRate "
    "nextFundingTime time",
    "binance-futures-positions": "symbol positionAmt entryPrice markPrice unRealizedProfit liquidationPrice leverage "
    "maxNotionalValue marginType isolatedMargin isAutoAddMargin positionSide notional isolatedWallet updateTime "
    "breakEvenPrice",
    "binance-futures-balances": "accountAlias asset balance crossWalletBalance crossUnPnl availableBalance "
    "maxWithdrawAmount marginAvailable updateTime",
    # bybit-exchange.github.io, v5, market/risk-limit
    "bybit-risk-limits": "id symbol riskLimitValue maintenanceMargin initialMargin isLowestRisk maxLeverage mmDeduction",
    # the unified types of ccxt's own sources
    "ccxt-greeks": "symbol timestamp datetime delta gamma theta vega rho vanna volga charm bidSize askSize "
    "bidImpliedVolatility askImpliedVolatility markImpliedVolatility bidPrice askPrice markPrice lastPrice "
    "underlyingPrice info",
    "ccxt-positions": "id symbol timestamp datetime side contracts contractSize notional entryPrice markPrice lastPrice "
    "liquidationPrice unrealizedPnl realizedPnl collateral leverage marginMode hedged maintenanceMargin "
    "maintenanceMarginPercentage initialMargin initialMarginPercentage marginRatio percentage lastUpdateTimestamp "
    "stopLossPrice takeProfitPrice info",
    # replies to meta and spotMeta in a public adapter's tests, and schemas of two clients
    "hyperliquid-meta-and-contexts": "name szDecimals maxLeverage marginTableId onlyIsolated isDelisted marginMode "
    "growthMode",
    "hyperliquid-spot-meta-and-contexts": "name szDecimals weiDecimals index tokenId isCanonical",
    # queries of the subgraph in public clients
    "uniswap-v3-positions": "id owner liquidity pool tickLower tickUpper depositedToken0 depositedToken1 withdrawnToken0 "
    "withdrawnToken1 collectedFeesToken0 collectedFeesToken1 token0 token1 transaction feeGrowthInside0LastX128 "
    "feeGrowthInside1LastX128",
}


def _rows(value: Any, keys: set[str]) -> Iterator[dict[str, Any]]:
    """Objects of a reply that have three or more of the keys."""
    if isinstance(value, list):
        for one in value:
            yield from _rows(one, keys)
    elif isinstance(value, dict):
        if len(keys & value.keys()) >= 3:
            yield value
        for one in value.values():
            yield from _rows(one, keys)


@pytest.mark.parametrize("form", KEYS)
def test_every_published_key_is_read_or_ignored(form: str) -> None:
    keys = set(KEYS[form].split())
    plain, full = (json.loads((EXAMPLES / f"{form}.json").read_text()) for _ in range(2))
    alike = list(_rows(full, keys))
    most = max(len(keys & row.keys()) for row in alike)
    rows = [row for row in alike if len(keys & row.keys()) == most]
    for row in rows:
        row.update(dict.fromkeys(sorted(keys - row.keys())))
    others = [EXAMPLES / f"{other}.json" for other in WITH.get(form, ())]
    venue = {"ccxt-greeks": "deribit", "ccxt-positions": "bybit"}.get(form)
    found, wanted = (ho.import_payloads(value, *others, venue=venue) for value in (full, plain))
    assert not [note for note in found.notes if "keys that are not known" in note]
    assert found.quotes.equals(wanted.quotes)
    assert (found.book is None) == (wanted.book is None)
    assert found.book is None or wanted.book is None or found.book.accounts == wanted.book.accounts


def test_a_key_of_another_form_is_told() -> None:
    """The test above can fail: a key that nobody published is named."""
    value = json.loads((EXAMPLES / "okx-index-tickers.json").read_text())
    value["data"][0]["somethingNew"] = "1"
    assert any("not known, and not used: somethingNew" in note for note in ho.import_payloads(value).notes)


def test_each_form_that_says_so_is_here() -> None:
    named = {form.name.lower().replace(" ", "-") for form in FORMS if form.checked == PUBLISHED}
    assert named == set(KEYS)


def test_both_futures_of_binance_by_one_form() -> None:
    """Coin-margined contracts write nothing where a future has no funding, as their documentation prints."""
    rows = [
        {"symbol": name, "pair": "BTCUSD", "markPrice": price, "indexPrice": "99000.0", "estimatedSettlePrice": "99000.0",
         "lastFundingRate": rate, "interestRate": rate, "nextFundingTime": 0, "time": 1772791200000}
        for name, price, rate in (("BTCUSD_PERP", "99010.0", "0.0002"), ("BTCUSD_260327", "99400.0", ""))
    ]  # fmt: skip
    quotes = ho.import_payloads(rows).quotes.set_index("instrument")
    assert quotes.loc["BTCUSD_PERP", "funding_8h"] == 0.0002
    assert quotes["funding_8h"].isna().tolist() == [False, True]
    assert quotes["settlement"].tolist() == ["BTC", "BTC"]


def test_deribits_names_tell_the_legs_that_its_replies_print() -> None:
    """Box and futures spreads of get_combos, by their names: the first is bought."""
    replies = {
        "BTC-BOX-25DEC26-58000_60000": {
            "25DEC26-58000-C": 1, "25DEC26-58000-P": -1, "25DEC26-60000-C": -1, "25DEC26-60000-P": 1,
        },
        "BTC-FS-19MAY26_PERP": {"19MAY26": 1, "PERPETUAL": -1},
        "BTC-FS-20MAY26_19MAY26": {"20MAY26": 1, "19MAY26": -1},
        "BTC-CS-19MAY26-70000_75000": {"19MAY26-70000-C": 1, "19MAY26-75000-C": -1},
    }  # fmt: skip
    from hedgeopt.inputs.payloads.deribit_names import legs_of

    for name, legs in replies.items():
        assert dict(legs_of(name) or ()) == {f"BTC-{leg}": float(amount) for leg, amount in legs.items()}
