"""One desk with everything: options, liquidity, a loan loop, a vault, a staked token, on 2024-01-08 11:19 UTC.

The options are the recorded chain without implied vols; the pool is the recorded Uniswap pool, entered six weeks before.
Every number is recomputed here from marks and closed forms.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.book_file import read_book
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.models.data import table
from hedgeopt.models.pricing.liquidity import fees_between

pytestmark = pytest.mark.realdata

CHAIN = "deribit-eth-chain-20240108/eth_options_20240108.csv"
POOL = "uniswap/ethereum_univ3_usdc_weth_hourly_20231127_20240108.csv"
OPTIONS = {"ETH-26JAN24-2500-C": -200.0, "ETH-26JAN24-2000-P": -150.0, "ETH-29MAR24-2400-C": 60.0}
VAULT_OPTION = "ETH-12JAN24-2400-C"
STETH, WSTETH_RATE, PEG = 0.9992, 1.153, 0.9985


@dataclass
class Desk:
    book: ho.Book
    market: ho.Market
    report: ho.RiskReport
    marks: pd.DataFrame
    entry: float
    fees: tuple[float, float]
    reserves: pd.DataFrame


@pytest.fixture(scope="module")
def desk(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    raw = pd.read_csv(shared_data / CHAIN).set_index("instrument_name")
    index = float(raw["estimated_delivery_price"].iloc[0])
    prices = {"stETH": index * STETH, "wstETH": index * WSTETH_RATE * PEG, "USDC": 1.0}
    market = read_market(shared_data / CHAIN, invert_marks=True, prices=prices)
    hours = pd.read_csv(shared_data / POOL).sort_values("periodStartUnix")
    assert hours["low"].min() > 1_850
    assert hours["high"].max() < 2_600  # the position was in range throughout: it earned the pool's fee growth
    entry, level = float(hours["close"].iloc[0]), 3_000
    growth = [[int(hours[f"feeGrowthGlobal{k}X128"].iloc[at]) for at in (0, -1)] for k in (0, 1)]
    usdc, eth = (fees_between(level * 10**12, *pair) / 10**d for pair, d in zip(growth, (6, 18), strict=True))
    reserves = pd.read_csv(shared_data / "lending" / "aave_v3_reserves_ethereum.csv").set_index("symbol")

    def reserve(symbol: str, index_column: str, rate_column: str) -> dict[str, Any]:
        now = int(reserves.loc[symbol, index_column]) / 1e27
        return {"index": now, "entry_index": now, "rate": int(reserves.loc[symbol, rate_column]) / 1e27}

    held = {
        "deribit": [{"instrument": name, "quantity": quantity} for name, quantity in OPTIONS.items()],
        "uniswap": [
            {
                "instrument": {
                    "kind": "amm_concentrated",
                    "name": "USDC/WETH 1850-2600",
                    "base": "WETH",
                    "quote": "USDC",
                    "liquidity": level,
                    "lower_price": 1_850.0,
                    "upper_price": 2_600.0,
                    "entry_price": entry,
                    "fees_base": eth,
                    "fees_quote": usdc,
                    "fee_rate": 0.2,
                },
                "quantity": 2.0,
            }
        ],
        "aave": [
            {
                "instrument": {
                    "kind": "loop",
                    "name": "wstETH loop",
                    "ltv": 0.9,
                    "loops": 12,
                    "entry_price": WSTETH_RATE * PEG,
                    "supply": {
                        "asset": "wstETH",
                        **reserve("wstETH", "liquidityIndex", "liquidityRate"),
                        "ltv": int(reserves.loc["wstETH", "baseLTVasCollateral"]) / 1e4,
                        "liquidation_threshold": int(reserves.loc["wstETH", "reserveLiquidationThreshold"]) / 1e4,
                        "emode": {"category": 1, "ltv": 0.93, "liquidation_threshold": 0.95},
                    },
                    "borrow": {
                        "asset": "WETH",
                        "emode_category": 1,
                        **reserve("WETH", "variableBorrowIndex", "variableBorrowRate"),
                    },
                },
                "quantity": 80.0,
            }
        ],
        "ribbon": [
            {
                "instrument": {
                    "kind": "option_vault",
                    "name": "covered call",
                    "strategy": "covered_call",
                    "asset": "ETH",
                    "deposit_per_share": 1.01,
                    "contracts_per_share": 1.0,
                    "option": market.instrument("deribit", VAULT_OPTION).model_dump(mode="json"),
                },
                "quantity": 120.0,
            }
        ],
        "lido": [
            {
                "instrument": {
                    "kind": "pegged",
                    "name": "stETH",
                    "asset": "stETH",
                    "underlying": "ETH",
                    "yield_rate": 0.032,
                },
                "quantity": 100.0,
            }
        ],
    }
    collateral = {"deribit": [{"asset": "ETH", "amount": 150.0}, {"asset": "stETH", "amount": 50.0}]}
    accounts = [
        {"name": venue, "venue": venue, "positions": rows, "collateral": collateral.get(venue, [])}
        for venue, rows in held.items()
    ]
    path = tmp_path_factory.mktemp("book") / "mixed.json"
    path.write_text(json.dumps({"name": "mixed", "accounts": accounts}))
    book = read_book(path)
    policy = ho.Policy(minimize=ho.CVaR(0.99), scenarios=ho.ParametricScenarios(count=2_000), lots="ideal")
    report = ho.risk_report(expose(book, market, policy, trades=False))
    return Desk(book, market, report, raw, entry, (eth, usdc), reserves)


def pool_value(price: float) -> float:
    root = np.sqrt(price)
    return 3_000 * (2 * root - np.sqrt(1_850) - price / np.sqrt(2_600))


def test_marks_come_back_from_the_inverted_vols(desk: Desk):
    """Each held option is worth its recorded mark, in coin."""
    positions = {position.name: position for position in desk.report.positions}
    for name, quantity in OPTIONS.items():
        mark = float(desk.marks.loc[name, "mark_price"])
        assert positions[name].value_settlement == pytest.approx(quantity * mark, rel=1e-9)
    assert any("taken from their marks" in note for note in desk.market.notes)


def test_equity_is_the_sum_of_closed_forms(desk: Desk):
    s = desk.market.price("ETH")
    options = s * sum(q * float(desk.marks.loc[name, "mark_price"]) for name, q in OPTIONS.items())
    pool = 2 * (pool_value(s) + desk.fees[0] * s + desk.fees[1])
    loop = 80 * WSTETH_RATE * PEG * s  # just looped at the market's price: worth what was put in
    vault = 120 * s * (1.01 - float(desk.marks.loc[VAULT_OPTION, "mark_price"]))
    tokens = (100 + 50) * s * STETH
    assert desk.report.equity == pytest.approx(150 * s + options + pool + loop + vault + tokens, rel=1e-9)


def test_impermanent_loss_of_six_weeks(desk: Desk):
    s, entry = desk.market.price("ETH"), desk.entry
    x, y = 3_000 * (1 / np.sqrt(entry) - 1 / np.sqrt(2_600)), 3_000 * (np.sqrt(entry) - np.sqrt(1_850))
    hold = x * s + y
    (pool,) = (p for p in desk.report.positions if p.kind == "amm_concentrated")
    assert pool.impermanent_loss == pytest.approx(2 * (pool_value(s) - hold))
    assert pool.impermanent_loss < 0
    assert desk.report.impermanent_loss == pool.impermanent_loss
    # the recorded fees of the 0.05 % pool are of the same size as what was lost
    fees = 2 * (desk.fees[0] * s + desk.fees[1])
    assert 0.1 < fees / -pool.impermanent_loss < 10


def test_delta_of_everything(desk: Desk):
    """Central differences of the options' and pool's closed forms, and coins for the rest."""
    s, h = desk.market.price("ETH"), 0.01
    pool = 2 * ((pool_value(s + h) - pool_value(s - h)) / (2 * h) + desk.fees[0])
    loop = next(item for item in desk.report.loans)
    linear = 150 + 50 * STETH + 100 * STETH + 120 * 1.01 + pool
    options = sum(p.greeks["ETH"]["delta"] for p in desk.report.positions if p.kind == "option")
    (vault,) = (p for p in desk.report.positions if p.kind == "option_vault")
    short_call = vault.greeks["ETH"]["delta"] - 120 * 1.01
    assert -120 < short_call < 0
    total = linear + options + short_call + loop.exposure["ETH"] / s
    assert desk.report.greeks["ETH"]["delta"] == pytest.approx(total, rel=1e-9)


def test_the_loop_is_the_loan_it_is(desk: Desk):
    (loan,) = desk.report.loans
    leverage = (1 - 0.9**13) / 0.1
    assert loan.leverage == pytest.approx(leverage)
    assert loan.directional_leverage == pytest.approx(1.0)
    assert loan.health_factor == pytest.approx(0.95 * leverage / (leverage - 1))
    assert set(loan.exposure) == {"ETH", "stETH/ETH"}  # WETH is ETH, wstETH is stETH
    assert loan.liquidation_price == {}  # both legs move with ETH: only the peg can liquidate
    assert loan.exposure["stETH/ETH"] == pytest.approx(leverage * loan.equity)


def test_tenor_buckets_place_each_expiry(desk: Desk):
    vega = desk.report.tenors["vega"]["ETH"]
    assert sum(vega.values()) == pytest.approx(desk.report.greeks["ETH"]["vega"])
    assert vega["7d"] < 0
    assert vega["90d"] > 0
    assert vega["365d"] == vega["none"] == 0.0
    gamma = desk.report.tenors["gamma"]["ETH"]
    s = desk.market.price("ETH")
    assert gamma["none"] == pytest.approx(-2 * 3_000 / (2 * s**1.5))


def test_the_peg_of_june_2022_hurts_tokens_and_loop(desk: Desk):
    """A hundred tokens alone: by the table's stETH where it is named, by its ETH elsewhere."""
    index = desk.market.price("ETH")
    only = ho.Book(accounts=[account for account in desk.book.accounts if account.name == "lido"])
    policy = ho.Policy(minimize=ho.CVaR(0.99), scenarios=ho.ParametricScenarios(count=500), lots="ideal")
    alone = ho.risk_report(expose(only, desk.market, policy, trades=False))
    spot = {event["name"]: event["spot"] for event in table("stress")["event"]}
    assert spot["2022-06"]["stETH"]["value"] < spot["2022-06"]["ETH"]["value"]
    for name, named in (("2022-06", "stETH"), ("2020-03-12", "ETH")):
        assert alone.stress[name] == pytest.approx(spot[name][named]["value"] * 100 * index * STETH)
    assert alone.greeks["stETH/ETH"]["delta"] == pytest.approx(100 * index * STETH)
    (loan,) = desk.report.loans
    at_stake = 150 * index * STETH + loan.supplied
    assert desk.report.greeks["stETH/ETH"]["delta"] == pytest.approx(at_stake)


def test_the_report_goes_to_json(desk: Desk):
    text = json.dumps(desk.report.to_dict())
    for word in ("impermanent_loss", "directional_leverage", "tenors", "health_factor", "wstETH loop supply"):
        assert word in text


def test_the_book_reads_back(desk: Desk, tmp_path: Path):
    path = tmp_path / "again.json"
    path.write_text(desk.book.model_dump_json())
    assert read_book(path) == desk.book


def test_the_desk_can_be_hedged(desk: Desk):
    """The ordinary policy trades Deribit options against the whole desk, and the delta limit holds."""
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("ETH").within(-50, 50)],
        scenarios=ho.ParametricScenarios(count=500),
        candidates=ho.Candidates(min_delta=0.2, max_days=60),
        lots="ideal",
    )
    proposal = ho.propose(desk.book, desk.market, policy)
    assert abs(proposal.after.greeks["ETH"]["delta"]) <= 50 * (1 + 1e-9)
    assert proposal.before.greeks["ETH"]["delta"] == pytest.approx(desk.report.greeks["ETH"]["delta"])
