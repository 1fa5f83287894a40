"""Why nothing was certified: every text is true for its case."""

from __future__ import annotations

from collections.abc import Callable

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.certificate import BY_RULE
from hedgeopt.program.certified import solve_program
from hedgeopt.program.order import Attempt
from hedgeopt.program.program import Program
from hedgeopt.program.proven import Certificate
from hedgeopt.program.refusal import refusal, why
from hedgeopt.program.search import Deadline

OPEN, OVER = Deadline(1e9), Deadline(0.0)
CASES: dict[str, tuple[list[Attempt], Deadline, str, list[str], list[str]]] = {
    "a gap that a tolerance would accept": (
        [Attempt("A", "", 3e-4, True), Attempt("B", "", 2e-5, True)], OPEN, "auto",
        ["a tolerance of 4.0e-05 would accept the best"], ["would not help", "limits"],
    ),
    "a gap that no tolerance accepts": (
        [Attempt("A", "", 0.06, True)], OPEN, "auto", ["no useful bound"], ["a tolerance of", "room"],
    ),
    "a bound above the objective": (
        [Attempt("A", "", -0.1, True, contradicts=True)], OPEN, "auto", ["fault of ours"], ["tolerance", "room"],
    ),
    "a limit that none met": (
        [Attempt("A", "", -0.1, broken="delta BTC"), Attempt("B", "", 0.01, broken="delta BTC")], OPEN, "auto",
        ["would not help", "more room for delta BTC may"], ["a tolerance of"],
    ),
    "many limits": (
        [Attempt("A", "", 0.1, broken=f"limit {k}") for k in range(5)], OPEN, "auto",
        ["limit 0 and limit 1 and limit 2 and 2 more"], [],
    ),
    "the venue's rule alone": (
        [Attempt("A", "", 1e-9, broken=f"margin main {BY_RULE}")], OPEN, "auto",
        ["stricter number for margin main"], ["room"],
    ),
    "bought and sold at once": (
        [Attempt("A", "", 0.1, broken="added constraint 1", at_once="added constraint 1 is met by both")], OPEN, "auto",
        ["is met by both, and a trade list holds only the difference", "program.trades"], ["room", "tolerance"],
    ),
    "at once for one solver, certified but for the gap by another": (
        [Attempt("A", "", 0.1, at_once="is met by both"), Attempt("B", "", 1e-3, True)], OPEN, "auto",
        ["a tolerance of 2.0e-03"], ["is met by both"],
    ),
    "infeasible, unproven": (
        [Attempt("A", "said infeasible, which was not proven")], OPEN, "auto", ["loosen one"], ["a tolerance of"],
    ),
    "infeasible, and wrongly": (
        [Attempt("A", "said infeasible, but its limits can be met")], OPEN, "auto", ["orders of magnitude"], ["loosen"],
    ),
    "failures": ([Attempt("A", "failed (numbers)")], OPEN, "auto", ["orders of magnitude"], ["tolerance", "room"]),
    "no time": ([], OVER, "auto", ["none was begun", "the time limit of 0 s ended"], ["tolerance", "orders"]),
    "no time, and a gap": (
        [Attempt("A", "", 1e-3, True)], OVER, "auto", ["a tolerance of 2.0e-03", "time_limit_seconds"], ["would not help"],
    ),
    "one solver alone": ([Attempt("SCS", "failed")], OPEN, "SCS", ['names SCS as its solver: "auto"'], ["tolerance"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_help_is_true_for_its_case(case: str) -> None:
    attempts, deadline, chosen, said, unsaid = CASES[case]
    words = refusal(attempts, deadline, chosen=chosen)
    assert all(part in words for part in said), words
    assert not any(part in words.partition("); ")[2] for part in unsaid), words


def test_why_a_certificate_is_not_valid() -> None:
    def made(objective: float, bound: float, worst: float) -> str:
        gap = objective - bound
        return why(Certificate(objective, bound, gap, 1e-6, "delta BTC", worst, worst <= 1e-9, 0.0 <= gap <= 1e-6))

    assert made(1.0, 1.5, 0.0).startswith("objective 1 lies below the proven bound 1.5")
    assert made(1.0, 0.5, 0.0) == "may be 5.00e-01 (relative) from optimal, the policy allows 1e-06"
    assert made(1.0, -np.inf, 0.0) == "meets every limit, but nothing was proven of how far from optimal it is"
    assert made(1.0, 1.5, 1e-3) == "breaks delta BTC by 1.00e-03, where 1e-09 is allowed"


Rows = Callable[[cp.Expression, cp.Expression], list[cp.Constraint]]
REWARDED: dict[str, Rows] = {
    "quad_over_lin": lambda b, s: [cp.quad_over_lin(b - s, 1 + cp.sum(b)) <= 0.01],
    "weighted": lambda b, s: [0.5 * cp.sum(b) - cp.sum(s) <= -60.0],
    "kl_div": lambda b, s: [cp.kl_div(b[0] + 1e-3, 0.5) <= 0.01, cp.abs(b[0] - s[0]) <= 0.01],
    "both": lambda b, s: [b[0] >= 0.2, s[0] >= 0.2],
}


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    return expose(toy_book, toy_market, policy())


def policy() -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        subject_to=[ho.OrderLimit(notional=4e6)],
        candidates=ho.Candidates(min_delta=0.3),
        scenarios=ho.ParametricScenarios(count=60, seed=3),
        lots="ideal",
    )


@pytest.mark.parametrize("kind", REWARDED)
def test_constraints_that_reward_buying_and_selling_at_once_are_told(kind: str, exposures: Exposures) -> None:
    e = exposures
    program = Program(policy(), e)
    w = e.rows.notional[e.candidate] / 1e6
    program.extend(*REWARDED[kind](cp.multiply(w, program.buys), cp.multiply(w, program.sells)))
    with pytest.raises(ho.CertificateError) as told:
        solve_program(program, e)
    words = str(told.value).partition("); ")[2]
    assert "is met by buying and selling one instrument at once (" in words
    assert "write it on program.trades" in words
    assert "room" not in words
    assert "tolerance" not in words
