"""The encoding inside a program: its optimum at given trades is the plain rule, and its minorant stays below."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import TradeVariables
from hedgeopt.models.margin.bind import BoundEncoding
from hedgeopt.models.margin.effects import equity_after
from hedgeopt.program.box import trade_box

MODELS = ("deribit_standard", "portfolio", "portfolio:legacy")


@pytest.fixture(scope="module", params=MODELS)
def exposures(request: pytest.FixtureRequest, toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    main = toy_book.accounts[0].model_copy(update={"margin": request.param})
    return expose(toy_book.model_copy(update={"accounts": (main,)}), toy_market, toy_policy)


def _program(e: Exposures, policy: ho.Policy) -> tuple[cp.Problem, TradeVariables, np.ndarray, BoundEncoding, cp.Parameter]:
    box = trade_box(policy, e)
    scale = np.maximum(np.maximum(-box.lower, box.upper), 0.0)
    scale[scale == 0] = 1.0
    n = e.n_candidates
    trades = TradeVariables(cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True))
    bound = BoundEncoding(trades, e, 0, lambda e: e.margins.encoding(0, "initial"))
    bound.update(e, scale)
    fixed = cp.Parameter(n)
    problem = cp.Problem(
        cp.Minimize(bound.expression), [*bound.constraints, trades.net == fixed, trades.buy <= 1, trades.sell <= 1]
    )
    assert problem.is_dcp(dpp=True)
    return problem, trades, scale, bound, fixed


def test_optimum_at_fixed_trades_is_the_plain_rule(exposures: Exposures, toy_policy: ho.Policy) -> None:
    e = exposures
    problem, _, scale, bound, fixed = _program(e, toy_policy)
    standard = e.margins.names[0] == "deribit_standard"
    box = trade_box(toy_policy, e)
    rng = np.random.default_rng(21)
    for _ in range(12):
        x = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < 0.3) * 0.4
        fixed.value = x / scale
        problem.solve(solver=cp.HIGHS)
        need = e.margins.requirement(0, e.positions(x), e.collateral[0])
        plain = need.initial - 1.0 * sum(v for k, v in need.breakdown.items() if "delta shock" in k)
        assert bound.evaluate(e, x) == pytest.approx(plain, rel=1e-9)
        # squares enter as chords: never below, and close
        assert problem.value == pytest.approx(plain, rel=2e-3 if standard else 1e-8)
        assert problem.value >= plain * (1 - 1e-9)


def test_minorant_from_duals_is_below_everywhere_and_tight(exposures: Exposures, toy_policy: ho.Policy) -> None:
    e = exposures
    problem, _, scale, bound, fixed = _program(e, toy_policy)
    box = trade_box(toy_policy, e)
    rng = np.random.default_rng(22)
    for _ in range(6):
        x = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < 0.3)
        fixed.value = x / scale
        problem.solve(solver=cp.HIGHS)
        below = bound.minorant(e, x)
        value = bound.evaluate(e, x)
        assert below(x) == pytest.approx(value, rel=1e-7)
        for _ in range(20):
            other = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < rng.uniform(0.1, 1.0))
            assert below(other) <= bound.evaluate(e, other) + 1e-9 * value


def test_margin_term_binds_on_a_portfolio_margin_account(toy_book: ho.Book, toy_market: ho.Market) -> None:
    main = toy_book.accounts[0].model_copy(update={"margin": "portfolio"})
    book = toy_book.model_copy(update={"accounts": (main,)})
    loose = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC").within(-50, 50)],
        scenarios=ho.ParametricScenarios(count=100),
        lots="ideal",
    )
    free = loose.propose(book, toy_market)
    used = free.before.accounts[0].initial_margin / free.before.equity
    policy = loose.model_copy(update={"subject_to": (*loose.subject_to, ho.Margin("deribit") <= 0.5 * used)})
    answer = ho.solve(book, toy_market, policy)
    assert answer.proposal.certificate.valid
    limits = answer.proposal.limits
    row = limits[limits.limit == "initial margin main"].iloc[0]
    assert row.binding
    assert row.shadow_price > 0
    e = answer.exposures
    plain = e.margins.requirement(0, e.positions(answer.x), e.collateral[0]).initial / equity_after(e, 0, answer.x)
    assert plain == pytest.approx(0.5 * used, rel=1e-6)
