"""What scenario events do to P&L, tradability and the cost of leaving, as the program sees them."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pricing.perpetual import PERPETUAL
from hedgeopt.models.scenarios.describe import describe
from hedgeopt.models.scenarios.option_moves import option_moves
from hedgeopt.models.scenarios.set import ScenarioSet, vol_term_weight
from hedgeopt.program.box import trade_box
from hedgeopt.program.program import Program
from hedgeopt.reports.scenarios import (
    correlation_table,
    describe_table,
    extra_lines,
    list_generators,
    list_sets,
    sample_table,
)
from hedgeopt.reports.scenarios import stress_sources as sources

FALL = {"spot": {"*": -0.2}, "vol": {"*": 1.5}}
STRESS = {
    "names": [],
    "scenarios": [
        {"name": "plain", **FALL},
        {"name": "lost", **FALL, "events": [{"kind": "venue_pause", "venue": "deribit", "recovery": 0.4}]},
        {"name": "halted", **FALL, "events": [{"kind": "venue_pause", "venue": "deribit"}]},
        {"name": "stale", **FALL, "events": [{"kind": "oracle_fault", "venue": "deribit", "asset": "BTC", "stale": True}]},
        {"name": "dry", **FALL, "liquidity": {"spread": 8}},
    ],
}


def policy(**data) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        **{"scenarios": ho.ParametricScenarios(count=50), "stress": STRESS, **data},
        lots="ideal",
    )


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    return expose(toy_book, toy_market, policy())


def at(e: Exposures, name: str) -> int:
    return e.stress.index(name)


def test_a_venue_that_pays_out_a_share_takes_the_rest_of_equity(exposures: Exposures) -> None:
    e = exposures
    after = e.equity.sum() + e.stress_base[at(e, "plain")]
    assert e.stress_base[at(e, "lost")] == pytest.approx(0.4 * after - e.equity.sum())
    np.testing.assert_allclose(e.stress_pnl[at(e, "lost")], 0.4 * e.stress_pnl[at(e, "plain")])
    assert e.stress_base[at(e, "halted")] == pytest.approx(e.stress_base[at(e, "plain")])


def test_a_stale_oracle_settles_btc_at_the_old_price_and_eth_at_the_new(exposures: Exposures) -> None:
    e = exposures
    for n, row in enumerate(e.candidate):
        item = e.rows.instruments[row]
        if item.kind != "option" and item.underlying == "BTC":
            assert e.stress_pnl[at(e, "stale"), n] == pytest.approx(0, abs=1e-9)
        if item.underlying == "ETH":
            assert e.stress_pnl[at(e, "stale"), n] == pytest.approx(e.stress_pnl[at(e, "plain"), n])


def test_leaving_costs_the_half_spread_times_the_multiplier_and_nothing_while_halted(exposures: Exposures) -> None:
    e = exposures
    assert e.stress_unwind_sell is not None
    assert e.stress_unwind_buy is not None
    plain, dry, halted = (at(e, name) for name in ("plain", "dry", "halted"))
    quoted = np.isfinite(e.cost_sell) & (e.lower < 0)
    rows = e.candidate[quoted]
    spread, fee = e.cost_sell[quoted] - e.fee[quoted], e.fee[quoted]
    np.testing.assert_allclose(e.stress_unwind_sell[plain, rows], spread + fee)
    np.testing.assert_allclose(e.stress_unwind_sell[dry, rows], 8 * spread + fee)
    assert (e.stress_unwind_sell[halted] == 0).all()
    assert (e.stress_unwind_buy[halted] == 0).all()


def test_stress_loss_with_unwind_is_convex_exact_and_bounded_by_its_minorant(exposures: Exposures) -> None:
    e = exposures
    term = ho.StressLoss("dry", include_unwind=True)
    asked = ho.Policy(minimize=ho.TransactionCost(), subject_to=[term <= 1e12], stress=STRESS, lots="ideal")
    program = Program(asked, e)
    box = trade_box(asked, e)
    program.update(e, box)
    bound = program._bound[term]
    assert bound.expression.is_dpp()
    assert bound.expression.is_convex()
    assert not term.affine
    rng = np.random.default_rng(3)
    k = at(e, "dry")
    points = [rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < 0.3) for _ in range(4)]
    for x in points:
        net = x / program.scale
        program.variables.buy.value, program.variables.sell.value = np.maximum(net, 0), np.maximum(-net, 0)
        z = e.positions(x)
        # row by row: a long is sold, a short bought back
        leaving = sum(
            z[row] * e.stress_unwind_sell[k, row] if z[row] > 0 else -z[row] * e.stress_unwind_buy[k, row]
            for row in range(len(z))
        )
        expected = -(e.stress_base[k] + e.stress_pnl[k] @ x) + leaving
        assert bound.evaluate(e, x) == pytest.approx(expected)
        assert bound.expression.value == pytest.approx(expected)
        minorant = bound.minorant(e, x, {})
        for y in points:
            assert minorant(y) == pytest.approx(bound.evaluate(e, y))
    with pytest.raises(ValueError, match="a lower limit would not be"):
        _ = term >= 0


def test_a_halted_venue_closes_every_box_and_says_so(toy_book: ho.Book, toy_market: ho.Market, exposures: Exposures) -> None:
    e = expose(toy_book, toy_market, policy(candidates={"paused_venues": ["deribit"]}))
    assert (e.lower == 0).all()
    assert (e.upper == 0).all()
    assert "deribit is halted: nothing trades there" in e.notes
    assert e.structure() == exposures.structure()  # a compiled program keeps serving


def test_views_reach_the_program_as_probabilities(toy_book: ho.Book, toy_market: ho.Market) -> None:
    views = [{"kind": "mean", "asset": "BTC", "value": -0.01}]
    e = expose(toy_book, toy_market, policy(scenarios={"kind": "regime", "count": 400, "views": views, "min_effective": 10}))
    assert e.probabilities is not None
    assert e.probabilities.sum() == pytest.approx(1)
    assert any("effective number" in note for note in e.notes)


def test_policy_with_scenario_data_survives_toml(tmp_path) -> None:
    text = policy(
        scenarios={
            "kind": "regime",
            "pegs": [{"asset": "USDE", "break_probability": 0.01}],
            "cascade": {"asset": "ETH", "loans": [{"collateral": 10, "debt": 1e4, "threshold": 0.8}], "reserve": 1e5},
            "clearing": {"nodes": [{"name": "a"}], "liabilities": [{"debtor": "a", "amount": 5}]},
            "events": [{"kind": "liquidity_drain", "probability": 0.1}],
            "views": [{"kind": "correlation", "assets": ["BTC", "ETH"], "value": 0.9}],
        },
        stress={**STRESS, "grids": [{"spot": [-0.1, 0.1]}]},
    )
    path = tmp_path / "policy.toml"
    path.write_text(text.to_toml())
    assert ho.read_policy(path) == text


def perpetual_pnl(market: ho.Market, **fields) -> np.ndarray:
    item = market.instrument("deribit", "BTC-PERPETUAL")
    s = ScenarioSet("x", ("BTC",), np.array([[1.0], [0.8]]), np.zeros((2, 1)), 1.0, **fields)
    out = np.empty((2, 1))
    PERPETUAL.scenario_pnl([item], market, s, out)
    return out[:, 0]


def test_perpetual_premium_and_funding_reach_its_pnl(toy_market: ho.Market) -> None:
    """Inverse, 1 USD: coins 1/M0 - 1/M1 at the scenario's index; longs pay funding on one dollar."""
    mark, index = 80_000 * 1.0002, 80_000.0
    shift = np.array([[-0.1], [-0.1]])
    moved = perpetual_pnl(toy_market, perpetual_shift=shift)
    expected = [(1 / mark - 1 / (mark * f * np.exp(-0.1))) * index * f for f in (1.0, 0.8)]
    np.testing.assert_allclose(moved, expected)
    paid = perpetual_pnl(toy_market, funding=np.array([[0.004], [-0.001]])) - perpetual_pnl(toy_market)
    np.testing.assert_allclose(paid, [-0.004, 0.001])


def test_term_shift_moves_each_expiry_by_its_own_amount() -> None:
    s = ScenarioSet(
        "x", ("BTC", "ETH"), np.ones((3, 2)), np.full((3, 2), 0.2), 1.0, term_shift=np.array([[0.1, 0], [0, 0.1], [0, 0]])
    )
    years = np.array([7, 30, 90, 30]) / 365
    column = np.array([0, 0, 0, 1])
    m = option_moves(s, column, years)
    moved = m.log_vol_shift[:, m.column] * m.weight
    level = 0.2 * vol_term_weight(years)
    np.testing.assert_allclose(moved[0], level + 0.1 * np.array([np.log(30 / 7), 0, np.log(1 / 3), 0]))
    np.testing.assert_allclose(moved[2], level)
    plain = option_moves(ScenarioSet("x", ("BTC",), np.ones((1, 1)), np.ones((1, 1)), 1.0), column[:3], years[:3])
    np.testing.assert_array_equal(plain.weight, vol_term_weight(years[:3]))


def test_tables_describe_weighted_moments() -> None:
    r = np.array([[-0.2, -0.1], [0.0, 0.05], [0.1, 0.1]])
    p = np.array([0.5, 0.25, 0.25])
    s = ScenarioSet("x", ("BTC", "ETH"), np.exp(r), np.zeros((3, 2)), 365.0, probabilities=p, labels=("a", "b", "c"))
    told = describe(s)
    mean = p @ r
    covariance = ((r - mean) * p[:, None]).T @ (r - mean)
    assert told.assets["BTC"].mean == pytest.approx(mean[0])
    assert told.assets["BTC"].annual_vol == pytest.approx(np.sqrt(covariance[0, 0]))
    assert told.correlations[0, 1] == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert told.effective_number == pytest.approx(2 ** (0.5 + 0.5 + 0.5))
    table = describe_table(s)
    assert list(table.index) == ["BTC", "ETH"]
    assert correlation_table(s).loc["BTC", "ETH"] == pytest.approx(told.correlations[0, 1])
    assert "effective number 3" in extra_lines(told)[0]
    shown = sample_table(s, 2, worst_of="BTC")
    assert list(shown.index) == ["a", "b"]
    assert shown.loc["a", "return BTC"] == pytest.approx(np.expm1(-0.2))


def test_lists_hold_every_kind_and_every_stress() -> None:
    names = set(list_generators()["name"])
    assert names >= {"parametric", "regime", "historical", "cascade", "clearing", "venue_pause", "tail"}
    assert (list_generators()["what"] != "").all()
    assert "2020-03-12" in set(list_sets()["name"])
    found = sources("2020-03-12")
    assert found["source"].str.len().min() > 0
    with pytest.raises(ho.InputError, match="unknown stress scenario"):
        sources("1987")
