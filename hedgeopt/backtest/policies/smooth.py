"""Small quadratic policies without a tail: cvxpy's compiled form solved by Clarabel, certified like everything else."""

from __future__ import annotations

import cvxpy as cp

from hedgeopt.backtest.policies.replayed import replayed
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import trade_box
from hedgeopt.program.certificate import certify, relative_violation
from hedgeopt.program.program import Program
from hedgeopt.program.solution import Solution

__all__ = ["solve_smooth"]

_ATTEMPTS, _HOLDS = 3, 1e-12


def solve_smooth(program: Program, e: Exposures) -> Solution | None:
    """Certified trades, or None where this solver finds none. What it overshoots by rounding is tightened by as much."""
    box = trade_box(program.policy, e)
    tighten: dict[str, float] = {}
    for _ in range(_ATTEMPTS):
        program.update(e, box, tighten)
        if not _solve(program.problem):
            return None
        x = program.x()
        certificate, sides = certify(program, e, box, x, {})
        over = {side.name: side.violation for side in sides if relative_violation(side) > _HOLDS}
        if certificate.valid and not over:
            return Solution(x, certificate, tuple(sides), box, box.binding(x), {})
        for name, amount in over.items():
            tighten[name] = tighten.get(name, 0.0) + 1.5 * amount
    return None


def _solve(problem: cp.Problem) -> bool:
    """Whether there is a point."""
    compiled = replayed(problem)
    if compiled is not None:
        return compiled.solve()
    try:
        problem.solve(solver=cp.CLARABEL)
    except cp.SolverError:
        return False
    return all(variable.value is not None for variable in problem.variables())
