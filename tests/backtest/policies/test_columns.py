"""A few candidates at a time give the answer of all of them, proven over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.columns import Columns, gains, restricted
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.exposures.expose import expose
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program

SAMPLE = ParametricScenarios(count=300, vol={"BTC": 0.6}, seed=5)
CALL, PUT = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P"
STRIKES = tuple(60_000.0 + 2_500.0 * k for k in range(17))


def rules(*limits: Any, objective: Any = None) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95) if objective is None else objective,
        subject_to=limits,
        scenarios=SAMPLE,
        candidates=ho.Candidates(max_relative_spread=10.0),
        lots="ideal",
    )


def exposures(toys: Any, policy: ho.Policy, price: float = 80_000.0) -> Any:
    market = toys.path([price], strikes=STRIKES)[0]
    book = toys.Given(positions={CALL: -5.0, PUT: -5.0}).open(market)
    return expose(book, market, policy)


@pytest.mark.parametrize(
    "policy",
    [
        rules(ho.Delta("BTC").within(-1, 1)),
        rules(ho.Gamma("BTC") >= 0, ho.CVaR(0.99) <= 200_000, ho.OrderLimit(notional=2e6)),
        rules(ho.StressLoss("2020-03-12") <= 900_000, ho.VegaBucket("BTC", 30).within(-2_000, 2_000)),
        rules(ho.MarginUtilisation(limit=0.1)),
        rules(ho.MarginUtilisation(requirement="maintenance", limit=0.08), ho.MarginUtilisation(limit=0.5)),
    ],
)
def test_the_optimum_is_that_of_all_candidates(policy: ho.Policy, toys: Any) -> None:
    columns = Columns(policy, slots=12)
    for price in (80_000.0, 76_000.0):
        e = exposures(toys, policy, price)
        assert e.n_candidates > 2 * columns.slots
        found, whole = columns.solve(e), solve_program(Program(policy, e), e)
        assert found is not None
        assert found.certificate.valid
        scale = max(1.0, abs(whole.certificate.objective))
        assert abs(found.certificate.objective - whole.certificate.objective) <= 2e-6 * scale
        # judged by a program of all candidates: the limits hold, and the objective is what was said
        judge = Program(policy, e)
        judge.update(e, trade_box(policy, e))
        certificate, _ = certify(judge, e, trade_box(policy, e), found.trades, {})
        assert certificate.feasible
        assert certificate.objective == pytest.approx(found.certificate.objective, rel=1e-12)


def test_a_gap_over_all_candidates_cannot_hide(toys: Any) -> None:
    """The best over six candidates that nobody would choose is certified over them, and found wanting over all."""
    policy = rules()
    e = exposures(toys, policy)
    worst = np.argsort(e.cost_buy)[-6:]
    part = solve_program(Program(policy, restricted(e, worst)), restricted(e, worst))
    x = np.zeros(e.n_candidates)
    x[worst] = part.trades
    judge = Program(policy, e)
    judge.update(e, trade_box(policy, e))
    certificate, _ = certify(judge, e, trade_box(policy, e), x, {})
    assert part.certificate.valid
    assert not certificate.optimal


def test_gains_add_up_to_the_distance_from_the_minimum() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        f = Separable(rng.normal(size=5), 1.0, rng.uniform(0, 2, (3, 5)), rng.normal(size=(3, 5)))
        lower, upper = -rng.uniform(0, 2, 5), rng.uniform(0, 2, 5)
        x = rng.uniform(lower, upper)
        found = gains(f, x, Box(lower, upper, lower, upper, ()))
        assert (found >= 0).all()
        assert found.sum() == pytest.approx(f(x) - f.minimum(lower, upper), abs=1e-12)


def test_other_candidates_every_day_need_one_program(toys: Any) -> None:
    markets = []
    for k, market in enumerate(toys.path([80_000.0, 81_000.0, 79_000.0], strikes=STRIKES)):
        markets.append(toys.market(market.timestamp, market.prices["BTC"], strikes=STRIKES[k : 14 + k]))
    policy = Optimizer(rules(ho.Delta("BTC").within(-1, 1)))
    policy._columns.slots = 10
    settings = Settings(scenarios=SAMPLE)
    result = simulate(markets, toys.Given(positions={CALL: -5.0, PUT: -5.0}), policy, settings)
    assert policy.compiled == 1
    assert not [event for event in result.events if event["kind"] in ("fallback", "infeasible")]
    again = Optimizer(rules(ho.Delta("BTC").within(-1, 1)))
    again._columns.slots = 10
    other = simulate(markets, toys.Given(positions={CALL: -5.0, PUT: -5.0}), again, settings)
    assert other.ledger.equals(result.ledger)


def test_what_does_not_fit_or_cannot_be_met_is_left_to_the_whole(toys: Any) -> None:
    margin = rules(ho.Margin("deribit") <= 0.9)
    assert Columns(margin).solve(exposures(toys, margin)) is None
    impossible = rules(ho.Gamma("BTC") >= 1.0, ho.OrderLimit(notional=100.0))
    assert Columns(impossible, slots=6).solve(exposures(toys, impossible)) is None


def test_a_variance_without_a_tail_is_solved_to_the_same_optimum(toys: Any) -> None:
    policy = rules(ho.Delta("BTC").within(-1, 1), objective=ho.TransactionCost() + 1e-5 * ho.Variance())
    e = exposures(toys, policy)
    columns = Columns(policy, slots=100)
    found, whole = columns.solve(e), solve_program(Program(policy, e), e)
    assert columns.smooth
    assert not Columns(policy.model_copy(update={"solver": "OSQP"})).smooth  # a named solver is the one that solves
    assert found is not None
    assert found.certificate.valid
    assert found.certificate.objective == pytest.approx(whole.certificate.objective, rel=2e-6)


def test_margin_limits_need_one_program_whatever_there_is_to_trade(toys: Any) -> None:
    """Strikes come and go, the book changes, the number of candidates too: three programs at most, here one."""
    markets = []
    for k, market in enumerate(toys.path([80_000.0, 81_000.0, 79_000.0, 80_500.0], strikes=STRIKES)):
        markets.append(toys.market(market.timestamp, market.prices["BTC"], strikes=STRIKES[k : 13 + (k % 3)]))
    policy = Optimizer(rules(ho.MarginUtilisation(limit=0.3)))
    policy._columns.slots = 12
    result = simulate(markets, toys.Given(positions={CALL: -5.0, PUT: -5.0}), policy, Settings(scenarios=SAMPLE))
    assert policy.compiled == 1
    assert not [event for event in result.events if event["kind"] in ("fallback", "infeasible")]
    assert (result.steps["initial_margin"] <= 0.3 * result.steps["equity"] * (1 + 1e-9)).all()


def test_a_margin_limit_over_contracts_that_are_no_options(toys: Any) -> None:
    """One perpetual alone, and nothing but slots for it: solved, or left to the whole, but never half filled."""
    policy = rules(ho.MarginUtilisation(limit=0.5)).model_copy(
        update={"candidates": ho.Candidates(kinds=("perpetual", "future"), max_relative_spread=10.0)}
    )
    e = exposures(toys, policy)
    found = Columns(policy, slots=6).solve(e)
    assert found is None or found.certificate.valid
    result = simulate(toys.path([80_000.0, 81_000.0], strikes=STRIKES), toys.Given(positions={CALL: -5.0, PUT: -5.0}),
                      Optimizer(policy), Settings(scenarios=SAMPLE))  # fmt: skip
    assert len(result.steps) == 2
    many = Columns(policy, slots=6)
    many._curved, many._size = 3, 6
    assert len(many._placed(np.arange(8), [str(k) for k in range(8)], np.zeros(8, bool))) == 3  # which solve() does not use
