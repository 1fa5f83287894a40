"""Events: when they happen, and what they mean for prices, tradability, margin and the cost of leaving."""

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.effects import (
    as_seen_by,
    frozen,
    margin_multiplier,
    misled_venues,
    threshold_multiplier,
    unwind_multiplier,
)
from hedgeopt.models.scenarios.events import (
    BridgeFailure,
    LiquidityDrain,
    OracleFault,
    ParameterChange,
    VenuePause,
    with_events,
)
from hedgeopt.models.scenarios.pegs import Peg, with_pegs
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

N = 20_000


@pytest.fixture(scope="module")
def base(market):
    return draw(ParametricScenarios(count=N), ["BTC", "ETH"], market)


def test_events_happen_as_often_as_stated_and_only_after_their_trigger(base):
    s = with_events(
        base,
        [
            VenuePause(venue="a", probability=0.05),
            VenuePause(venue="b", asset_fall="ETH", fall=0.05),
            VenuePause(venue="c", asset_fall="ETH", fall=0.05, probability=0.5),
        ],
        seed=4,
    )
    assert frozen(s, "a").mean() == pytest.approx(0.05, abs=0.006)
    fallen = base.spot_factor[:, 1] <= 0.95
    np.testing.assert_array_equal(frozen(s, "b"), fallen)
    assert not frozen(s, "c")[~fallen].any()
    assert frozen(s, "c")[fallen].mean() == pytest.approx(0.5, abs=0.05)
    assert s.spot_factor is base.spot_factor  # a pause moves no price
    assert (unwind_multiplier(s, "b")[fallen] == 0).all()


def test_lost_equity_multiplies(base):
    s = with_events(base, [VenuePause(venue="a", recovery=0.5), VenuePause(venue="a", recovery=0.8)])
    np.testing.assert_allclose(s.recovery["a"], 0.4)


def test_oracles_mislead_one_venue_and_nobody_else(base):
    s = with_events(
        base,
        [
            OracleFault(venue="aave", asset="ETH", stale=True, asset_fall="ETH", fall=0.05),
            OracleFault(venue="gmx", asset="BTC", deviation=-0.1),
            OracleFault(venue="gmx", asset="USDC", deviation=0.02),
        ],
    )
    assert misled_venues(s) == {"aave", "gmx"}
    fallen = base.spot_factor[:, 1] <= 0.95
    seen = as_seen_by(s, "aave")
    assert (seen.spot_factor[fallen, 1] == 1).all()
    np.testing.assert_array_equal(seen.spot_factor[~fallen], base.spot_factor[~fallen])
    seen = as_seen_by(s, "gmx")
    np.testing.assert_allclose(seen.price_factor("BTC"), 0.9 * base.spot_factor[:, 0])
    np.testing.assert_allclose(seen.price_factor("USDC"), 1.02)
    assert as_seen_by(s, "deribit") is s


def test_parameters_bridges_and_liquidity(base):
    wrapped = with_pegs(base, [Peg(asset="WBTC", follows="BTC")], 0, ["WBTC"])
    s = with_events(
        wrapped,
        [
            ParameterChange(venue="aave", margin=2.0, threshold=0.9),
            BridgeFailure(asset="WBTC", recovery=0.2, probability=0.1),
            LiquidityDrain(spread=20, depth=0.05),
            LiquidityDrain(venue="x", spread=3),
        ],
    )
    assert (margin_multiplier(s, "aave") == 2).all()
    assert (threshold_multiplier(s, "aave") == 0.9).all()
    assert (margin_multiplier(s, "x") == 1).all()
    ratio = s.price_factor("WBTC") / s.price_factor("BTC")
    assert set(np.round(ratio, 12)) == {0.2, 1.0}
    assert (ratio < 1).mean() == pytest.approx(0.1, abs=0.01)
    assert (unwind_multiplier(s, "y") == 20).all()
    assert (unwind_multiplier(s, "x") == 60).all()
    assert (s.liquidity["depth"] == 0.05).all()


def test_bad_events_are_refused(base):
    with pytest.raises(ValueError, match="go together"):
        VenuePause(venue="a", fall=0.1)
    with pytest.raises(ValueError, match="either stale or deviates"):
        OracleFault(venue="a", asset="BTC")
    with pytest.raises(ValueError, match=r"pause of a.*would happen in every scenario"):
        ParametricScenarios(events=(VenuePause(venue="a"),))
    with pytest.raises(InputError, match="fails, and no scenario moves it"):
        with_events(base, [BridgeFailure(asset="WBTC")], needed=["WBTC"])


def test_pegs_break_as_often_as_stated_and_mostly_in_falls(base):
    s = with_pegs(
        base,
        [
            Peg(asset="USDE", break_probability=0.02, depth=0.3, driver="BTC", dependence=0.9),
            Peg(asset="stETH", follows="ETH", noise=0.05),
        ],
        9,
        ["USDE", "stETH"],
    )
    dollar = s.price_factor("USDE")
    broken = dollar < 1
    assert broken.mean() == pytest.approx(0.02, abs=0.004)
    assert (1 - dollar[broken]).mean() == pytest.approx(0.3, abs=0.02)
    assert (1 - dollar[broken]).min() >= 0.15
    assert base.spot_factor[broken, 0].mean() < np.quantile(base.spot_factor[:, 0], 0.1)
    gap = np.log(s.price_factor("stETH") / s.price_factor("ETH"))
    assert gap.std() * np.sqrt(365) == pytest.approx(0.05, rel=0.03)
    np.testing.assert_array_equal(s.log_vol_shift[:, s.assets.index("stETH")], base.log_vol_shift[:, 1])
    np.testing.assert_array_equal(s.spot_factor[:, :2], base.spot_factor)


def test_bad_pegs_are_refused(base):
    with pytest.raises(ValueError, match="no dollar asset; name the asset it follows"):
        Peg(asset="stETH")
    with pytest.raises(InputError, match="needs moves of SOL"):
        with_pegs(base, [Peg(asset="jitoSOL", follows="SOL")], 0, ["jitoSOL"])
    assert with_pegs(base, [Peg(asset="jitoSOL", follows="SOL")], 0, []) is base
    with pytest.raises(InputError, match="two sets of moves"):
        with_pegs(base, [Peg(asset="ETH", follows="BTC")], 0, [])


def test_the_order_of_generators_and_their_independence(market):
    """Adding pegs and events leaves spot draws as they were."""
    plain = draw(ParametricScenarios(count=500), ["BTC"], market)
    more = draw(
        ParametricScenarios(
            count=500, pegs=(Peg(asset="USDC", break_probability=0.1),), events=(VenuePause(venue="a", probability=0.1),)
        ),
        ["BTC"],
        market,
    )
    np.testing.assert_array_equal(plain.spot_factor[:, 0], more.spot_factor[:, 0])
    assert more.assets == ("BTC", "USDC")
