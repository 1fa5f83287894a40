"""A question that was solved, to be solved again with something changed: a limit moved, a trade left out or forced."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hedgeopt.errors import CertificateError, InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.assemble import listed
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.provenance import book_digest, input_hashes, market_digest
from hedgeopt.program.solution import Solution

__all__ = ["Case", "SolvedAgain", "case_of", "closed", "forced", "keep_inputs", "with_fields"]

_KNOWN: dict[int, tuple[weakref.ref[Proposal], Book, Market, Policy, Any]] = {}
"""Inputs of the proposals that this process solved, for as long as each is kept."""


def keep_inputs(proposal: Proposal, book: Book, market: Market, policy: Policy, customize: Any, by_hand: bool) -> None:
    """Keep the inputs of a proposal beside it, for what asks to solve it again; nothing of this is in its file."""
    if by_hand and customize is None:
        return
    key = id(proposal)
    _KNOWN[key] = weakref.ref(proposal, lambda _: _KNOWN.pop(key, None)), book, market, policy, customize


def with_fields(policy: Policy, **fields: Any) -> Policy:
    """The policy with some of its fields replaced, validated as a new one is."""
    return Policy(**{name: getattr(policy, name) for name in type(policy).model_fields} | fields)


def closed(e: Exposures, at: Collection[int] | np.ndarray) -> Exposures:
    """Exposures in which candidates ``at`` are not traded."""
    lower, upper = e.lower.copy(), e.upper.copy()
    lower[list(at)], upper[list(at)] = 0.0, 0.0
    return replace(e, lower=lower, upper=upper)


def forced(e: Exposures, at: int, amount: float) -> Exposures:
    """Exposures in which at least ``amount`` of candidate ``at`` is bought (sold, where it is negative)."""
    lower, upper = e.lower.copy(), e.upper.copy()
    if amount > 0.0:
        lower[at], upper[at] = amount, max(upper[at], amount)
    else:
        lower[at], upper[at] = min(lower[at], amount), amount
    return replace(e, lower=lower, upper=upper)


@dataclass(frozen=True, eq=False)
class SolvedAgain:
    """One solve: exposures, certified trades with every limit's shadow price, and what moving the box saves.

    ``box_prices`` holds, for least and largest trades (N,), the change of the optimum per unit that each is raised. The
    program may be loaded with another question by now.
    """

    program: Program
    e: Exposures
    solution: Solution
    box_prices: tuple[np.ndarray, np.ndarray]

    @property
    def objective(self) -> float:
        """Certified, in dollars."""
        return self.solution.certificate.objective

    @property
    def x(self) -> np.ndarray:
        """(N,) trades."""
        return self.solution.trades


_FINE = 1e-10
"""Gap of ideal trades whose objectives are subtracted."""
_NONE = np.zeros(0)


def _box_prices(program: Program, e: Exposures, solution: Solution) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the Lagrangian at trades that stand at an end of their box; 0 where they are inside."""
    x = solution.trades
    found = program.lagrangian(e, x, dict(solution.tails))
    low, high = solution.box.lower, solution.box.upper
    below = above = found.slope
    if found.weights is not None and found.kinks is not None:
        below = found.slope + (found.weights * (found.kinks < x)).sum(axis=0)
        above = found.slope + (found.weights * (found.kinks <= x)).sum(axis=0)
    room = 1e-9 * program.scale
    upper = np.where((x >= high - room) & (high > low), np.minimum(below, 0.0), 0.0)
    lower = np.where((x <= low + room) & (high > low), np.maximum(above, 0.0), 0.0)
    return lower, upper


@dataclass(frozen=True, eq=False)
class Case:
    """Book, market and policy with their exposures; ``x`` (N,) is the list that is explained."""

    book: Book
    market: Market
    policy: Policy
    e: Exposures
    x: np.ndarray
    customize: Callable[[Program], None] | None = None

    def answer(self, policy: Policy | None = None, e: Exposures | None = None, *, lots: str = "exact") -> SolvedAgain:
        """Solve with another policy or other exposures; ``lots="none"``: any size, whatever the policy says.

        Raises
        ------
        InfeasibleError, CertificateError
        """
        e, policy = e or self.e, policy or self.policy
        finer = with_fields(policy, tolerance=min(policy.tolerance, _FINE)) if lots == "none" else policy
        # Lists in whole lots depend on where a search begins: they are looked for as a solve of their own would.
        program = self.program(finer, e) if lots == "none" else self._compiled(policy, e)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a gap above a tolerance that nobody asked for
            try:
                solution = solve_program(program, e, lots=lots)
            except CertificateError:
                if finer is policy:
                    raise
                program = self.program(policy, e)
                solution = solve_program(program, e, lots=lots)
        return SolvedAgain(program, e, solution, _box_prices(program, e, solution) if lots == "none" else (_NONE, _NONE))

    def program(self, policy: Policy, e: Exposures) -> Program:
        """A program for a policy and exposures: one compiled before, where it can take them over."""
        for known in self._programs:
            if known.structure == e.structure() and known.respecify(policy, e):
                return known
        program = self._compiled(policy, e)
        self._programs.append(program)
        return program

    def _compiled(self, policy: Policy, e: Exposures) -> Program:
        program = Program(policy, e)
        if self.customize is not None:
            self.customize(program)
        return program

    @cached_property
    def _programs(self) -> list[Program]:
        return []

    @cached_property
    def ideal(self) -> SolvedAgain:
        """Trades of any size: what shadow prices belong to."""
        return self.answer(lots="none")

    @cached_property
    def listed(self) -> SolvedAgain:
        """The list itself, solved again as the policy asks for it."""
        return self.answer() if self.policy.whole else self.ideal

    def places(self, name: str) -> list[int]:
        """Candidates of an instrument, in every account."""
        sent = set(self.e.links.candidate.tolist())
        return [i for i, row in enumerate(self.e.candidate.tolist())
                if self.e.rows.instruments[row].name == name and i not in sent]  # fmt: skip

    def name(self, i: int) -> str:
        """The instrument of a candidate."""
        return str(self.e.rows.instruments[self.e.candidate[i]].name)

    def told(self, dollars: float) -> float:
        """Dollars in what the policy counts in."""
        unit = self.e.numeraire
        return dollars if unit is None else unit.told(dollars, "USD")


def case_of(proposal: Proposal, book: Book | None = None, market: Market | None = None) -> Case:
    """A proposal with what it was solved from: of this process, or ``book`` and ``market`` given for a stored one.

    Raises
    ------
    InputError
        Without inputs, with others than the proposal's, or where constraints were added by hand that no file tells of.
    """
    known = _KNOWN.get(id(proposal))
    customize = None
    if known is not None and known[0]() is proposal and book is None and market is None:
        _, book, market, policy, customize = known
    else:
        if book is None or market is None:
            missing = "book" if book is None else "market"
            raise InputError(
                "is missing: a stored proposal does not hold its inputs", file="proposal", field=missing,
                fix="give book and market, those that it was solved from",
            )  # fmt: skip
        if proposal.proof.get("added_constraints"):
            raise InputError(
                "was solved with constraints added by hand, which its file does not hold", file="proposal",
                field="proof.added_constraints", value=proposal.proof["added_constraints"],
                fix="explain it in the process that solved it with customize=...",
            )  # fmt: skip
        policy = Policy(**proposal.policy)
        told = proposal.inputs or {}
        for name, digest in (("book", book_digest(book)), ("market", market_digest(market))):
            if told.get(name) not in (None, digest):
                raise InputError(
                    f"is another {name} than the proposal was solved from", field=name, value=digest[:12],
                    fix=f"give the {name} whose SHA-256 begins with {str(told[name])[:12]}",
                )  # fmt: skip
    e = expose(book, market, policy)
    return Case(book, market, policy, e, listed(e, proposal.trades, proposal.transfers), customize)


def hashes(case: Case, policy: Policy) -> dict[str, str]:
    """Digests of a case's inputs with another policy."""
    return input_hashes(case.book, case.market, policy)
