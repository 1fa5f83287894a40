"""Whole numbers in a user's constraints: met by lists in whole lots, against every list there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import InfeasibleError, InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.program.certificate import FEASIBILITY, certify, relative_violation
from hedgeopt.program.certified import solve_program
from hedgeopt.program.lots import in_whole_lots
from hedgeopt.program.program import Program

NAMES = ("BTC-PERPETUAL", "BTC-27MAR26-72000-P", "ETH-26JUN26-3000-C")
MOST = 100.0
"""Lots of anything, at most."""


def policy_of(**given: Any) -> ho.Policy:
    options: dict[str, Any] = {
        "minimize": ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        "subject_to": [ho.OrderLimit(notional=2e6)],
        "candidates": ho.Candidates(names=NAMES, min_delta=0.0),
        "scenarios": ho.ParametricScenarios(count=200, seed=3),
        "lot_gap": 0.09,
    }
    return ho.Policy(**options | given)


def lots_in(program: Program, lot: np.ndarray) -> Any:
    return cp.multiply(program.buys + program.sells, 1.0 / lot)


def either(program: Program, lot: np.ndarray) -> list[cp.Constraint]:
    first = cp.Variable(boolean=True, name="first")
    size = lots_in(program, lot)
    return [size[0] <= MOST * first, size[1] <= MOST * (1 - first)]


def pairs(program: Program, lot: np.ndarray) -> list[cp.Constraint]:
    two = cp.Variable(integer=True, name="two")
    return [cp.multiply(program.trades, 1.0 / lot)[2] == 2 * two, two <= 2.2]


def one_of(program: Program, lot: np.ndarray) -> list[cp.Constraint]:
    return [cp.FiniteSet(cp.multiply(program.trades, 1.0 / lot)[1], [0.0, 2.0, 5.0])]


def slack(program: Program, lot: np.ndarray) -> list[cp.Constraint]:
    """Two numbers of the user's, one of them continuous."""
    sent, room = cp.Variable(2, boolean=True), cp.Variable(nonneg=True)
    size = lots_in(program, lot)
    return [size[:2] <= MOST * sent, cp.sum(sent) + room <= 1.5, room >= 0.2]


KINDS: dict[str, tuple[Callable[[Program, np.ndarray], list[cp.Constraint]], Callable[[np.ndarray], bool]]] = {
    "either": (either, lambda n: n[0] == 0 or n[1] == 0),
    "pairs": (pairs, lambda n: n[2] % 2 == 0 and n[2] <= 4),
    "one of": (one_of, lambda n: n[1] in (0, 2, 5)),
    "with slack": (slack, lambda n: n[0] == 0 or n[1] == 0),
}


def coarse(e: Any) -> Any:
    from dataclasses import replace

    lots = np.full(len(e.rows), np.nan)
    lots[e.candidate] = [4e5 if name == "BTC-PERPETUAL" else 5.0 if name.startswith("BTC") else 200.0 for name in names(e)]
    return replace(e, rows=replace(e.rows, lot=lots, minimum_size=lots))


def names(e: Any) -> list[str]:
    return [e.rows.instruments[row].name for row in e.candidate]


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_of_all_lists_that_meet_it(kind: str, toy_book: ho.Book, toy_market: ho.Market) -> None:
    rows, meets = KINDS[kind]
    policy = policy_of()
    e = coarse(expose(toy_book, toy_market, policy))
    order = [names(e).index(name) for name in NAMES]
    lot = e.rows.lot[e.candidate]
    free = solve_program(Program(policy, e), e)
    program = Program(policy, e)

    class Sorted:
        buys, sells, trades = program.buys[order], program.sells[order], program.trades[order]

    program.extend(*rows(Sorted, lot[order]))  # type: ignore[arg-type]
    solution = solve_program(program, e)
    certificate = solution.certificate
    counts = np.round((solution.trades / lot)[order])
    assert in_whole_lots(e, solution.trades).all()
    assert certificate.feasible
    assert meets(counts), counts
    spans = [range(int(np.ceil(solution.box.lower[i] / lot[i])), int(solution.box.upper[i] / lot[i]) + 1) for i in order]
    best, loose = np.inf, np.inf
    for n in itertools.product(*spans):
        x = np.zeros(len(lot))
        x[order] = np.array(n) * lot[order]
        if all(relative_violation(side) <= FEASIBILITY for side in program.sides(e, x)):
            value = program.objective_value(e, x)
            loose = min(loose, value)
            best = min(best, value if meets(np.array(n)) else np.inf)
    assert certificate.lower_bound <= best * (1 + 1e-9)
    assert best <= certificate.objective <= best * (1 + 0.3 * policy.lot_gap)
    assert bool(certificate.missing) is not certificate.valid
    if kind in ("either", "with slack"):  # it costs something, so that leaving it out shows
        assert not meets(np.round((free.trades / lot)[order]))
        assert best > loose
    # At every list, the user's whole numbers are judged as they suit it best.
    for n in itertools.islice(itertools.product(*spans), 0, None, 97):
        x = np.zeros(len(lot))
        x[order] = np.array(n) * lot[order]
        told, _ = certify(program, e, solution.box, x, {}, whole=True)
        ours = all(relative_violation(side) <= FEASIBILITY for side in program.sides(e, x))
        assert told.feasible == (ours and bool(meets(np.array(n)))), (n, told.worst_limit)


def test_a_choice_is_told_by_its_variable(toy_book: ho.Book, toy_market: ho.Market) -> None:
    chosen = cp.Variable(2, boolean=True, name="chosen")

    def customize(program: Program) -> None:
        unit = np.where(np.array([name == "BTC-PERPETUAL" for name in names(e)]), 1e5, 1.0)
        size = cp.multiply(program.buys + program.sells, 1.0 / unit)
        program.extend(size[:2] <= 1e4 * chosen, cp.sum(chosen) <= 1)

    policy = policy_of()
    e = expose(toy_book, toy_market, policy)
    solved = ho.solve(toy_book, toy_market, policy, customize=customize)
    assert solved.proposal.certificate.valid
    assert solved.program.added[1].value()
    assert set(chosen.value.tolist()) <= {0.0, 1.0}
    assert np.count_nonzero(solved.x[:2]) <= chosen.value.sum() <= 1


def test_what_no_list_meets_is_refused(toy_book: ho.Book, toy_market: ho.Market) -> None:
    def half(program: Program) -> None:
        half = cp.Variable(boolean=True)
        program.extend(half == 0.5)

    with pytest.raises(InfeasibleError, match=r"no list in whole lots exists.* break added constraint 1"):
        ho.solve(toy_book, toy_market, policy_of(), customize=half)


def test_ideal_trades_meet_no_whole_numbers(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policy = policy_of(lots="ideal")
    program = Program(policy, expose(toy_book, toy_market, policy))
    with pytest.raises(InputError, match=r'set lots = "whole"'):
        program.extend(cp.sum(program.trades) == cp.Variable(integer=True))
    assert not program.added
