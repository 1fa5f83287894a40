"""A family that may be short, word for word from docs/extend.md: margined in dollars or coins, traded and replayed."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.runner import run_config
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.models.margin.rules import MODELS
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.scenarios.set import ScenarioSet, unmoved

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
INDEX, SCALE, RATE = 2_000.0, 10_000.0, 0.0001
USDC, COIN = "ETH-SQUARED", "ETH-SQUARED-COIN"
TABLE = """
as_of = 2026-03-01
shelf_life_days = 365
[fees]
perpetual_taker = 0.0005
[[names]]
kind = "power_perpetual"
form = "{base}-SQUARED"
settlement = "USDC"
[[names]]
kind = "power_perpetual"
form = "{base}-SQUARED-COIN"
settlement = "{base}"
[[names]]
kind = "perpetual"
form = "{base}-PERP"
settlement = "USDC"
[margin]
type = "grid"
moves = [-0.2, 0.0, 0.2]
vols = [0.0]
power = 0.3
futures_rate = 0.01
short_option_rate = 0.0
initial_factor = 1.5
maintenance_factor = 1.0
[margin.instrument.power_perpetual]
power = 2.0
[haircut]
USDC = 0.0
ETH = 0.0
[liquidation]
part = 0.5
no_quote = 0.1
penalty_perpetual = { default = 0.01 }
"""


@pytest.fixture(autouse=True)
def registered(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of the docs as a module, its line in FAMILIES, and a venue that takes it."""
    page = (repository / "docs" / "extend.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# models/pricing/power_perpetual.py.*?)```", page, re.DOTALL)
    module = ModuleType("power_perpetual")
    monkeypatch.setitem(__import__("sys").modules, "power_perpetual", module)
    exec(compile(code, "docs/extend.md", "exec", dont_inherit=True), module.__dict__)
    monkeypatch.setitem(FAMILIES, "power_perpetual", module.POWER_PERPETUAL)
    folder = tmp_path / "venues"
    folder.mkdir()
    (folder / "curve.toml").write_text(TABLE, encoding="utf-8")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(folder))


def chain(moment: datetime, index: float) -> pd.DataFrame:
    base = {"timestamp": pd.Timestamp(moment), "currency": "ETH", "index_price": index, "open_interest": 1e6}
    marks = {USDC: index**2 / SCALE, COIN: index**2 / SCALE, "ETH-PERP": index}
    empty = {"option_type": None, "strike": np.nan, "expiry": pd.NaT, "mark_iv": np.nan, "underlying_price": np.nan}
    return pd.DataFrame(
        [
            base | empty | {"instrument_name": name, "mark_price": m, "bid_price": m - 0.25, "ask_price": m + 0.25}
            for name, m in marks.items()
        ]
    ).assign(expiry=lambda frame: pd.to_datetime(frame["expiry"], utc=True))


def market(folder: Path, index: float = INDEX) -> ho.Market:
    chain(START, index).assign(funding_8h=RATE).to_csv(folder / "chain.csv", index=False)
    return ho.read_market(folder / "chain.csv", venue="curve")


def book(name: str = USDC, quantity: float = -100.0, margin: str = "standard", **cash: float) -> ho.Book:
    held = (ho.Position(instrument=name, quantity=quantity),)
    posted = tuple(ho.Collateral(asset=a, amount=n) for a, n in (cash or {"USDC": 100_000.0, "ETH": 50.0}).items())
    return ho.Book(accounts=(ho.Account(name="main", venue="curve", collateral=posted, positions=held, margin=margin),))


def exposed(book: ho.Book, market: ho.Market, stress: ScenarioSet | None = None) -> Any:
    still = unmoved(("ETH",))
    return ho.build_exposures(resolve(book, market), (), still, still if stress is None else stress, trades=False)


@pytest.mark.parametrize("name", [USDC, COIN])
def test_value_and_margin_by_hand(name: str, tmp_path: Path):
    """Mark 400: short 100 lose (1.44 - 1) of 40,000 at the worst move, and 1 % is charged on the notional."""
    e = exposed(book(name), market(tmp_path))
    assert e.rows.value[0] == 0.0
    assert e.rows.notional[0] == pytest.approx(400.0)
    assert e.rows.greeks[greek("delta"), 0, e.asset("ETH")] == pytest.approx(0.4)
    assert e.rows.carry[0] == pytest.approx(-3.0 * RATE * 400.0)
    need = e.margins.requirement(0, e.rows.quantity, e.collateral[0])
    assert need.maintenance == pytest.approx(0.44 * 40_000.0 + 400.0)
    assert need.initial == pytest.approx(1.5 * (0.44 * 40_000.0 + 400.0))
    long = exposed(book(name, 100.0), market(tmp_path))
    need = long.margins.requirement(0, long.rows.quantity, long.collateral[0])
    assert need.maintenance == pytest.approx(0.36 * 40_000.0 + 400.0)  # the fall loses less than the rise


@pytest.mark.parametrize("name", [USDC, COIN])
def test_margin_under_stress_is_of_the_contract_there(name: str, tmp_path: Path):
    up = ScenarioSet("up", ("ETH",), np.array([[1.5]]), np.zeros((1, 1)), 1.0, labels=("up",))
    e = exposed(book(name), market(tmp_path), up)
    assert e.stress_account_pnl[0, 0] == pytest.approx(-1.25 * 40_000.0 + (50.0 * 1_000.0))
    assert e.margins.state(0, 0).mark[0] == pytest.approx(900.0)
    assert e.margins.state(0, 0).value[0] == 0.0
    need = e.margins.requirement(0, e.rows.quantity, e.collateral[0], 0)
    assert need.maintenance == pytest.approx((0.44 + 0.01) * 90_000.0)


def test_tiers_of_its_own(tmp_path: Path):
    path = tmp_path / "tiers.toml"
    path.write_text(
        '[margin]\ntype = "tiers"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n'
        "[margin.instrument.power_perpetual]\ninitial = { ETH = [[0, 0.3], [20000, 0.4]] }\n"
        "maintenance = { ETH = [[0, 0.2]] }\n"
    )
    e = exposed(book(margin=f"table:{path}"), market(tmp_path))
    need = e.margins.requirement(0, e.rows.quantity, e.collateral[0])
    assert need.initial == pytest.approx(0.3 * 20_000.0 + 0.4 * 20_000.0)
    assert need.maintenance == pytest.approx(0.2 * 40_000.0)
    encoding = e.margins.encoding(0, "initial")
    assert encoding.at(e.rows.quantity)(e.rows.quantity, e.collateral[0]) == pytest.approx(need.initial)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("table", "none", "aave")])
def test_rules_that_do_not_take_it_refuse_it_by_name(name: str, tmp_path: Path):
    e = exposed(book(margin=name), market(tmp_path))
    with pytest.raises(ho.InputError, match=r"power_perpetual.*no rule in the margin model"):
        e.margins.requirement(0, e.rows.quantity, e.collateral[0])


@pytest.mark.parametrize("name", [USDC, COIN])
def test_it_is_traded_with_a_certificate_and_reported(name: str, tmp_path: Path):
    policy = ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.95),
        subject_to=[ho.MarginUtilisation(limit=0.5)],
        candidates=Candidates(kinds=("power_perpetual", "perpetual")),
        scenarios=ho.ParametricScenarios(count=200, vol={"ETH": 0.7}),
        lots="ideal",
    )
    proposal = ho.propose(book(name, -300.0), market(tmp_path), policy)
    trades = proposal.trades.set_index("instrument")
    assert {USDC, COIN} & set(trades.index)
    for own in {USDC, COIN} & set(trades.index):
        row = trades.loc[own]
        size = abs(row["quantity"])
        assert row["fee"] == pytest.approx(size * 0.0005 * 400.0)
        assert row["cost"] == pytest.approx(size * (0.25 + 0.0005 * 400.0))
        assert row["notional"] == pytest.approx(size * 400.0)
        assert row["unit"] == "contract"
    assert name in proposal.to_html()
    report = ho.risk_report(exposed(book(name), market(tmp_path)))
    (position,) = report.positions
    assert (position.unit, position.kind) == ("contract", "power_perpetual")
    assert position.greeks["ETH"]["gamma"] == pytest.approx(-100.0 * 2.0 * 400.0 / INDEX**2)


PATH = (2_000.0, 2_100.0, 2_050.0, 2_150.0)


def replayed(folder: Path, held: ho.Book, path: tuple[float, ...] = PATH, silent: int | None = None) -> Any:
    """Over a path of the index; on the day ``silent`` nobody quotes what is held."""
    days = [chain(START + timedelta(days=k), index) for k, index in enumerate(path)]
    if silent is not None:
        held_names = [position.instrument for position in held.accounts[0].positions]
        days[silent] = days[silent][~days[silent]["instrument_name"].isin(held_names)]
    pd.concat(days).to_parquet(folder / "chain.parquet")
    (folder / "book.json").write_text(held.model_dump_json(), encoding="utf-8")
    (folder / "backtest.toml").write_text(
        f"""
[replay]
chains = ["chain.parquet"]
venue = "curve"
funding = {{ ETH = {RATE} }}
[risk.scenarios]
kind = "parametric"
count = 64
vol = {{ ETH = 0.7 }}
[[books]]
kind = "fixed"
file = "book.json"
[[policies]]
kind = "do_nothing"
""",
        encoding="utf-8",
    )
    (result,) = run_config(folder / "backtest.toml")
    return result


@pytest.mark.parametrize("name", [USDC, COIN])
def test_a_replay_pays_marks_and_funding(name: str, tmp_path: Path):
    result = replayed(tmp_path, book(name))
    booked = result.ledger[result.ledger["memo"] == f"variation {name}"]
    marks = np.array(PATH) ** 2 / SCALE
    paid = np.ones(3) if name == USDC else 1.0 / np.array(PATH[1:])  # dollars, or coins at the index then
    cash = booked[booked["side"] == "cash"] if "side" in booked else booked[booked["account"].str.contains("cash")]
    assert cash["amount"].to_numpy() == pytest.approx(-100.0 * np.diff(marks) * paid)
    funding = result.ledger[result.ledger["memo"] == f"funding {name}"]
    funding = funding[funding["side"] == "cash"] if "side" in funding else funding
    on = marks[:-1] if name == USDC else marks[:-1] / np.array(PATH[:-1])
    assert funding["amount"].to_numpy() == pytest.approx(100.0 * RATE * 3.0 * on)


@pytest.mark.parametrize("name", [USDC, COIN])
def test_a_day_without_a_quote_is_marked_by_the_familys_own_formula(name: str, tmp_path: Path):
    result = replayed(tmp_path, book(name), silent=2)
    (stale,) = [event for event in result.events if event["kind"] == "stale_mark"]
    assert (stale["instrument"], stale["age_hours"]) == (name, 24.0)
    assert "family's mark at the index" in stale["note"]
    booked = result.ledger[result.ledger["memo"] == f"variation {name}"]
    cash = booked[booked["side"] == "cash"] if "side" in booked else booked[booked["account"].str.contains("cash")]
    paid = np.ones(3) if name == USDC else 1.0 / np.array(PATH[1:])
    assert cash["amount"].to_numpy() == pytest.approx(-100.0 * np.diff(np.array(PATH) ** 2 / SCALE) * paid)


@pytest.mark.parametrize("name", [USDC, COIN])
def test_a_short_that_runs_away_is_liquidated(name: str, tmp_path: Path):
    cash = {"USDC": 25_000.0} if name == USDC else {"ETH": 12.5}
    result = replayed(tmp_path, book(name, **cash), (2_000.0, 2_300.0, 2_300.0))
    (event,) = [event for event in result.events if event["kind"] == "liquidation"]
    assert event["fills"] > 0
    assert event["equity_after"] >= event["maintenance_after"]


def test_json_of_a_book_with_the_whole_instrument(tmp_path: Path):
    assert json.loads(book().model_dump_json())["accounts"][0]["positions"][0]["instrument"] == USDC
