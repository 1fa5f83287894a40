"""Options of each cvxpy solver: accuracy near the caller's tolerance, and its name for a time limit."""

from __future__ import annotations

from typing import Any

# What one call of a solver may take where nobody set a limit, in seconds: a solver that loops must end. ECOS has no such
# option; its iterations are counted (``max_iters``, 100 by default).
LONGEST = 3_600.0

# Solver: (option that holds its options or None, name of the limit, units per second).
_SECONDS: dict[str, tuple[str | None, str, float]] = {
    "CLARABEL": (None, "time_limit", 1),
    "HIGHS": (None, "time_limit", 1),
    "OSQP": (None, "time_limit", 1),
    "SCS": (None, "time_limit_secs", 1),
    "SCIPY": ("scipy_options", "time_limit", 1),
    "GUROBI": (None, "TimeLimit", 1),
    "COPT": (None, "TimeLimit", 1),
    "MOSEK": ("mosek_params", "MSK_DPAR_OPTIMIZER_MAX_TIME", 1),
    "SCIP": ("scip_params", "limits/time", 1),
    "CPLEX": ("cplex_params", "timelimit", 1),
    "CBC": (None, "maximumSeconds", 1),
    "GLOP": (None, "time_limit_sec", 1),
    "PDLP": (None, "time_limit_sec", 1),
    "GLPK_MI": (None, "tm_lim", 1000),
}
_GAP: dict[str, tuple[str | None, str]] = {
    "HIGHS": (None, "mip_rel_gap"),
    "SCIPY": ("scipy_options", "mip_rel_gap"),
    "GUROBI": (None, "MIPGap"),
    "COPT": (None, "RelGap"),
    "SCIP": ("scip_params", "limits/gap"),
    "MOSEK": ("mosek_params", "MSK_DPAR_MIO_TOL_REL_GAP"),
    "CPLEX": ("cplex_params", "mip.tolerances.mipgap"),
}


def solver_options(
    name: str, given: dict[str, Any], tolerance: float, integer: bool, seconds: float | None
) -> dict[str, Any]:
    """Options for one solve; the caller's options are kept, except that a time limit is never extended.

    ``seconds`` None: the caller's limit for the solver, or ``LONGEST``.
    """
    options = {k: dict(v) if isinstance(v, dict) else v for k, v in given.items()}
    if integer and name in _GAP:
        folder, key = _GAP[name]
        _folder(options, folder).setdefault(key, tolerance)
    for key, value in _accuracy(name, tolerance, integer).items():
        if not (name == "SCS" and "eps" in given):
            options.setdefault(key, value)
    if name in _SECONDS:
        folder, key, unit = _SECONDS[name]
        place = _folder(options, folder)
        if seconds is None:
            limit = place.get(key, LONGEST * unit)
        else:
            limit = max(seconds, 1e-3) * unit
            limit = min(limit, place.get(key, limit))
        place[key] = max(1, round(limit)) if name in ("GLPK_MI", "SCS") else limit
    return options


def _accuracy(name: str, tolerance: float, integer: bool) -> dict[str, Any]:
    """The first-order solvers stop far from the optimum by default; the bound is proven by the caller in any case."""
    fine = min(max(0.01 * tolerance, 1e-10), 1e-8)
    if name == "OSQP":
        return {"eps_abs": fine, "eps_rel": fine, "max_iter": 20_000, "polishing": True}
    if name == "SCS":
        return {"eps_abs": fine, "eps_rel": fine, "max_iters": 20_000}
    if name == "CLARABEL":
        return {"tol_gap_abs": fine, "tol_gap_rel": fine, "tol_feas": fine, "accept_unknown": True}
    if name == "HIGHS" and not integer:
        return {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
    return {}


def _folder(options: dict[str, Any], name: str | None) -> dict[str, Any]:
    return options if name is None else options.setdefault(name, {})
