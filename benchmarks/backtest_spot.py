"""cvxportfolio's own problem, solved by it and by hedgeopt's engine: twenty assets, daily, mean-variance with costs.

From an equal-weighted start both lower five times the variance plus a cost of a basis point, long only, without borrowing,
on the same returns: cvxportfolio with the covariance of the past and its simulator, hedgeopt with a sample of 500 moves, its
ledger, margin check and certificate. Neither forecasts returns.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.backtest_markets import START

HISTORY, AVERSION, COST, CASH = 250, 5.0, 1e-4, 1e6


def spot_case(steps: int, assets: int) -> Iterator[dict[str, Any]]:
    """One record per method; hedgeopt's says how many times cvxportfolio's steps per second it makes."""
    rng = np.random.default_rng(5)
    shape = (HISTORY + steps, assets)
    moves = 0.02 * (0.5 * rng.standard_normal((shape[0], 1)) + 0.8 * rng.standard_normal(shape))
    index = pd.date_range(START - timedelta(days=HISTORY), periods=shape[0], freq="D")
    returns = pd.DataFrame(np.exp(moves) - 1.0, index=index, columns=[f"A{k:02d}" for k in range(assets)])
    found = {"hedgeopt": hedgeopt_spot(returns, steps)}
    try:
        found["cvxportfolio"] = cvxportfolio_spot(returns, steps)
    except ImportError:
        yield {
            "case": f"{assets} spot assets",
            "method": "cvxportfolio",
            "skipped": "not installed: pip install cvxportfolio",
        }
    for name, (rate, gained) in found.items():
        row = {"case": f"{assets} spot assets", "method": name, "steps": steps, "steps_per_second": round(rate, 2)}
        row["return"] = round(gained, 5)
        if name == "hedgeopt" and "cvxportfolio" in found:
            row["times_cvxportfolio"] = round(rate / found["cvxportfolio"][0], 2)
        yield row


def cvxportfolio_spot(returns: pd.DataFrame, steps: int) -> tuple[float, float]:
    """Steps per CPU second, and the return of the period."""
    import cvxportfolio as cvx

    simulator = cvx.MarketSimulator(
        returns=returns.assign(cash=0.0),
        cash_key="cash",
        costs=[cvx.TransactionCost(a=COST, b=None)],
        min_history=pd.Timedelta("100d"),
    )

    def backtest(first: int, last: int) -> Any:
        cost = cvx.TransactionCost(a=COST, b=None)
        objective = -AVERSION * cvx.FullCovariance() - cost
        policy = cvx.SinglePeriodOptimization(objective, [cvx.LongOnly(), cvx.LeverageLimit(1)])
        equal = pd.Series({**dict.fromkeys(returns.columns, CASH / returns.shape[1]), "cash": 0.1 * CASH})
        return simulator.backtest(policy, start_time=returns.index[first], end_time=returns.index[last], h=equal)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backtest(HISTORY, HISTORY + 2)  # its imports
        began = time.process_time()
        result = backtest(HISTORY, HISTORY + steps - 1)
    return (len(result.v) - 1) / (time.process_time() - began), float(result.v.iloc[-1] / result.v.iloc[0] - 1.0)


def hedgeopt_spot(returns: pd.DataFrame, steps: int) -> tuple[float, float]:
    """The same of hedgeopt."""
    import hedgeopt as ho
    from hedgeopt.backtest.assumptions import Settings
    from hedgeopt.backtest.engine import simulate
    from hedgeopt.backtest.policies.optimizer import Optimizer

    prices = 100.0 * (1.0 + returns).cumprod()
    sample = ho.ParametricScenarios(count=500, correlation=0.28, vol=dict.fromkeys(returns.columns, 0.36), degrees=100.0)
    rules = ho.Policy(
        minimize=ho.TransactionCost() + (AVERSION / CASH) * ho.Variance(),
        subject_to=[ho.PositionLimit(long_only=True), ho.TrueLeverage() <= 1.0],
        scenarios=sample,
        candidates=ho.Candidates(kinds=("spot",), underlyings=tuple(returns.columns)),
        lots="ideal",
    )
    markets = spot_markets(prices.iloc[-steps:])
    settings = Settings(scenarios=sample)
    simulate(markets[:2], Equal(), Optimizer(rules), settings)
    began = time.process_time()
    result = simulate(markets, Equal(), Optimizer(rules), settings)
    rate = len(markets) / (time.process_time() - began)
    return rate, float(result.steps["equity"].iloc[-1] / (1.1 * CASH) - 1.0)


def spot_markets(prices: pd.DataFrame) -> list[Any]:
    """A snapshot per row, quoted a basis point around the price."""
    from hedgeopt.inputs.columns import QUOTE_FIELDS
    from hedgeopt.inputs.market import Market
    from hedgeopt.models.pricing.spot import Spot

    items = [Spot(name=f"{asset}_USD", venue="deribit", asset=asset) for asset in prices.columns]
    found = []
    for moment, row in prices.iterrows():
        value = row.to_numpy(float)
        quotes = pd.DataFrame(
            {"bid_price": value * (1 - COST), "ask_price": value * (1 + COST), "mark_price": value},
            index=[i.id for i in items],
        ).reindex(columns=list(QUOTE_FIELDS))
        quotes["timestamp"] = moment
        found.append(Market(moment.to_pydatetime(), row.to_dict(), {i.id: i for i in items}, quotes, "spot"))
    return found


class Equal:
    """A million dollars over all assets, and a tenth of it in cash."""

    name = "equal"

    def open(self, market: Any) -> Any:
        from hedgeopt.inputs.book import Account, Book, Collateral, Position

        cash = (Collateral(asset="USD", amount=0.1 * CASH),)
        items = market.instruments.values()
        held = tuple(Position(instrument=i.name, quantity=CASH / len(items) / market.price(i.asset)) for i in items)
        return Book(accounts=(Account(name="main", venue="deribit", margin="none", collateral=cash, positions=held),))

    def flow(self, market: Any, book: Any, step: int, days: float) -> list[Any]:
        return []
