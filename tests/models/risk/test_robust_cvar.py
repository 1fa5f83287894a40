"""The worst CVaR around a sample: closed forms, independent evaluations, certificates, and a radius that keeps promises."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.models.risk.promise import radius_for, tail_promise, worst_tilt
from hedgeopt.models.risk.robust_cvar import transport_unit
from hedgeopt.program.solve import solve
from hedgeopt.verify.measures import measure


@pytest.fixture(scope="module")
def inputs() -> Any:
    import io

    files = ho.example_files()
    book = ho.read_book(io.StringIO(files["book.json"]))
    market = ho.read_market(io.StringIO(files["market.csv"]))
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.1 * ho.CVaR(0.95),
        subject_to=[ho.Delta("BTC").within(-5, 5)],
        scenarios=ho.ParametricScenarios(count=300, seed=1),
        lots="ideal",
    )
    return book, market, policy


@pytest.fixture(scope="module")
def e(inputs: Any) -> Any:
    return expose(*inputs)


def bound(term: Any, e: Any, inputs: Any) -> Any:
    from hedgeopt.program.box import trade_box
    from hedgeopt.program.program import Program

    policy = ho.Policy(minimize=ho.TransactionCost() + term, scenarios=inputs[2].scenarios, lots="ideal")
    program = Program(policy, e)
    program.update(e, trade_box(policy, e))
    return dict(program.bound_terms())[term]


def test_it_is_cvar_at_radius_nought_and_never_less(e: Any, inputs: Any) -> None:
    rng = np.random.default_rng(0)
    plain = bound(ho.CVaR(0.95), e, inputs)
    same = bound(ho.RobustCVaR(0.95, 0.0), e, inputs)
    some, more = (bound(ho.RobustCVaR(0.95, radius), e, inputs) for radius in (0.01, 0.02))
    for _ in range(20):
        x = rng.normal(0.0, 3.0, e.n_candidates)
        assert same.evaluate(e, x) == pytest.approx(plain.evaluate(e, x), rel=1e-12)
        assert plain.evaluate(e, x) < some.evaluate(e, x) < more.evaluate(e, x)


def test_it_is_convex_and_its_minorant_never_above_it(e: Any, inputs: Any) -> None:
    rng = np.random.default_rng(1)
    one = bound(ho.RobustCVaR(0.95, 0.02, price_radius=5.0), e, inputs)
    for _ in range(20):
        x, y = rng.normal(0.0, 3.0, (2, e.n_candidates))
        middle = one.evaluate(e, 0.5 * (x + y))
        assert middle <= 0.5 * (one.evaluate(e, x) + one.evaluate(e, y)) * (1 + 1e-12)
        below = one.minorant(e, x, {})
        assert below(x) == pytest.approx(one.evaluate(e, x), rel=1e-9)
        assert below(y) <= one.evaluate(e, y) * (1 + 1e-9)


def test_the_worst_distribution_is_reached(e: Any) -> None:
    """Moving every instrument of the tail against its position by ``radius / (1 - beta)`` units costs exactly what is added,
    and is a carriage of the sample of mean ``radius``."""
    x = np.random.default_rng(2).normal(0.0, 2.0, e.n_candidates)
    beta, radius, count = 0.95, 0.02, len(e.base_pnl)
    losses = -(e.base_pnl + e.pnl @ x)
    tail = np.argsort(-losses)[: round((1 - beta) * count)]
    unit = transport_unit(e, 1.0, 0.0)  # USD per vol point of each row
    moved = losses.copy()
    moved[tail] += radius / (1 - beta) * float(unit @ np.abs(e.positions(x)))
    assert len(tail) / count * radius / (1 - beta) == pytest.approx(radius)
    told = measure(ho.RobustCVaR(beta, radius).model_dump(), e, x, ())
    assert tail_loss(moved, beta) == pytest.approx(told.value, rel=1e-12)


def test_the_program_is_certified_and_verified_and_trades_less(inputs: Any, tmp_path: Any) -> None:
    from hedgeopt.verify import verify

    book, market, policy = inputs
    sizes, values = [], []
    for radius in (0.0, 0.02, 1.0):
        term = ho.RobustCVaR(0.95, radius)
        rules = policy.model_copy(update={"minimize": (ho.TransactionCost() + 0.1 * term).parts})
        solved = solve(book, market, rules)
        assert solved.solution.certificate.valid
        assert solved.proposal.proof["tails"][0]["term"]["kind"] == "robust_cvar"
        told = measure(term.model_dump(mode="json"), solved.exposures, solved.x, ())
        assert told.value == pytest.approx(dict(solved.program.bound_terms())[term].evaluate(solved.exposures, solved.x))
        vega = transport_unit(solved.exposures, 1.0, 0.0)
        sizes.append(float(vega @ np.abs(solved.exposures.positions(solved.x))))
        values.append(solved.solution.certificate.objective)
        path = tmp_path / f"{radius}.json"
        path.write_text(solved.proposal.to_json())
        assert verify(path, book, market, rules).valid
    assert sizes[2] < sizes[1] < sizes[0] * (1 + 1e-9)
    assert values[0] < values[1] < values[2]


def test_a_limit_on_it_holds(inputs: Any) -> None:
    book, market, policy = inputs
    e = expose(*inputs)
    today = measure(ho.RobustCVaR(0.95, 0.02).model_dump(mode="json"), e, np.zeros(e.n_candidates), ()).value
    rules = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.RobustCVaR(0.95, 0.02) <= 0.7 * today],
        scenarios=policy.scenarios,
        lots="ideal",
    )
    solved = solve(book, market, rules)
    assert solved.solution.certificate.valid
    value = measure(ho.RobustCVaR(0.95, 0.02).model_dump(mode="json"), e, solved.x, ()).value
    assert value <= 0.7 * today * (1 + 1e-9)


@given(
    st.integers(0, 10_000), st.integers(5, 40), st.sampled_from([0.0, 0.5, 0.8, 0.95]), st.floats(1e-4, 2.0), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_worst_tilts_are_between_any_tilt_and_any_dual(
    seed: int, count: int, beta: float, radius: float, even: bool
) -> None:
    """Feasible, so never above the worst; and equal to ``min over a, l of a + (l r + l ln E exp((L-a)+/l)) / (1-b)``."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    losses = rng.standard_t(3, count) * 10.0 ** rng.integers(-2, 5)
    p = np.full(count, 1.0 / count) if even else rng.dirichlet(np.ones(count))
    found = worst_tilt(losses, beta, radius, p)
    q, scale = found.probabilities, float(np.ptp(losses))
    assert q.min() >= 0.0
    assert q.sum() == pytest.approx(1.0)
    assert found.relative_entropy <= radius * (1 + 1e-9)
    assert tail_loss(losses, beta, p) - 1e-9 * scale <= found.value <= losses.max() + 1e-9 * scale

    def dual(at: np.ndarray) -> float:
        a, lam = at[0] * scale, np.exp(np.clip(at[1], -25.0, 25.0)) * scale
        over = np.maximum(losses - a, 0.0) / lam
        top = over.max()
        return float(a + lam * (radius + top + np.log(p @ np.exp(over - top))) / (1 - beta))

    best = min(
        minimize(
            dual, [a / scale, lam], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4_000}
        ).fun
        for a in np.quantile(losses, [0.1, 0.6, 0.95])
        for lam in (-2.0, 0.5)
    )
    assert found.value <= best + 1e-7 * scale
    assert found.value >= best - 1e-3 * scale


def test_a_worst_tilt_is_the_optimum_of_a_cone_program() -> None:
    losses, beta, radius = np.random.default_rng(4).normal(0.0, 1.0, 60), 0.9, 0.05
    q, w = cp.Variable(60, nonneg=True), cp.Variable(60, nonneg=True)
    rows = [cp.sum(q) == 1, cp.sum(w) == 1, (1 - beta) * w <= q, cp.sum(cp.rel_entr(q, 1 / 60)) <= radius]
    problem = cp.Problem(cp.Maximize(losses @ w), rows)
    problem.solve(solver="CLARABEL")
    assert worst_tilt(losses, beta, radius).value == pytest.approx(problem.value, rel=1e-6)


def test_promises_have_a_stress_floor(e: Any) -> None:
    plain = tail_promise(e, beta=0.95, stress_share=0.0)
    assert plain.robust == plain.cvar == plain.tilted == plain.value
    full = tail_promise(e, beta=0.95, radius=0.02, entropy=0.1)
    assert full.robust > plain.cvar
    assert full.tilted > plain.cvar
    worst = max(-(float(np.sum(e.stress_gain(k)[0]))) for k in range(len(e.stress)))
    assert full.stress == pytest.approx(worst)
    assert full.value == max(full.robust, full.tilted, full.stress)
    with pytest.raises(InputError, match="between 0 and 1"):
        tail_promise(e, stress_share=2.0)


def test_the_radius_keeps_promises_out_of_sample() -> None:
    """A model that is wrong by a third: promises with the radius of one record are kept on the next one."""
    rng = np.random.default_rng(5)
    kept = []
    for _ in range(400):
        exposed = rng.uniform(50.0, 150.0, 300)
        losses = 1.5 * exposed * rng.standard_t(4, 300)
        promised = exposed * 1.5  # far below the true 95 % quantile
        radius = radius_for(losses[:199], promised[:199], exposed[:199], 0.95)
        kept.append(np.mean(losses[199:] <= promised[199:] + radius * exposed[199:] / 0.05))
    error = np.std(kept) / np.sqrt(len(kept))
    assert 0.95 - 3 * error <= np.mean(kept) <= 0.95 + 1 / 200 + 3 * error


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: radius_for(np.ones(50), np.ones(50), np.ones(50), 0.99), "99 are needed"),
        (lambda: radius_for(np.ones(5), np.ones(4), np.ones(5), 0.5), "one length"),
        (lambda: radius_for(np.ones(5), np.ones(5), np.zeros(5), 0.5), "above 0"),
        (lambda: worst_tilt(np.array([np.nan]), 0.9, 0.1), "finite"),
        (lambda: worst_tilt(np.ones(3), 1.0, 0.1), "below 1"),
        (lambda: worst_tilt(np.ones(3), 0.9, -0.1), "0 or more"),
        (lambda: ho.RobustCVaR(0.99, -1.0), "radius"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(call: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_scope_counts_only_the_accounts_named(inputs: Any) -> None:
    book, market, policy = inputs
    first = book.accounts[0]
    two = book.model_copy(update={"accounts": (first, first.model_copy(update={"name": "other", "positions": ()}))})
    e = expose(two, market, policy)
    x = np.zeros(e.n_candidates)
    whole, part, none = (
        measure(ho.RobustCVaR(0.95, 0.02, of=of).model_dump(mode="json"), e, x, ()) for of in ((), (first.name,), ("other",))
    )
    assert part.name.endswith(f"of {first.name}")
    plain = measure(ho.CVaR(0.95).model_dump(mode="json"), e, x, ()).value
    inner = measure(ho.CVaR(0.95, of=(first.name,)).model_dump(mode="json"), e, x, ()).value
    assert part.value - inner == pytest.approx(whole.value - plain)  # the other account has no option
    assert none.value == pytest.approx(measure(ho.CVaR(0.95, of=("other",)).model_dump(mode="json"), e, x, ()).value)
