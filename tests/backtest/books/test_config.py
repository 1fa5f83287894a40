"""The four books open as described; flow is decided by its seed alone."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.books.recipes import AnyBook, Flow, LiquidityBook, LoopBook, RollingSeller, ShortGamma
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DeltaBand, DoNothing
from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market
from hedgeopt.models.scenarios.pegs import Peg
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SAMPLE = ParametricScenarios(count=64, vol={"BTC": 0.6})
FEW = Settings(scenarios=SAMPLE)
STRIKES = tuple(80_000.0 * r for r in (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2))


def markets(toys: Any, prices: list[float], **options: Any) -> list[Market]:
    expiries = tuple(toys.START + timedelta(days=d) for d in (7, 14, 21, 35))
    return toys.path(prices, strikes=STRIKES, expiries=expiries, **options)


def test_short_gamma_sells_one_straddle_per_tenor(toys: Any) -> None:
    book = ShortGamma(days=(7.0, 35.0), quantity={"BTC": 3.0}).open(markets(toys, [80_000.0])[0])
    names = {p.instrument: p.quantity for p in book.accounts[0].positions}
    assert names == {f"BTC-{day}-80000-{right}": -3.0 for day in ("09MAR26", "06APR26") for right in "CP"}


def test_rolling_seller_sells_on_schedule_at_the_bid(toys: Any) -> None:
    book = RollingSeller(every_days=2.0, days=7.0, delta=0.25, quantity={"BTC": 1.0})
    result = simulate(markets(toys, [80_000.0] * 7), book, DoNothing(), FEW)
    trades = result.trades
    assert (trades["reason"] == "flow").all()
    assert (trades["quantity"] == -1.0).all()
    assert trades.groupby("timestamp").size().tolist() == [2, 2, 2, 2]  # at the start, then every second day of UTC time
    assert (trades["cost"] > 0).all()


def test_liquidity_position_has_the_value_and_range_asked_for(toys: Any) -> None:
    source = LiquidityBook(base="BTC", value=500_000.0, width=0.2, fee_rate=0.365, collateral={"BTC": 1.0, "USDC": 50_000.0})
    result = simulate(markets(toys, [80_000.0, 80_000.0, 120_000.0]), source, DeltaBand({"BTC": 0.01}), FEW)
    assert result.steps["equity"].iloc[0] == pytest.approx(500_000.0 + 130_000.0, rel=1e-3)
    assert result.steps["interest"].iloc[1] == pytest.approx(500.0)
    assert result.steps["gamma_BTC"].iloc[0] < 0
    assert result.steps["gamma_BTC"].iloc[2] == 0.0  # out of range


def test_loop_owes_what_it_borrowed_and_buys_puts(toys: Any) -> None:
    snapshots = [
        Market(m.timestamp, {**m.prices, "WBTC": 0.999 * m.price("BTC")}, m.instruments, m.quotes, m.source)
        for m in markets(toys, [80_000.0, 80_000.0])
    ]
    source = LoopBook(
        token="WBTC", underlying="BTC", deposit=10.0, ltv=0.75, loops=2, supply_rate=0.0, borrow_rate=0.05,
        collateral={"BTC": 5.0}, put_share=1.0, put_days=35.0,
    )  # fmt: skip
    settings = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}, pegs=(Peg(asset="WBTC", follows="BTC"),)))
    result = simulate(snapshots, source, DoNothing(), settings)
    puts = result.trades
    assert puts["quantity"].tolist() == [10.0]
    # 2.3125 times supplied, 1.3125 owed at .999: a day at 5 %, compounded every second
    debt = 10.0 * 1.3125 * 0.999
    assert result.steps["interest"].iloc[1] == pytest.approx(
        -debt * 80_000.0 * (2.718281828459045 ** (0.05 / 365) - 1), rel=1e-4
    )
    assert result.steps["delta_BTC"].iloc[0] < 10.0 + 5.0


def test_flow_is_the_same_for_every_policy_and_pays_the_edge(toys: Any) -> None:
    flow = Flow(per_day=3.0, quantity=2.0, seed=7, edge=0.02, max_days=40.0)
    book = ShortGamma(quantity={"BTC": 1.0}, clients=flow)
    runs = [simulate(markets(toys, [80_000.0] * 5), book, policy, FEW) for policy in (DoNothing(), DeltaBand({"BTC": 0.1}))]
    came = [run.trades[run.trades["reason"] == "flow"].reset_index(drop=True) for run in runs]
    assert len(came[0]) > 3
    assert came[0].equals(came[1])
    assert (came[0]["cost"] <= 0).all()  # clients pay the edge
    assert (came[0]["fee"] == 0).all()
    other = simulate(
        markets(toys, [80_000.0] * 5),
        book.model_copy(update={"clients": flow.model_copy(update={"seed": 8})}),
        DoNothing(),
        FEW,
    )
    assert not other.trades.equals(came[0])


@pytest.mark.parametrize(
    "text",
    [
        'kind = "short_gamma"\ndays = [7.0, 21.0]\nquantity = { BTC = 2.0 }\nclients = { seed = 4, per_day = 3.0 }',
        'kind = "rolling_seller"\nevery_days = 2.0\nrights = ["put"]\ncollateral = { BTC = 5.0, USDC = 10000.0 }',
        'kind = "amm_lp"\nbase = "BTC"\nvalue = 250000.0\nwidth = 0.1',
        'kind = "looped_staking"\ntoken = "WBTC"\nunderlying = "BTC"\ndeposit = 3.0\nltv = 0.7\ncollateral = { BTC = 1.0 }',
        'kind = "fixed"\nfile = "book.json"',
    ],
)
def test_every_kind_of_book_is_read_from_toml_and_opens(
    text: str, toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("book.json").write_text(ShortGamma().open(markets(toys, [80_000.0])[0]).model_dump_json())
    source = TypeAdapter(AnyBook).validate_python(tomllib.loads(text))
    assert TypeAdapter(AnyBook).validate_python(source.model_dump(mode="json")) == source
    now = markets(toys, [80_000.0])[0]
    now = replace(now, prices={**now.prices, "WBTC": 79_900.0})
    book = source.open(now)
    assert book.accounts
    assert any(account.collateral for account in book.accounts)
    flows = [source.flow(now, book, step, 1.0) for step in (1, 1, 2)]
    assert flows[0] == flows[1]
    assert (flows[0] != flows[2]) is ("clients" in text)  # chance, by the seed and the step


def test_a_fixed_book_has_the_name_that_the_configuration_gives(toys: Any, tmp_path: Path) -> None:
    now = markets(toys, [80_000.0])[0]
    path = tmp_path / "book.json"
    path.write_text(ShortGamma(name="in the file").open(now).model_dump_json())
    for given, opened, title in (({}, "in the file", "book"), ({"name": "desk 2"}, "desk 2", "desk 2")):
        source = TypeAdapter(AnyBook).validate_python({"kind": "fixed", "file": str(path), **given})
        assert (source.open(now).name, source.title) == (opened, title)


def test_a_market_without_options_is_refused(toys: Any) -> None:
    with pytest.raises(InputError, match="quotes no call on BTC"):
        ShortGamma().open(toys.market(toys.START, 80_000.0, expiries=()))
