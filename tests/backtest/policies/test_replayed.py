"""The compiled map applied by hand, against cvxpy's own chain."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

from hedgeopt.backtest.policies.replayed import Replayed, replayed

N = 5


class _Program:
    """A long-short problem with costs, a budget and a leverage limit, in parameters alone."""

    def __init__(self) -> None:
        self.buy, self.sell = cp.Variable(N, nonneg=True), cp.Variable(N, nonneg=True)
        self.factor, self.offset = cp.Parameter((N + 1, N)), cp.Parameter(N + 1)
        self.cost, self.held = cp.Parameter(N, nonneg=True), cp.Parameter(N)
        self.cap = cp.Parameter(N, nonneg=True)
        net = self.buy - self.sell
        risk = cp.sum_squares(self.factor @ net + self.offset)
        self.constraints = [
            cp.norm1(net + self.held) <= 1.5,
            cp.sum(net + self.held) == 0.25,
            self.buy <= self.cap,
            self.sell <= self.cap,
        ]
        self.problem = cp.Problem(cp.Minimize(3.0 * risk + self.cost @ (self.buy + self.sell)), self.constraints)

    def draw(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.factor.value, self.offset.value = rng.standard_normal((N + 1, N)), rng.standard_normal(N + 1)
        self.cost.value, self.held.value = rng.uniform(0.0, 0.5, N), 0.2 * rng.standard_normal(N)
        self.cap.value = rng.uniform(0.2, 1.0, N)

    def answer(self) -> list[np.ndarray]:
        duals = [np.asarray(c.dual_value) for c in self.constraints]
        return [np.asarray(self.buy.value), np.asarray(self.sell.value), *duals]


def test_the_same_points_and_duals_as_cvxpy_for_other_values() -> None:
    ours, theirs = _Program(), _Program()
    for seed in range(6):
        ours.draw(seed)
        theirs.draw(seed)
        compiled = replayed(ours.problem)
        assert compiled is not None
        assert compiled is replayed(ours.problem)
        assert compiled.solve()
        theirs.problem.solve(solver=cp.CLARABEL)
        assert theirs.problem.status == cp.OPTIMAL
        for mine, other in zip(ours.answer(), theirs.answer(), strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-6)


def test_a_parameter_that_was_zero_when_compiled_counts_later() -> None:
    program = _Program()
    program.draw(1)
    program.factor.value, program.held.value = np.zeros((N + 1, N)), np.zeros(N)
    compiled = replayed(program.problem)
    assert compiled is not None
    program.draw(2)
    assert compiled.solve()
    found = program.answer()[0] - program.answer()[1]
    assert float(np.sum(found + program.held.value)) == pytest.approx(0.25, abs=1e-7)
    program.problem.solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(found, program.buy.value - program.sell.value, atol=1e-6)


def test_infeasible_is_no_answer_and_the_next_one_is_solved() -> None:
    program = _Program()
    program.draw(3)
    compiled = replayed(program.problem)
    assert compiled is not None
    program.held.value = np.full(N, 9.0)
    assert not compiled.solve()
    program.draw(3)
    assert compiled.solve()


def test_what_it_does_not_reach_is_left_to_cvxpy() -> None:
    x, p = cp.Variable(3), cp.Parameter(3, value=np.ones(3))
    linear = cp.Problem(cp.Minimize(p @ x), [x >= 0])
    cone = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cp.norm(x) <= 1])
    twice = cp.Problem(cp.Minimize(cp.sum_squares(cp.multiply(cp.multiply(p, p), x) - 1)), [x >= 0])
    mixed = cp.Problem(cp.Minimize(cp.sum_squares(cp.Variable(3, boolean=True) - p)))
    for problem in (linear, twice, mixed):
        assert Replayed.of(problem) is None
    compiled = Replayed.of(cone)  # the dual of a norm bounded by a number is that of an inequality: in reach
    assert compiled is not None
    assert compiled.solve()
    assert float(np.linalg.norm(x.value)) == pytest.approx(1.0, abs=1e-6)
