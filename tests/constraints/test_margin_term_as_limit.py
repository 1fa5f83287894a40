"""A margin term as a limit is the margin utilisation constraint; in the objective it brings the delta caps it needs."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.margin.effects import equity_after
from hedgeopt.models.margin.term import account_requirement
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program

SCENARIOS = ho.ParametricScenarios(count=50, seed=2)


@pytest.fixture(scope="module", params=["standard", "portfolio"])
def book(request: pytest.FixtureRequest, toy_book: ho.Book) -> ho.Book:
    """The toy book on either margin, with spare coins that may be sent to it."""
    main = toy_book.accounts[0].model_copy(update={"margin": request.param})
    spare = ho.Account(name="spare", venue="wallet", collateral=(ho.Collateral(asset="BTC", amount=50.0),), margin="none")
    link = ho.Link(source="spare", target="main", asset="BTC", cost_rate=1e-6, delay_hours=1.0)
    return toy_book.model_copy(update={"accounts": (main, spare), "links": (link,)})


def test_it_is_the_same_limit_and_counts_transfers(book: ho.Book, toy_market: ho.Market) -> None:
    goal = ho.TransactionCost()
    free = ho.Policy(goal, scenarios=SCENARIOS, lots="ideal")
    e = expose(book, toy_market, free)
    now = account_requirement(e, 0, e.rows.quantity, "initial") / float(e.equity[0])
    found = {}
    for name, limit in {
        "term": ho.Margin("deribit") <= 0.7 * now,
        "constraint": ho.MarginUtilisation(venue="deribit", limit=0.7 * now),
    }.items():
        program = Program(free.model_copy(update={"subject_to": (limit,)}), e)
        found[name] = solve_program(program, e)
    assert [side.name for side in found["term"].sides] == [side.name for side in found["constraint"].sides]
    assert found["term"].trades == pytest.approx(found["constraint"].trades, abs=1e-9)
    x = found["term"].trades
    assert x[e.links.candidate[0]] > 0  # sending coins is the cheapest way, and it counts
    assert account_requirement(e, 0, e.positions(x), "initial") <= 0.7 * now * equity_after(e, 0, x) * (1 + 1e-9)


def test_a_limit_from_a_file_is_a_share_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        ho.Policy(ho.TransactionCost(), [ho.Margin("deribit") <= 0.0], lots="ideal")


def test_in_the_objective_it_brings_the_delta_caps(book: ho.Book, toy_market: ho.Market) -> None:
    policy = ho.Policy(ho.TransactionCost() + 1e5 * ho.Margin("deribit"), scenarios=SCENARIOS, lots="ideal")
    e = expose(book, toy_market, policy)
    caps = [side.name for side in Program(policy, e).sides(e, np.zeros(e.n_candidates)) if " cap main" in side.name]
    assert len(caps) == 2 * len(e.margins.encoding(0, "maintenance").caps)
    assert bool(caps) == (book.accounts[0].margin == "portfolio")
