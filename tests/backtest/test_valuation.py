"""A book valued again at the same moment, against the same book valued afresh at a market that remembers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.snapshot import Snapshot
from hedgeopt.backtest.valuation import Valuation, value
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.set import ScenarioSet, unmoved

CALL, PUT, FUTURE = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P", "BTC-PERPETUAL"


def _same(one: Valuation, other: Valuation) -> None:
    assert one.equity == pytest.approx(other.equity, rel=1e-12)
    assert one.position_value == pytest.approx(other.position_value, rel=1e-12)
    np.testing.assert_allclose(one.initial, other.initial, rtol=1e-12)
    np.testing.assert_allclose(one.maintenance, other.maintenance, rtol=1e-12)
    np.testing.assert_allclose(one.exposures.collateral, other.exposures.collateral, rtol=1e-12)
    for asset, greeks in other.greeks().items():
        assert one.greeks()[asset] == pytest.approx(greeks, rel=1e-12)


@pytest.mark.parametrize("margin", ["standard", "portfolio"])
@pytest.mark.parametrize(
    "trades",
    [[(CALL, 1.5), (FUTURE, -40_000.0)], [(PUT, 2.0)], [(CALL, 3.0)], [(FUTURE, 10_000.0), (PUT, -1.0), (CALL, 1.0)]],
    ids=["held ones", "a new one", "one closed", "both"],
)
def test_after_trades_as_valued_afresh(toys: ModuleType, margin: str, trades: Sequence[tuple[str, float]]) -> None:
    market = toys.market(toys.START, 82_000.0)
    seen = Snapshot.of(market)
    book = toys.Given(positions={CALL: -3.0, FUTURE: 20_000.0}, margin=margin).open(market)
    portfolio = Portfolio(book, seen)
    before = value(portfolio.book(seen.timestamp), seen)
    _same(before, value(book, market))
    for name, quantity in trades:
        portfolio.trade(seen, "main", name, quantity, "hedge")
    after = portfolio.book(seen.timestamp)
    _same(value(after, seen, before=before), value(after, market))


def test_nothing_changes_its_value_where_nothing_moves(toys: ModuleType) -> None:
    market = toys.market(toys.START, 82_000.0)
    book = toys.Given(positions={CALL: -3.0, FUTURE: 20_000.0}).open(market)
    # a factor that is not quite one is revalued in full: the limit of what stands still
    nearly = ScenarioSet("nearly", ("BTC",), np.full((1, 1), 1.0 + 1e-12), np.zeros((1, 1)), horizon_days=0.0, labels=("n",))
    still = unmoved(("BTC",))
    assert still.still
    assert not nearly.still
    moved, resting = value(book, market, nearly).exposures, value(book, market, still).exposures
    np.testing.assert_allclose(resting.base_pnl, 0.0)
    np.testing.assert_allclose(moved.base_pnl, resting.base_pnl, atol=1e-5)
    np.testing.assert_allclose(moved.stress_prices, resting.stress_prices, rtol=1e-9)


@pytest.mark.parametrize(
    "change", [{"horizon_days": 1.0}, {"log_vol_shift": np.full((1, 1), 0.1)}, {"funding": np.ones((1, 1))}]
)
def test_time_vol_and_funding_are_moves_too(change: dict[str, object]) -> None:
    given = {"spot_factor": np.ones((1, 1)), "log_vol_shift": np.zeros((1, 1)), "horizon_days": 0.0, **change}
    assert not ScenarioSet("x", ("BTC",), **given).still  # type: ignore[arg-type]


def test_a_backtest_is_worth_the_marks_of_its_snapshots(toys: ModuleType) -> None:
    """Marks 3 % above what the vols say: equity is cash and quantity times mark times index, at every step."""
    markets = toys.path([80_000.0, 84_000.0, 79_000.0])
    for market in markets:
        for name in (CALL, PUT):
            market.quotes.loc[f"deribit:{name}", "mark_price"] *= 1.03
    book = toys.Given(collateral={"BTC": 20.0}, positions={CALL: -3.0, PUT: 2.0})
    result = simulate(markets, book, DoNothing(), Settings(scenarios=ParametricScenarios(count=8, vol={"BTC": 0.6})))
    by_hand = [
        market.price("BTC")
        * (20.0 - 3.0 * market.quote("mark_price", f"deribit:{CALL}") + 2.0 * market.quote("mark_price", f"deribit:{PUT}"))
        for market in markets
    ]
    # what the options are worth at the start is given, not paid for: cash stays 20 coins
    assert result.steps["equity"].tolist() == pytest.approx(by_hand, rel=1e-12)
