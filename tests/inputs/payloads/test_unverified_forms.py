"""Forms that no real payload has checked: small ones of our own, as the documentation of each describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.inputs.importing import Imported, import_payloads
from hedgeopt.models.margin.rules import margin_model

from .replies import MS, save

RAY = 10**27
WETH = {
    "symbol": "WETH", "decimals": 18, "baseLTVasCollateral": "8050", "reserveLiquidationThreshold": "8300",
    "reserveLiquidationBonus": "10500", "liquidityIndex": str(11 * RAY // 10), "variableBorrowIndex": str(12 * RAY // 10),
    "liquidityRate": str(RAY // 50), "variableBorrowRate": str(RAY // 20),
}  # fmt: skip
USDC = {**WETH, "symbol": "USDC", "decimals": 6}


def aave() -> dict[str, Any]:
    rows = [
        {"user": {"id": "0x1234567890abcdef"}, "scaledATokenBalance": str(10**19), "usageAsCollateralEnabledOnUser": True,
         "currentATokenBalance": str(11 * 10**18), "scaledVariableDebt": "0", "currentVariableDebt": "0", "reserve": WETH},
        {"user": {"id": "0x1234567890abcdef"}, "scaledATokenBalance": "0", "usageAsCollateralEnabledOnUser": False,
         "currentATokenBalance": "0", "scaledVariableDebt": str(5_000 * 10**6), "currentVariableDebt": str(6_000 * 10**6),
         "reserve": USDC},
    ]  # fmt: skip
    return {"data": {"userReserves": rows}}


def imported(folder: Path, *values: Any, **options: Any) -> Imported:
    return import_payloads(*(save(folder, f"{k}.json", value) for k, value in enumerate(values)), **options)


def said(found: Imported, form: str) -> bool:
    return any(note.startswith(("form unverified", "form of a published example")) and form in note for note in found.notes)


def test_aave_user_reserves_are_deposits_and_loans(tmp_path: Path) -> None:
    found = imported(tmp_path, aave())
    assert said(found, "Aave user reserves")
    assert found.book is not None
    (account,) = found.book.accounts
    assert (account.venue, account.margin) == ("aave", "aave")
    supply, loan = (position.instrument for position in account.positions)
    assert not isinstance(supply, str)
    assert not isinstance(loan, str)
    assert (supply.kind, supply.asset, account.positions[0].quantity) == ("lending_supply", "WETH", 10.0)
    assert (supply.index, loan.index) == pytest.approx((1.1, 1.2), rel=1e-12)
    assert (supply.ltv, supply.liquidation_threshold, supply.liquidation_bonus) == (0.805, 0.83, 0.05)
    assert (loan.kind, loan.asset, account.positions[1].quantity) == ("lending_borrow", "USDC", 5_000.0)
    assert (supply.rate, loan.rate) == (0.02, 0.05)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [("liquidityIndex", "1.1", "no whole number of ray"), ("liquidityIndex", str(10**18), "as a ray"),
     ("variableBorrowRate", str(RAY * 500), "as a ray"), ("baseLTVasCollateral", "0.805", "basis points"),
     ("reserveLiquidationThreshold", "83000", "basis points"), ("reserveLiquidationBonus", "500", "bonus in basis points"),
     ("decimals", 180, "no number of decimals")],
)  # fmt: skip
def test_wrong_units_of_aave_are_refused(key: str, value: Any, problem: str, tmp_path: Path) -> None:
    reply = aave()
    for row in reply["data"]["userReserves"]:
        row["reserve"] = {**row["reserve"], key: value}
    with pytest.raises(ho.InputError, match=problem):
        imported(tmp_path, reply)


def test_aave_reserves_give_prices_and_are_said(tmp_path: Path) -> None:
    found = imported(tmp_path, aave(), {"data": {"reserves": [{**WETH, "price": {"priceInUsd": "3000"}}]}})
    assert said(found, "Aave reserves")
    assert any("WETH (LTV 80.5%)" in note for note in found.notes)


@pytest.mark.parametrize("form", ["subgraph", "manager"])
def test_uniswap_positions(form: str, tmp_path: Path) -> None:
    tokens = {"token0": {"symbol": "USDC", "decimals": "6"}, "token1": {"symbol": "WETH", "decimals": "18"}}
    if form == "subgraph":
        row = {"id": "77", "owner": "0xabc", "liquidity": "123456789012345678901", "tickLower": {"tickIdx": "195000"},
               "tickUpper": {"tickIdx": "200000"}, "pool": {"id": "0x1", "feeTier": "500"}, **tokens}  # fmt: skip
    else:
        row = {"tokenId": "77", "liquidity": "123456789012345678901", "tickLower": 195_000, "tickUpper": 200_000,
               "fee": 500, "nonce": 0, "operator": "0x0", **tokens}  # fmt: skip
    closed = {**row, "id": "78", "liquidity": "0"}
    found = imported(tmp_path, {"data": {"positions": [row, closed]}} if form == "subgraph" else [row, closed])
    assert said(found, "Uniswap v3 positions")
    assert any("without liquidity" in note for note in found.notes)
    assert found.book is not None
    (account,) = found.book.accounts
    (position,) = account.positions
    item = position.instrument
    assert not isinstance(item, str)
    assert (item.kind, item.base, item.quote) == ("amm_concentrated", "WETH", "USDC")
    assert item.lower_price == pytest.approx(1e12 / 1.0001**200_000, rel=1e-12)  # dollars per ether: the inverse of a tick
    assert item.upper_price == pytest.approx(1e12 / 1.0001**195_000, rel=1e-12)
    assert item.liquidity == pytest.approx(123456789.012345678901, rel=1e-12)
    with pytest.raises(ho.InputError, match="token0"):
        imported(tmp_path, [{**row, "token0": "0xa0b8", "token1": "0xc02a"}])


def test_hyperliquid_meta_state_and_spot(tmp_path: Path) -> None:
    meta = [
        {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 50}, {"name": "OLD", "szDecimals": 2, "maxLeverage": 3,
                                                                            "isDelisted": True}]},
        [{"funding": "0.0000125", "openInterest": "1000", "prevDayPx": "99000", "dayNtlVlm": "1e9", "dayBaseVlm": "1e4",
          "oraclePx": "100000", "markPx": "100010", "midPx": "100005", "impactPxs": ["100000", "100020"], "premium": "0"},
         {"funding": "0", "openInterest": "0", "oraclePx": "1", "markPx": "1"}],
    ]  # fmt: skip
    sums = {"accountValue": "50000", "totalNtlPos": "20002", "totalRawUsd": "29998", "totalMarginUsed": "400"}
    position = {"coin": "BTC", "szi": "0.2", "positionValue": "20002", "leverage": {"type": "cross", "value": 50}}
    state = {"assetPositions": [{"type": "oneWay", "position": position}], "withdrawable": "100", "time": MS,
             "marginSummary": sums, "crossMarginSummary": sums}  # fmt: skip
    spot = {"balances": [{"coin": "HYPE", "token": 150, "total": "12.5", "hold": "0", "entryNtl": "300"},
                         {"coin": "@107", "token": 1, "total": "3", "hold": "0", "entryNtl": "0"}]}  # fmt: skip
    found = imported(tmp_path, state, spot)
    assert found.book is not None
    perp, coins = found.book.accounts
    assert (perp.collateral[0].amount, perp.positions[0].name, perp.positions[0].quantity) == (50_000.0, "BTC", 0.2)
    assert (coins.margin, coins.collateral[0].asset, coins.collateral[0].amount) == ("none", "HYPE", 12.5)
    assert any("@107" in note and "left out" in note for note in found.notes)
    assert sum("agrees with" in note for note in found.notes) == 2  # long less short, and notional
    quotes = imported(tmp_path, meta, state).quotes.set_index("instrument")
    assert list(quotes.index) == ["BTC"]
    assert quotes.loc["BTC", "funding_8h"] == pytest.approx(1e-4)  # of an hour, times 8
    assert (quotes.loc["BTC", "lot"], quotes.loc["BTC", "bid"]) == (1e-5, 100_000.0)


@pytest.mark.parametrize(
    ("name", "text", "form", "asset"),
    [
        ("cdd.csv", "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC\n"
         "1772841600,2026-03-07 00:00:00,BTC/USDT,100,102,99,101,5\n"
         "1772755200,2026-03-06 00:00:00,BTC/USDT,100,101,98,100,5\n",
         "CryptoDataDownload", None),
        ("yf.csv", "Date,Open,High,Low,Close,Volume\n2026-03-06,100,101,98,100,5\n"
         "2026-03-07,100,102,99,101,5\n", "yfinance", "BTC"),
        ("ohlcv.csv", "timestamp,open,high,low,close,volume\n"
         "1772755200000,100,101,98,100,5\n1772841600000,100,102,99,101,5\n",
         "ccxt OHLCV", "BTC"),
        ("ohlcv.json", "[[1772755200000,100,101,98,100,5],[1772841600000,100,102,99,101,5]]", "ccxt OHLCV", "BTC"),
    ],
)  # fmt: skip
def test_histories(name: str, text: str, form: str, asset: str | None, tmp_path: Path) -> None:
    found = import_payloads(save(tmp_path, name, text), asset=asset)
    assert said(found, form)
    assert found.histories is not None
    assert list(found.histories["BTC"]) == [100.0, 101.0]
    assert [str(day.date()) for day in found.histories["timestamp"]] == ["2026-03-06", "2026-03-07"]
    if asset is not None:
        with pytest.raises(ho.InputError, match="not named"):
            import_payloads(tmp_path / name)
    if name.endswith(".csv"):
        with pytest.raises(ho.InputError, match="lies outside of low and high in 2 of 2 rows"):
            import_payloads(
                save(tmp_path, name, text.replace("102,99", "1.02,0.99").replace("101,98", "1.01,0.98")), asset=asset
            )


def test_ccxt_positions_and_balance(tmp_path: Path) -> None:
    position = {"symbol": "BTC/USDT:USDT", "contracts": 20.0, "contractSize": 0.1, "side": "short", "markPrice": 100_000.0,
                "notional": 200_000.0}  # fmt: skip
    balance = {"free": {"USDT": 900.0}, "used": {"USDT": 100.0}, "total": {"USDT": 1_000.0}, "timestamp": MS}
    found = imported(tmp_path, [position], balance, venue="bybit")
    assert said(found, "ccxt positions")
    assert said(found, "ccxt balance")
    assert found.book is not None
    (account,) = found.book.accounts
    assert (account.positions[0].name, account.positions[0].quantity) == ("BTCUSDT", -2.0)
    assert (account.collateral[0].asset, account.collateral[0].amount) == ("USDT", 1_000.0)
    with pytest.raises(ho.InputError, match="not notional"):
        imported(tmp_path, [{**position, "contractSize": 1.0}], balance, venue="bybit")
    with pytest.raises(ho.InputError, match="venue"):
        imported(tmp_path, [position], balance)


def test_binance_positions(tmp_path: Path) -> None:
    option = {"symbol": "BTC-260327-100000-C", "side": "SHORT", "quantity": "-2", "markValue": "-9000", "markPrice": "4500"}
    future = {"symbol": "BTCUSDT", "positionAmt": "-0.5", "entryPrice": "99000", "markPrice": "100000", "notional": "-50000",
              "unRealizedProfit": "-500", "marginType": "cross"}  # fmt: skip
    cash = {"asset": "USDT", "balance": "10000", "crossWalletBalance": "10000"}
    found = imported(tmp_path, [option], [future], [cash])
    for form in ("option positions", "futures positions", "futures balances"):
        assert said(found, form)
    assert found.book is not None
    (account,) = found.book.accounts
    assert {p.name: p.quantity for p in account.positions} == {"BTC-260327-100000-C": -2.0, "BTCUSDT": -0.5}
    assert account.collateral[0].amount == 9_500.0  # with the P&L that is not settled
    with pytest.raises(ho.InputError, match="not notional"):
        imported(tmp_path, [{**future, "positionAmt": "-500"}], [cash])


def test_okx_funding_is_brought_to_eight_hours(tmp_path: Path) -> None:
    hour = 3_600_000
    row = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "fundingRate": "0.0001", "fundingTime": str(MS + hour),
           "nextFundingTime": str(MS + 5 * hour), "ts": str(MS)}  # fmt: skip
    mark = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "markPx": "100000", "ts": str(MS)}
    reply = {"code": "0", "msg": ""}
    found = imported(tmp_path, {**reply, "data": [row]}, {**reply, "data": [mark]})
    assert said(found, "OKX funding rates")
    assert found.quotes["funding_8h"].tolist() == [pytest.approx(2e-4)]  # every four hours
    with pytest.raises(ho.InputError, match="nextFundingTime"):
        imported(tmp_path, {**reply, "data": [{**row, "nextFundingTime": row["fundingTime"]}]}, {**reply, "data": [mark]})


def test_tardis_derivative_ticker_says_that_it_is_unverified(tmp_path: Path) -> None:
    text = (
        "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,open_interest,"
        f"last_price,index_price,mark_price\nderibit,BTC-PERPETUAL,{MS * 1000},{MS * 1000},,0.0001,,1000,1,100000,100010\n"
    )
    path = save(tmp_path, "ticker.csv", text)
    assert said(import_payloads(path), "Tardis derivative ticker")
    market = ho.read_market(path)
    assert any("form unverified: Tardis derivative ticker" in note for note in market.notes)
    assert market.quote("funding_8h", "deribit:BTC-PERPETUAL") == 1e-4


def risk_limits(rate: float = 1.0) -> dict[str, Any]:
    """Two tiers of BTCUSDT; ``rate`` 100: in per cent, as older replies of inverse contracts."""
    rows = [
        {"id": k, "symbol": "BTCUSDT", "riskLimitValue": limit, "maintenanceMargin": str(mm * rate), "isLowestRisk": 0,
         "initialMargin": str(im * rate), "maxLeverage": leverage, "mmDeduction": drop}
        for k, (limit, mm, im, leverage, drop) in enumerate(
            (("2000000", 0.005, 0.01, "100.00", ""), ("10000000", 0.01, 0.02, "50.00", "10000"))
        )
    ]  # fmt: skip
    return {"retCode": 0, "result": {"category": "linear", "list": rows, "nextPageCursor": ""}, "time": MS}


@pytest.mark.parametrize("rate", [1.0, 100.0])
def test_risk_limits_of_bybit_become_a_table(rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = imported(tmp_path, risk_limits(rate))
    assert found.book is None
    assert any("deductions of" in note and "follow from the rates (tolerance 0.1 %)" in note for note in found.notes)
    monkeypatch.setenv("HEDGEOPT_TABLES", "")
    (path,) = found.write(tmp_path / "out")
    assert path.name == "bybit.toml"
    ho.models.data.use_tables(path)
    rule = margin_model("bybit:20", "bybit")
    assert ho.models.data.table("bybit")["margin"]["brackets"]["BTC"] == [[2e6, 100.0, 0.005], [1e7, 50.0, 0.01]]
    assert rule.allowed("BTC").at(5e6) == 50.0  # type: ignore[attr-defined]


def test_risk_limits_that_cannot_be_are_refused(tmp_path: Path) -> None:
    value = risk_limits()
    value["result"]["list"][1]["initialMargin"] = "0.2"
    with pytest.raises(ho.InputError, match=r"initialMargin.*of BTCUSDT at maxLeverage 50 is no initial rate"):
        imported(tmp_path, value)
    value = risk_limits()
    value["result"]["list"].reverse()
    with pytest.raises(ho.InputError, match="out of order"):
        imported(tmp_path, value)


def test_accounts_in_bybits_portfolio_margin_have_their_rule(tmp_path: Path) -> None:
    info = {"retCode": 0, "result": {"marginMode": "PORTFOLIO_MARGIN", "unifiedMarginStatus": 4}, "time": MS}
    held = {
        "symbol": "BTCUSDT",
        "side": "Buy",
        "size": "1",
        "avgPrice": "50000",
        "positionValue": "50000",
        "markPrice": "50000",
    }
    positions = {"retCode": 0, "result": {"category": "linear", "list": [held]}, "time": MS}
    found = imported(tmp_path, info, positions)
    assert found.book is not None
    assert found.book.accounts[0].margin == "bybit_portfolio"
    assert any("most of whose numbers you give" in note for note in found.notes)
