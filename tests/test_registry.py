"""Whatever is registered keeps its promises: DPP, documented unit and source, named dual, equal to plain numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm
from hedgeopt.models.margin.rules import MODELS, margin_model
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.families import FAMILIES, natures
from hedgeopt.models.term import Term
from hedgeopt.models.terms import TERMS
from hedgeopt.program.box import trade_box
from hedgeopt.program.program import Program

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


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


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
    policy = ho.Policy(minimize=ho.TransactionCost() + term)
    program = Program(policy, e)
    program.update(e, trade_box(policy, e))
    bound = next(b for t, b in program._bound.items() if t == term)
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
    policy = ho.Policy(minimize=ho.TransactionCost() + term)
    program = Program(policy, e)
    program.update(e, trade_box(policy, e))
    bound = next(b for t, b in program._bound.items() if t == term)
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
    policy = ho.Policy(minimize=ho.TransactionCost() + term)
    program = Program(policy, e)
    program.update(e, trade_box(policy, e))
    bound = next(b for t, b in program._bound.items() if t == term)
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


@pytest.mark.parametrize("kind", [kind for kind, spec in CONSTRAINTS.items() if issubclass(spec, BoxConstraint)])
def test_size_limit_boxes_allow_standing_still_and_are_documented(kind: str, exposures: Exposures) -> None:
    settings: dict[str, dict[str, Any]] = {
        "order_limit": {"notional": 1e6},
        "position_limit": {"notional": 2e6},
        "participation": {"share": 0.05},
    }
    spec = CONSTRAINTS[kind](**settings.get(kind, {}))
    assert spec.unit
    assert spec.source
    lower, upper = spec.box(exposures)
    assert lower.shape == upper.shape == (exposures.n_candidates,)
    assert (lower <= 0).all()
    assert (upper >= 0).all()
    assert not np.isnan(lower + upper).any()


def test_tables_are_keyed_by_kind() -> None:
    for table in (TERMS, CONSTRAINTS):
        for kind, spec in table.items():
            assert spec.model_fields["kind"].default == kind
    for kind, family in FAMILIES.items():
        assert family.kind == kind
        assert family.instrument.model_fields["kind"].default == kind


def _state(kind: str, venue: str = "deribit") -> State:
    """One instrument of a family on BTC, with every number that a margin rule may ask for."""
    one, nature = np.ones(1), natures()[kind]
    spot = 80_000.0
    mark = 0.05 if nature.option else spot
    return State(
        venue=venue,
        account="main",
        names=(kind,),
        nature=(nature,),
        underlying=("BTC",),
        settlement=("BTC" if nature.option else "USDC",),
        inverse=np.array([nature.option]),
        index=spot * one,
        settlement_price=(spot if nature.option else 1.0) * one,
        mark=mark * one,
        value=np.array([{"margined": 0.0, "premium": mark * spot, "owned": spot, "owed": -spot}[nature.paid]]),
        forward=spot * one,
        strike=spot * one,
        years=0.1 * one,
        vol=0.6 * one,
        is_call=np.array([True]),
        open_interest=1_000.0 * one,
        assets=("BTC", "USDC"),
        prices=np.array([spot, 1.0]),
        ltv=0.7 * one if nature.loan == "deposit" else np.zeros(1),
        threshold=0.8 * one if nature.loan == "deposit" else np.zeros(1),
        bonus=np.zeros(1),
    )


def _said(call: Callable[[], Any]) -> Any:
    """What a call returns, or the words of its refusal; any other error is one."""
    try:
        return call()
    except ho.InputError as error:
        return str(error)


@pytest.fixture
def rule(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param != "table":
        return margin_model(request.param, "deribit")
    path = tmp_path / "venue.toml"
    grid = "moves = [-0.2, 0.0, 0.2]\nvols = [0.0, 0.3]\npower = 0.0\nfutures_rate = 0.0\nshort_option_rate = 0.0\n"
    grid += "initial_factor = 1.2\nmaintenance_factor = 1.0\n"
    path.write_text(f'[margin]\ntype = "grid"\n{grid}')
    return margin_model(f"table:{path}", "deribit")


@pytest.mark.parametrize("rule", list(MODELS), indirect=True)
@pytest.mark.parametrize("kind", list(FAMILIES))
def test_every_margin_rule_charges_a_family_or_refuses_it_by_name(kind: str, rule: Any) -> None:
    """Never a bare KeyError; and less than nothing of it never needs nothing."""
    state, nature = _state(kind), natures()[kind]
    assert rule.name
    assert rule.source
    for share in ("initial", "maintenance"):
        assert rule.haircut(state, share).shape == (2,)
    assert isinstance(rule.reads(state, np.array([1.0, 1.0])), tuple)
    charged = {}
    for quantity in (1.0, -1.0):
        said = _said(lambda q=quantity: rule.requirement(state, np.array([q]), np.zeros(2)))
        if isinstance(said, str):
            assert kind in said
        else:
            charged[quantity] = said.initial
    assert rule.may_be_short(nature) or -1.0 not in charged or kind == "lending_borrow"
    if nature.derivative and charged:
        assert charged.get(-1.0, 1.0) > 0.0
        assert not nature.margined or charged[1.0] > 0.0
    encoding = _said(lambda: rule.encode(state, "initial"))
    if isinstance(encoding, str):
        assert kind in encoding
        return
    for quantity, need in charged.items():
        if nature.loan == "none":  # the rule of loans weighs them against equity, by the encoding's own convention
            held = np.array([quantity])
            assert encoding.at(held)(held, np.zeros(2)) >= need * (1.0 - 1e-9)  # exact at its anchor


@pytest.mark.parametrize("kind", [kind for kind, nature in natures().items() if nature.quoted])
def test_every_quoted_family_has_a_fee_where_it_may_be_margined(kind: str) -> None:
    from hedgeopt.models.costs.quotes import fee_parameters
    from hedgeopt.models.data import table

    item = type("Item", (), {"nature": natures()[kind]})()
    for parameter in fee_parameters(item):
        assert parameter.split(".")[1] in table("deribit")["fees"]


@pytest.mark.parametrize("kind", list(CONSTRAINTS))
def test_every_constraint_is_documented_and_named(kind: str) -> None:
    spec = CONSTRAINTS[kind]
    assert (spec.__doc__ or "").strip()
    assert spec.source
    assert all(
        field.description or name in ("kind", "requirement", "term", "only") for name, field in spec.model_fields.items()
    )
