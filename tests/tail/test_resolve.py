"""Solving again after parameters moved: each answer is that of a problem written anew, whatever was solved before."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail

S, BETA = 150, 0.9
# Relative to the first numbers; what is not named is as at the start.
STEPS: list[tuple[str, dict[str, float]]] = [
    ("start", {}),
    ("new scenarios", {"seed": 1}),
    ("other scenarios", {"seed": 2}),
    ("tight bounds", {"room": 1.05}),
    ("the same again", {"room": 1.05}),
    ("costs that turn", {"cost": -3.0}),
    ("group limit", {"group": 0.05}),
    ("infeasible bounds", {"room": 0.9}),
    ("back again", {}),
    ("infeasible limit of risk", {"budget": 0.05}),
    ("other probabilities", {"tilt": 4.0}),
    ("limit of risk binds", {"budget": 0.83}),
    ("costs under a limit that binds", {"budget": 0.83, "cost": 5.0}),
    ("no limit of risk, no bounds", {"budget": 1e6, "cap": 1e6}),
    ("other units", {"scale": 1e4, "budget": 1e4}),
    ("the first numbers", {}),
]


class Book:
    """min CVaR(-P x - base) + cost'x, sum x = 1, 0 <= x <= cap, some together <= group, CVaR(-Q x) <= budget."""

    def __init__(self, N: int) -> None:
        self.N, self.names = N, ("P", "base", "p", "cost", "cap", "group", "Q", "budget")
        shapes = {"P": (S, N), "base": S, "p": S, "cost": N, "cap": N, "group": (), "Q": (S, N), "budget": ()}
        self.parameters = {k: cp.Parameter(shapes[k], nonneg=k == "p") for k in self.names}
        self.x = cp.Variable(N)
        self.problem = self.written(self.x, self.parameters)
        r = np.random.default_rng(9)
        numbers = {"cost": 0.02 * r.normal(size=N), "Q": r.normal(size=(S, N)), "base": r.normal(size=S)}
        x = cp.Variable(N)
        free = self.written(x, self.numbers({}) | numbers | {"budget": 1e6})
        free.solve(solver=cp.HIGHS)
        # A budget of one is what the plan without it would need.
        self.risk = float(tail.cvar(-(numbers["Q"] @ x), BETA).value)
        self.fixed = numbers

    def numbers(self, step: dict[str, float]) -> dict[str, np.ndarray]:
        r = np.random.default_rng(int(step.get("seed", 0)))
        scale = step.get("scale", 1.0)
        p = np.exp(step.get("tilt", 0.0) * r.random(S))
        cap = step["room"] / self.N if "room" in step else step.get("cap", 0.6)
        fixed = getattr(self, "fixed", {"cost": np.zeros(self.N), "Q": np.zeros((S, self.N)), "base": np.zeros(S)})
        return {
            "P": scale * r.standard_t(4, size=(S, self.N)), "base": scale * fixed["base"], "p": p / p.sum(),
            "cost": scale * step.get("cost", 1.0) * fixed["cost"], "cap": np.full(self.N, cap),
            "group": np.array(step.get("group", 1.0)), "Q": scale * fixed["Q"],
            "budget": np.array(step.get("budget", 1.2) * getattr(self, "risk", 1.0)),
        }  # fmt: skip

    def written(self, x: cp.Variable, v: dict) -> cp.Problem:
        risk = tail.cvar(-(v["P"] @ x) - v["base"], BETA, v["p"])
        limits = [cp.sum(x) == 1, x >= 0, x <= v["cap"], cp.sum(x[: self.N // 3]) <= v["group"]]
        return cp.Problem(cp.Minimize(risk + v["cost"] @ x), [*limits, tail.cvar(-(v["Q"] @ x), BETA) <= v["budget"]])


@pytest.mark.parametrize("master", [None, "SIMPLEX", "INTERIOR"])
@pytest.mark.parametrize("N", [7, 60])
def test_every_solve_is_that_of_a_new_problem(N: int, master: str | None) -> None:
    book = Book(N)
    problem, x = book.problem, book.x
    seen: dict[str, float] = {}
    for name, step in STEPS:
        v = book.numbers(step)
        for key, value in v.items():
            book.parameters[key].value = value
        problem.solve(method="tail", master=master, threads=1)
        fresh = book.written(cp.Variable(N), v)
        fresh.solve(solver=cp.HIGHS)
        assert problem.status == fresh.status, name
        if fresh.status != "optimal":
            assert x.value is None
            continue
        size = step.get("scale", 1.0)
        assert problem.value == pytest.approx(fresh.value, rel=2e-6, abs=2e-6 * size), name
        assert problem.value == pytest.approx(problem.objective.value, rel=1e-7, abs=1e-9 * size), name
        # Duals: stationary with the weights of both tails, and of the right signs and complementary.
        total, lower, upper, group, risk = (c.dual_value for c in problem.constraints)
        first, second = problem.solver_stats.extra_stats["tails"]
        gradient = v["cost"] - first.weights @ v["P"] + total - lower + upper - second.multiplier * (second.weights @ v["Q"])
        gradient[: N // 3] += group
        assert np.abs(gradient).max() <= 1e-4 * size, name
        assert min(lower.min(), upper.min(), float(group), float(risk)) >= -1e-9 * size, name
        assert second.multiplier == pytest.approx(float(risk), rel=1e-6, abs=1e-9), name
        # The bound from the returned duals and the original numbers alone.
        bound = -(first.weights @ v["base"]) - float(total) - upper @ v["cap"] - group * v["group"] - risk * v["budget"]
        assert bound == pytest.approx(problem.value, rel=2e-5, abs=2e-5 * size), name
        seen[name] = problem.value
    assert seen["back again"] == pytest.approx(seen["start"], rel=1e-6)
    assert seen["the first numbers"] == pytest.approx(seen["start"], rel=1e-6)
    assert seen["limit of risk binds"] > seen["start"] * (1 + 1e-4)


def test_base_problem_is_compiled_again_only_when_its_parameters_move(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book(7)
    compiled: list[object] = []
    whole = cp.Problem.get_problem_data
    monkeypatch.setattr(cp.Problem, "get_problem_data", lambda self, *a, **k: compiled.append(self) or whole(self, *a, **k))
    counts = []
    for step in ({}, {"seed": 1}, {"seed": 2, "tilt": 1.0}, {"cap": 0.3}, {"cap": 0.3, "seed": 1}):
        for key, value in book.numbers(step).items():
            book.parameters[key].value = value
        compiled.clear()
        book.problem.solve(method="tail", threads=1)
        counts.append(len(compiled))
    assert counts == [1, 0, 0, 1, 0]


def test_small_moves_keep_few_scenarios_and_a_large_one_more() -> None:
    r = np.random.default_rng(3)
    P0, N = r.standard_t(4, size=(900, 8)), 8
    P, x = cp.Parameter(P0.shape), cp.Variable(N)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9)), [cp.sum(x) == 1, x >= 0])
    active = []
    for noise in (0.0, 1e-5, 1e-5, 1e-5, 2.0, 0.0, 0.0):
        P.value = P0 + noise * r.normal(size=P0.shape)
        value = problem.solve(method="tail", threads=1)
        stats = problem.solver_stats.extra_stats
        assert stats["gap"] <= 1e-6
        weights = stats["tails"][0].weights
        # The proof from the numbers of this solve: the best single column under the returned weights.
        assert -(weights @ P.value).max() == pytest.approx(value, rel=1e-6)
        active.append(stats["active_scenarios"])
    assert active[0] == 900
    assert active[3] <= N + 50 + N + 1
    assert active[-1] > active[3]


def test_a_matrix_changed_in_place_counts() -> None:
    P = np.random.default_rng(0).normal(size=(80, 3))
    source = tail.ArraySource(P)
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(tail.cvar(-(source @ x), 0.9)), [cp.sum(x) == 1, x >= 0])
    problem.solve(method="tail")
    P *= -2.0
    again = cp.Variable(3)
    fresh = cp.Problem(cp.Minimize(tail.cvar(-(P @ again), 0.9)), [cp.sum(again) == 1, again >= 0])
    assert problem.solve(method="tail") == pytest.approx(fresh.solve(solver=cp.HIGHS), rel=1e-6)
