"""Liquidations worked out by hand on each venue's margin model; no spread, so that only fees and penalties cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hedgeopt.backtest import liquidation
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.backtest.venue_rules import rules
from hedgeopt.errors import InputError
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.models.data import table
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.pricing.lending_borrow import LendingBorrow
from hedgeopt.models.pricing.lending_supply import LendingSupply
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))
PERPETUAL = "BTC-PERPETUAL"


def fall(toys: Any, venue: str, coins: float, dollars: float, to: float, asset: str = "USDC") -> Any:
    markets = toys.path([100_000.0, to], hours=1.0, venue=venue, settlement=asset, half=0.0, expiries=())
    book = toys.Given(collateral={asset: dollars}, positions={PERPETUAL: coins}, venue=venue)
    return simulate(markets, book, DoNothing(), FEW)


def test_deribit_closes_a_fifth_and_charges_half_a_percent(toys: Any) -> None:
    """Maintenance (.01 + .00005 q) q P: 10 coins at 94,900 need 9,964.50 against 9,000; 8 need 7,895.68 against 7,956.10."""
    result = fall(toys, "deribit", 10.0, 60_000.0, 94_900.0)
    assert result.steps["liquidated"].tolist() == [False, True]
    assert result.trades["quantity"].tolist() == pytest.approx([-2.0])
    fee, penalty = 0.0005 * 2 * 94_900.0, 0.005 * 2 * 94_900.0
    assert result.trades["fee"].iloc[0] == pytest.approx(fee + penalty)
    assert result.steps["equity"].iloc[1] == pytest.approx(9_000.0 - fee - penalty)
    assert result.steps["maintenance_margin"].iloc[1] == pytest.approx(7_895.68)
    event = next(e for e in result.events if e["kind"] == "liquidation")
    assert event["equity"] == pytest.approx(9_000.0)
    assert event["maintenance_margin"] == pytest.approx(9_964.5)


def test_no_liquidation_just_above_maintenance(toys: Any) -> None:
    result = fall(toys, "deribit", 10.0, 60_000.0, 95_000.0)  # 10,000 against 9,975
    assert not result.steps["liquidated"].any()
    assert result.trades.empty


def test_hyperliquid_sells_a_fifth_of_a_large_position(toys: Any) -> None:
    """1.25 % of 197,200 is 2,465 against 2,200; 1.6 coins need 1,972."""
    result = fall(toys, "hyperliquid", 2.0, 5_000.0, 98_600.0)
    assert result.trades["quantity"].tolist() == pytest.approx([-0.4])
    assert result.steps["equity"].iloc[1] == pytest.approx(2_200.0 - 0.00045 * 0.4 * 98_600.0)
    assert result.steps["maintenance_margin"].iloc[1] == pytest.approx(1_972.0)


def test_hyperliquid_backstop_takes_everything_below_two_thirds(toys: Any) -> None:
    """1,200 against 2,452.50 is less than two thirds."""
    result = fall(toys, "hyperliquid", 2.0, 5_000.0, 98_100.0)
    assert result.steps["equity"].iloc[1] == pytest.approx(0.0, abs=1e-9)
    assert next(e for e in result.events if e["kind"] == "liquidation")["backstop"]
    assert result.trades["quantity"].tolist() == [-2.0]
    assert result.steps["fees"].iloc[1] == pytest.approx(1_200.0)


def test_binance_closes_all_and_the_fund_makes_good(toys: Any) -> None:
    """.005 * 97,400 - 50 is 437 against 400; fee .05 % and clearance 1.25 % of everything leave less than nothing."""
    result = fall(toys, "binance", 1.0, 3_000.0, 97_400.0, "USDT")
    assert result.trades["quantity"].sum() == pytest.approx(-1.0)
    event = next(e for e in result.events if e["kind"] == "liquidation")
    assert event["made_good"] == pytest.approx((0.0005 + 0.0125) * 97_400.0 - 400.0)
    assert result.steps["equity"].iloc[1] == pytest.approx(0.0, abs=1e-9)


def test_dydx_closes_a_tenth_at_a_time(toys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 5 % x .6: 3 % of 96,900 is 2,907 against 2,900; nine tenths need 2,616.30 against 2,749.81."""
    monkeypatch.setitem(table("dydx")["margin"]["tiers"]["large-cap"], "initial", 0.05)
    result = fall(toys, "dydx", 1.0, 6_000.0, 96_900.0)
    assert result.trades["quantity"].tolist() == pytest.approx([-0.1])
    assert result.steps["equity"].iloc[1] == pytest.approx(2_900.0 - (0.0005 + 0.015) * 9_690.0)


def test_deribit_portfolio_margin_takes_two_parts(toys: Any) -> None:
    """Maintenance .8 (N (1/.84 - 1) + .01 N) of a long inverse perpetual of N = 1,000,000 USD bought at 100,000.

    At 85,000 the 3 coins posted are 21/17: 105,000 USD against 160,380.95. After a fifth of N, and a fifth of what is left,
    at .05 % fee and .5 % penalty, 103,020 stand against 102,643.81.
    """
    markets = toys.path([100_000.0, 85_000.0], hours=1.0, half=0.0, expiries=())
    book = toys.Given(collateral={"BTC": 3.0}, positions={PERPETUAL: 1_000_000.0}, margin="portfolio")
    result = simulate(markets, book, DoNothing(), FEW)
    event = next(e for e in result.events if e["kind"] == "liquidation")
    assert event["equity"] == pytest.approx(105_000.0)
    assert event["maintenance_margin"] == pytest.approx(0.8 * 1e6 * (1 / 0.84 - 1 + 0.01))
    assert result.trades["quantity"].tolist() == pytest.approx([-200_000.0, -160_000.0])
    assert result.steps["equity"].iloc[1] == pytest.approx(105_000.0 - 0.0055 * 360_000.0)
    assert result.steps["maintenance_margin"].iloc[1] == pytest.approx(0.8 * 640_000.0 * (1 / 0.84 - 1 + 0.01))


def test_derive_closes_a_quarter(toys: Any) -> None:
    """Maintenance .8 * .18 P + .03 P of a perpetual: 14,737.80 at 84,700 against 14,700; a quarter pays .03 % and 1 %."""
    result = fall(toys, "derive", 1.0, 30_000.0, 84_700.0)
    event = next(e for e in result.events if e["kind"] == "liquidation")
    assert event["maintenance_margin"] == pytest.approx(14_737.8)
    assert result.trades["quantity"].tolist() == pytest.approx([-0.25])
    assert result.steps["equity"].iloc[1] == pytest.approx(14_700.0 - (0.0003 + 0.01) * 21_175.0)
    assert result.steps["maintenance_margin"].iloc[1] == pytest.approx(0.75 * 14_737.8)


def test_a_short_option_without_an_ask_is_bought_back_at_a_worse_mark(toys: Any) -> None:
    """Deribit standard margin of a short call; nobody offers it, so the venue pays the mark plus a tenth."""
    call = "BTC-27MAR26-80000-C"
    first, second = toys.path([80_000.0, 104_000.0], hours=1.0)
    second.quotes["ask_price"] = second.quotes["ask_price"].where(second.quotes.index != f"deribit:{call}")
    result = simulate([first, second], toys.Given(collateral={"BTC": 1.1}, positions={call: -3.0}), DoNothing(), FEW)
    assert result.steps["liquidated"].iloc[1]
    mark = second.quotes.loc[f"deribit:{call}", "mark_price"]
    assert result.trades["price"].tolist() == pytest.approx([1.1 * mark] * len(result.trades))


def test_a_paused_venue_does_not_liquidate(toys: Any) -> None:
    from hedgeopt.backtest.assumptions import Halt

    markets = toys.path([100_000.0, 90_000.0], hours=1.0, venue="dydx", settlement="USDC", half=0.0, expiries=())
    book = toys.Given(collateral={"USDC": 6_000.0}, positions={PERPETUAL: 1.0}, venue="dydx")
    halt = Halt("dydx", markets[1].timestamp, markets[1].timestamp.replace(year=2027))
    result = simulate(markets, book, DoNothing(), Settings(scenarios=FEW.scenarios, halts=(halt,)))
    assert not result.steps["liquidated"].any()
    assert result.steps["equity"].iloc[1] == pytest.approx(-4_000.0)


@dataclass
class Loan:
    name: str = "loan"

    def open(self, market: Any) -> Book:
        supply = LendingSupply(
            name="BTC supply", venue="aave", asset="BTC", ltv=0.8, liquidation_threshold=0.83, liquidation_bonus=0.05
        )
        debt = LendingBorrow(name="USDC debt", venue="aave", asset="USDC")
        positions = (Position(instrument=supply, quantity=10.0), Position(instrument=debt, quantity=680_000.0))
        return Book(name=self.name, accounts=(Account(name="loan", venue="aave", tradable=False, positions=positions),))

    def flow(self, market: Any, book: Book, step: int, days: float) -> list:
        return []


def test_aave_vector(toys: Any) -> None:
    """The vector of the liquidation call, eighty-fold: C = 800,000, D = 680,000, HF .976471; equity 120,000 to 103,000."""
    result = simulate(toys.path([100_000.0, 80_000.0], hours=1.0), Loan(), DoNothing(), FEW)
    assert result.steps["equity"].tolist() == pytest.approx([320_000.0, 103_000.0])
    assert result.steps["fees"].iloc[1] == pytest.approx(17_000.0)
    assert result.trades["quantity"].tolist() == pytest.approx([-357_000.0 / 80_000.0])
    assert next(e for e in result.events if e["kind"] == "liquidation")["fills"] == 1
    assert not [said for said in result.caveats if "liquidation" in said and "not verified" in said]


GRID = """
[margin]
type = "grid"
moves = [-0.1, 0.0, 0.1]
vols = [0.0]
power = 0.0
futures_rate = 0.0
short_option_rate = 0.0
initial_factor = 1.5
maintenance_factor = 1.0
"""
OWN = """
[liquidation]
part = 0.5
no_quote = 0.1
penalty_perpetual = { BTC = 0.02 }
"""


@dataclass
class Elsewhere:
    """A perpetual at a venue that no table of ours knows, under a margin table of the user's."""

    margin: str
    name: str = "elsewhere"

    def open(self, market: Any) -> Book:
        held = (Position(instrument=PERPETUAL, quantity=1.0),)
        cash = (Collateral(asset="USDC", amount=15_000.0),)
        account = Account(name="main", venue="hyperliquid", margin=self.margin, collateral=cash, positions=held)
        return Book(name=self.name, accounts=(account,))

    def flow(self, market: Any, book: Book, step: int, days: float) -> list:
        return []


def elsewhere(toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, to: float) -> Any:
    """Hyperliquid for its fees; of what it does below maintenance nothing is written down."""
    known = {name: rule for name, rule in rules("liquidation").items() if name != "hyperliquid"}
    monkeypatch.setattr(liquidation, "rules", lambda section: known)
    path = tmp_path / f"venue-{len(text)}.toml"
    path.write_text(text, encoding="utf-8")
    markets = toys.path([100_000.0, to], hours=1.0, venue="hyperliquid", settlement="USDC", half=0.0, expiries=())
    return simulate(markets, Elsewhere(f"table:{path}"), DoNothing(), FEW)


def test_what_no_one_knows_of_a_venue_is_refused(toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It closed a quarter and charged 1 %, numbers of ours that stood in for any venue."""
    assert not elsewhere(toys, tmp_path, monkeypatch, GRID, 99_000.0).steps["liquidated"].any()  # 14,000 against 9,900
    with pytest.raises(InputError, match=r"account main .* no liquidation rule of hyperliquid is known") as caught:
        elsewhere(toys, tmp_path, monkeypatch, GRID, 94_000.0)
    assert "\n" not in str(caught.value)
    assert "add [liquidation] to the account's margin table" in str(caught.value)


def test_a_margin_table_may_say_what_its_venue_does(toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """9,000 against 9,400: half is closed at 94,000, and 2 % of it paid."""
    result = elsewhere(toys, tmp_path, monkeypatch, GRID + OWN, 94_000.0)
    assert result.trades["quantity"].tolist() == pytest.approx([-0.5])
    assert result.trades["fee"].iloc[0] == pytest.approx((0.00045 + 0.02) * 47_000.0)
    assert result.steps["maintenance_margin"].iloc[1] == pytest.approx(4_700.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[liquidation]\npart = 0.0\nno_quote = 0.1", "part"),
        ("[liquidation]\npart = 20\nno_quote = 0.1", "part"),
        ("[liquidation]\nno_quote = 0.1", "part"),
        ("[liquidation]\npart = 0.5\nno_quote = 0.1\npenalty_perp = { default = 0.1 }", "penalty_perp"),
        ("[liquidation]\npart = 0.5\nno_quote = 0.1\npenalty_option = { default = 2 }", "penalty_option"),
        ("[haircuts]\nBTC = 0.5", "did you mean 'haircut'"),
    ],
)
def test_a_margin_table_says_nothing_that_is_not_read(text: str, words: str, tmp_path: Path) -> None:
    """[haircuts] was passed over, and every collateral counted in full."""
    path = tmp_path / "venue.toml"
    path.write_text(GRID + text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        margin_model(f"table:{path}", "here")
    assert "\n" not in str(caught.value)
