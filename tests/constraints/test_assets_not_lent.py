"""A unified account owes only what a table gives a loan rate for: in programs, plain rules, verify, backtests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.execution import execute
from hedgeopt.backtest.policies.protocol import Order
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.valuation import value
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.pricing.option import Option
from hedgeopt.verify import claim_of, judge

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
VENUE = {"bybit": "bybit", "bybit_portfolio": "bybit", "okx_portfolio": "okx"}
HEAD = "as_of = 2026-03-01\nshelf_life_days = 90\n"
TABLES = {
    "bybit": 'extends = "bybit"\n[margin.brackets]\nBTC = [[2000000, 100, 0.005]]\n[portfolio_margin.BTC]\n'
    "initial_factor = 1.2\nvols = [[0, 0.3, 0.3]]\nfutures = 0.01\n"
    "short_option = 0.01\ndelta_spread = 0.1\ndollar_spread = 0.01\n",
    "okx_portfolio": 'extends = "okx_portfolio"\n[portfolio_margin.BTC]\nvols = [[0, 0.3, 0.5]]\nvega = [[0, 0.1]]\n'
    "interest = [[0, 0.05]]\nminimum_long_option = 0.001\nminimum_short_option = 0.004\n",
}


def put(venue: str) -> Option:
    return Option(name="PUT", venue=venue, underlying="BTC", settlement="USDT",
                  expiry=datetime(2026, 3, 27, 8, tzinfo=UTC), strike=60_000.0, right="put")  # fmt: skip


def case(model: str, **coins: float) -> tuple[ho.Book, ho.Market]:
    """A desk short of BTC elsewhere that trades nothing, and an account that may buy the put."""
    venue = VENUE[model]
    swap = ho.Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")
    rows = {
        put(venue).id: {"mark_price": 2_000.0, "bid_price": 1_990.0, "ask_price": 2_010.0, "mark_iv": 0.6,
                        "underlying_price": 62_000.0},
        swap.id: {"mark_price": 62_000.0},
    }  # fmt: skip
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    held = (ho.Position(instrument="BTC-PERPETUAL", quantity=3e6),)
    desk = ho.Account(name="desk", venue="deribit", margin="portfolio", tradable=False, positions=held,
                      collateral=(ho.Collateral(asset="USDC", amount=3e6),))  # fmt: skip
    posted = tuple(ho.Collateral(asset=asset, amount=amount) for asset, amount in coins.items())
    main = ho.Account(name="main", venue=venue, margin=model, collateral=posted)
    items = {item.id: item for item in (put(venue), swap)}
    prices = {"BTC": 62_000.0, "USDC": 1.0, "USDT": 1.0, "USD": 1.0}
    return ho.Book(accounts=(desk, main)), ho.Market(NOW, prices, items, quotes, "toy")


def policy() -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.95),
        subject_to=[ho.MarginUtilisation(account="main", limit=0.9)],
        candidates=ho.Candidates(names=("PUT",), kinds=("option",), max_order_notional=1e9),
        scenarios=ho.ParametricScenarios(count=200, vol={"BTC": 0.7}),
        lots="ideal",
    )


def write(folder: Path, loans: str = "") -> str:
    for name, text in TABLES.items():
        (folder / f"{name}.toml").write_text(_table(text, loans))
    (folder / "okx.toml").write_text(f"{HEAD}[fees]\noption_rate = 0.0002\noption_cap = 0.07\n")
    return str(folder)


def _table(text: str, loans: str) -> str:
    first, _, rest = text.partition("\n")
    return f"{first}\n{HEAD}{rest}[haircut]\nBTC = 0.1\n" + (f"[portfolio_margin.loans]\n{loans}\n" if loans else "")


@pytest.mark.parametrize("model", VENUE)
def test_an_asset_without_a_loan_rate_is_not_owed(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BTC posted buys no option in USDT; 10,000 USDT beside it buy what they pay for; verify and the plain rule agree."""
    monkeypatch.setenv("HEDGEOPT_TABLES", write(tmp_path))
    book, market = case(model, BTC=10.0)
    none = policy().propose(book, market)
    assert none.trades.empty
    book, market = case(model, BTC=10.0, USDT=10_000.0)
    some = policy().propose(book, market)
    (bought,) = some.trades["quantity"]
    assert 4.0 < bought < 10_000.0 / 2_010.0
    told = json.loads(some.to_json())
    (row,) = [row for row in told["limits"] if "USDT to pay with in main (no rate for loans of it)" in row["limit"]]
    assert row["after"] == pytest.approx(10_000.0)
    e = expose(book, market, policy())
    assert judge(claim_of(told), e, market, policy().model_dump(mode="json")).valid


def test_a_rate_lends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEOPT_TABLES", write(tmp_path, "USDT = 0.1"))
    book, market = case("bybit", BTC=10.0)
    found = policy().propose(book, market)
    assert found.trades["quantity"].sum() > 5.0
    assert "to pay with" not in found.to_json()


def test_a_backtest_refuses_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEOPT_TABLES", write(tmp_path))
    book, market = case("bybit", BTC=10.0)
    portfolio = Portfolio(book, market)

    def worth() -> Any:
        return value(portfolio.book(NOW), market)

    fills, events, _ = execute(portfolio, market, [Order("main", "PUT", 5.0)], worth(), worth, None)
    assert not fills
    assert "USDT short to pay with" in events[0]["reason"]


def test_a_debt_without_a_rate_is_refused_before_anything_is_solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer could be certified there: the line says which rate is missing, not that solvers failed."""
    monkeypatch.setenv("HEDGEOPT_TABLES", write(tmp_path))
    book, market = case("bybit", BTC=10.0, USDT=-5_000.0)
    rules = ho.Policy(minimize=ho.TransactionCost(), subject_to=[ho.MarginUtilisation(account="main")], lots="ideal")
    with pytest.raises(ho.InputError, match=r"portfolio_margin.loans.USDT: USDT is borrowed in account main"):
        rules.propose(book, market)
