"""Equity, premium, margin, P&L base and backtests use one mark per instrument: the venue's, read here from the raw file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import hedgeopt as ho
from hedgeopt.backtest.valuation import value
from hedgeopt.example import example_files
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.models.scenarios.set import ScenarioSet


def raw_options(path: Path) -> pd.DataFrame:
    """Option rows as the file has them, and USD of one unit: the mark at the coin's index, the median of its rows."""
    rows = pd.read_csv(path)
    index = rows.groupby("currency")["index_price"].transform("median")
    rows = rows.assign(index_price=index, usd=rows["mark_price"] * index)
    return rows[rows["option_type"].notna()].reset_index(drop=True)


def sample_book(rows: pd.DataFrame, n: int = 60) -> tuple[Book, float]:
    """Longs and shorts all over the chain, two coins posted; and its equity by hand."""
    rng = np.random.default_rng(3)
    chosen = rows.iloc[rng.choice(len(rows), n, replace=False)]
    quantity = np.round(rng.normal(0.0, 20.0, n), 1) + 0.05
    posted = dict.fromkeys(rows["currency"].unique(), 1000.0)
    index = rows.groupby("currency")["index_price"].first()
    equity = float(quantity @ chosen["usd"]) + sum(amount * index[coin] for coin, amount in posted.items())
    account = Account(
        name="main",
        venue="deribit",
        margin="portfolio",
        collateral=tuple(Collateral(asset=coin, amount=amount) for coin, amount in posted.items()),
        positions=tuple(
            Position(instrument=name, quantity=float(q)) for name, q in zip(chosen["instrument_name"], quantity, strict=True)
        ),
    )
    return Book(accounts=(account,)), equity


def scenarios(assets: tuple[str, ...], **rows: tuple[float, float]) -> ScenarioSet:
    """One row per (spot factor, log vol shift), the same for all assets, at once."""
    table = np.array(list(rows.values()))
    spot, vol = (np.repeat(table[:, [k]], len(assets), axis=1) for k in (0, 1))
    return ScenarioSet("by hand", assets, spot, vol, 0.0, labels=tuple(rows))


def checked(path: Path) -> None:
    rows = raw_options(path)
    market = read_market(path)
    book, by_hand = sample_book(rows)
    moves = scenarios(tuple(rows["currency"].unique()), nothing=(1.0, 0.0), crash=(0.7, 0.4), rise=(1.4, -0.2))
    e = build_exposures(resolve(book, market), (), moves, moves, trades=False)
    size = float(np.abs(e.rows.quantity) @ e.rows.value)
    assert abs(float(e.equity.sum()) - by_hand) <= 1e-12 * (abs(by_hand) + size)
    marks = rows.set_index("instrument_name")["mark_price"]
    names = [item.name for item in e.rows.instruments]
    for told in (e.rows.mark, e.rows.premium, e.margins.state(0).mark):
        np.testing.assert_array_equal(told, marks[names].to_numpy())
    np.testing.assert_array_equal(e.margins.state(0).value, e.rows.value)
    # nothing moves: exactly nothing, for the book, for each row and for the margin state after it
    assert e.base_pnl[0] == 0.0
    assert e.stress_account_pnl[0, 0] == 0.0
    np.testing.assert_array_equal(e.margins.unit_pnl[0], 0.0)
    np.testing.assert_array_equal(e.margins.state(0, 0).value, e.rows.value)
    # no option is ever worth less than nothing
    worth = e.rows.value + e.margins.unit_pnl
    assert worth.min() >= -1e-9
    again = value(book, market)
    assert again.equity == float(e.equity.sum())
    report = ho.risk_report(e)
    assert abs(report.equity - by_hand) <= 1e-12 * (abs(by_hand) + size)


def test_the_example_is_worth_its_marks(tmp_path: Path) -> None:
    (path := tmp_path / "market.csv").write_text(example_files()["market.csv"], encoding="utf-8")
    checked(path)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["calm_20260115", "crash_20260205"])
def test_recorded_chains_are_worth_their_marks(shared_data: Path, name: str) -> None:
    checked(shared_data / "deribit-chains" / f"snapshot_{name}.csv")


NOW = pd.Timestamp("2026-03-02 08:00", tz="UTC")


def one_option(tmp_path: Path, mark: float, expiry: pd.Timestamp, vol: float = 0.6, strike: int = 80_000) -> Path:
    """A call on a forward of 80,000 beside others that agree with their vols, and a perpetual."""
    years = (expiry - NOW).total_seconds() / (365 * 86_400)
    rows = []
    for k, right in ((70_000, "put"), (strike, "call"), (90_000, "call"), (100_000, "call")):
        side, deviation = (1.0 if right == "call" else -1.0), 0.6 * np.sqrt(years)
        d1 = np.log(80_000 / k) / deviation + 0.5 * deviation
        price = side * (norm.cdf(side * d1) - k / 80_000 * norm.cdf(side * (d1 - deviation)))
        own = (k, right) == (strike, "call")
        name = f"BTC-{expiry.day}{expiry:%b%y}-{k}-{right[0]}".upper()
        rows.append({"instrument_name": name, "option_type": right, "strike": k, "expiry": expiry,
                     "mark_price": mark * price if own else price, "mark_iv": vol if own else 0.6,
                     "underlying_price": 80_000.0})  # fmt: skip
    frame = pd.DataFrame(rows).assign(
        timestamp=NOW, currency="BTC", bid_price=np.nan, ask_price=np.nan, index_price=79_900.0
    )
    frame.to_csv(path := tmp_path / "market.csv", index=False)
    return path


def held(name: str, quantity: float) -> Book:
    """One option, and coins."""
    position = Position(instrument=name, quantity=quantity)
    coins = Collateral(asset="BTC", amount=10.0)
    account = Account(name="main", venue="deribit", collateral=(coins,), positions=(position,))
    return Book(accounts=(account,))


@pytest.mark.parametrize("off", [1.04, 0.96])
def test_a_row_that_agrees_but_roughly_is_valued_and_moved_by_its_mark(tmp_path: Path, off: float) -> None:
    """4 % is within what agrees with a vol: the option keeps its mark, and its vol becomes the one that gives the mark."""
    expiry = NOW + pd.Timedelta(days=25)
    market = read_market(one_option(tmp_path, off, expiry))
    call = next(item for item in market.instruments.values() if item.nature.option and item.strike == 80_000)
    assert any("read from their marks" in note for note in market.notes)
    assert call.id not in market.doubtful
    years, mark, vol = 25 / 365, market.quote("mark_price", call.id), market.quote("mark_iv", call.id)
    assert abs(2 * norm.cdf(0.5 * vol * np.sqrt(years)) - 1 - mark) < 1e-12  # at the money, in coins
    moves = scenarios(("BTC",), nothing=(1.0, 0.0), fall=(0.5, -1.0))
    e = build_exposures(resolve(held(call.name, 3.0), market), (), moves, moves, trades=False)
    assert e.equity[0] == pytest.approx(79_900 * (10 + 3 * mark), rel=1e-14)
    assert e.base_pnl[0] == 0.0


def test_a_long_option_loses_its_mark_and_no_more(tmp_path: Path) -> None:
    """Marked .4 % below its vol (rounding): the fall takes the mark, not the formula's price."""
    market = read_market(one_option(tmp_path, 0.996, NOW + pd.Timedelta(days=25)))
    call = next(item for item in market.instruments.values() if item.nature.option and item.strike == 80_000)
    assert market.quote("mark_iv", call.id) == 0.6
    moves = scenarios(("BTC",), nothing=(1.0, 0.0), fall=(0.01, 0.0))
    e = build_exposures(resolve(held(call.name, 1.0), market), (), moves, moves, trades=False)
    mark = market.quote("mark_price", call.id)
    assert e.margins.unit_pnl[0, 0] == 0.0
    assert e.margins.unit_pnl[1, 0] == pytest.approx(-79_900 * mark, rel=1e-14)


def test_what_expires_pays_its_payoff_less_the_mark(tmp_path: Path) -> None:
    """One day left, two days' horizon, index to 1.1 times: (F - K)/F coins at the index, the mark paid for them."""
    market = read_market(one_option(tmp_path, 1.004, NOW + pd.Timedelta(days=1), strike=79_000))
    call = next(item for item in market.instruments.values() if item.nature.option and item.strike == 79_000)
    factor = np.array([[1.1]])
    moves = ScenarioSet("late", ("BTC",), factor, np.zeros((1, 1)), 2.0, labels=("up",))
    e = build_exposures(resolve(held(call.name, 1.0), market), (), moves, moves, trades=False)
    mark, ratio = market.quote("mark_price", call.id), 79_900 / 80_000
    paid = (88_000 - 79_000) * ratio
    assert e.margins.unit_pnl[0, 0] == pytest.approx(paid - 79_900 * mark, rel=1e-12)


@pytest.mark.parametrize("mark", [0.0, 0.4])
def test_a_mark_without_a_vol_is_the_value_all_the_same(tmp_path: Path, mark: float) -> None:
    """A mark of 0, and one below intrinsic value: value, premium and margin read the mark; the Greeks need a vol."""
    market = read_market(one_option(tmp_path, mark, NOW + pd.Timedelta(days=25), strike=60_000))
    call = next(item for item in market.instruments.values() if item.nature.option and item.strike == 60_000)
    told = market.quote("mark_price", call.id)
    moves = scenarios(("BTC",), nothing=(1.0, 0.0), fall=(0.5, 0.0), rise=(1.5, 0.0))
    e = build_exposures(resolve(held(call.name, 2.0), market), (), moves, moves, trades=False)
    assert e.rows.value[0] == told * market.price("BTC")
    assert e.margins.state(0).value[0] == e.rows.value[0]
    assert e.rows.premium[0] == e.rows.mark[0] == told
    np.testing.assert_array_equal(e.margins.unit_pnl[0], 0.0)
    assert e.margins.unit_pnl[2, 0] > 0.0
    assert e.rows.value[0] + e.margins.unit_pnl[1, 0] >= 0.0
