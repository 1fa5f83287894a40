"""Every registered constraint answers everything that the code may ask of one.

A new constraint is tested here without a line of its own, unless it has settings without a default (examples.py).
"""

from __future__ import annotations

import pickle
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.policies.columns import Columns
from hedgeopt.constraints.constraint import BoundConstraint, BoxConstraint, Constraint
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program

from .examples import constraint_example

BOXES = [kind for kind, spec in CONSTRAINTS.items() if issubclass(spec, BoxConstraint)]
OTHERS = [kind for kind in CONSTRAINTS if kind not in BOXES]


def bound_in_a_program(kind: str, e: Exposures, *, elastic: bool = False) -> tuple[Program, BoundConstraint, Box]:
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[constraint_example(kind)],
        scenarios=ho.ParametricScenarios(count=20),
        lots="ideal",
    )
    program, box = Program(policy, e, elastic=elastic), trade_box(policy, e)
    program.update(e, box)
    return program, program.limits[0], box


def random_trades(e: Exposures, box: Box, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < rng.uniform(0.1, 0.6))


@pytest.mark.parametrize("kind", list(CONSTRAINTS))
def test_every_constraint_is_documented_and_named(kind: str) -> None:
    spec = CONSTRAINTS[kind]
    assert (spec.__doc__ or "").strip()
    assert spec.source
    assert all(
        field.description or name in ("kind", "requirement", "term", "only") for name, field in spec.model_fields.items()
    )
    one = constraint_example(kind)
    assert one.name
    assert pickle.loads(pickle.dumps(one)) == one
    assert spec.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize("kind", list(CONSTRAINTS))
def test_what_every_constraint_says_of_itself(kind: str, linked: Exposures) -> None:
    spec = constraint_example(kind)
    assert isinstance(spec.by_candidate, bool)
    assert isinstance(spec.reads_stress, bool)
    assert all(term.unit for term in spec.terms())
    assert isinstance(spec.plain_sides(linked, np.zeros(linked.n_candidates), everywhere=True), list)


@pytest.mark.parametrize("kind", BOXES)
def test_size_limit_boxes_allow_standing_still(kind: str, exposures: Exposures) -> None:
    spec, n = constraint_example(kind), exposures.n_candidates
    assert spec.unit
    lower, upper = spec.box(exposures)
    assert lower.shape == upper.shape == (n,)
    assert spec.largest_trade(exposures).shape == spec.largest_position(exposures).shape == (n,)
    assert (lower <= 0).all()
    assert (upper >= 0).all()
    assert not (np.isnan(lower) | np.isnan(upper)).any()


@pytest.mark.parametrize("kind", OTHERS)
def test_sides_rows_and_shadow_prices_belong_together(kind: str, linked: Exposures) -> None:
    """A row is its side in a unit of its own; a price put on the side is worth the same on the row."""
    e = linked
    program, limit, box = bound_in_a_program(kind, e)
    assert isinstance(limit, BoundConstraint)
    sides = limit.sides(e, np.zeros(e.n_candidates))
    assert len(sides) == len(limit.constraints)
    assert len({side.name for side in sides}) == len(sides)
    assert all(side.unit and side.sign in (-1, 1) for side in sides)
    limit.put_duals(e, np.arange(1.0, len(sides) + 1.0))
    rng = np.random.default_rng(31)
    x = random_trades(e, box, rng)
    told = limit.sides(e, x)
    assert [side.dual for side in told] == pytest.approx(np.arange(1.0, len(sides) + 1.0))
    program.place(x)
    stay = [variable == variable.value for variable in (program.variables.buy, program.variables.sell)]
    for side, row in zip(told, limit.constraints, strict=True):
        excess = row.expr
        if limit.auxiliary:
            cp.Problem(cp.Minimize(excess), [*limit.auxiliary, *stay]).solve(solver=cp.HIGHS)
        unit = float(row.dual_value) / side.dual
        assert float(excess.value) * unit >= side.violation - 1e-7 * max(side.size, abs(side.limit))
        assert float(excess.value) * unit <= side.violation + 2e-3 * max(side.size, abs(side.limit))
    nearer = {side.name: 0.01 * max(abs(side.limit), 1.0) for side in told}
    before = [float(row.expr.value) for row in limit.constraints] if not limit.auxiliary else []
    limit.update(e, program.scale, nearer)
    for was, row in zip(before, limit.constraints, strict=False):
        assert float(row.expr.value) > was


@pytest.mark.parametrize("kind", OTHERS)
def test_any_shadow_prices_give_a_true_bound(kind: str, linked: Exposures) -> None:
    e = linked
    program, limit, box = bound_in_a_program(kind, e)
    assert program.problem.is_dcp(dpp=True)
    rng = np.random.default_rng(32)
    limit.put_duals(e, rng.exponential(size=len(limit.constraints)))
    at = random_trades(e, box, rng)
    below = limit.minorant(e, at, {})
    for _ in range(10):
        x = random_trades(e, box, rng)
        sides = limit.sides(e, x)
        priced = sum(side.dual * side.violation for side in sides)
        scale = max(1.0, sum(side.dual * max(abs(side.limit), side.size) for side in sides), abs(priced))
        assert below(x) <= priced + 1e-9 * scale


@pytest.mark.parametrize("kind", OTHERS)
def test_a_second_rule_finds_no_more_than_the_program_asked_for(kind: str, linked: Exposures) -> None:
    e, spec = linked, constraint_example(kind)
    _, limit, box = bound_in_a_program(kind, e)
    x = random_trades(e, box, np.random.default_rng(33))
    sides = {side.name: side for side in limit.sides(e, x)}
    for plain in spec.plain_sides(e, x, everywhere=True):
        side, room = sides[plain.side.name], 1e-7 * max(plain.size, abs(plain.side.limit))
        assert (plain.side.unit, plain.side.sign) == (side.unit, side.sign)
        assert plain.side.violation <= side.violation + room
        assert plain.encoded or plain.side.violation >= side.violation - room


@pytest.mark.parametrize("kind", OTHERS)
def test_a_program_may_ask_every_hook(kind: str, linked: Exposures) -> None:
    e, spec = linked, constraint_example(kind)
    program, limit, box = bound_in_a_program(kind, e)
    x = random_trades(e, box, np.random.default_rng(34))
    assert isinstance(limit.refine(e, x, program.scale), bool)
    assert isinstance(limit.anchor(e, x), bool)
    assert limit.domain(e).shape == (e.n_candidates,)
    assert limit.jumping(e) <= set(range(len(e.accounts)))
    assert limit.forget(tight=True) is None
    assert limit.square(e) is None or len(limit.sides(e, x)) == 1
    nodes = frozenset(zip(e.links.source.tolist(), e.links.asset.tolist(), strict=True))
    limit.put_duals(e, np.ones(len(limit.constraints)))
    everything, priced = len(limit.constraints), limit.priced()
    assert priced <= nodes
    sent = np.zeros_like(x)
    sent[e.links.candidate] = 1.0
    asked, always = ({plain.side.name for plain in spec.plain_sides(e, at)} for at in (sent, np.zeros_like(x)))
    assert bool(priced) == (asked != always)  # what is asked only where something leaves is switched off where it is shut
    limit.switch(nodes)
    assert len(limit.sides(e, x)) == len(limit.constraints) == (0 if priced else everything)
    assert not limit.priced()
    limit.switch(frozenset())
    assert len(limit.constraints) == everything
    merged = spec.merged(spec)
    assert merged is None or isinstance(merged, Constraint)


@pytest.mark.parametrize(
    "kind", [k for k in CONSTRAINTS if constraint_example(k).by_candidate and not constraint_example(k).counts]
)
def test_a_backtest_keeps_the_program_of_a_limit(kind: str, exposures: Exposures, later: Exposures) -> None:
    """One program for one moment and another, with other rows; each answer that of a program of its own."""
    policy = ho.Policy(
        minimize=ho.TransactionCost(), subject_to=[ho.Delta("BTC").within(-1, 1), constraint_example(kind)], lots="ideal"
    )
    columns = Columns(policy, slots=10)
    assert columns.fits
    for e in (exposures, later, exposures):
        found, whole = columns.solve(e), solve_program(Program(policy, e), e)
        assert found is not None
        assert found.certificate.objective == pytest.approx(whole.certificate.objective, rel=1e-5, abs=1e-3)
    assert columns.compiled == 1


@pytest.mark.parametrize("kind", OTHERS)
def test_limits_that_may_be_exceeded_cost_something_or_stay_as_they_are(kind: str, linked: Exposures) -> None:
    program, limit, _ = bound_in_a_program(kind, linked, elastic=True)
    cost = limit.slack_cost
    assert program.problem.is_dcp(dpp=True)
    if not isinstance(cost, float | int):
        slacks = {variable.id for variable in cost.variables()}
        assert slacks
        assert all(slacks & {variable.id for variable in row.variables()} for row in limit.constraints)


def test_a_part_without_a_hook_cannot_be_made() -> None:
    class Half(BoundConstraint):
        constraints = ()

        def update(self, *args: Any) -> None:
            """Nothing."""

    with pytest.raises(TypeError, match="minorant"):
        Half()  # type: ignore[abstract]
