"""Certificates: true lower bounds whatever the duals, tight with the right ones, nothing infeasible let through."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


@pytest.fixture(scope="module")
def solved(exposures: Exposures) -> tuple[Program, Exposures, Box, ho.Policy]:
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.99),
        subject_to=[ho.Delta("BTC").within(-1, 1), ho.StressLoss("2020-03-12") <= 400_000, ho.OrderLimit(notional=4e6)],
        scenarios=ho.ParametricScenarios(count=800, seed=3),
        lots="ideal",
    )
    program = Program(policy, exposures)
    solve_program(program, exposures)
    return program, exposures, trade_box(policy, exposures), policy


def _whole_program(e: Exposures, box: Box) -> float:
    """The same problem written out as one linear program for scipy: the optimum to compare with."""
    s, beta = len(e.base_pnl), 0.99
    # variables: buy, sell, alpha, u
    cost = np.concatenate([e.cost_buy, e.cost_sell, [0.5], np.full(s, 0.5 / (s * (1 - beta)))])
    delta = e.trade_greeks[0, :, e.asset("BTC")]
    held = float(e.rows.quantity @ e.rows.greeks[0, :, e.asset("BTC")] + e.collateral[:, e.asset("BTC")].sum())
    stress = e.stress.index("2020-03-12")
    tail = np.hstack([-e.pnl, e.pnl, -np.ones((s, 1)), -np.eye(s)])
    rest = np.zeros(s + 1)
    rows = np.vstack(
        [
            tail,
            np.concatenate([delta, -delta, rest]),
            np.concatenate([-delta, delta, rest]),
            np.concatenate([-e.stress_pnl[stress], e.stress_pnl[stress], rest]),
        ]
    )
    right = np.concatenate([e.base_pnl, [1 - held, 1 + held, 400_000 + e.stress_base[stress]]])
    bounds = [(0, u) for u in box.upper] + [(0, -v) for v in box.lower] + [(None, None)] + [(0, None)] * s
    found = linprog(cost, A_ub=rows, b_ub=right, bounds=bounds, method="highs")
    assert found.status == 0
    return float(found.fun)


def test_optimum_equals_the_whole_linear_program(solved: tuple) -> None:
    program, e, box, _ = solved
    x = program.x()
    reference = _whole_program(e, box)
    assert program.objective_value(e, x) == pytest.approx(reference, rel=1e-6)


def test_lower_bound_is_below_the_optimum_for_any_duals(solved: tuple) -> None:
    program, e, box, _ = solved
    reference = _whole_program(e, box)
    x = program.x()
    rng = np.random.default_rng(5)
    duals = [c.dual_value for limit in program.limits for c in limit.constraints]
    atom = program.objective_terms[1][2].expression
    try:
        for _ in range(30):
            for constraint, dual in zip((c for limit in program.limits for c in limit.constraints), duals, strict=True):
                constraint.dual_variables[0].save_value(np.asarray(dual) + rng.exponential() * rng.choice([0, 1, 1e3]))
            weights = rng.exponential(size=len(e.base_pnl)) * rng.choice([1e-3, 1.0])
            certificate, _ = certify(program, e, box, x, {id(atom): weights})
            assert certificate.lower_bound <= reference + 1e-6 * abs(reference)
            assert not certificate.optimal
    finally:
        for constraint, dual in zip((c for limit in program.limits for c in limit.constraints), duals, strict=True):
            constraint.dual_variables[0].save_value(np.asarray(dual))


def test_a_point_that_breaks_a_limit_is_called_infeasible(solved: tuple) -> None:
    program, e, box, _ = solved
    x = program.x()
    perpetual = next(i for i, row in enumerate(e.candidate) if e.rows.instruments[row].name == "BTC-PERPETUAL")
    moved = x.copy()
    moved[perpetual] = np.clip(moved[perpetual] + 400_000, box.lower[perpetual], box.upper[perpetual])
    if moved[perpetual] == x[perpetual]:
        moved[perpetual] -= 400_000
    certificate, _ = certify(program, e, box, moved, {})
    assert not certificate.feasible
    assert "delta BTC" in certificate.worst_limit
    outside = x.copy()
    outside[0] = box.upper[0] * 2 + 1
    assert not certify(program, e, box, outside, {})[0].feasible


def test_a_worse_feasible_point_is_not_called_optimal(solved: tuple) -> None:
    program, e, box, _ = solved
    tails = {id(r.atom): r.weights for r in program.problem.solver_stats.extra_stats["tails"]}
    x = program.x()
    good, _ = certify(program, e, box, x, tails)
    assert good.valid
    spread = x.copy()
    future = [i for i, row in enumerate(e.candidate) if e.rows.instruments[row].name in ("BTC-PERPETUAL", "BTC-26JUN26")]
    room = min(box.upper[future[0]] - x[future[0]], x[future[1]] - box.lower[future[1]], 200_000.0)
    spread[future[0]] += room  # buy one, sell the other: pays two spreads for next to nothing
    spread[future[1]] -= room
    worse, _ = certify(program, e, box, spread, tails)
    assert worse.gap > 1e-6
    assert worse.lower_bound == pytest.approx(good.lower_bound, rel=1e-9)


def test_users_own_cvxpy_constraints_enter_the_certificate(
    exposures: Exposures, toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy
) -> None:
    import cvxpy as cp

    e = exposures
    program = Program(toy_policy, e)
    option = np.array([e.rows.instruments[row].kind == "option" for row in e.candidate], float)
    program.extend(cp.sum(cp.multiply(option, program.trades)) <= 100.0)
    solution = solve_program(program, e)
    assert option @ solution.trades <= 100.0 + 1e-6
    assert solution.certificate.valid


@pytest.mark.parametrize("kind", ["norm1", "norm", "largest", "norm_inf"])
@pytest.mark.filterwarnings("ignore:The tail solver stopped", "ignore:Bound not proven")
def test_norms_of_trades_in_millions_are_certified(
    toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy, kind: str
) -> None:
    """Absolute values of trades count in millions beside duals of a thousandth: they are proven in units of their own."""
    import cvxpy as cp

    free = ho.solve(toy_book, toy_market, toy_policy).solution
    norms = {"norm1": cp.norm1, "norm": cp.norm, "norm_inf": cp.norm_inf}
    norm = norms.get(kind, lambda x: cp.sum_largest(cp.abs(x), 5))
    shares = (0.5, 0.7, 0.9) if kind == "norm1" else (0.9,)
    for share in shares:
        most = share * float(norm(free.trades).value)
        found = ho.solve(toy_book, toy_market, toy_policy, customize=lambda p: p.extend(norm(p.trades) <= most))  # noqa: B023
        assert found.proposal.certificate.valid
        assert float(norm(found.solution.trades).value) <= most * (1 + 1e-9)
        assert found.proposal.certificate.objective >= free.certificate.objective * (1 - 1e-6)


@pytest.mark.filterwarnings("ignore:The tail solver stopped", "ignore:Bound not proven")
def test_a_sum_of_squares_of_trades_in_dollars_is_certified(
    toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy
) -> None:
    """Squares of millions are 1e12: beside them the ones of cvxpy's cone are rounding."""
    import cvxpy as cp

    free = ho.solve(toy_book, toy_market, toy_policy).solution
    most = 0.81 * float(free.trades @ free.trades)
    assert most > 1e12
    found = ho.solve(toy_book, toy_market, toy_policy, customize=lambda p: p.extend(cp.sum_squares(p.trades) <= most))
    assert found.proposal.certificate.valid
    assert float(found.solution.trades @ found.solution.trades) <= most * (1 + 1e-9)
    assert found.proposal.certificate.objective >= free.certificate.objective * (1 - 1e-6)
