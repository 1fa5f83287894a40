"""The optimizer in the loop is the policy of live use; regions, budgets and infeasibility do what they say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.multi_period import MultiPeriod
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SAMPLE = ParametricScenarios(count=300, vol={"BTC": 0.6}, seed=5)
FEW = Settings(scenarios=SAMPLE, mark_half_spread=None)
CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"
STRIKES = (72_000.0, 80_000.0, 88_000.0)
SHORT = {CALL: -5.0, PUT: -5.0}


def rules(weight: float = 0.5, limits: tuple[Any, ...] = (), **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + weight * ho.CVaR(0.95),
        subject_to=list(limits),
        scenarios=more.pop("scenarios", SAMPLE),
        **more,
        lots="ideal",
    )


def test_trades_are_those_of_propose(toys: Any) -> None:
    market = toys.path([80_000.0], strikes=STRIKES)[0]
    book = toys.Given(positions=SHORT)
    policy = rules(limits=(ho.Delta("BTC").within(-1, 1),))
    result = simulate([market], book, Optimizer(policy), FEW)
    proposal = policy.propose(book.open(market), market)
    proposed = dict(
        zip(
            proposal.trades["instrument"],
            proposal.trades["quantity"] * np.where(proposal.trades["side"] == "buy", 1, -1),
            strict=True,
        )
    )
    done = dict(zip(result.trades["instrument"], result.trades["quantity"], strict=True))
    assert done == pytest.approx(proposed, rel=1e-6)
    assert result.steps["promised_cvar"].iloc[0] == pytest.approx(proposal.objective["after"].iloc[1], rel=1e-9)
    assert result.steps["beta"].iloc[0] == 0.95


def test_limits_hold_after_every_step(toys: Any) -> None:
    prices = 80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(2).standard_normal(5)))
    policy = rules(limits=(ho.Delta("BTC").within(-1, 1), ho.Gamma("BTC") >= 0))
    result = simulate(toys.path(prices, strikes=STRIKES), toys.Given(positions=SHORT), Optimizer(policy), FEW)
    assert result.steps["delta_BTC"].abs().max() <= 1.0 + 0.01  # fees are paid in coins after the decision
    assert result.steps["gamma_BTC"].min() >= -1e-9
    assert not [e for e in result.events if e["kind"] in ("infeasible", "fallback")]


def test_the_program_is_compiled_once_for_one_structure(toys: Any) -> None:
    """From the second day on every candidate is held: one structure, one program."""
    policy = Optimizer(rules(weight=0.05, limits=(ho.Delta("BTC").within(-1, 1),)))
    prices = [80_000.0, 80_500.0, 81_000.0, 80_200.0]
    markets = toys.path(prices, strikes=STRIKES, hours=4.0)
    names = [i.name for i in markets[0].instruments.values()]
    result = simulate(markets, toys.Given(positions=dict.fromkeys(names, -1.0)), policy, FEW)
    assert len(result.steps) == 4
    assert policy.compiled <= 2


def test_no_trade_region_holds_while_little_is_gained(toys: Any) -> None:
    markets = toys.path([80_000.0, 80_100.0], strikes=STRIKES)
    book = toys.Given(positions=SHORT)
    lazy = simulate(markets, book, Optimizer(rules(), no_trade=1e9), FEW)
    keen = simulate(markets, book, Optimizer(rules(), no_trade=1.0), FEW)
    assert lazy.trades.empty
    assert [e["kind"] for e in lazy.events] == ["no_trade"] * 2
    assert not keen.trades.empty
    limited = rules(limits=(ho.Delta("BTC").within(-1, 1),))
    assert not simulate(markets, book, Optimizer(limited, no_trade=1e9), FEW).trades.empty  # a broken limit must be mended


def test_a_budget_caps_what_trading_costs(toys: Any) -> None:
    market = toys.path([80_000.0], strikes=STRIKES)
    book = toys.Given(positions=SHORT)
    free, bound = (simulate(market, book, Optimizer(rules(), budget=b), FEW) for b in (None, 100.0))
    spent = [r.steps[["cost", "fees"]].sum(axis=1).iloc[0] for r in (free, bound)]
    assert spent[0] > 150.0
    assert spent[1] <= 100.0 * (1 + 1e-6)


def test_infeasible_holds_or_comes_as_close_as_it_can(toys: Any) -> None:
    """Delta may be at most 1, one order at most 400,000 USD in the perpetual alone: from 20 coins only 15 can be reached."""
    only = ho.Candidates(kinds=("perpetual",), underlyings=("BTC",))
    policy = rules(limits=(ho.Delta("BTC").within(-1, 1), ho.OrderLimit(notional=400_000)), candidates=only)
    held = simulate(toys.path([80_000.0]), toys.Given(), Optimizer(policy), FEW)
    assert held.trades.empty
    assert [(e["kind"], e["action"]) for e in held.events] == [("infeasible", "hold")]
    closer = simulate(toys.path([80_000.0]), toys.Given(), Optimizer(policy, infeasible="minimise violation"), FEW)
    assert closer.trades["quantity"].tolist() == pytest.approx([-400_000.0], rel=1e-3)
    assert closer.events[0]["action"] == "minimise violation"


def test_nothing_to_trade_is_an_event_and_not_a_crash(toys: Any) -> None:
    market = toys.path([80_000.0], quoted=False)
    result = simulate(market, toys.Given(), Optimizer(rules()), FEW)
    assert [e["kind"] for e in result.events] == ["fallback"]


def test_several_periods_pay_for_trades_that_one_does_not(toys: Any) -> None:
    """A cost that one day's risk does not justify is justified by four days'."""
    book = toys.Given(positions=SHORT)
    market = toys.path([80_000.0], strikes=STRIKES)
    weight = next(w for w in (0.01, 0.02, 0.03, 0.05) if not simulate(market, book, Optimizer(rules(w)), FEW).trades.empty)
    below = 0.6 * weight
    turnover = [simulate(market, book, p, FEW).steps["turnover"].iloc[0] for p in (
        Optimizer(rules(below)), MultiPeriod(rules(below), periods=4, cost_decay=1.0))]  # fmt: skip
    assert turnover[1] > turnover[0]


def test_several_periods_wait_where_trading_gets_cheaper(toys: Any) -> None:
    book = toys.Given(positions=SHORT)
    market = toys.path([80_000.0], strikes=STRIKES, half=0.02)
    now, later = (
        simulate(market, book, MultiPeriod(rules(0.05), periods=3, cost_decay=d), FEW).steps["turnover"].iloc[0]
        for d in (1.0, 0.05)
    )
    assert later < 0.95 * now


def test_several_periods_keep_the_limits(toys: Any) -> None:
    policy = MultiPeriod(rules(0.1, (ho.Delta("BTC").within(-1, 1),)), periods=2)
    markets = toys.path([80_000.0, 84_000.0], strikes=STRIKES, expiries=(toys.START + timedelta(days=1.5), toys.EXPIRY))
    result = simulate(markets, toys.Given(positions=SHORT), policy, FEW)
    assert result.steps["delta_BTC"].abs().max() <= 1.01
    assert not [e for e in result.events if e["kind"] in ("infeasible", "fallback", "note")]


def test_several_periods_need_a_cost_to_trade_off() -> None:
    with pytest.raises(InputError, match="transaction_cost"):
        MultiPeriod(ho.Policy(minimize=ho.CVaR(0.95), lots="ideal"))
