"""Constraints of the user's own: refused with a reason or proven, whatever their cone; and proofs that hold."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.cones import OwnRows, canonical
from hedgeopt.program.cut_proof import own_part
from hedgeopt.program.dual_cones import into_dual, repaired
from hedgeopt.program.own_excess import own_excess
from hedgeopt.program.program import Program


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    return expose(toy_book, toy_market, policy())


def policy(**more: object) -> ho.Policy:
    settings: dict[str, object] = {
        "minimize": ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        "subject_to": [ho.Delta("BTC").within(-1, 1), ho.OrderLimit(notional=4e6)],
        "candidates": ho.Candidates(min_delta=0.3),
        "scenarios": ho.ParametricScenarios(count=100, seed=3),
    }
    return ho.Policy(**{**settings, **more}, lots="ideal")


def million(e: Exposures) -> np.ndarray:
    """USD millions of notional per unit."""
    return e.rows.notional[e.candidate] / 1e6


KINDS = {
    "turnover by abs": lambda p, w, share, at: [cp.sum(cp.abs(cp.multiply(w, p.trades))) <= share * np.abs(at).sum()],
    "buy + sell": lambda p, w, share, at: [w @ (p.buys + p.sells) <= share * np.abs(at).sum()],
    "sell == 0": lambda p, w, share, at: [p.sells[np.flatnonzero(at < 0)[:1]] == 0],
    "buys alone": lambda p, w, share, at: [w @ p.buys <= share * np.maximum(at, 0).sum()],
    "log_sum_exp": lambda p, w, share, at: [cp.log_sum_exp(cp.multiply(w, p.trades)) <= np.log(np.exp(share * at).sum())],
    "exp": lambda p, w, share, at: [cp.sum(cp.exp(cp.multiply(w, p.trades))) <= np.exp(share * at).sum()],
    "norm": lambda p, w, share, at: [cp.norm2(cp.multiply(w, p.trades)) <= share * np.linalg.norm(at)],
    "quad_form": lambda p, w, share, at: [cp.quad_form(cp.multiply(w, p.trades), np.eye(len(at))) <= share**2 * at @ at],
    "power": lambda p, w, share, at: [
        cp.sum(cp.power(cp.abs(cp.multiply(w, p.trades)), 1.5)) <= (np.abs(share * at) ** 1.5).sum()
    ],
    "new variables": lambda p, w, share, at: levels(cp.multiply(w, p.trades), share * np.abs(at).sum()),
    "one new number": lambda p, w, share, at: within(cp.multiply(w, p.trades), share * np.linalg.norm(at)),
    "geometric mean": lambda p, w, share, at: grown(cp.multiply(w, p.buys)[np.flatnonzero(at <= 0)[:3]]),
}


def grown(bought: cp.Expression) -> list[cp.Constraint]:
    return [cp.geo_mean(1.0 + bought) >= 1.01]


def within(x: cp.Expression, most: float) -> list[cp.Constraint]:
    far = cp.Variable()
    return [cp.norm2(x) <= far, 3.0 * far <= 3.0 * most]


def levels(x: cp.Expression, most: float) -> list[cp.Constraint]:
    t = cp.Variable(x.shape[0])
    return [t >= x, t >= -x, cp.sum(t) <= most]


@pytest.mark.parametrize("kind", KINDS)
def test_every_cone_is_proven_where_it_binds(kind: str, exposures: Exposures) -> None:
    e = exposures
    w = million(e)
    free = solve_program(Program(policy(), e), e)
    program = Program(policy(), e)
    rows = KINDS[kind](program, w, 0.5, w * free.trades)
    program.extend(*rows)
    found = solve_program(program, e)
    assert found.certificate.valid
    assert -1e-9 <= found.certificate.gap <= 1e-6
    # it binds: something is lost, and what is listed meets it
    assert found.certificate.objective > free.certificate.objective * (1 + 1e-7)
    for _, excess in own_excess(program.added, program.variables, found.trades / program.scale):
        assert excess <= 1e-9


def test_semidefinite_cones_beside_exponential_ones(exposures: Exposures) -> None:
    """Both of three rows: taken for each other, their duals proved a bound above the optimum."""
    e = exposures
    w = million(e)
    free = solve_program(Program(policy(), e), e)
    at = w * free.trades
    big = np.argsort(-np.abs(at))[:3]
    most = float(np.linalg.eigvalsh([[at[big[0]], at[big[1]]], [at[big[1]], at[big[2]]]]).max())
    program = Program(policy(), e)
    x = cp.multiply(w, program.trades)
    matrix = cp.bmat([[x[big[0]], x[big[1]]], [x[big[1]], x[big[2]]]])
    program.extend(cp.sum(cp.exp(x)) <= np.exp(0.6 * at).sum(), cp.lambda_max(matrix) <= 0.5 * most)
    rows = canonical(program.added, program.variables)
    assert [kind for kind, *_ in rows.cones if kind in ("psd", "exp")][:2] == ["psd", "exp"]
    found = solve_program(program, e)
    assert found.certificate.valid
    assert -1e-9 <= found.certificate.gap <= 1e-6


def test_a_bound_with_random_duals_is_below_every_feasible_value(exposures: Exposures) -> None:
    """The affine function of any repaired dual is at most nought wherever the constraints hold."""
    e = exposures
    n = e.n_candidates
    rng = np.random.default_rng(4)
    program = Program(policy(), e)
    program.update(e, trade_box(program.policy, e))
    v, t = program.variables.net, cp.Variable(n)
    program.extend(
        cp.sum(cp.abs(v)) <= 1.0, cp.log_sum_exp(v) <= np.log(n) + 0.3, cp.norm2(v) <= 0.5, t >= v, cp.sum(t) <= 0.7,
        cp.sum(cp.power(cp.abs(v), 1.5)) <= 0.6, cp.lambda_max(cp.bmat([[v[0], v[1]], [v[1], v[2]]])) <= 0.4,
        program.variables.sell[1] == 0.0, cp.PowCone3D(v[0] + 1.0, v[1] + 1.0, v[2], 0.3),
    )  # fmt: skip
    rows = canonical(program.added, program.variables)
    tried = 0
    for _ in range(40):
        y, left = repaired(rows, rng.normal(size=len(rows.right)) * rng.choice([1e-3, 1.0]))
        y = into_dual(rows, y)
        tried += float(np.abs(rows.own.T @ y).max()) <= 1e-9 * (1 + np.abs(y).max())
        for _ in range(20):
            net = rng.normal(size=n) * rng.choice([1e-3, 1e-2])
            net[1] = abs(net[1])
            if any(excess > 0 for _, excess in own_excess(program.added, program.variables, net)):
                continue
            split = np.concatenate([np.maximum(net, 0), np.maximum(-net, 0)])
            if np.abs(left).max(initial=0.0) <= 1e-12 * (1.0 + np.abs(y).max()):
                assert y @ (rows.trades @ split - rows.right) <= 1e-9 * (1.0 + np.abs(y).max())


CONES = {
    "nonneg": (4, None), "soc": (4, None), "exp": (3, None), "psd": (6, 3), "power": (3, 0.3),
    "powers": (4, np.array([0.2, 0.3, 0.5])),
}  # fmt: skip


def member(kind: str, rows: int, parameter: object, rng: np.random.Generator) -> np.ndarray:
    """A random member of the primal cone."""
    if kind == "nonneg":
        return rng.exponential(size=rows)
    if kind == "soc":
        tail = rng.normal(size=rows - 1)
        return np.append(np.linalg.norm(tail) * (1 + rng.exponential() * rng.integers(2)), tail)
    if kind == "exp":
        y = rng.exponential() + 1e-2
        x = y * rng.uniform(-20.0, 20.0)
        return np.array([x, y, y * np.exp(x / y)])
    if kind == "psd":
        root = rng.normal(size=(parameter, rng.integers(1, parameter + 1)))
        matrix = root @ root.T
        return np.concatenate([np.append(np.sqrt(2) * matrix[:j, j], matrix[j, j]) for j in range(parameter)])
    alpha = np.array([parameter, 1 - parameter]) if kind == "power" else parameter
    x = rng.exponential(size=len(alpha))
    return np.append(x, rng.choice([-1, 1]) * np.prod(x**alpha))


@pytest.mark.parametrize("kind", CONES)
def test_what_is_moved_into_a_dual_cone_is_in_it(kind: str) -> None:
    size, parameter = CONES[kind]
    rng = np.random.default_rng(11)
    rows = OwnRows(np.zeros((size, 1)), np.zeros((size, 0)), np.zeros(size), ((kind, size, parameter),))
    for _ in range(200):
        y = into_dual(rows, rng.normal(size=size) * rng.choice([1e-6, 1.0, 1e3]))
        for _ in range(30):
            s = member(kind, size, parameter, rng)
            assert y @ s >= -1e-9 * np.abs(y) @ np.abs(s)


def test_what_cannot_be_proven_is_refused_when_it_is_added(exposures: Exposures) -> None:
    program = Program(policy(), exposures)
    unset = cp.Parameter(name="budget")
    whole = cp.Variable(exposures.n_candidates, integer=True, name="lots")
    for bad, words in (
        (cp.norm2(program.trades) >= 1.0, "not convex"),
        (program.trades == whole, "whole numbers"),
        (cp.sum(program.trades) <= unset, "parameters without a value"),
        (True, "not a cvxpy constraint"),
    ):
        with pytest.raises(InputError, match=words):
            program.extend(bad)
    assert not program.added


def test_an_objective_below_the_bound_is_called_wrong(exposures: Exposures) -> None:
    e = exposures
    program = Program(policy(), e)
    found = solve_program(program, e)
    box = trade_box(program.policy, e)
    tails = {}
    high = found.certificate.objective * (1 + 1e-7)
    certificate, _ = certify(program, e, box, found.trades, tails, high)
    assert certificate.gap < 0
    assert not certificate.valid
    certificate, _ = certify(program, e, box, found.trades, tails, found.certificate.lower_bound)
    assert certificate.valid


def test_added_constraints_are_judged_at_the_trades_given(exposures: Exposures) -> None:
    """Not at what the solver left in the variables."""
    e = exposures
    program = Program(policy(), e)
    program.extend(cp.sum(program.trades[:3]) <= 0.0)
    found = solve_program(program, e)
    box = trade_box(program.policy, e)
    moved = found.trades.copy()
    moved[0] = box.upper[0]
    certificate, _ = certify(program, e, box, moved, {}, found.certificate.lower_bound)
    assert not certificate.feasible
    assert certificate.worst_violation > 0


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_named_before_a_solver_sees_them(exposures: Exposures, weight: float) -> None:
    e = exposures
    given = policy()
    parts = tuple(part.model_copy(update={"weight": weight}) for part in given.minimize)
    with pytest.raises(InputError, match="finite"):
        solve_program(Program(given.model_copy(update={"minimize": parts}), e), e)
    broken = replace(e, stress_pnl=np.full_like(e.stress_pnl, np.nan))
    limits = [ho.StressLoss("2020-03-12") <= 1e6, ho.OrderLimit(notional=4e6)]
    with pytest.raises(InputError, match="stress 2020-03-12"):
        solve_program(Program(policy(subject_to=limits), broken), broken)


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 1e6])
def test_an_objective_in_another_unit_has_the_same_answer(exposures: Exposures, factor: float) -> None:
    e = exposures
    parts = ho.TransactionCost() + 0.5 * ho.CVaR(0.95) + 1e-6 * ho.Variance()
    plain = solve_program(Program(policy(minimize=parts), e), e)
    scaled = solve_program(Program(policy(minimize=factor * parts), e), e)
    assert scaled.certificate.valid
    assert scaled.certificate.objective == pytest.approx(factor * plain.certificate.objective, rel=3e-6)


def test_a_variance_limit_that_binds_is_certified(exposures: Exposures) -> None:
    e = exposures
    free = solve_program(Program(policy(), e), e)
    spread = float(np.var(e.base_pnl + e.pnl @ free.trades))
    held = policy(subject_to=[ho.Variance() <= 0.8 * spread, ho.OrderLimit(notional=4e6)])
    found = solve_program(Program(held, e), e)
    assert found.certificate.valid
    (side,) = [side for side in found.sides if side.name == "variance"]
    assert side.value == pytest.approx(side.limit, rel=1e-5)
    assert side.dual > 0


def test_a_time_limit_ends_the_search_with_its_reason(exposures: Exposures) -> None:
    e = exposures
    with pytest.raises(ho.CertificateError, match="time_limit_seconds"):
        solve_program(Program(policy(time_limit_seconds=1e-4), e), e)


def test_buys_and_sells_at_once_are_paid_for_only_where_the_box_has_room() -> None:
    """The function of net trades is the least over every pair of buys and sells that the box allows."""
    r = np.random.default_rng(3)
    n = 5
    for _ in range(20):
        rows = OwnRows(r.normal(size=(4, 2 * n)), np.zeros((4, 0)), r.normal(size=4), (("nonneg", 4, None),))
        y, both, scale = r.exponential(size=4), r.exponential(size=n) * 0.3, 10.0 ** r.integers(-3, 4, n)
        box = Box(-r.exponential(size=n) * scale, r.exponential(size=n) * scale, *[np.zeros(n, int)] * 2, ())
        part, loss = own_part(rows, y, np.zeros(0), scale, box, both / scale)
        assert loss == 0.0
        slope = y @ rows.trades
        for _ in range(20):
            buy, sell = r.uniform(size=n) * box.upper / scale, r.uniform(size=n) * -box.lower / scale
            net = buy - sell
            paid = slope[:n] * buy + slope[n:] * sell + both * np.minimum(buy, sell)
            assert part(net * scale) <= paid.sum() - y @ rows.right + 1e-9
            # some pair with that net has it
            most = np.minimum(box.upper / scale - np.maximum(net, 0), -box.lower / scale - np.maximum(-net, 0))
            ends = [
                slope[:n] * (np.maximum(net, 0) + w) + slope[n:] * (np.maximum(-net, 0) + w) + both * w
                for w in (0 * most, most)
            ]
            assert part(net * scale) == pytest.approx(np.minimum(*ends).sum() - y @ rows.right, abs=1e-9)


def test_a_limit_on_buys_at_the_end_of_the_box_is_proven(exposures: Exposures) -> None:
    """Bought to the end of the box, nothing more can be bought and sold at once, whatever a dual pays for it."""
    e = exposures
    w = million(e)
    free = solve_program(Program(policy(), e), e)
    at = np.abs(w * free.trades)
    for power in (2, 3):
        program = Program(policy(), e)
        b, s = cp.multiply(w, program.buys), cp.multiply(w, program.sells)
        program.extend(cp.sum(cp.power(b, power)) + cp.sum(s) <= 0.6 * (at**power).sum())
        found = solve_program(program, e)
        assert found.certificate.valid
        assert -1e-9 <= found.certificate.gap <= 1e-6
