"""A list in whole lots is found where one is known to meet every limit, and a refusal names the nearest one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.box import trade_box
from hedgeopt.program.certified import solve_program
from hedgeopt.program.lots.choice import choose
from hedgeopt.program.lots.nearest import narrow_bands
from hedgeopt.program.lots.tune import into_bands
from hedgeopt.program.program import Program


def policy(*limits: Any, **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + 0.1 * ho.CVaR(0.95),
        subject_to=[ho.OrderLimit(notional=4e6), *limits],
        candidates=ho.Candidates(min_delta=0.1, **more),
        scenarios=ho.ParametricScenarios(count=200, seed=3),
    )


@pytest.mark.parametrize("margin", ["standard", "portfolio"])
def test_a_band_that_no_lot_fits_in_is_met(toy_book: ho.Book, toy_market: ho.Market, margin: str) -> None:
    """A millionth of a coin wide, where a lot of an option has a tenth of one or so."""
    book = toy_book.model_copy(update={"accounts": (toy_book.accounts[0].model_copy(update={"margin": margin}),)})
    rules = policy(ho.Delta("BTC").within(1.25, 1.250001), underlyings=("BTC",), kinds=("option",))
    solved = ho.solve(book, toy_market, rules)
    assert solved.proposal.certificate.valid
    assert solved.program.sides(solved.exposures, solved.x)[0].value == pytest.approx(1.2500005, abs=6e-7)


def test_the_nearest_list_is_named_where_none_is_found(toy_book: ho.Book, toy_market: ho.Market) -> None:
    """One option and its lot: delta at a number between two of its lots."""
    rules = policy(ho.Delta("BTC").within(25.003, 25.003), names=("BTC-27MAR26-88000-C",))
    with pytest.raises((ho.CertificateError, ho.InfeasibleError)) as refused:
        ho.propose(toy_book, toy_market, rules)
    said = str(refused.value)
    assert "the nearest list found" in said
    assert "delta BTC is held at one number" in said
    number = float(re.search(r"(?:raise|lower) delta BTC \w+ from \S+ to (-?[\d.]+)", said)[1])  # type: ignore[index]
    low, high = sorted((number, 25.003))
    assert ho.propose(
        toy_book, toy_market, policy(ho.Delta("BTC").within(low, high), names=("BTC-27MAR26-88000-C",))
    ).trades.size


def test_lists_into_a_band_are_inside_it(toy_book: ho.Book, toy_market: ho.Market) -> None:
    rules = policy(ho.Delta("BTC").within(0.5, 0.5 + 1e-7), kinds=("option",))
    e = expose(toy_book, toy_market, rules)
    program, box = Program(rules, e), trade_box(rules, e)
    ideal = solve_program(program, e, lots="none")
    choice = choose(program, e, ideal, box, dict(ideal.tails), 40, True)
    narrow = narrow_bands(program, e, choice)
    assert len(narrow) == 2
    begin = np.round(ideal.trades, 0)
    lagrangian = program.lagrangian(e, ideal.trades, dict(ideal.tails))
    lists = list(into_bands(program, e, box, choice, begin, list(narrow), lagrangian))
    assert lists
    for x in lists:
        assert 0.5 - 1e-9 <= program.sides(e, x)[0].value <= 0.5 + 1e-7 + 1e-9
        assert ((x >= box.lower) & (x <= box.upper)).all()
        assert (np.abs(x - begin) > 0).sum() <= 4
