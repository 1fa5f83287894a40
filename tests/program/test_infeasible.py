"""No trade list meets every limit: said only where it is proven, whatever solvers say."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
import hedgeopt.program.infeasible as proving
import hedgeopt.program.search as search
from hedgeopt.exposures.expose import expose
from hedgeopt.models.pricing.family import greek
from hedgeopt.program.box import trade_box
from hedgeopt.program.infeasible import NoAnswerError, infeasible
from hedgeopt.program.program import Program
from hedgeopt.program.search import Deadline, by_cuts, feasible_by_cuts

SCENARIOS = ho.ParametricScenarios(count=60, seed=3)


def compiled(book, market, *limits, own=None):
    policy = ho.Policy(
        minimize=ho.TransactionCost(), subject_to=[ho.OrderLimit(notional=1e5), *limits], scenarios=SCENARIOS, lots="ideal"
    )
    e = expose(book, market, policy)
    program, box = Program(policy, e), trade_box(policy, e)
    if own is not None:
        program.extend(*own(program, e))
    program.update(e, box)
    return program, e, box


def reach(e, box):
    """Least and largest delta of BTC in the box: exact, because it is separable."""
    unit = e.trade_greeks[greek("delta"), :, e.asset("BTC")]
    held = e.rows.quantity @ e.rows.greeks[greek("delta"), :, e.asset("BTC")]
    coins = e.collateral if e.collateral_delta is None else e.collateral_delta
    held += coins[:, e.asset("BTC")].sum()
    ends = np.stack([unit * box.lower, unit * box.upper])
    return float(held + ends.min(axis=0).sum()), float(held + ends.max(axis=0).sum())


@pytest.mark.parametrize("by", [1e-2, 1e-4, 1e-6, 1e-7])
def test_the_verdict_turns_at_what_the_box_can_reach(toy_book, toy_market, by):
    program, e, box = compiled(toy_book, toy_market)
    _, most = reach(e, box)
    step = by * abs(most)
    for limit, expected in ((most - step, "feasible"), (most + step, "infeasible")):
        program, e, box = compiled(toy_book, toy_market, ho.Delta("BTC") >= limit)
        assert feasible_by_cuts(program, e, box, np.zeros(e.n_candidates), None, Deadline(60.0)) == expected


def test_beyond_by_less_than_limits_are_allowed_is_no_proof(toy_book, toy_market):
    program, e, box = compiled(toy_book, toy_market)
    _, most = reach(e, box)
    program, e, box = compiled(toy_book, toy_market, ho.Delta("BTC") >= most + 1e-10 * abs(most))
    assert feasible_by_cuts(program, e, box, np.zeros(e.n_candidates), None, Deadline(60.0)) != "infeasible"


@pytest.mark.parametrize("term", [ho.CVaR(0.9), ho.Variance(), ho.GrossLeverage()], ids=lambda term: term.kind)
def test_a_curved_limit_below_its_minimum_is_proven_unreachable(toy_book, toy_market, term):
    policy = ho.Policy(minimize=term, subject_to=[ho.OrderLimit(notional=1e5)], scenarios=SCENARIOS, lots="ideal")
    least = policy.propose(toy_book, toy_market).certificate.objective
    for factor, expected in ((1.01, "feasible"), (0.99, "infeasible")):
        program, e, box = compiled(toy_book, toy_market, term <= factor * least)
        assert feasible_by_cuts(program, e, box, np.zeros(e.n_candidates), None, Deadline(60.0)) == expected


def test_own_constraints_take_part_in_the_proof(toy_book, toy_market):
    _, e, program_box = compiled(toy_book, toy_market)
    least, most = reach(e, program_box)
    largest = 1e-9 + np.maximum(-program_box.lower, program_box.upper)
    for size, expected in ((1e-6, "infeasible"), (1e3, "feasible")):

        def still(program, e, size=size):
            return [cp.norm2(program.trades / largest) <= size]

        program, e, box = compiled(toy_book, toy_market, ho.Delta("BTC") >= most - 0.1 * (most - least), own=still)
        assert feasible_by_cuts(program, e, box, np.zeros(e.n_candidates), None, Deadline(60.0)) == expected


def test_a_wrong_word_of_a_solver_is_not_believed(toy_book, toy_market, monkeypatch):
    """Every linear solver says "infeasible" of a program that has trades: that must not become an answer."""
    program, e, box = compiled(toy_book, toy_market, ho.GrossLeverage() <= 1e6)
    real = search.Cuts.solve
    monkeypatch.setattr(search.Cuts, "solve", lambda self, *args: "infeasible")
    found = by_cuts(program, e, box, np.zeros(e.n_candidates), None, Deadline(60.0), np.inf)
    assert found.status != "infeasible"
    monkeypatch.setattr(search.Cuts, "solve", real)
    with pytest.raises(NoAnswerError, match="can be met"):
        infeasible(program, e, box, Deadline(60.0))


def test_undecided_is_no_answer(toy_book, toy_market, monkeypatch):
    """The closest point is off (its solver stopped early) and cuts decide nothing: exit 4, not 3."""
    program, e, box = compiled(toy_book, toy_market, ho.GrossLeverage() <= 1e6)
    real = proving._closest

    def inexact(*args):
        elastic = real(*args)
        elastic.place(0.5 * box.upper)
        for limit in elastic.limits:
            for row in limit.constraints:
                row.dual_variables[0].save_value(np.full(row.shape, 1e-3))
        return elastic

    monkeypatch.setattr(proving, "_closest", inexact)
    monkeypatch.setattr(proving, "feasible_by_cuts", lambda *args: "undecided")
    with pytest.raises(NoAnswerError, match="not proven"):
        infeasible(program, e, box, Deadline(60.0))


def test_the_closest_points_prices_prove_it_alone(toy_book, toy_market, monkeypatch):
    program, e, box = compiled(toy_book, toy_market)
    _, most = reach(e, box)
    program, e, box = compiled(toy_book, toy_market, ho.Delta("BTC") >= 1.1 * most + 1.0)
    monkeypatch.setattr(proving, "feasible_by_cuts", lambda *args: "undecided")
    error = infeasible(program, e, box, Deadline(60.0))
    assert isinstance(error, ho.InfeasibleError)
    assert "delta BTC" in str(error)
