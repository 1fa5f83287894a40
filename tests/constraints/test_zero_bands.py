"""Feasibility is judged by the size of what is summed: zero bands can be met, and no limit gets looser for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import hedgeopt as ho
from hedgeopt.constraints.constraint import Side
from hedgeopt.exposures.expose import expose
from hedgeopt.program.box import trade_box
from hedgeopt.program.certificate import allowance, certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program
from hedgeopt.program.solve import propose

_spec = importlib.util.spec_from_file_location("constraints_conftest", Path(__file__).with_name("conftest.py"))
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy = _support.account, _support.policy

# a solver may say that it stopped early; the certificate judges
pytestmark = pytest.mark.filterwarnings("ignore:The tail solver stopped", "ignore:Bound not proven")

EPS = float(np.finfo(float).eps)


def spread_over(coin: str, quantities: tuple[float, float, float]) -> ho.Book:
    """Two linear perpetuals and one inverse one in the same coin, each at its venue, with cash."""
    one, two, dollars = quantities
    return ho.Book(
        accounts=[
            account("bn", "binance", 1e9, [(f"{coin}-binance", one)]),
            account("hl", "hyperliquid", 1e9, [(f"{coin}-hyperliquid", two)]),
            account("db", "deribit", 1e9, [(f"{coin}-PERPETUAL", dollars)]),
        ]
    )


def test_what_cancels_but_for_rounding_meets_a_zero_band_that_nothing_can_move(venues_market: ho.Market) -> None:
    """0.1 + 0.2 - 0.3 ETH is 5.6e-17, and only BTC may be traded."""
    for many in (1.0, 1e3, 1e6):
        book = spread_over("ETH", (0.1 * many, 0.2 * many, -0.3 * many * 2_500.0))
        rules = policy(ho.Delta("ETH").within(0, 0), names=("BTC-*",))
        answer = ho.solve(book, venues_market, rules)
        assert answer.proposal.certificate.valid
        assert not answer.x.any()


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(*(st.floats(-1e4, 1e4).filter(lambda q: q == 0 or abs(q) > 1e-3) for _ in range(3))),
    st.sampled_from([("within",), ("two limits",), ("==",)]),
    st.floats(-50.0, 50.0).filter(lambda at: at == 0 or abs(at) > 1e-6),
)
def test_bands_without_width_are_met_at_the_cost_of_a_linear_program(
    venues_market: ho.Market, quantities: tuple[float, float, float], how: tuple[str], at: float
) -> None:
    one, two, three = quantities
    book = spread_over("BTC", (one, two, three * 1_000.0))
    term = ho.Delta("BTC")
    limits = {"within": [term.within(at, at)], "two limits": [term >= at, term <= at], "==": [term == at]}[how[0]]
    rules = policy(*limits, ho.Delta("ETH") == 0, max_order_notional=1e12)
    e = expose(book, venues_market, rules)
    solution = solve_program(Program(rules, e), e)
    assert solution.certificate.valid
    box = trade_box(rules, e)
    slope, column = e.trade_greeks[0], e.asset("BTC")
    held = float(e.rows.quantity @ e.rows.greeks[0, :, column])
    found = linprog(
        np.concatenate([e.cost_buy, e.cost_sell]),
        A_eq=np.hstack([slope.T, -slope.T])[[column, e.asset("ETH")]],
        b_eq=[at - held, 0.0],
        bounds=[(0, most) for most in (*box.upper, *-box.lower)],  # no position may outgrow its leverage
        method="highs",
    )
    assert found.status == 0
    assert solution.certificate.objective == pytest.approx(found.fun, rel=1e-5, abs=1e-3)
    summed = np.abs(e.rows.quantity) @ np.abs(e.rows.greeks[0, :, column]) + np.abs(slope[:, column]) @ np.abs(
        solution.trades
    )
    off = abs(held + slope[:, column] @ solution.trades - at)
    assert off <= 1e-9 * abs(at) + 16 * EPS * summed


def test_a_millionth_of_the_limit_is_still_a_breach(venues_market: ho.Market) -> None:
    book = spread_over("BTC", (1e2, -1e2, 0.0))  # much cancels: 200 BTC are summed up
    for limit in (1e-3, 1.0, 100.0):
        rules = policy(ho.Delta("BTC") <= limit, max_order_notional=1e12)
        e = expose(book, venues_market, rules)
        program, box = Program(rules, e), trade_box(rules, e)
        program.update(e, box)
        to = next(i for i, row in enumerate(e.candidate) if e.rows.instruments[row].name == "BTC-hyperliquid")
        x = np.zeros(e.n_candidates)
        x[to] = limit
        assert certify(program, e, box, x, {})[0].feasible
        for excess, holds in ((1e-6, False), (1e-7, False), (1e-13, True)):
            x[to] = limit * (1.0 + excess)
            assert certify(program, e, box, x, {})[0].feasible == holds, (limit, excess)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e9])
@pytest.mark.parametrize("limit", [0.0, 1e-3, 5.0, -2e6])
def test_what_a_side_may_be_off_by(limit: float, size: float) -> None:
    """A billionth of the limit, and eight eps of what is summed; less than an eps of that no sum of doubles can promise."""
    room = allowance(Side("s", "u", limit, limit, 1, 0.0, size))
    assert room <= 1e-9 * abs(limit) + 8.01 * EPS * max(size, abs(limit))
    assert room >= 1e-9 * abs(limit) + EPS * size
    if size <= 1e3 and limit:
        assert room < 1e-6 * abs(limit)


def test_a_band_that_cannot_be_met_is_named_and_two_limits_on_one_term_are_two(venues_market: ho.Market) -> None:
    book = spread_over("BTC", (10.0, 5.0, 0.0))
    tight = policy(ho.Delta("BTC") == 0, max_order_notional=80_000.0)  # three orders of one coin each
    with pytest.raises(ho.InfeasibleError) as caught:
        propose(book, venues_market, tight)
    ((name, (value, limit, _)),) = caught.value.violations.items()
    assert (name, limit) == ("delta BTC upper", 0.0)
    assert value == pytest.approx(12.0, rel=1e-6)
    both = policy(ho.Delta("BTC") <= 1.0, ho.Delta("BTC") <= 2.0, ho.Delta("BTC") >= 3.0)
    with pytest.raises(ho.InfeasibleError) as caught:
        propose(book, venues_market, both)
    sides = Program(both, e := expose(book, venues_market, both)).sides(e, np.zeros(e.n_candidates))
    assert len({side.name for side in sides}) == 3
    assert len(caught.value.violations) >= 1


def test_a_variance_limit_of_nothing_is_met_by_a_flat_book(venues_market: ho.Market) -> None:
    """Everything can be sold, and then the variance is that of rounding."""
    book = spread_over("BTC", (10.0, -10.0, 0.0))
    rules = policy(ho.Delta("BTC") == 0, ho.Delta("ETH") == 0, ho.Variance() <= 1.0)
    assert rules.propose(book, venues_market).certificate.valid


@pytest.mark.parametrize(("side", "moved_to"), [("upper", -0.5), ("lower", 0.5)])
def test_tightening_a_band_without_width_moves_it_and_never_closes_it(
    venues_market: ho.Market, side: str, moved_to: float
) -> None:
    rules = policy(ho.Delta("BTC") == 0)
    e = expose(spread_over("BTC", (10.0, 5.0, 0.0)), venues_market, rules)
    program = Program(rules, e)
    program.update(e, trade_box(rules, e), {f"delta BTC {side}": 0.5})
    program.problem.solve(method="tail")
    after = float(e.rows.quantity @ e.rows.greeks[0, :, e.asset("BTC")] + e.trade_greeks[0, :, e.asset("BTC")] @ program.x())
    assert after == pytest.approx(moved_to, abs=1e-6)
