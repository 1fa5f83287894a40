"""Every instance of the benchmark's family at a small size: what a solve returns proves its gap without the solve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hedgeopt.tail as tail
from benchmarks.tail_family_cases import SEED_OPEN, evaluate, instance, specs
from benchmarks.tail_family_forms import program

SMALL = [
    replace(spec, scenarios=300, instruments=min(spec.instruments, 16 + i % 9)) for i, spec in enumerate(specs(SEED_OPEN))
]


@pytest.mark.parametrize("spec", SMALL, ids=lambda spec: spec.name)
def test_the_returned_weights_prove_the_returned_gap(spec) -> None:
    made = instance(spec)
    problem, x = program(made, lambda losses, t: tail.cvar(losses, t.beta, t.p))
    value = problem.solve(method="tail")
    assert problem.status == "optimal"
    stats = problem.solver_stats.extra_stats
    plan = np.asarray(x.value, dtype=float)
    outside, broken = evaluate(made, plan)
    assert outside == pytest.approx(value, rel=1e-7, abs=1e-7)
    assert broken <= 1e-6
    if len(made.whole):
        return  # the tree's bound is none of multipliers
    shown = tail.verify(problem)
    assert shown.lower <= shown.upper + 1e-9 * abs(shown.upper)
    assert shown.gap <= max(1e-5, stats["gap"])
    assert shown.upper == pytest.approx(value, rel=1e-9, abs=1e-9)
