"""Every registered term answers everything that the code may ask of one.

A new term is tested here without a line of its own, unless it has settings without a default.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.policies.columns import restricted
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.term import RequirementOf, Term
from hedgeopt.models.terms import TERMS
from hedgeopt.program.box import trade_box
from hedgeopt.program.program import Program
from hedgeopt.tail.atom import CVaRAtom

EXAMPLES: dict[str, dict[str, Any]] = {
    "cvar": {"beta": 0.95},
    "stress_loss": {"scenario": "2020-03-12"},
    "margin": {"venue": "deribit"},
    "concentration": {"by": "venue", "of": "deribit"},
    "vega_bucket": {"underlying": "BTC", "days": 30.0},
    "gamma_bucket": {"underlying": "BTC", "days": 90.0},
    **{greek: {"underlying": "BTC"} for greek in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")},
}
"""Settings of the terms that need some; a new term with required settings adds a line here."""


def example(kind: str) -> Term:
    return TERMS[kind](**EXAMPLES.get(kind, {}))


def bound_in_a_program(term: Term, e: Exposures) -> tuple[Program, BoundTerm]:
    policy = ho.Policy(minimize=ho.TransactionCost() + term)
    program = Program(policy, e)
    program.update(e, trade_box(policy, e))
    return program, dict(program.bound_terms())[term]


def _random_trades(e: Exposures, program: Program, rng: np.random.Generator) -> np.ndarray:
    box = trade_box(program.policy, e)
    x = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < 0.4)
    net = x / program.scale
    program.variables.buy.value, program.variables.sell.value = np.maximum(net, 0), np.maximum(-net, 0)
    return x


@pytest.mark.parametrize("kind", list(TERMS))
def test_term_is_dpp_convex_documented_and_equal_to_numpy(kind: str, exposures: Exposures) -> None:
    term, e = example(kind), exposures
    assert term.unit
    assert term.source
    assert (type(term).__doc__ or "").strip()
    program, bound = bound_in_a_program(term, e)
    assert bound.expression.is_dpp()
    assert bound.expression.is_affine() if term.affine else bound.expression.is_convex()
    assert program.problem.is_dcp()
    rng = np.random.default_rng(11)
    for _ in range(5):
        x = _random_trades(e, program, rng)
        plain = bound.evaluate(e, x)
        # encodings may lie above the exact value where they are conservative, never below
        encoded = _at(bound, program)
        assert encoded == pytest.approx(plain, rel=2e-3, abs=1e-7)
        assert encoded >= plain - 1e-9 * max(1.0, abs(plain))


def _at(bound: BoundTerm, program: Program) -> float:
    """The term's value at the present trades; variables of its own take their best values."""
    own = bound.auxiliary
    if own:
        stay = [variable == variable.value for variable in (program.variables.buy, program.variables.sell)]
        cp.Problem(cp.Minimize(bound.expression), [*own, *stay]).solve(solver=cp.HIGHS)
    return float(bound.expression.value)


@pytest.mark.parametrize("kind", list(TERMS))
def test_term_minorant_never_exceeds_the_term(kind: str, exposures: Exposures) -> None:
    term, e = example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    rng = np.random.default_rng(12)
    for _ in range(5):
        at = _random_trades(e, program, rng)
        below = bound.minorant(e, at, {})
        value = bound.evaluate(e, at)
        assert below(at) == pytest.approx(value, rel=1e-9, abs=1e-6)
        for _ in range(5):
            x = _random_trades(e, program, rng)
            assert below(x) <= bound.evaluate(e, x) + 1e-9 * max(1.0, abs(value))


@pytest.mark.parametrize("kind", list(TERMS))
def test_term_size_counts_what_cancels(kind: str, exposures: Exposures) -> None:
    """Never below the value; and rounding of trades by an eps moves the value by less than an eps of the size."""
    term, e = example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    rng = np.random.default_rng(13)
    for _ in range(5):
        x = _random_trades(e, program, rng)
        size = bound.size(e, x)
        assert size >= abs(bound.evaluate(e, x)) * (1 - 1e-12)
        # sizes grow with every trade, whatever its sign
        assert (
            bound.size(e, 2.0 * x)
            >= size
            >= bound.size(e, np.zeros_like(x)) * (0.0 if kind in ("cvar", "variance") else 1.0)
        )
        for share in (1e-6, 1e-9):
            nudged = x * (1.0 + share * rng.choice([-1.0, 1.0], len(x)))
            assert abs(bound.evaluate(e, nudged) - bound.evaluate(e, x)) <= 1.01 * share * size + 1e-14 * size


@pytest.mark.parametrize("kind", list(TERMS))
def test_every_term_becomes_a_limit_with_a_named_side(kind: str, exposures: Exposures) -> None:
    term = example(kind)
    policy = ho.Policy(minimize=ho.TransactionCost(), subject_to=[term <= 1e12])
    program = Program(policy, exposures)
    program.update(exposures, trade_box(policy, exposures))
    (side,) = program.sides(exposures, np.zeros(exposures.n_candidates))
    if kind == "margin":  # the ratio to equity after trades is not convex: requirement against equity in USD is
        assert (side.name, side.unit) == ("initial margin main", "USD")
    else:
        assert (side.name, side.unit) == (term.name, term.unit)
    assert all(isinstance(c, cp.constraints.Inequality) for limit in program.limits for c in limit.constraints)


@pytest.mark.parametrize("kind", list(TERMS))
def test_term_is_plain_data(kind: str) -> None:
    term = example(kind)
    assert pickle.loads(pickle.dumps(term)) == term
    assert TERMS[kind].model_validate_json(term.model_dump_json()) == term
    fields = TERMS[kind].model_fields.items()
    assert all(field.description or name in ("kind", "venue", "requirement") for name, field in fields)


@pytest.mark.parametrize("kind", list(TERMS))
def test_what_a_term_declares_is_what_its_bound_form_is(kind: str, exposures: Exposures) -> None:
    term, e = example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    assert isinstance(bound, BoundTerm)
    x = _random_trades(e, program, np.random.default_rng(14))
    affine, square, value = bound.affine(e), bound.square(e), bound.evaluate(e, x)
    assert (affine is not None) == term.affine
    if affine is not None:
        assert affine.constant + affine.slope @ x == pytest.approx(value, rel=1e-12, abs=1e-9)
        assert affine.size >= abs(affine.constant) * (1 - 1e-12)
    assert (square is not None) == term.curved
    if square is not None:
        factor, offset = square
        assert ((factor @ x + offset) ** 2).sum() == pytest.approx(value, rel=1e-9)
    assert term.tail == any(isinstance(node, CVaRAtom) for node in nodes(bound.expression))


def nodes(expression: Any) -> Any:
    yield expression
    for part in expression.args:
        yield from nodes(part)


@pytest.mark.parametrize("kind", list(TERMS))
def test_a_term_reads_stress_scenarios_where_it_says_so(kind: str, exposures: Exposures) -> None:
    term, e = example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    x = _random_trades(e, program, np.random.default_rng(15))
    harsher = replace(
        e,
        stress_pnl=2.0 * e.stress_pnl,
        stress_account_pnl=2.0 * e.stress_account_pnl,
    )
    assert term.reads_stress == (bound.evaluate(harsher, x) != bound.evaluate(e, x))


@pytest.mark.parametrize("kind", list(TERMS))
def test_a_term_by_candidate_serves_candidates_that_it_was_not_compiled_for(kind: str, exposures: Exposures) -> None:
    """Others would be evaluated right and optimised wrong: the program would be of other instruments."""
    term, e = example(kind), exposures
    shuffled = np.random.default_rng(16).permutation(e.n_candidates)
    first, second = (restricted(e, np.sort(part)) for part in np.array_split(shuffled[: 2 * (len(shuffled) // 2)], 2))
    n, rng = first.n_candidates, np.random.default_rng(17)
    trades = TradeVariables(cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True))
    bound = term.bind(trades, first)
    wrong = False
    for _ in range(5):
        net = rng.uniform(-1.0, 1.0, n)
        trades.buy.value, trades.sell.value = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        scale = rng.uniform(1.0, 100.0, n)
        x = scale * net
        bound.update(second, scale)
        if bound.expression.value is None:  # variables of its own, built from the instruments
            wrong = True
            break
        wrong |= bool(abs(bound.expression.value - bound.evaluate(second, x)) > 1e-6 * bound.size(second, x))
    assert not (term.by_candidate and wrong)
    assert term.by_candidate or wrong, "it may say that it is by_candidate: backtests are faster then"


@pytest.mark.parametrize("kind", list(TERMS))
def test_term_by_a_second_rule_is_the_same_number(kind: str, exposures: Exposures) -> None:
    term, e = example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    x = _random_trades(e, program, np.random.default_rng(18))
    value = bound.evaluate(e, x)
    plain, parts = term.plain(e, x), term.plain_parts(e, x)
    assert plain is None or plain <= value * (1 + 1e-9)  # an encoding asks for no less
    assert parts is None or np.sum(parts) == pytest.approx(value, rel=1e-9)
    of = term.requirement_of
    assert of is None or (isinstance(of, RequirementOf) and plain is not None)


@pytest.mark.parametrize("kind", list(TERMS))
def test_a_program_may_ask_every_hook(kind: str, exposures: Exposures) -> None:
    term, e = example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    x = _random_trades(e, program, np.random.default_rng(19))
    assert isinstance(bound.refine(e, x, program.scale), bool)
    assert isinstance(bound.anchor(e, x), bool)
    assert bound.domain(e).shape == (e.n_candidates,)
    assert bound.jumping(e) <= set(range(len(e.accounts)))
    assert all(isinstance(row, cp.constraints.constraint.Constraint) for row in bound.auxiliary)
    assert bound.forget(tight=True) is None
    program.update(e, trade_box(program.policy, e))
    assert bound.evaluate(e, x) <= bound.size(e, x)
