"""Whole lots and at most ten trades among 300 candidates of recorded chains, as ``hedgeopt solve`` finds and proves them.

``python -m benchmarks lots --json -``. Per case a drawn policy (:mod:`benchmarks.lots_cases`) is solved twice from book and
market to certificate: "continuous" without lots and without a limit on trades, then in whole lots with at most ten. ``gap``
is that of the certificate: the list's objective, by the plain rules of the venue, above the bound that is proven for every
list. The rival gets the same program whole at 1,000 scenarios: cvxpy's problem with a row per scenario, integers and a
boolean for every candidate, in HiGHS.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.lots_cases import Case, case
from benchmarks.registry import benchmark

# Cases of 10,000, 100,000 and 1,000 scenarios, candidates, trades, the gap that is the goal, the rival's seconds.
PLAN = ((10_000, 24), (100_000, 8), (1_000, 6))
CANDIDATES, MOST, GOAL, RIVAL = 300, 10, 0.005, 60.0


def measured(number: int, scenarios: int, candidates: int, most: int, rival: float) -> dict[str, Any]:
    """One case; CPU seconds of this process, without the reading of the chain. ``rival``: seconds that HiGHS has, or 0."""
    import hedgeopt as ho

    drawn = case(number, scenarios, candidates, most)
    free = tuple(limit for limit in drawn.policy.subject_to if not limit.counts)
    ideal = drawn.policy.model_copy(update={"subject_to": free, "lots": "ideal"})
    begun = time.process_time()
    solved = ho.solve(drawn.book, drawn.market, ideal)
    seconds = time.process_time() - begun
    record: dict[str, Any] = {
        "case": drawn.name, "source": drawn.source, "scenarios": scenarios, "candidates": len(solved.x),
        "trades_at_most": most,
        "continuous": solved.proposal.certificate.objective, "continuous_trades": int((solved.x != 0).sum()),
        "continuous_seconds": seconds,
    }  # fmt: skip
    begun = time.process_time()
    found, said = None, "found"
    try:
        found = ho.solve(drawn.book, drawn.market, drawn.policy).solution
    except (ho.CertificateError, ho.InfeasibleError) as error:
        said, found = str(error)[:200], getattr(error, "found", None)
    spent = time.process_time() - begun
    gap = np.inf if found is None else found.certificate.gap
    record |= {"outcome": said, "gap": gap, "within_goal": bool(gap <= GOAL), "seconds": spent, "times": spent / seconds}
    if found is not None:
        record |= {"objective": found.certificate.objective, "bound": found.certificate.lower_bound,
                   "trades": int((found.trades != 0).sum()), "feasible": found.certificate.feasible}  # fmt: skip
    if rival:
        record |= _highs(drawn, rival)
    return record


def _highs(drawn: Case, limit: float) -> dict[str, Any]:
    """The whole program in HiGHS: integers and booleans for every candidate, a row for every scenario."""
    import cvxpy as cp

    from hedgeopt.constraints.max_trades import MaxTrades
    from hedgeopt.exposures.expose import expose
    from hedgeopt.program.box import trade_box
    from hedgeopt.program.program import Program

    e = expose(drawn.book, drawn.market, drawn.policy)
    program = Program(drawn.policy, e)
    box = trade_box(drawn.policy, e)
    program.forget()
    program.update(e, box)
    lot, n = e.rows.lot[e.candidate], e.n_candidates
    most = min(rule.most for rule in drawn.policy.subject_to if isinstance(rule, MaxTrades))
    held = cp.Variable(n, boolean=True)
    rows = [cp.sum(held) <= most]
    for side, room in ((program.variables.buy, box.upper), (program.variables.sell, -box.lower)):
        lots = cp.Variable(n, integer=True, nonneg=True)
        rows += [side == cp.multiply(lot / program.scale, lots)]
        rows += [lots <= cp.multiply(np.floor(np.maximum(room, 0.0) / lot + 1e-9), held)]
    problem = cp.Problem(program.problem.objective, [*program.problem.constraints, *rows])
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.solve(solver=cp.HIGHS, time_limit=limit, mip_rel_gap=GOAL)
    except cp.SolverError as error:
        return {"highs_status": str(error)[:100], "highs_gap": np.inf, "highs_seconds": time.process_time() - begun}
    stats = problem.solver_stats.extra_stats
    gap = float(getattr(stats, "mip_gap", np.inf))
    unit = sum(abs(weight) for weight, _, _ in program.objective_terms) or 1.0
    value = np.inf if problem.value is None else float(problem.value) * unit
    return {"highs_status": problem.status, "highs_gap": gap, "highs_objective": value,
            "highs_seconds": time.process_time() - begun}  # fmt: skip


@benchmark("lots", "whole lots and at most 10 of 300 trades: certified gap, time against the continuous solve, HiGHS")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """Cases by number of scenarios, the smallest against HiGHS; the distribution of each."""
    plan = ((200, 1),) if smoke else PLAN
    candidates, most, seconds = (20, 4, 5.0) if smoke else (CANDIDATES, MOST, RIVAL)
    for scenarios, count in plan:
        found = []
        for number in range(count):
            rival = seconds if scenarios <= 1_000 else 0.0
            found.append(measured(number, scenarios, candidates, most, rival))
            yield found[-1]
        gaps, times = [r["gap"] for r in found], [r["times"] for r in found]
        yield {
            "case": "distribution", "scenarios": scenarios, "cases": len(found), "gap_median": float(np.median(gaps)),
            "gap_worst": max(gaps), "within_goal": sum(r["within_goal"] for r in found),
            "times_median": float(np.median(times)), "times_worst": max(times),
        }  # fmt: skip
