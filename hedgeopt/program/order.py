"""Which solvers are tried for a program, in which order: explicit, and reported with the answer.

A policy that names a solver gets that one and no other. With ``auto`` the order follows the program's class:

==================  ==========================================================
linear              the tail method's own simplex and interior point, HiGHS, Clarabel
convex quadratic    the tail method's own interior point, OSQP, Clarabel
conic               Clarabel, SCS, ECOS where it is installed
mixed-integer       HiGHS
==================  ==========================================================

With ``auto``, cuts of the program (:mod:`hedgeopt.program.cuts`) follow the first solver whose trades can't be certified,
or come last. ECOS has no time limit of its own, only one of iterations, and so comes after those that have. The next solver
is tried when one fails, says infeasible where limits can be met, or returns what cannot be certified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import cvxpy as cp

from hedgeopt._extras import installed, require_extra

__all__ = ["CUTS", "OWN", "Attempt", "solver_order"]

OWN = "TAIL"
"""The tail method's own masters, chosen by it (``master=None``)."""
CUTS = "CUTS"
"""No solver of the whole: cuts of terms and limits (:mod:`hedgeopt.program.cuts`), tried once from the first point
that failed."""


@dataclass(frozen=True)
class Attempt:
    """One solver's try: ``status`` says whether it was accepted or why not; ``gap`` as certified, NaN without a point.

    ``broken`` is the limit that its point breaks most, ``at_once`` as in :class:`~hedgeopt.program.solution.Solution`;
    ``contradicts`` says that its point is better than the bound.
    """

    solver: str
    status: str
    gap: float = float("nan")
    feasible: bool = False
    broken: str = ""
    at_once: str = ""
    contradicts: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"solver": self.solver, "status": self.status, "gap": self.gap}


_KNOWN: WeakKeyDictionary[cp.Problem, tuple[str, ...]] = WeakKeyDictionary()
"""Orders found before: walking a problem's atoms takes a tenth of solving it again."""


def solver_order(problem: cp.Problem, chosen: str) -> tuple[str, ...]:
    """Solvers to try for ``problem``; ``chosen`` is the policy's, ``auto`` for the table above."""
    if chosen != "auto":
        if chosen == "ECOS":
            require_extra("ecos", "the solver ECOS", field="solver")
        return (chosen,)
    if problem not in _KNOWN:
        _KNOWN[problem] = _order(problem)
    return _KNOWN[problem]


def _order(problem: cp.Problem) -> tuple[str, ...]:
    if problem.is_mixed_integer():
        return ("HIGHS",)
    if not problem.is_qp():
        # Cones by any name: norms, exponentials, squares in a constraint.
        return ("CLARABEL", "SCS", "ECOS") if installed("ecos") else ("CLARABEL", "SCS")
    return (OWN, "HIGHS", "CLARABEL") if problem.objective.args[0].is_pwl() else (OWN, "OSQP", "CLARABEL")
