"""The certificate reads weights and shadow prices, and no claim: wrong ones loosen its bound, none makes it false."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.risk.cvar import feasible_weights
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program

Solved = tuple[Program, Exposures, Box, np.ndarray, dict[int, np.ndarray], float]


@pytest.fixture(scope="module")
def solved(toy_book: ho.Book, toy_market: ho.Market) -> Solved:
    """A solved program, and its optimum by HiGHS on the whole of it."""
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        subject_to=[ho.Delta("BTC").within(-1, 1), ho.CVaR(0.99) <= 500_000, ho.OrderLimit(notional=4e6)],
        scenarios=ho.ParametricScenarios(count=200, seed=3),
        lots="ideal",
    )
    e = expose(toy_book, toy_market, policy)
    program = Program(policy, e)
    solution = solve_program(program, e)
    box = trade_box(policy, e)
    other = Program(policy, e)
    other.update(e, box)
    other.problem.solve(solver=cp.HIGHS)
    true = other.objective_value(e, other.x())
    return program, e, box, solution.trades, dict(solution.tails), true


def corruptions(q: np.ndarray) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    holes = np.where(rng.random(len(q)) < 0.3, np.nan, q)
    return {
        "halved": 0.5 * q, "ten times": 10 * q, "huge": 1e300 * (1 + q), "negative": -q, "one negative": q - 0.2,
        "nought": 0 * q, "ones": np.ones_like(q), "shuffled": rng.permutation(q), "best scenarios": q[::-1].copy(),
        "not numbers": np.full_like(q, np.nan), "holes": holes, "infinite": np.where(q > 0, np.inf, -np.inf),
        "too few": q[:-1], "too many": np.append(q, 1.0), "none": q[:0], "noise": q + 0.1 * rng.normal(size=len(q)),
    }  # fmt: skip


NAMES = list(corruptions(np.ones(3)))


@pytest.mark.parametrize("name", NAMES)
def test_wrong_weights_only_loosen(solved: Solved, name: str) -> None:
    program, e, box, x, tails, true = solved
    good, _ = certify(program, e, box, x, tails)
    assert good.valid
    for atoms in (list(tails), *([atom] for atom in tails)):
        wrong = {atom: corruptions(q)[name] if atom in atoms else q for atom, q in tails.items()}
        found, _ = certify(program, e, box, x, wrong)
        assert found.lower_bound <= true + 1e-9 * abs(true)
        assert found.objective == good.objective
        assert found.optimal == (found.gap <= found.tolerance)
        assert found.gap >= -1e-9


@contextmanager
def shadow_prices(program: Program, change: Any) -> Iterator[None]:
    rows = [row for limit in program.limits for row in limit.constraints]
    before = [row.dual_value for row in rows]
    try:
        for row, dual in zip(rows, before, strict=True):
            row.dual_variables[0].save_value(change(np.asarray(dual, dtype=float)))
        yield
    finally:
        for row, dual in zip(rows, before, strict=True):
            row.dual_variables[0].save_value(dual)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1.0, 1e300, -1e300, 1e-300, 3.0])
def test_wrong_shadow_prices_only_loosen(solved: Solved, wrong: float) -> None:
    program, e, box, x, tails, true = solved
    for change in (lambda d: np.full_like(d, wrong), lambda d: d * wrong, lambda d: d + wrong):
        with shadow_prices(program, change), np.errstate(all="ignore"):
            found, _ = certify(program, e, box, x, tails)
        assert found.lower_bound <= true + 1e-9 * abs(true)
        assert found.lower_bound == found.lower_bound
        assert found.optimal == (found.gap <= found.tolerance)


def test_what_the_solver_claims_of_its_bound_is_not_read(solved: Solved, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail solver that calls a bad point optimal, proven and without gap: the certificate is that of the point."""
    program, e, box, _, tails, true = solved
    stats = program.problem.solver_stats.extra_stats
    away = box.upper * 0.3

    def boast(self: cp.Problem, **_: Any) -> float:
        program.place(away)
        atoms = {id(record.atom): record for record in stats["tails"]}
        assert set(atoms) == set(tails)
        self._status, self._value = "optimal", true
        self._solver_stats = program.problem.solver_stats
        self._solver_stats.extra_stats = stats | {"gap": 0.0, "lower_bound": true, "upper_bound": true, "proven": True}
        return true

    found, _ = certify(program, e, box, away, tails)
    assert not found.valid
    before = program.x()
    monkeypatch.setattr(cp.Problem, "solve", boast)
    monkeypatch.setattr("hedgeopt.program.certified.by_cuts", lambda *_: _nothing())
    with pytest.raises(ho.CertificateError):
        solve_program(program, e)
    program.place(before)


def _nothing() -> Any:
    from hedgeopt.program.search import Found

    return Found("nothing", np.zeros(0))


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", NAMES)
def test_a_member_of_the_envelope_comes_out(beta: float, name: str) -> None:
    rng = np.random.default_rng(2)
    for p in (None, rng.dirichlet(np.ones(50)), np.r_[np.zeros(25), np.full(25, 0.04)]):
        given = corruptions(rng.dirichlet(np.ones(50)))[name]
        if given.shape != (50,):
            continue
        q = feasible_weights(given, beta, p)
        cap = (np.full(50, 0.02) if p is None else p) / (1 - beta)
        assert q.sum() == pytest.approx(1.0, abs=1e-12)
        assert q.min() >= 0
        assert np.all(q <= cap * (1 + 1e-12))
