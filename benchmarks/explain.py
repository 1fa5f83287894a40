"""Planted conflicts of limits, found exactly: ``python -m benchmarks explain --json -``.

Each case has 300 candidates, 10,000 scenarios and 50 limits, one of them on the CVaR. Planted sets of 1 to 6 limits can't be
met together, and can without any one of them; "several" plants three at once. ``exact`` says that the sets found are those
planted. ``solves_worth`` is the CPU time of finding them, over that of one certified solve of the same problem without the
planted limits. Peers get the same rows as a plain cvxpy program; what they say of it is recorded.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

import hedgeopt as ho
from benchmarks.registry import benchmark

LIMITS, PLAN = 50, ((1,), (2,), (3,), (4,), (5,), (6,), (2, 3, 6))


class PlantedRow(ho.LinearConstraint):
    """``sum_i u_i notional_i x_i`` against a bound, u uniform by number; ``parts``: the sum of so many rows before it."""

    kind: Literal["benchmark_planted_row"] = "benchmark_planted_row"
    number: int
    bound: float
    sign: int
    parts: int = 0

    @property
    def name(self) -> str:
        """``planted row`` and its number."""
        return f"planted row {self.number}"

    def rows(self, e: ho.Exposures) -> list[ho.Row]:
        """One."""
        size = np.abs(e.rows.notional[e.candidate])
        numbers = range(self.number - self.parts, self.number) if self.parts else [self.number]
        drawn = [np.random.default_rng([18, k]).uniform(-1.0, 1.0, e.n_candidates) for k in numbers]
        return [ho.Row(self.name, "USD", np.sum(drawn, axis=0) * size, self.bound, self.sign, eased=1e6)]


def planted(size: int, first: int) -> list[PlantedRow]:
    """A minimal conflict: rows at most 0 whose sum is to be at least 100,000; of one limit a bound out of reach."""
    if size == 1:
        return [PlantedRow(number=first, bound=1e12, sign=-1)]
    rows = [PlantedRow(number=first + k, bound=0.0, sign=1) for k in range(size - 1)]
    return [*rows, PlantedRow(number=first + size - 1, bound=1e5, sign=-1, parts=size - 1)]


def measured(sizes: tuple[int, ...], scenarios: int, candidates: int, limits: int) -> dict[str, Any]:
    """One case; CPU seconds."""
    from hedgeopt.exposures.expose import expose
    from hedgeopt.program.explain.conflict import Elastic, conflicts_of

    files = ho.example_files()
    book, market = ho.read_book(io.StringIO(files["book.json"])), ho.read_market(io.StringIO(files["market.csv"]))
    sets = [planted(size, 1 + 10 * k) for k, size in enumerate(sizes)]
    count = limits - sum(sizes) - 1
    loose: list[Any] = [PlantedRow(number=1000 + k, bound=1e9, sign=1) for k in range(count)]
    loose.append(ho.CVaR(0.99) <= 5e5)
    chosen = ho.Candidates(min_days=0.0, max_relative_spread=10.0, min_delta=0.0)
    few = ho.Candidates(underlyings=("BTC",), max_days=12.0)
    given: dict[str, Any] = {
        "candidates": chosen if candidates >= 200 else few, "lots": "ideal",
        "scenarios": ho.ParametricScenarios(count=scenarios, seed=18),
    }  # fmt: skip
    objective = ho.TransactionCost() + 0.02 * ho.CVaR(0.99)
    rng = np.random.default_rng(len(sizes) + sizes[0])
    order = rng.permutation(len(loose) + sum(sizes))
    every = [*loose, *(row for one in sets for row in one)]
    policy = ho.Policy(objective, [every[k] for k in order], **given)
    plain = ho.Policy(objective, loose, **given)
    ho.solve(book, market, ho.Policy(ho.TransactionCost(), [], **given))  # compiled code is not what is timed
    begun = time.process_time()
    ho.solve(book, market, plain)
    solve = time.process_time() - begun
    begun = time.process_time()
    elastic = Elastic(policy, expose(book, market, policy))
    found = conflicts_of(elastic)
    spent = time.process_time() - begun
    wanted = {frozenset(row.name for row in one) for one in sets}
    return {
        "case": "+".join(map(str, sizes)), "candidates": elastic.e.n_candidates, "scenarios": scenarios,
        "limits": len(every),
        "exact": {frozenset(one.limits) for one in found} == wanted,
        "proven": all(one.margin > 0.0 for one in found),
        "points": elastic.solves, "seconds": spent, "solve_seconds": solve, "solves_worth": spent / solve,
        **_peers(policy, elastic),
    }  # fmt: skip


def _peers(policy: ho.Policy, elastic: Any) -> dict[str, str]:
    """What cvxpy says of the same rows by HiGHS and Clarabel: a status, and no names."""
    import cvxpy as cp

    e, box = elastic.e, elastic.box(frozenset())
    x = cp.Variable(e.n_candidates)
    rows = [row for rule in policy.subject_to if isinstance(rule, PlantedRow) for row in rule.rows(e)]
    unit = np.abs(e.rows.notional[e.candidate])
    given = [row.sign * (row.slope / unit @ x) <= row.sign * row.limit for row in rows]
    given += [x >= np.maximum(box.lower * unit, -1e9), x <= np.minimum(box.upper * unit, 1e9)]
    said = {}
    for solver in (cp.HIGHS, cp.CLARABEL):
        problem = cp.Problem(cp.Minimize(cp.norm1(x)), given)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                problem.solve(solver=solver)
            said[f"peer_{solver.lower()}"] = f"{problem.status}, names nothing"
        except cp.SolverError as error:
            said[f"peer_{solver.lower()}"] = f"raised {type(error).__name__}: {str(error)[:80]}"
    return said


@benchmark("explain", "planted conflicts of 1 to 6 among 50 limits: found exactly, time in solves, what peers say")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """Cases by the sizes of what is planted, and their distribution."""
    found = []
    for sizes in ((2,), (1, 3)) if smoke else PLAN:
        found.append(measured(sizes, 50 if smoke else 10_000, 60 if smoke else 300, 12 if smoke else LIMITS))
        yield found[-1]
    worth = [one["solves_worth"] for one in found]
    yield {"case": "distribution", "cases": len(found), "exact": sum(one["exact"] for one in found),
           "solves_worth_median": float(np.median(worth)), "solves_worth_worst": max(worth)}  # fmt: skip
