"""Key-date weights, and buckets that add up to the net Greek and may be limited."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.models.risk.tenor_buckets import KEY_DAYS, GammaBucket, VegaBucket, bucket_weights, row_days, tenor_profile


@given(days=st.lists(st.floats(0.01, 1000.0), min_size=1, max_size=20))
def test_weights_add_up_and_keep_the_mean_tenor(days):
    days = np.array(days)
    weights = bucket_weights(days)
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert ((weights > 0).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(weights @ np.array(KEY_DAYS), np.clip(days, KEY_DAYS[0], KEY_DAYS[-1]))


def test_known_weights():
    weights = bucket_weights(np.array([3.0, 30.0, 60.0, 500.0, np.nan]), (7.0, 30.0, 90.0))
    np.testing.assert_allclose(weights, [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 0]])


def test_buckets_add_up_to_net_greeks_before_and_after_trades(toy_book, toy_market, toy_policy):
    e = expose(toy_book, toy_market, toy_policy)
    days = row_days(e)
    assert np.isnan(days).sum() == sum(item.kind == "perpetual" for item in e.rows.instruments)
    rng = np.random.default_rng(3)
    x = rng.normal(size=e.n_candidates)
    for asset in ("BTC", "ETH"):
        for name, bucket, net in (("vega", VegaBucket, ho.Vega), ("gamma", GammaBucket, ho.Gamma)):
            profile = tenor_profile(e, e.positions(x), name, e.asset(asset))
            assert list(profile) == ["7d", "30d", "90d", "180d", "365d", "none"]
            whole = net(asset).bind(_variables(e), e).evaluate(e, x)
            assert sum(profile.values()) == pytest.approx(whole, rel=1e-9, abs=1e-12)
            for key in KEY_DAYS:
                part = bucket(asset, key).bind(_variables(e), e).evaluate(e, x)
                assert part == pytest.approx(profile[f"{key:g}d"], rel=1e-9, abs=1e-12)


def test_a_limit_on_a_bucket_holds_after_hedging(toy_book, toy_market, toy_policy):
    before = ho.risk_report(expose(toy_book, toy_market, toy_policy, trades=False)).tenors["vega"]["BTC"]["30d"]
    limit = VegaBucket("BTC", 30.0).within(-0.5 * abs(before), 0.5 * abs(before))
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[limit],
        scenarios=toy_policy.scenarios,
        candidates=toy_policy.candidates,
        lots="ideal",
    )
    proposal = ho.propose(toy_book, toy_market, policy)
    after = proposal.after.tenors["vega"]["BTC"]["30d"]
    assert abs(before) > 0
    assert abs(after) <= 0.5 * abs(before) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"days": 31.0}, "none of the key dates"),
        ({"days": 30.0, "key_days": (30.0, 7.0)}, "rising"),
        ({"days": 30.0, "key_days": ()}, "rising"),
    ],
)
def test_bad_key_dates_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        VegaBucket("BTC", **settings)


def _variables(e):
    import cvxpy as cp

    from hedgeopt.models.bound import TradeVariables

    return TradeVariables(cp.Variable(e.n_candidates), cp.Variable(e.n_candidates))
