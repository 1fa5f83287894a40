"""Backtest steps per second: the optimizer in the loop, the same policy rebuilt with cvxpy at every step, and cvxportfolio.

Seconds are CPU seconds of this process, single-threaded, rivals taking turns in one run. The naive rival prices book and
candidates with the same code, writes the program with constants (Rockafellar-Uryasev epigraph) as its documentation would,
and solves it with the quicker of cvxpy's usual solvers. Recorded chains are used where there are some (every day has other
candidates, so every day is compiled anew), and a synthetic chain whose candidates stay, where one program serves all steps.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.registry import benchmark

NAME = "backtest"
DATA = Path(os.environ.get("HEDGEOPT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@benchmark(NAME, "backtest steps per second with the optimizer in the loop, against naive cvxpy and cvxportfolio")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per case and method."""
    steps, scenarios = (2, 100) if smoke else (5, 2_000)
    cases: list[tuple[str, list[Any], dict[str, Any]]] = []
    cases.append(
        ("synthetic chain", synthetic(steps + 1, 40 if smoke else 300), {"min_delta": 0.0, "max_relative_spread": 10.0})
    )
    chain = DATA / "deribit-chains" / "daily_allstrikes_dev_20251230_20260531.parquet"
    if chain.is_file() and not smoke:
        cases.append(("recorded chain", recorded(chain, steps + 1), {"min_delta": 0.05, "max_days": 400.0}))
    for case, markets, candidates in cases:
        yield from options_case(case, markets, candidates, scenarios, smoke)
    yield from spot_case(12 if smoke else 60, smoke)
    yield from memory_case(12 if smoke else 60)


def options_case(
    case: str, markets: list[Any], candidates: dict[str, Any], scenarios: int, smoke: bool
) -> Iterator[dict[str, Any]]:
    import hedgeopt as ho
    from hedgeopt.backtest.books.config import ShortGamma
    from hedgeopt.backtest.engine import Settings, simulate
    from hedgeopt.backtest.policies.optimizer import Optimizer

    rules = ho.Policy(
        minimize=ho.TransactionCost() + 0.2 * ho.CVaR(0.99),
        subject_to=[ho.Delta("BTC").within(-2, 2), ho.OrderLimit(notional=5e6)],
        scenarios=ho.ParametricScenarios(count=scenarios, seed=3),
        candidates=ho.Candidates(mark_half_spread=1e-4, underlyings=("BTC",), **candidates),
    )
    book = ShortGamma(collateral={"BTC": 60.0}, quantity={"BTC": 20.0})
    settings = Settings(scenarios=ho.ParametricScenarios(count=100))
    methods: dict[str, Callable[[], Any]] = {
        "hedgeopt": lambda: Optimizer(rules),
        "naive cvxpy, Clarabel": lambda: Naive(rules, "CLARABEL"),
        "naive cvxpy, HiGHS": lambda: Naive(rules, "HIGHS"),
    }
    simulate(markets[:2], book, Optimizer(rules), settings)  # numba, imports
    found: dict[str, tuple[float, Any, Any]] = {}
    for name, make in methods.items():
        policy = make()
        few = markets[:2] if name.endswith("Clarabel") else markets  # half a minute a step
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = simulate(few, book, policy, settings)
        found[name] = (len(few) / (time.process_time() - began), result, policy)
    counted = next(int(np.median(p.counts)) for _, _, p in found.values() if isinstance(p, Naive))
    best = max(rate for name, (rate, _, _) in found.items() if name != "hedgeopt")
    for name, (rate, result, policy) in found.items():
        row: dict[str, Any] = {"case": case, "method": name, "steps_per_second": round(rate, 3), "scenarios": scenarios}
        row |= {"steps": len(result.steps), "candidates": counted}
        row["pnl"] = round(float(result.steps["pnl"].sum()), 2)
        if name == "hedgeopt":
            row |= {"times_best_naive": round(rate / best, 2), "programs_compiled": policy.compiled}
        yield row


class Naive:
    """The same policy written out with constants at every step."""

    name = "naive"

    def __init__(self, rules: Any, solver: str) -> None:
        self.rules, self.solver, self.counts = rules, solver, []

    def decide(self, state: Any) -> Any:
        import cvxpy as cp

        from hedgeopt.backtest.policies.optimizer import orders_of
        from hedgeopt.program import trade_box
        from hedgeopt.solve import expose

        e = expose(state.book, state.market, self.rules)
        box = trade_box(self.rules, e)
        n, s = e.n_candidates, len(e.base_pnl)
        self.counts.append(n)
        scale = np.maximum(np.maximum(-box.lower, box.upper), 1e-9)
        buy, sell = cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
        level, excess = cp.Variable(), cp.Variable(s, nonneg=True)
        net = cp.multiply(scale, buy - sell)
        tail = level + cp.sum(excess) / (s * 0.01)
        at = e.asset("BTC")
        delta = e.trade_greeks[0, :, at] @ net + float(e.rows.greeks[0, :, at] @ e.rows.quantity + e.coin_delta[:, at].sum())
        cost = (e.cost_buy * scale) @ buy + (e.cost_sell * scale) @ sell
        problem = cp.Problem(
            cp.Minimize(cost + 0.2 * tail),
            [
                excess >= -(e.pnl @ net) - e.base_pnl - level,
                delta <= 2,
                delta >= -2,
                buy <= np.maximum(box.upper, 0.0) / scale,
                sell <= np.maximum(-box.lower, 0.0) / scale,
            ],
        )
        problem.solve(solver=self.solver)
        if buy.value is None:
            return ()
        return orders_of(e, np.clip(scale * (buy.value - sell.value), box.lower, box.upper))[0]


def recorded(chain: Path, steps: int) -> list[Any]:
    from hedgeopt.backtest.chains import ChainReplay

    start = datetime(2026, 1, 20, tzinfo=UTC)
    replay = ChainReplay(
        (chain,), start=start, end=start + timedelta(days=steps), synthetic_perpetuals=True, assets=("BTC",)
    )
    return list(replay)


def synthetic(steps: int, options: int) -> list[Any]:
    """BTC options on ten expiries whose strikes stay, over a random walk of the index, quoted a little around Black-76."""
    from hedgeopt.market import QUOTE_FIELDS, Market
    from hedgeopt.models.pricing.black76 import price
    from hedgeopt.models.pricing.option import Option
    from hedgeopt.models.pricing.perpetual import Perpetual

    rng = np.random.default_rng(11)
    path = 80_000.0 * np.exp(np.cumsum(0.02 * rng.standard_normal(steps)))
    per_expiry = max(options // 20, 1)
    expiries = [START.replace(hour=8) + timedelta(days=int(d)) for d in np.linspace(20, 300, 10)]
    strikes = np.round(80_000.0 * np.linspace(0.75, 1.3, per_expiry), -2)
    items = [
        Option(
            name=f"BTC-{expiry:%d%b%y}-{strike:.0f}-{right[0]}".upper(), venue="deribit", underlying="BTC", settlement="BTC",
            expiry=expiry, strike=float(strike), right=right,
        )
        for expiry in expiries for strike in strikes for right in ("call", "put")
    ]  # fmt: skip
    perpetual = Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")
    found = []
    for k, index in enumerate(path):
        moment = START + timedelta(days=k)
        years = np.array([i.years_from(moment) for i in items])
        n = len(items)
        strike, call = np.array([i.strike for i in items]), np.array([i.right == "call" for i in items])
        vol = 0.55 + 0.1 * np.abs(np.log(strike / index))
        mark = price(np.full(n, index), strike, years, vol, call) / index
        half = 0.0004 + 0.01 * mark
        quotes = pd.DataFrame(
            {
                "bid_price": np.where(mark > half, mark - half, np.nan), "ask_price": mark + half, "mark_price": mark,
                "mark_iv": vol, "underlying_price": index, "open_interest": 100.0,
            },
            index=[i.id for i in items],
        )  # fmt: skip
        quotes.loc[perpetual.id, ["mark_price", "bid_price", "ask_price"]] = [index, index * 0.9999, index * 1.0001]
        quotes = quotes.reindex(columns=list(QUOTE_FIELDS))
        quotes["timestamp"] = pd.Timestamp(moment)
        found.append(Market(moment, {"BTC": float(index)}, {i.id: i for i in [*items, perpetual]}, quotes, "synthetic"))
    return found


def spot_case(steps: int, smoke: bool) -> Iterator[dict[str, Any]]:
    """Twenty assets, no options, daily: cvxportfolio's own problem (mean-variance and cost), ours (variance and cost)."""
    assets = [f"A{k:02d}" for k in range(6 if smoke else 20)]
    rng = np.random.default_rng(5)
    history = 250
    moves = 0.02 * (
        0.5 * rng.standard_normal((history + steps, 1)) + 0.8 * rng.standard_normal((history + steps, len(assets)))
    )
    index = pd.date_range(START - timedelta(days=history), periods=history + steps, freq="D")
    returns = pd.DataFrame(np.exp(moves) - 1.0, index=index, columns=assets)
    rates = {"hedgeopt": hedgeopt_spot(returns, steps)}
    try:
        import cvxportfolio as cvx
    except ImportError:
        yield {"case": "20 spot assets", "method": "cvxportfolio", "skipped": "not installed: pip install cvxportfolio"}
    else:
        data = returns.assign(cash=0.0)
        simulator = cvx.MarketSimulator(
            returns=data, cash_key="cash", costs=[cvx.TransactionCost(a=1e-4, b=None)], min_history=pd.Timedelta("100d")
        )
        policy = cvx.SinglePeriodOptimization(
            cvx.ReturnsForecast() - 5.0 * cvx.FullCovariance() - cvx.TransactionCost(a=1e-4, b=None), [cvx.LeverageLimit(1)]
        )
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = simulator.backtest(policy, start_time=index[history], end_time=index[-1], initial_value=1e6)
        rates["cvxportfolio"] = (len(result.v) - 1) / (time.process_time() - began)
    for name, rate in rates.items():
        row = {"case": f"{len(assets)} spot assets", "method": name, "steps_per_second": round(rate, 2)}
        if name == "hedgeopt" and "cvxportfolio" in rates:
            row["times_cvxportfolio"] = round(rate / rates["cvxportfolio"], 2)
        yield row


def hedgeopt_spot(returns: pd.DataFrame, steps: int) -> float:
    """Steps per second of the same engine on spot: variance of a 500-scenario sample, half-spread of a basis point."""
    import hedgeopt as ho
    from hedgeopt.backtest.engine import Settings, simulate
    from hedgeopt.backtest.policies.optimizer import Optimizer
    from hedgeopt.book import Account, Book, Collateral, Position
    from hedgeopt.market import QUOTE_FIELDS, Market
    from hedgeopt.models.pricing.spot import Spot

    assets = list(returns.columns)
    prices = 100.0 * (1.0 + returns).cumprod().iloc[-steps:]
    items = [Spot(name=f"{asset}_USD", venue="deribit", asset=asset) for asset in assets]
    markets = []
    for moment, row in prices.iterrows():
        value = row.to_numpy(float)
        quotes = pd.DataFrame(
            {"bid_price": value * 0.9999, "ask_price": value * 1.0001, "mark_price": value}, index=[i.id for i in items]
        ).reindex(columns=list(QUOTE_FIELDS))
        quotes["timestamp"] = moment
        markets.append(Market(moment.to_pydatetime(), row.to_dict(), {i.id: i for i in items}, quotes, "spot"))

    class Source:
        name = "spot"

        def open(self, market: Any) -> Book:
            positions = tuple(Position(instrument=i.name, quantity=1e6 / len(items) / market.price(i.asset)) for i in items)
            cash = (Collateral(asset="USD", amount=100_000.0),)
            return Book(
                accounts=(Account(name="main", venue="deribit", margin="none", collateral=cash, positions=positions),)
            )

        def flow(self, market: Any, book: Any, step: int, days: float) -> list[Any]:
            return []

    sample = ho.ParametricScenarios(count=500, correlation=0.3, vol=dict.fromkeys(assets, 0.35))
    rules = ho.Policy(
        minimize=ho.TransactionCost() + 1e-6 * ho.Variance(),
        scenarios=sample,
        candidates=ho.Candidates(kinds=("spot",), underlyings=tuple(assets)),
        subject_to=[ho.PositionLimit(long_only=True), ho.OrderLimit(notional=50_000)],
    )
    settings = Settings(scenarios=sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simulate(markets[:2], Source(), Optimizer(rules), settings)
        began = time.process_time()
        simulate(markets, Source(), Optimizer(rules), settings)
    return len(markets) / (time.process_time() - began)


def memory_case(steps: int) -> Iterator[dict[str, Any]]:
    """Python memory after a third of the steps and at the end, so that what grows with time shows."""
    import tracemalloc

    import hedgeopt as ho
    from hedgeopt.backtest.books.config import RollingSeller
    from hedgeopt.backtest.engine import Settings, simulate
    from hedgeopt.backtest.policies.simple import DeltaBand

    sizes: list[int] = []

    def watched(markets: Sequence[Any]) -> Iterator[Any]:
        for k, market in enumerate(markets):
            if k in (len(markets) // 3, len(markets) - 1):
                sizes.append(tracemalloc.get_traced_memory()[0])
            yield market

    markets = synthetic(steps, 40)
    tracemalloc.start()
    simulate(watched(markets), RollingSeller(every_days=2.0), DeltaBand({"BTC": 0.5}), Settings(
        scenarios=ho.ParametricScenarios(count=100)))  # fmt: skip
    tracemalloc.stop()
    grown = (sizes[1] - sizes[0]) / max(len(markets) - 1 - len(markets) // 3, 1)
    yield {"case": "memory", "method": "hedgeopt", "steps": len(markets), "kilobytes_per_step": round(grown / 1024, 1)}
