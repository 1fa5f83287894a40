"""Every registered term answers everything that the code may ask of one.

A new term is tested here without a line of its own, unless it has settings without a default (examples.py).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.policies.columns import Columns, restricted
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import RequirementOf, Term
from hedgeopt.models.terms import TERMS
from hedgeopt.program.box import trade_box
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program
from hedgeopt.tail.atom import CVaRAtom

from .examples import term_example


def bound_in_a_program(term: Term, e: Exposures) -> tuple[Program, BoundTerm]:
    policy = ho.Policy(minimize=ho.TransactionCost() + term, lots="ideal")
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
    term, e = term_example(kind), exposures
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
    term, e = term_example(kind), exposures
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
    term, e = term_example(kind), exposures
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
    term = term_example(kind)
    policy = ho.Policy(minimize=ho.TransactionCost(), subject_to=[term <= 1e12], lots="ideal")
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
    term = term_example(kind)
    assert pickle.loads(pickle.dumps(term)) == term
    assert TERMS[kind].model_validate_json(term.model_dump_json()) == term
    fields = TERMS[kind].model_fields.items()
    assert all(field.description or name in ("kind", "venue", "requirement") for name, field in fields)


@pytest.mark.parametrize("kind", list(TERMS))
def test_what_a_term_declares_is_what_its_bound_form_is(kind: str, exposures: Exposures) -> None:
    term, e = term_example(kind), exposures
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
    term, e = term_example(kind), exposures
    program, bound = bound_in_a_program(term, e)
    x = _random_trades(e, program, np.random.default_rng(15))
    harsher = replace(
        e,
        stress_pnl=2.0 * e.stress_pnl,
        stress_account_pnl=2.0 * e.stress_account_pnl,
    )
    assert term.reads_stress == (bound.evaluate(harsher, x) != bound.evaluate(e, x))


@pytest.mark.parametrize("kind", [kind for kind in TERMS if term_example(kind).by_candidate])
def test_a_term_by_candidate_serves_whatever_there_is_to_trade(kind: str, exposures: Exposures, later: Exposures) -> None:
    """A program that backtests keep must be right for other candidates, rows, positions, instruments and expiries."""
    found = list(misfits(term_example(kind), exposures, later))
    assert not found, f"{kind} must not say that it is by_candidate: {', '.join(found)}"


def misfits(term: Term, exposures: Exposures, later: Exposures) -> Iterator[str]:
    """Where a program of the term, compiled for some exposures, is another function than the term, or none at all."""
    rng = np.random.default_rng(16)
    n = min(exposures.n_candidates, later.n_candidates) // 2
    assert len(exposures.rows) > len(later.rows)
    assert exposures.assets == later.assets  # of which a program may be built, as of accounts and scenarios
    now, other, then = (
        restricted(e, np.sort(part[k : k + n]))
        for e, part, k in (
            (exposures, rng.permutation(exposures.n_candidates), 0),
            (exposures, np.random.default_rng(17).permutation(exposures.n_candidates), n),
            (later, rng.permutation(later.n_candidates), 0),
        )
    )
    cases = {"other candidates": (now, other), "fewer rows": (now, then), "more rows": (then, now)}
    for words, (first, second) in cases.items():
        trades = TradeVariables(cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True))
        bound = term.bind(trades, first)
        bound.update(first, np.ones(n))
        for _ in range(5):
            net, scale = rng.uniform(-1.0, 1.0, n), rng.uniform(1.0, 100.0, n)
            trades.buy.value, trades.sell.value = np.maximum(net, 0.0), np.maximum(-net, 0.0)
            try:
                bound.update(second, scale)
            except (ValueError, IndexError) as error:  # arrays of another length
                yield f"{words}: {error}"
                break
            odd = [par for par in parameters(bound) if par.value is not None and np.shape(par.value) != par.shape]
            if odd:  # numpy may multiply them, a compiled program breaks
                yield f"{words}: {np.shape(odd[0].value)} into a parameter of {odd[0].shape}"
                break
            value = bound.expression.value
            told, size = bound.evaluate(second, scale * net), bound.size(second, scale * net)
            if value is None or abs(value - told) > 1e-6 * size:  # None: variables of its own, built from the instruments
                yield f"{words}: {value} for {told}"
                break


@pytest.mark.parametrize("kind", [kind for kind in TERMS if term_example(kind).by_candidate])
def test_a_backtest_keeps_the_program_of_a_term(kind: str, exposures: Exposures, later: Exposures) -> None:
    """One program for one moment and another, with other rows; each answer that of a program of its own."""
    band = ho.Delta("BTC").within(-1, 1)
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 1e-6 * term_example(kind),
        subject_to=[band, term_example(kind) <= 1e12],
        lots="ideal",
    )
    columns = Columns(policy, slots=10)
    assert columns.fits
    for e in (exposures, later, exposures):
        found, whole = columns.solve(e), solve_program(Program(policy, e), e)
        assert found is not None
        assert found.certificate.valid
        assert found.certificate.objective == pytest.approx(whole.certificate.objective, rel=1e-5, abs=1e-3)
    assert columns.compiled == 1


def parameters(bound: BoundTerm) -> list[Any]:
    return [*bound.expression.parameters(), *(par for row in bound.auxiliary for par in row.parameters())]


class _BoundVegaNorm(BoundTerm):
    """A matrix over the rows: right for these rows alone."""

    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        self._slope, self._held = cp.Parameter((len(e.rows), e.n_candidates)), cp.Parameter(len(e.rows))
        self.expression = cp.norm(self._slope @ trades.net + self._held, 2)

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        of = e.rows.greeks[greek("vega"), :, 0]
        slope = np.zeros((len(e.rows), e.n_candidates))
        slope[e.candidate, np.arange(e.n_candidates)] = of[e.candidate] * scale
        put(self._slope, slope)
        put(self._held, of * e.rows.quantity)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        return float(np.linalg.norm(e.rows.greeks[greek("vega"), :, 0] * e.positions(x)))

    def size(self, e: Exposures, x: np.ndarray) -> float:
        return self.evaluate(e, x)

    def minorant(self, e: Exposures, x: np.ndarray, tails: Any) -> Separable:
        return Separable(np.zeros(len(x)))


class _VegaNorm(Term):
    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundVegaNorm:
        return _BoundVegaNorm(trades, e)


def test_a_term_built_from_rows_is_found_out(exposures: Exposures, later: Exposures) -> None:
    told = list(misfits(_VegaNorm(), exposures, later))
    assert [words.split(":")[0] for words in told] == ["fewer rows", "more rows"]
    assert not any(term.by_candidate for term in (_VegaNorm(), term_example("margin")))
    assert list(misfits(term_example("margin"), exposures, later))


@pytest.mark.parametrize("kind", list(TERMS))
def test_term_by_a_second_rule_is_the_same_number(kind: str, exposures: Exposures) -> None:
    term, e = term_example(kind), exposures
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
    term, e = term_example(kind), exposures
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
