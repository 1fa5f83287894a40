"""The bound of whole lists: against every list there is, and claimed only where the program is exact."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.certificate import FEASIBILITY, relative_violation
from hedgeopt.program.certified import solve_program
from hedgeopt.program.lots.bound import exactly_posed, useful
from hedgeopt.program.lots.steps import in_whole_lots
from hedgeopt.program.program import Program

NAMES = ("BTC-27MAR26-88000-C", "BTC-27MAR26-72000-P", "ETH-26JUN26-3000-C")


def posed(book: ho.Book, market: ho.Market, coarse: float, *limits: Any) -> tuple[Program, Any]:
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        subject_to=[ho.OrderLimit(notional=4e6), *limits],
        candidates=ho.Candidates(names=NAMES, min_delta=0.01),
        scenarios=ho.ParametricScenarios(count=200, seed=3),
        lots="whole",
        lot_gap=1e-4,
    )
    e = expose(book, market, policy)
    lot = np.full(len(e.rows), np.nan)
    lot[e.candidate] = np.where(e.rows.index[e.candidate] > 10_000, coarse, 12 * coarse)
    e = replace(e, rows=replace(e.rows, lot=lot, minimum_size=lot))
    return Program(policy, e), e


def every_list(program: Program, e: Any, box: Any, most: int) -> list[tuple[np.ndarray, float]]:
    lot, found = e.rows.lot[e.candidate], []
    ends = zip(np.ceil(box.lower / lot - 1e-9).astype(int), np.floor(box.upper / lot + 1e-9).astype(int), strict=True)
    for counts in itertools.product(*(range(low, high + 1) for low, high in ends)):
        x = lot * np.array(counts)
        if (x != 0).sum() > most or not in_whole_lots(e, x).all():
            continue
        if all(relative_violation(side) <= FEASIBILITY for side in program.sides(e, x)):
            found.append((x, program.objective_value(e, x)))
    return found


@pytest.mark.parametrize(("coarse", "most"), [(20.0, 1), (20.0, 2), (45.0, 1), (45.0, 3)])
def test_the_bound_of_lists_is_true_and_above_the_ideal_one(
    toy_book: ho.Book, toy_market: ho.Market, coarse: float, most: int
) -> None:
    program, e = posed(toy_book, toy_market, coarse, ho.MaxTrades(most=most))
    solution = solve_program(program, e)
    least = min(value for _, value in every_list(program, e, solution.box, most))
    told = solution.certificate
    assert told.lower_bound <= least * (1 + 1e-9)
    assert told.objective == pytest.approx(least, rel=1e-4)
    assert told.valid
    assert told.ideal_lower_bound is not None
    assert told.ideal_lower_bound < told.lower_bound


def test_what_is_left_out_is_in_no_better_list(toy_book: ho.Book, toy_market: ho.Market) -> None:
    program, e = posed(toy_book, toy_market, 45.0)
    policy = program.policy.model_copy(update={"lots": "ideal"})
    free = Program(policy, e)
    ideal = solve_program(free, e)
    lists = every_list(free, e, ideal.box, 3)
    values = sorted(value for _, value in lists)
    left_out = 0
    for best in (values[0] * 1.0001, values[2], values[10], values[40]):
        choice = useful(free, e, ideal.trades, ideal.box, dict(ideal.tails), best)
        assert choice is not None
        kept = set(zip(choice.at.tolist(), choice.direction.tolist(), strict=True))
        left_out += 6 - len(kept)
        for x, value in lists:
            if value < best * (1 - 1e-9):
                assert {(i, float(np.sign(x[i]))) for i in np.flatnonzero(x).tolist()} <= kept
    assert left_out > 0


def test_no_bound_is_claimed_where_the_program_is_an_approximation(toy_book: ho.Book, toy_market: ho.Market) -> None:
    program, e = posed(toy_book, toy_market, 8.0, ho.MaxTrades(most=1))
    assert exactly_posed(program, e)
    margin, e = posed(toy_book, toy_market, 8.0, ho.MaxTrades(most=1), ho.Margin("deribit") <= 5.0)
    assert not exactly_posed(margin, e)


def test_where_no_list_exists_that_is_said(toy_book: ho.Book, toy_market: ho.Market) -> None:
    program, e = posed(toy_book, toy_market, 20.0, ho.Vega("BTC").within(-4_000.5, -4_000.0))
    with pytest.raises(ho.InfeasibleError, match=r"no list in whole lots exists .* vega BTC lower"):
        solve_program(program, e)
