"""The parts of a tail add up to it; ladders and liquidation prices agree with reports that are computed elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from tests.program.explain.test_explained import BOOK, MARKET, POLICY


@pytest.fixture(scope="module")
def proposal() -> ho.Proposal:
    return POLICY.propose(BOOK, MARKET)


@pytest.fixture(scope="module")
def told(proposal: ho.Proposal) -> ho.TailAnatomy:
    return ho.tail_anatomy(proposal)


def test_factors_and_scenarios_add_up_to_the_tail(proposal: ho.Proposal, told: ho.TailAnatomy) -> None:
    assert told.before == pytest.approx(proposal.before.cvar["0.99"])
    assert told.after == pytest.approx(proposal.after.cvar["0.99"])
    assert told.factors["before"].sum() == pytest.approx(told.before)
    assert told.factors["after"].sum() == pytest.approx(told.after)
    assert told.scenarios["weight"].sum() == pytest.approx(1.0)
    assert told.scenarios["weight"] @ told.scenarios["loss_after"] == pytest.approx(told.after)


def test_trades_take_off_what_they_add_up_to(told: ho.TailAnatomy) -> None:
    own = told.scenarios["weight"] @ (told.scenarios["loss_after"] - told.scenarios["loss_before"])
    assert told.trades["tail"].sum() == pytest.approx(own)


def test_the_ladder_is_the_profile_and_the_greeks(proposal: ho.Proposal, told: ho.TailAnatomy) -> None:
    line = told.ladder[(told.ladder["coin"] == "BTC") & (told.ladder["vol"].abs() < 1e-12)].set_index("spot")
    profile = next(one for one in proposal.figures.profiles if one.asset == "BTC")  # type: ignore[union-attr]
    for move, before, after in zip(profile.moves, profile.before, profile.after, strict=True):
        if np.isclose(move, 0.2) or np.isclose(move, -0.3):
            row = line.loc[round(float(move), 10)]
            assert row["before"] == pytest.approx(before, rel=1e-9)
            assert row["after"] == pytest.approx(after, rel=0.02, abs=2_000.0)
    here = line.loc[0.0]
    assert here["after"] == pytest.approx(0.0, abs=1e-6)
    greeks = proposal.after.greeks["BTC"]
    assert here["delta"] == pytest.approx(greeks["delta"], abs=0.05)
    assert here["gamma"] == pytest.approx(greeks["gamma"], rel=0.05)


def test_at_the_liquidation_price_nothing_is_left(told: ho.TailAnatomy) -> None:
    line = told.ladder[(told.ladder["coin"] == "BTC") & (told.ladder["vol"].abs() < 1e-12)]
    row = told.liquidation.set_index("coin").loc["BTC"]
    for move, left in zip(line["spot"], line["margin_left"], strict=True):
        price = row["price"] * (1.0 + move)
        inside = not (price < row["down_after"] or price > row["up_after"])
        assert (left >= 0.0) == inside


def test_what_is_unhedged_has_a_reason(told: ho.TailAnatomy) -> None:
    why = told.unhedged.set_index("coin")["why"]
    assert why["ETH"] == "no instrument on it is a candidate"
    assert why["BTC"].startswith(("too dear", "limits", "a size limit"))
    assert len(told.summary()) <= 10
