"""Peak memory of a solve beyond its scenario matrix, in a fresh process that holds nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.process import Measure
from benchmarks.tail_cases import factor_scenarios


def memory_case(scenarios: int, instruments: int, kind: str, plain: bool = False) -> dict[str, Any]:
    """Long-only minimum CVaR at 0.99; ``extra_share_of_matrix`` is the high-water mark above the start of the solve.

    ``plain`` multiplies the array itself instead of a source: writing the expression, cvxpy copies it (not counted), the
    solve does not.
    """
    import cvxpy as cp

    import hedgeopt.tail as tail

    matrix = np.asarray(factor_scenarios(scenarios, instruments), dtype=kind)
    # Import what a solve imports: code is not data.
    small, y = factor_scenarios(100, 2), cp.Variable(2)
    cp.Problem(cp.Minimize(tail.cvar(-(small @ y), 0.9)), [cp.sum(y) == 1, y >= 0]).solve(method="tail", threads=1)
    x = cp.Variable(instruments)
    source = matrix if plain else tail.ArraySource(matrix)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), 0.99)), [cp.sum(x) == 1, x >= 0])
    with Measure(private=True) as measure:
        problem.solve(method="tail", threads=1)
    return {
        "case": "memory", "scenarios": scenarios, "instruments": instruments, "dtype": kind,
        "as": "array" if plain else "source",
        "matrix_bytes": matrix.nbytes, **measure.record(),
        "extra_share_of_matrix": measure.resident_bytes / matrix.nbytes,
        "scenario_vectors_worth": measure.resident_bytes / (8 * scenarios),
        "gap": float(problem.solver_stats.extra_stats["gap"]),
    }  # fmt: skip
