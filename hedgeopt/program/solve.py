"""Solve a book, a market and a policy for certified trades."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.risk import scenario_losses
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.scenarios.given import Sample
from hedgeopt.program.assemble import assemble
from hedgeopt.program.certified import solve_program
from hedgeopt.program.explain.arbitrage import refuse_arbitrage
from hedgeopt.program.explain.case import keep_inputs
from hedgeopt.program.program import Program
from hedgeopt.program.promised import promise_of
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.provenance import input_hashes
from hedgeopt.program.solution import Progress, Solution, Stages

__all__ = ["Solved", "propose", "solve"]


@strict_class
@dataclass(frozen=True, eq=False)
class Solved:
    """A proposal with the exposures, program and solution behind it, while this process lives.

    Attributes
    ----------
    proposal
        Plain data, to be kept, sent and shown.
    exposures
        Book and candidates as arrays.
    program
        The compiled program; give it to :func:`solve` again to save the build stage. Its ``problem`` is the cvxpy.Problem.
    solution
        Certified trades (N,) with their limits and proofs.
    """

    proposal: Proposal
    exposures: Exposures
    program: Program
    solution: Solution

    def __repr__(self) -> str:
        return f"Solved({self.proposal!r})"

    @property
    def x(self) -> np.ndarray:
        """(N,) trades in the candidates' quantity units; positive buys."""
        return self.solution.trades

    @property
    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        """(S,) USD losses over the horizon before and after trading, before costs."""
        return scenario_losses(self.exposures), scenario_losses(self.exposures, self.x)


@strict_call
def propose(
    book: Book,
    market: Market,
    policy: Policy,
    *,
    program: Program | None = None,
    customize: Callable[[Program], None] | None = None,
    progress: Progress | None = None,
    scenarios: Sample | None = None,
) -> Proposal:
    """The trade list that a policy asks for, certified, with the book before and after: :func:`solve`'s ``proposal``."""
    options: dict[str, Any] = {"program": program, "customize": customize, "progress": progress, "scenarios": scenarios}
    return solve(book, market, policy, **options).proposal


@strict_call
def solve(
    book: Book,
    market: Market,
    policy: Policy,
    *,
    program: Program | None = None,
    customize: Callable[[Program], None] | None = None,
    progress: Progress | None = None,
    scenarios: Sample | None = None,
) -> Solved:
    """Solve for the trade list that a policy asks for, certify it, and keep exposures, program and solution.

    Parameters
    ----------
    program
        A program compiled before for the same structure; saves the build stage.
    customize
        Called with the new program before it is solved, to add cvxpy constraints on ``program.trades``.
    progress
        Called with the name of each stage as it starts.
    scenarios
        Over which scenarios instead of the policy's: settings, a ScenarioSet, or a table of returns. The proposal's policy
        holds them.

    Raises
    ------
    InputError, InfeasibleError, CertificateError
    """
    if scenarios is not None:
        policy = policy.with_scenarios(scenarios)
    stages = Stages(progress)
    with stages("value"):
        inputs = input_hashes(book, market, policy)
        e = expose(book, market, policy)  # the last to see the market
        refuse_arbitrage(policy, e)
    if program is None or program.structure != e.structure():
        with stages("build"):
            program = Program(policy, e)
            if customize is not None:
                customize(program)
    solution = solve_program(program, e, stages)
    with stages("report"):
        proposal = assemble(book, inputs, policy, program, e, solution, stages.seconds)
    with stages("promise"):
        promise = promise_of(book, market, policy, e, solution.trades, proposal.after.stress)
    proposal = replace(proposal, promise=promise, seconds=dict(stages.seconds))
    keep_inputs(proposal, book, market, policy, customize, bool(program.added))
    return Solved(proposal, e, program, solution)
