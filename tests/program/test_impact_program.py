"""Impact without ladders: closed forms, the verifier's own evaluation, and what files may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.costs.bowed import Chords, power_below
from hedgeopt.models.pricing.spot import Spot
from hedgeopt.program.provenance import market_digest
from hedgeopt.verify import claim_of, judge

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SPOT = Spot(name="ETH_USDC", venue="deribit", asset="ETH")
PERPETUAL = ho.Perpetual(name="ETH-PERPETUAL", venue="deribit", underlying="ETH", settlement="ETH")
SIZES = {SPOT.id: 12.0, PERPETUAL.id: 60_000.0}
BOOK = ho.Book(accounts=[{"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 5e7}]}])


def quoted() -> ho.Market:
    rows = {
        SPOT.id: {"mark_price": 3_000.0, "bid_price": 2_998.0, "ask_price": 3_002.0},
        PERPETUAL.id: {"mark_price": 3_000.0, "bid_price": 2_999.0, "ask_price": 3_001.0, "funding_8h": 0.0},
    }
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    for key, size in SIZES.items():
        quotes.loc[key, ["bid_size", "ask_size", "volume"]] = size, size, 1_000.0 * size
    return ho.Market(NOW, {"ETH": 3_000.0, "USDC": 1.0}, {item.id: item for item in (SPOT, PERPETUAL)}, quotes)


def policy(*limits: Any, **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(), subject_to=limits, scenarios=ho.ParametricScenarios(count=50, vol={"ETH": 0.7}),
        candidates=ho.Candidates(kinds=("spot", "perpetual"), underlyings=("ETH",)), **more,
        lots="ideal",
    )  # fmt: skip


LAWS: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    "spread": ({"spread": {"factor": 1.5}}, (1.5 * 2.0, 1.5 * (3_000 / 2_999 - 3_000 / 3_001) / 2)),
    "volume": ({"volume": {"factor": 1.0, "daily_vol": {"ETH": 0.04}}}, (0.04 * 3_000.0, 0.04)),
    "fitted": ({"instruments": {SPOT.id: {"k": 1e-4}, PERPETUAL.id: {"k": 2e-6}}}, (0.3, 2e-6)),
}


def _cheapest(each: np.ndarray, linear: np.ndarray, delta: np.ndarray, wanted: float, power: float) -> float:
    """Cost of ``wanted`` delta by bisection on the marginal cost per delta; ``each`` x^power + ``linear`` x, x >= 0."""
    low, high = 0.0, 1e6
    for _ in range(200):
        m = 0.5 * (low + high)
        x = (np.maximum(m * delta - linear, 0.0) / (power * each)) ** (1.0 / (power - 1.0))
        low, high = (m, high) if x @ delta < wanted else (low, m)
    return float(each @ x**power + linear @ x)


@pytest.mark.parametrize("power", [1.5, 2.0])
@pytest.mark.parametrize("rule", LAWS)
def test_the_split_costs_what_the_closed_form_does(rule: str, power: float) -> None:
    law, coefficients = LAWS[rule]
    market, rules = quoted().with_impact({"power": power, **law}), policy(ho.Delta("ETH") >= 700.0)
    solved = ho.solve(BOOK, market, rules)
    e, found = solved.exposures, solved.proposal
    assert e.depth is not None
    order = [e.rows.instruments[row].id for row in e.candidate.tolist()]
    sizes = np.array([{"spread": 1.0, "volume": 1_000.0, "fitted": np.nan}[rule] * SIZES[key] for key in order])
    expected = np.array([coefficients[(SPOT.id, PERPETUAL.id).index(key)] for key in order])
    if rule != "fitted":
        expected = expected / sizes ** (power - 1.0)
    assert e.depth.impact == pytest.approx(expected, rel=1e-3 if rule == "spread" else 1e-12)
    delta = e.trade_greeks[0, :, e.asset("ETH")]
    exact = _cheapest(e.depth.impact, e.cost_buy, delta, 700.0, power)
    assert found.certificate.valid
    assert found.certificate.gap <= 1e-6
    assert found.certificate.objective == pytest.approx(exact, rel=1e-6)
    assert found.trade_costs["depth"].sum() == pytest.approx(float(e.depth.impact @ np.abs(solved.x) ** power), rel=1e-9)
    verdict = judge(claim_of(found.to_dict()), expose(BOOK, market, rules), market, rules.model_dump(mode="json"))
    assert verdict.valid, verdict
    assert verdict.objective == pytest.approx(found.certificate.objective, rel=1e-9)


def test_a_ladder_takes_the_place_of_impact() -> None:
    rows = [
        {"venue": "deribit", "instrument": "ETH_USDC", "timestamp": NOW.isoformat(), "side": side, "unit": "coins",
         "price": 3_000 + sign * (2 + k), "size": 50.0} for side, sign in (("bid", -1), ("ask", 1)) for k in range(20)
    ]  # fmt: skip
    market = quoted().with_depth(pd.DataFrame(rows)).with_impact({"spread": {"factor": 1.0}})
    rules = policy(ho.Delta("ETH") >= 300.0)
    solved = ho.solve(BOOK, market, rules)
    assert solved.proposal.certificate.valid
    held = dict(zip([i.id for i in solved.exposures.rows.instruments], range(9), strict=False))
    impact = dict(zip(solved.exposures.candidate.tolist(), solved.exposures.depth.impact.tolist(), strict=True))  # type: ignore[union-attr]
    assert impact[held[SPOT.id]] == 0.0 < impact[held[PERPETUAL.id]]
    verdict = judge(claim_of(solved.proposal.to_dict()), expose(BOOK, market, rules), market, rules.model_dump(mode="json"))
    assert verdict.valid, verdict


def test_a_proposal_with_impact_is_not_checked_without_it() -> None:
    market, rules = quoted().with_impact({"spread": {"factor": 1.0}}), policy(ho.Delta("ETH") >= 50.0)
    claim = claim_of(ho.propose(BOOK, market, rules).to_dict())
    with pytest.raises(InputError, match="give the same file with --impact"):
        judge(claim, expose(BOOK, quoted(), rules), quoted(), rules.model_dump(mode="json"))
    other = quoted().with_impact({"spread": {"factor": 1.01}})
    assert judge(claim, expose(BOOK, other, rules), other, rules.model_dump(mode="json")).wrong
    assert len({market_digest(one) for one in (quoted(), market, other)}) == 3


def test_two_accounts_pay_no_less_than_one() -> None:
    accounts = [{"name": n, "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 3e7}]} for n in ("a", "b")]
    market, rules = quoted().with_impact({"spread": {"factor": 1.0}}), policy(ho.Delta("ETH") >= 300.0)
    one, two = (ho.propose(ho.Book(accounts=accounts[:k]), market, rules) for k in (1, 2))
    assert two.certificate.objective == pytest.approx(one.certificate.objective, rel=2e-6)


def test_without_a_daily_vol_the_asset_is_named() -> None:
    market = quoted().with_impact({"volume": {"daily_vol": {"BTC": 0.03}}})
    with pytest.raises(InputError, match=r"volume\.daily_vol.*ETH.*add ETH = 0\.03"):
        expose(BOOK, market, policy(ho.Delta("ETH") >= 1.0))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "says nothing"),
        ({"power": 1.7, "spread": {}}, "no law of impact"),
        ({"spread": {"factor": -1.0}}, "factor"),
        ({"instruments": {"deribit:NOTHING": {"k": 1.0}}}, "no instrument of the market"),
        ({"instruments": {SPOT.id: {"k": -1.0}}}, "k"),
        ({"spreads": {}}, "spreads"),
    ],
)
def test_a_law_that_says_nothing_or_nonsense_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        quoted().with_impact(given)
    assert "\n" not in str(error.value)


_SIZE = st.floats(-1e5, 1e5).map(lambda x: 0.0 if abs(x) < 1e-6 else x)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([1.5, 2.0]), st.floats(1e-6, 1e3), _SIZE, st.lists(_SIZE, min_size=1, max_size=20))
def test_tangents_lie_below_the_power_and_touch_it(power: float, c: float, x: float, others: list[float]) -> None:
    below, rounding = power_below(np.array([c]), power, np.array([1e5]), np.array([x])), 1e-14 * c * 1e5**power
    assert below(np.array([x])) == pytest.approx(c * abs(x) ** power, rel=1e-9, abs=rounding)
    for z in others:
        assert below(np.array([z])) <= c * abs(z) ** power * (1 + 1e-9) + rounding


@settings(max_examples=50, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(1e-3, 1e9), st.integers(0, 6))
def test_points_of_chords_cover_the_box_in_order(share: float, most: float, rounds: int) -> None:
    chords = Chords(2)
    for _ in range(rounds):
        chords.near(np.array([share * most, 0.0]))
    points = chords.points(np.array([most, 0.0]))
    assert points.shape == (2, Chords.count + 1)
    assert (np.diff(points, axis=1) >= 0.0).all()
    assert points[0, 0] == 0.0
    assert points[0, -1] == pytest.approx(most)
    assert not points[1].any()


def test_impact_is_carried_by_the_arrays() -> None:
    market = quoted().with_impact({"spread": {"factor": 1.0}})
    assert market.arrays().with_rows({"deribit:X": {"mark_price": 1.0}}).impact is market.impact
    assert replace(market, notes=()).impact is market.impact


def test_some_unknown_names_of_a_law_are_noted() -> None:
    names = list(quoted().instruments)
    law = {"instruments": {names[0]: {"k": 1e-4}, "deribit:NOTHING": {"k": 1e-4}}}
    told = [note for note in quoted().with_impact(law).notes if "deribit:NOTHING" in note]
    assert len(told) == 1
    assert "no instrument of the market" in told[0]
    assert not quoted().with_impact({"instruments": {names[0]: {"k": 1e-4}}}).notes


def test_fitted_instruments_that_have_expired_are_counted_and_own_names_are_told_the_nearest() -> None:
    fitted = {f"deribit:OLD-{k}": {"k": 1e-4, "books": 3} for k in range(7)}
    law = {"instruments": {SPOT.id: {"k": 1e-4}, "deribit:ETH_USCD": {"k": 1e-4}, **fitted}}
    own, gone = quoted().with_impact(law).notes
    assert "did you mean 'deribit:ETH_USDC'" in own
    assert "7 fitted instruments of 9 left out, not in the market" in gone
    assert "OLD-4, ..." in gone
    with pytest.raises(InputError, match=r"names no instrument of the market.*fit books of what this market has"):
        quoted().with_impact({"instruments": fitted})
    assert quoted().with_impact({"instruments": fitted, "spread": {}}).impact is not None


def test_a_law_that_counts_for_nothing_that_may_be_traded_is_refused() -> None:
    market, rules = quoted(), policy(ho.Delta("ETH") >= 50.0)
    market.quotes.loc[:, ["bid_size", "ask_size", "volume"]] = float("nan")
    for law in ({"spread": {}}, {"volume": {"daily_vol": {"ETH": 0.04}}}):
        with pytest.raises(InputError, match=r"counts for no instrument that may be traded.*deribit:ETH.*bid_size"):
            ho.propose(BOOK, market.with_impact(law), rules)
    only = policy(ho.Delta("ETH") >= 50.0)
    only = only.model_copy(update={"candidates": ho.Candidates(kinds=("perpetual",), underlyings=("ETH",))})
    with pytest.raises(InputError, match="counts for no instrument"):
        ho.propose(BOOK, market.with_impact({"instruments": {SPOT.id: {"k": 1e-4}}}), only)
