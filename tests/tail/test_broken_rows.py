"""A master whose point breaks a row, a bound or an equality of the problem is not believed, whatever units it works in."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.masters.base import no_point
from hedgeopt.tail.masters.conic import ConicMaster
from hedgeopt.tail.masters.interior import InteriorMaster
from hedgeopt.tail.masters.layout import Layout
from hedgeopt.tail.masters.simplex import SimplexMaster
from hedgeopt.tail.masters.solver import SolverMaster

UNITS = np.array([1.0, 1e-9, 1e6, 1e9, 1e-3])


def problem(kind: str) -> tuple[cp.Problem, cp.Expression, Callable[[np.ndarray], float]]:
    """A portfolio that meets one limit with equality; its holdings; by how much they break limits."""
    r = np.random.default_rng(7)
    P = 0.1 * r.normal(size=(80, 5)) + 0.2
    x = cp.multiply(1.0 / UNITS, cp.Variable(5))
    use = np.array([1.0, 2.0, 3.0, 1.5, 2.5])
    rows, broken = {
        "equality": ([cp.sum(x) == 1, x >= 0], lambda v: max(abs(v.sum() - 1), -v.min())),
        "row": ([use @ x <= 2, x >= 0], lambda v: max(use @ v - 2, -v.min())),
        "bound": ([x <= 0.5, x >= 0], lambda v: max(v.max() - 0.5, -v.min())),
        "cost row": ([use @ cp.abs(x - 0.1) <= 2, x >= -1], lambda v: use @ np.abs(v - 0.1) - 2),
    }[kind]
    return cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), rows), x, broken


def faulty(core: Callable[..., Any], by: float) -> Callable[..., Any]:
    """``core`` with every variable off by a share of itself."""

    def wrong(*arguments: Any) -> Any:
        raw = core(*arguments)
        return replace(raw, v=raw.v * (1.0 + by)) if hasattr(raw, "v") else raw

    return wrong


def solve(p: cp.Problem, **options: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p.solve(method="tail", warm_start=False, **options)
    return p.solver_stats.extra_stats


@pytest.mark.parametrize("by", [1e-4, 0.05, 40.0])
@pytest.mark.parametrize("kind", ["equality", "row", "bound", "cost row"])
def test_the_next_master_answers(kind: str, by: float, monkeypatch: pytest.MonkeyPatch) -> None:
    p, x, broken = problem(kind)
    solve(p)
    want = p.value
    assert broken(x.value) <= 1e-7
    for master in (SimplexMaster, InteriorMaster):
        with monkeypatch.context() as patch:
            patch.setattr(master, "core", faulty(master.core, by))
            p, x, broken = problem(kind)
            stats = solve(p, master=master.name)
        assert p.status == "optimal"
        assert stats["master"] != master.name
        assert [(f["master"], f["reason"]) for f in stats["failures"]] == [
            (master.name, "its point breaks rows of the problem")
        ]
        assert broken(x.value) <= 1e-7
        assert p.value == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("kind", ["equality", "row", "bound", "cost row"])
def test_never_optimal_where_all_break_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = SolverMaster._point
    monkeypatch.setattr(SimplexMaster, "core", faulty(SimplexMaster.core, 0.01))
    monkeypatch.setattr(InteriorMaster, "core", faulty(InteriorMaster.core, 0.01))
    # The last resort clips to bounds: a row it breaks can only be one of several variables.
    monkeypatch.setattr(SolverMaster, "_point", lambda self, p, v, *rest: point(self, _unbounded(p), 1.01 * v, *rest))
    monkeypatch.setattr(ConicMaster, "solve", lambda self, pieces, *_: no_point("failed", 5, len(pieces), "no luck"))
    for master in (None, "SIMPLEX", "INTERIOR", "CLARABEL"):
        p, x, broken = problem(kind)
        try:
            solve(p, master=master)
        except cp.SolverError:
            continue
        assert p.status != "optimal"
        assert broken(x.value) > 1e-4


def _unbounded(p: Any) -> Any:
    p.lower, p.upper = np.full(p.n, -np.inf), np.full(p.n, np.inf)
    return p


@pytest.mark.parametrize("kind", ["equality", "row", "bound", "cost row"])
@pytest.mark.parametrize("master", ["SIMPLEX", "INTERIOR", "HIGHS", "CLARABEL"])
def test_sound_masters_are_believed(kind: str, master: str) -> None:
    p, x, broken = problem(kind)
    stats = solve(p, master=master)
    assert (p.status, stats["master"], stats["failures"]) == ("optimal", master, [])
    assert broken(x.value) <= 1e-6


@pytest.mark.parametrize("bounded", [True, False])
def test_a_worthless_column_hides_no_broken_row(bounded: bool) -> None:
    """By its losses of 1e-30 a unit of it would be nothing, and so would be all of the margin row it stands in."""
    r = np.random.default_rng(5)
    P = 1e5 * r.normal(size=(80, 6))
    P[:, 4:] *= 1e-30
    margin, x = np.array([3e3, 2e3, 5e3, 4e3, 1.6e4, 2e4]), cp.Variable(6, nonneg=True)
    rows = [margin @ x <= 8e3, *([x <= 1e3] if bounded else [])]
    p = cp.Problem(cp.Minimize(tail.cvar(-(P @ x) - r.normal(size=80), 0.9) + 1e3 * cp.sum(x)), rows)
    seen = []
    look = Layout.violation

    def watched(self: Layout, z: np.ndarray) -> float:
        seen.append((self, z))
        return look(self, z)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "violation", watched)
        solve(p)
    layout, z = seen[-1]
    for more in (0.01, 757e3):
        wrong = z.copy()
        place = np.flatnonzero(layout.A[np.flatnonzero(np.diff(layout.A.indptr) > 1)[0]].toarray().ravel() == 3e3)[0]
        wrong[layout.columns[place]] = (1 + more) * 8e3 / 3e3
        assert layout.violation(wrong) > 1e-6


def test_a_row_of_rounding_is_none() -> None:
    """An equality that defines a factor of next to nothing, with a residual of 1e-17."""
    r = np.random.default_rng(6)
    P, x, z = r.normal(size=(60, 4)), cp.Variable(4, nonneg=True), cp.Variable(2)
    factors = np.vstack([r.normal(size=4), 1e-17 * r.normal(size=4)])
    p = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9) + cp.sum(cp.abs(z))), [cp.sum(x) == 1, factors @ x == z])
    for master in ("SIMPLEX", "INTERIOR", "HIGHS"):
        stats = solve(p, master=master)
        assert (p.status, stats["failures"]) == ("optimal", [])
