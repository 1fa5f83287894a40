"""Sentences of an explanation: the named trade is taken out, the named limit moved, and the problem solved again."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.program.explain.case import case_of
from hedgeopt.program.explain.pieces import piece_beside

FILES = ho.example_files()
BOOK = ho.read_book(io.StringIO(FILES["book.json"]))
MARKET = ho.read_market(io.StringIO(FILES["market.csv"]))
POLICY = ho.Policy(
    ho.TransactionCost() + ho.Carry() + 0.02 * ho.CVaR(0.99),
    [
        ho.Delta("BTC").within(-5, 5),
        ho.Gamma("BTC") >= -0.0006,
        ho.Vega("BTC").within(-6000, 6000),
        ho.StressLoss(scenario="2020-03-12") <= 3_000_000.0,
        ho.MarginUtilisation(limit=0.63),
        ho.Participation(share=0.1),
        ho.OrderLimit(notional=2_000_000.0, only=("option",)),
    ],
    candidates=ho.Candidates(underlyings=("BTC",), min_days=2.0, max_days=12.0, max_relative_spread=0.35),
    scenarios=ho.ParametricScenarios(count=300, seed=7),
)


@pytest.fixture(scope="module")
def proposal() -> ho.Proposal:
    return POLICY.propose(BOOK, MARKET)


@pytest.fixture(scope="module")
def told(proposal: ho.Proposal) -> ho.Explanation:
    return ho.explain(proposal, why_not=["BTC-PERPETUAL", "BTC-13MAR26-92000-P"])


def ideal(policy: ho.Policy) -> float:
    fields = {name: getattr(policy, name) for name in ho.Policy.model_fields}
    return ho.Policy(**fields | {"lots": "ideal", "tolerance": 1e-9}).propose(BOOK, MARKET).certificate.objective


def policy_of(proposal: ho.Proposal) -> ho.Policy:
    return ho.read_policy(proposal.policy)


def test_what_a_trade_saves_is_what_the_list_costs_without_it(proposal: ho.Proposal, told: ho.Explanation) -> None:
    assert set(told.trades["instrument"]) == set(proposal.trades["instrument"])
    for row in told.trades.iloc[[0, -1]].to_dict("records"):
        without = proposal.without(row["instrument"])
        assert row["instrument"] not in set(without.trades["instrument"])
        rise = without.certificate.objective - proposal.certificate.objective
        assert rise == pytest.approx(row["removal_in_lots"], abs=1e-6)
        assert ideal(policy_of(without)) - ideal(POLICY) == pytest.approx(row["removal"], abs=1e-3)
        more = row["instead"].split()[-1]
        assert more in set(without.trades["instrument"])


def test_trades_that_close_positions_are_against_what_is_held(told: ho.Explanation) -> None:
    held = {str(p.instrument): p.quantity for account in BOOK.accounts for p in account.positions}
    for row in told.trades.to_dict("records"):
        sign = 1.0 if row["side"] == "buy" else -1.0
        has = held.get(row["instrument"], 0.0)
        assert row["closes"] == (has * sign < 0.0 and row["quantity"] <= abs(has))


def test_what_a_relaxed_limit_saves_is_what_the_moved_limit_saves(proposal: ho.Proposal, told: ho.Explanation) -> None:
    assert len(told.limits) >= 2
    for row in told.limits.head(2).to_dict("records"):
        relaxed = proposal.with_limit(row["limit"], row["relaxed_to"])
        saved = proposal.certificate.objective - relaxed.certificate.objective
        assert max(saved, 0.0) == pytest.approx(row["saves_in_lots"], abs=1e-6)
        assert ideal(POLICY) - ideal(policy_of(relaxed)) == pytest.approx(row["saves"], abs=1e-3)


def test_prices_are_differences_of_optima_and_hold_as_far_as_they_say(proposal: ho.Proposal, told: ho.Explanation) -> None:
    for row in told.limits.to_dict("records"):
        low, high = (np.clip(row[k], row["bound"] - abs(row["bound"]) * 0.2, row["bound"] + abs(row["bound"]) * 0.2)
                     for k in ("valid_from", "valid_to"))  # fmt: skip
        assert low <= row["bound"] <= high
        if high - low < 1e-5 * abs(row["bound"]) or row["degenerate"]:
            continue
        ends = [ideal(policy_of(proposal.with_limit(row["limit"], b))) for b in (low, high)]
        slope = abs(ends[1] - ends[0]) / (high - low)
        assert slope == pytest.approx(row["price"], rel=1e-4, abs=1e-4 / (high - low))
        assert row["price"] >= 0.0
        assert row["price_low"] <= row["price"] * (1 + 1e-9)


def test_why_not_is_what_forcing_it_costs(proposal: ho.Proposal, told: ho.Explanation) -> None:
    case = case_of(proposal)
    for one in told.not_traded:
        assert one.traded == 0.0
        for forced, reduced in ((one.forced_buy, one.reduced_buy), (one.forced_sell, one.reduced_sell)):
            # the Lagrangian is nowhere above the optimum: what is forced costs at least its reduced cost
            assert forced >= reduced * one.size - 1e-6
            assert reduced >= -1e-9
    assert all(not case.x[case.places(one.name)].any() for one in told.not_traded)


@pytest.mark.parametrize(
    ("candidates", "says"),
    [
        ({"kinds": ("option",)}, "candidates.kinds is option"),
        ({"do_not_trade": ("BTC-PERP*",)}, "do_not_trade is BTC-PERP*"),
        ({"names": ("BTC-1*",)}, "candidates.names is BTC-1*"),
    ],
)
def test_why_not_names_the_screen_and_its_number(candidates: dict[str, Any], says: str) -> None:
    rules = POLICY.candidates.model_validate({**POLICY.candidates.model_dump(), **candidates})
    policy = POLICY.model_copy(update={"candidates": rules, "lots": "ideal"})
    told = ho.explain(policy.propose(BOOK, MARKET), why_not=["BTC-PERPETUAL"]).not_traded[0]
    assert says in told.sentence
    assert told.allowed >= -1e-6
    allowed = policy.model_copy(update={"candidates": POLICY.candidates})
    if "kinds" not in candidates and "names" not in candidates:
        saved = policy.propose(BOOK, MARKET).certificate.objective - allowed.propose(BOOK, MARKET).certificate.objective
        assert told.allowed == pytest.approx(saved, abs=0.05)


def test_names_that_do_not_exist_are_refused_with_the_nearest(proposal: ho.Proposal) -> None:
    with pytest.raises(ho.InputError, match="did you mean 'BTC-PERPETUAL'"):
        ho.explain(proposal, why_not=["BTC-PERPETUL"], lots=False)
    with pytest.raises(ho.InputError, match="did you mean 'BTC-PERPETUAL'"):
        proposal.without("BTC-PERPETUL")
    with pytest.raises(ho.InputError, match="did you mean 'gamma BTC'"):
        proposal.with_limit("gama BTC", -1.0)
    with pytest.raises(ho.InputError, match="is not a limit"):
        proposal.with_limit(ho.Gamma("BTC") >= -0.1, 3.0)


def test_a_stored_proposal_needs_its_own_inputs(proposal: ho.Proposal) -> None:
    stored = ho.Proposal.from_json(proposal.to_json())
    name = proposal.trades["instrument"].iloc[0]
    with pytest.raises(ho.InputError, match="give book and market"):
        stored.without(name)
    other = BOOK.model_copy(update={"name": "another"})
    with pytest.raises(ho.InputError, match="is another book"):
        stored.without(name, book=other, market=MARKET)
    again = stored.without(name, book=BOOK, market=MARKET)
    assert again.certificate.objective == proposal.without(name).certificate.objective


def test_a_limit_takes_the_place_of_its_like(proposal: ho.Proposal) -> None:
    by_name = proposal.with_limit("gamma BTC", -0.0005)
    by_limit = proposal.with_limit(ho.Gamma("BTC") >= -0.0005)
    assert by_name.policy == by_limit.policy
    assert len(proposal.with_limit(ho.Vega("BTC") >= -5000.0).policy["subject_to"]) == len(POLICY.subject_to)
    assert len(proposal.with_limit(ho.Theta("BTC") >= -1e9).policy["subject_to"]) == len(POLICY.subject_to) + 1


def test_ten_lines_at_most(told: ho.Explanation) -> None:
    lines = told.summary()
    assert 3 <= len(lines) <= 10
    assert all(any(one.name in line for line in lines) for one in told.not_traded)


# max of lines: kinks at 1 and 3, a wall at 5
def _lines(b: float) -> tuple[float, float] | None:
    if b > 5.0:
        return None
    found = [(4.0 - 2.0 * b, -2.0), (2.5 - 0.5 * b, -0.5), (1.0, 0.0)]
    return max(found)


@pytest.mark.parametrize(
    ("at", "far", "slope", "end", "wall"),
    [(0.0, 4.0, -2.0, 1.0, False), (2.0, 10.0, -0.5, 3.0, False), (2.0, 0.0, -0.5, 1.0, False), (4.0, 8.0, 0.0, 5.0, True)],
)
def test_pieces_end_at_kinks(at: float, far: float, slope: float, end: float, wall: bool) -> None:
    here = _lines(at)
    assert here is not None
    piece = piece_beside(_lines, at, here, far, 1e-12)
    assert piece.slope == pytest.approx(slope)
    assert piece.end == pytest.approx(end, abs=2e-3 if wall else 1e-9)


@pytest.mark.parametrize("given", [-2.0, -0.5, -1.3])
def test_at_a_kink_the_two_sides_have_their_own_slopes_whatever_the_dual(given: float) -> None:
    right, left = (piece_beside(_lines, 1.0, (2.0, given), far, 1e-12) for far in (2.9, 0.0))
    assert (right.slope, left.slope) == (pytest.approx(-0.5), pytest.approx(-2.0))


def test_a_list_of_trades_is_worth_what_its_proposal_says(proposal: ho.Proposal) -> None:
    own = ho.evaluate(BOOK, MARKET, POLICY, proposal.trades)
    assert own.feasible
    assert own.distance == pytest.approx(0.0, abs=1e-9)
    assert own.proposal.certificate.objective == proposal.certificate.objective
    pd.testing.assert_frame_equal(own.proposal.trades, proposal.trades)
    assert own.proposal.after == proposal.after
    assert own.broken.empty


def test_a_list_that_breaks_limits_says_which_and_by_how_much(proposal: ho.Proposal) -> None:
    nothing = ho.evaluate(BOOK, MARKET, POLICY, [])
    breached = proposal.limits[proposal.limits["breached_before"]]
    assert set(nothing.broken["limit"]) == set(breached["limit"])
    assert not nothing.feasible
    assert any("breaks" in line for line in nothing.summary())
    odd = ho.evaluate(BOOK, MARKET, POLICY, [{"instrument": "BTC-13MAR26-94000-P", "quantity": 20.03}])
    assert any("whole lots" in line for line in odd.remarks)
    huge = ho.evaluate(BOOK, MARKET, POLICY, [{"instrument": "BTC-13MAR26-94000-P", "quantity": 1000.0}])
    assert any("order limit" in line or "participation" in line for line in huge.remarks)
    assert not huge.feasible


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"instrument": "BTC-PERPETUL", "quantity": 1}, "did you mean 'BTC-PERPETUAL'"),
        ({"instrument": "BTC-PERPETUAL", "quantity": "many"}, "is no number"),
        ({"instrument": "BTC-PERPETUAL", "quantity": float("inf")}, "not finite"),
        ({"instrument": "", "quantity": 1}, "is empty"),
        ({"instrument": "BTC-PERPETUAL", "quantity": 1, "side": "hold"}, "is no side"),
        ({"instrument": "BTC-PERPETUAL", "quantity": -1, "side": "buy"}, "must not be negative"),
        ({"instrument": "BTC-PERPETUAL", "quantity": 1, "account": "mian"}, "did you mean 'main'"),
        ({"instrument": "BTC-PERPETUAL", "size": 1}, "column quantity"),
    ],
)
def test_odd_rows_are_refused_by_number(row: dict[str, Any], says: str) -> None:
    with pytest.raises(ho.InputError) as error:
        ho.evaluate(BOOK, MARKET, POLICY, [row])
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_instrument_that_the_rules_leave_out_may_be_in_a_list() -> None:
    rules = POLICY.candidates.model_validate({**POLICY.candidates.model_dump(), "kinds": ("option",)})
    policy = POLICY.model_copy(update={"candidates": rules})
    found = ho.evaluate(BOOK, MARKET, policy, [{"instrument": "BTC-PERPETUAL", "quantity": 100_000, "side": "sell"}])
    assert any("candidates.kinds is option" in line for line in found.remarks)
    assert not found.feasible
    assert "not allowed: BTC-PERPETUAL" in set(found.broken["limit"])
    delta = found.proposal.after.greeks["BTC"]["delta"] - found.proposal.before.greeks["BTC"]["delta"]
    assert delta == pytest.approx(-100_000 / MARKET.prices["BTC"], rel=0.02)


def test_effects_of_the_differences_add_up(proposal: ho.Proposal) -> None:
    other = proposal.with_limit("gamma BTC", -0.0005).with_limit("initial margin main", 0.65)
    found = ho.compare_proposals(proposal, other)
    whole = other.certificate.objective - proposal.certificate.objective
    assert found.explained["effect"].sum() == pytest.approx(whole, abs=1e-9)
    assert list(found.explained["step"]) == ["limit gamma BTC", "limit initial margin all accounts"]
    first = proposal.with_limit("gamma BTC", -0.0005).certificate.objective - proposal.certificate.objective
    assert found.explained["effect"].iloc[0] == pytest.approx(first, abs=1e-9)
    stored = ho.Proposal.from_json(proposal.to_json())
    assert "give book and market" in ho.compare_proposals(stored, other).note
    assert ho.compare_proposals(stored, other, book=BOOK, market=MARKET).explained.equals(found.explained)
    same = ho.compare_proposals(proposal, proposal)
    assert (same.trades["difference"] == 0).all()
    assert same.summary()[2] == "book, market and policy are the same"
