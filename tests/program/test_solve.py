"""Solving: solvers by choice and by fallback, infeasibility named, re-solves equal to fresh ones, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
import hedgeopt.tail as tail
from hedgeopt.exposures.expose import expose
from hedgeopt.program import certified as solving
from hedgeopt.program.certified import solve_program
from hedgeopt.program.order import solver_order
from hedgeopt.program.program import Program
from hedgeopt.program.search import Found


def small(**changes: object) -> ho.Policy:
    settings: dict[str, object] = {
        "minimize": ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        "subject_to": [ho.Delta("BTC").within(-1, 1), ho.GrossLeverage() <= 4, ho.OrderLimit(notional=4e6)],
        "scenarios": ho.ParametricScenarios(count=300, seed=3),
    }
    return ho.Policy(**{**settings, **changes}, lots="ideal")


def test_updated_answer_equals_a_fresh_one(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policy = small(candidates=ho.Candidates(min_delta=0.0, max_relative_spread=10.0))  # the same candidates at any market
    first = ho.solve(toy_book, toy_market, policy)
    quotes = toy_market.quotes.copy()
    quotes["mark_iv"] *= 1.07
    quotes[["bid_price", "ask_price", "mark_price"]] *= 1.01
    moved = replace(toy_market, quotes=quotes, prices={"BTC": 79_000.0, "ETH": 2_550.0})
    compiled = first.program.problem
    updated = ho.solve(toy_book, moved, policy, program=first.program)
    fresh = ho.solve(toy_book, moved, policy)
    assert updated.program.problem is compiled
    assert fresh.program.problem is not compiled
    one, two = updated.proposal.certificate, fresh.proposal.certificate
    assert one.objective == pytest.approx(two.objective, rel=1e-6)
    assert one.lower_bound <= two.objective * (1 + 1e-9)
    assert one.objective != pytest.approx(first.proposal.certificate.objective, rel=1e-4)


def test_a_change_of_structure_compiles_anew(toy_book: ho.Book, toy_market: ho.Market) -> None:
    first = ho.solve(toy_book, toy_market, small())
    fewer = small(candidates=ho.Candidates(underlyings=("BTC",)))
    assert ho.solve(toy_book, toy_market, fewer, program=first.program).program is not first.program


@pytest.mark.parametrize("solver", ["HIGHS", "CLARABEL", "ECOS", "SCS"])
def test_a_named_solver_is_the_only_one_tried(solver: str, toy_book: ho.Book, toy_market: ho.Market) -> None:
    tolerance = 1e-6 if solver in ("HIGHS", "CLARABEL") else 0.05
    policy = small(solver=solver, tolerance=tolerance, scenarios=ho.ParametricScenarios(count=60, seed=3))
    best = small(scenarios=ho.ParametricScenarios(count=60, seed=3)).propose(toy_book, toy_market)
    answer = policy.propose(toy_book, toy_market)
    assert [attempt["solver"] for attempt in answer.statistics["attempts"]] == [solver]
    assert answer.certificate.objective == pytest.approx(best.certificate.objective, rel=2 * tolerance)


def test_osqp_takes_a_quadratic_program(toy_book: ho.Book, toy_market: ho.Market) -> None:
    settings = {"minimize": ho.TransactionCost() + 1e-5 * ho.Variance(), "tolerance": 1e-3}
    best = small(minimize=settings["minimize"]).propose(toy_book, toy_market)
    answer = small(**settings, solver="OSQP").propose(toy_book, toy_market)
    assert answer.certificate.objective == pytest.approx(best.certificate.objective, rel=3e-3)


@pytest.mark.parametrize("cuts_help", [True, False])
def test_solvers_fall_back_in_the_stated_order(
    toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch, cuts_help: bool
) -> None:
    real = solving._run
    tried: list[str] = []

    def first_two_fail(program: Program, e: object, box: object, solver: str, deadline: object) -> object:
        tried.append(solver)
        if len(tried) == 1:
            raise solving.NoAnswerError("failed (injected)")
        found = real(program, e, box, solver, deadline)
        if solver == tried[1] and len(set(tried)) == 2:
            program.variables.sell.value = program.variables.sell.value * 0.0  # a wrong point, called optimal
        return found

    monkeypatch.setattr(solving, "_run", first_two_fail)
    if not cuts_help:
        monkeypatch.setattr(solving, "by_cuts", lambda *args, **more: Found("nothing", np.zeros(0)))
    answer = small().propose(toy_book, toy_market)
    attempts = answer.statistics["attempts"]
    order = [attempt["solver"] for attempt in attempts]
    assert order in (["TAIL", "HIGHS", "CUTS"], ["TAIL", "HIGHS", "CUTS", "CLARABEL"])
    assert cuts_help or order[-1] == "CLARABEL"
    assert attempts[0]["status"] == "failed (injected)"
    assert attempts[1]["status"] != "certified"
    assert attempts[-1]["status"] == "certified"
    assert answer.certificate.valid


def test_order_follows_the_class_of_the_program() -> None:
    x = cp.Variable(2)
    linear = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 0])
    quadratic = cp.Problem(cp.Minimize(cp.sum_squares(x)), [x >= 1])
    conic = cp.Problem(cp.Minimize(cp.sum(x)), [cp.sum_squares(x) <= 1])
    whole = cp.Problem(cp.Minimize(cp.sum(cp.Variable(2, integer=True))), [])
    assert solver_order(linear, "auto") == ("TAIL", "HIGHS", "CLARABEL")
    assert solver_order(quadratic, "auto") == ("TAIL", "OSQP", "CLARABEL")
    assert solver_order(conic, "auto") == ("CLARABEL", "SCS", "ECOS")
    assert solver_order(whole, "auto") == ("HIGHS",)
    risk = cp.Minimize(tail.cvar(np.eye(2) @ x, 0.5))
    for cone in (cp.norm(x) <= 1, cp.sum(cp.exp(x)) <= 3, cp.power(x[0], 3) <= 1, cp.lambda_max(cp.diag(x)) <= 1):
        assert solver_order(cp.Problem(risk, [cone]), "auto") == ("CLARABEL", "SCS", "ECOS")
    for linear in (cp.norm1(x) <= 1, cp.max(cp.abs(x)) <= 1, cp.sum_largest(cp.abs(x), 1) <= 1, tail.cvar(x, 0.1) <= 3):
        assert solver_order(cp.Problem(risk, [linear]), "auto") == ("TAIL", "HIGHS", "CLARABEL")
    assert solver_order(cp.Problem(cp.Minimize(risk.args[0] + cp.norm(x)), [x <= 1]), "auto") == ("CLARABEL", "SCS", "ECOS")
    assert solver_order(linear, "SCS") == ("SCS",)


def test_contradictory_limits_are_named_with_their_values(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policy = small(
        subject_to=[
            ho.Gamma("BTC") >= 0.01,
            ho.Vega("BTC") <= -5_000,
            ho.TransactionCost() <= 10.0,
            ho.OrderLimit(notional=1e5),
        ]
    )
    with pytest.raises(ho.InfeasibleError) as caught:
        policy.propose(toy_book, toy_market)
    assert caught.value.violations
    for name, (value, limit, unit) in caught.value.violations.items():
        assert name in str(caught.value)
        assert unit
        assert value > limit if name in ("vega BTC", "transaction cost") else value < limit


def test_a_false_claim_of_infeasibility_is_not_believed(
    toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve = cp.Problem.solve
    lied: list[str] = []

    def lies_once(self: cp.Problem, *args: object, **options: object) -> object:
        value = solve(self, *args, **options)
        if not lied:
            lied.append("x")
            self._status = cp.INFEASIBLE
        return value

    monkeypatch.setattr(cp.Problem, "solve", lies_once)
    answer = small().propose(toy_book, toy_market)
    assert "said infeasible" in answer.statistics["attempts"][0]["status"]
    assert answer.certificate.valid


def test_threads_give_the_same_answers(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policies = [small(scenarios=ho.ParametricScenarios(count=300, seed=seed)) for seed in range(4)]
    alone = [policy.propose(toy_book, toy_market).certificate.objective for policy in policies]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda policy: policy.propose(toy_book, toy_market).certificate.objective, policies))
    assert together == pytest.approx(alone, rel=1e-6)


def test_a_closed_side_is_never_traded_and_dust_is_swept(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policy = small(candidates=ho.Candidates(two_sided=False, min_delta=0.0))
    quotes = toy_market.quotes.copy()
    quotes.loc[quotes.index[::3], "bid_price"] = np.nan
    quotes.loc[quotes.index[1::5], "ask_price"] = np.nan
    toy_market = replace(toy_market, quotes=quotes)
    e = expose(toy_book, toy_market, policy)
    solution = solve_program(Program(policy, e), e)
    ids = [e.rows.instruments[row].id for row in e.candidate]
    unsellable = np.isnan(toy_market.quoted("bid_price", ids))
    assert unsellable.any()
    assert (solution.trades[unsellable] >= 0).all()
    assert (solution.trades[np.isnan(toy_market.quoted("ask_price", ids))] <= 0).all()
    notional = np.abs(solution.trades) * e.rows.notional[e.candidate]
    assert ((notional == 0) | (notional >= 1.0)).all()


def test_stale_quotes_are_refused(toy_book: ho.Book, toy_market: ho.Market) -> None:
    import datetime

    late = toy_book.model_copy(update={"timestamp": toy_market.timestamp + datetime.timedelta(minutes=11)})
    with pytest.raises(ho.StaleQuoteError, match="660 s old, the policy allows 600 s"):
        small().propose(late, toy_market)
    small(max_quote_age_seconds=700).propose(late, toy_market)
