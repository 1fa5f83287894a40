"""Derive portfolio margin against the venue's own test cases and the domain notes."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.models.data import table
from hedgeopt.models.margin.derive import Derive, skew_multiplier

YEAR = 365 * 86_400


def test_perpetual_vector(state_of) -> None:
    # long 1 perpetual at 3,100, spot 3,000, funding +10: worst -558, IM -608, MM -481.4
    state = state_of([{"kind": "perpetual", "underlying": "ETH", "mark": 3_100.0}], index={"ETH": 3_000.0})
    need = Derive().requirement(state, np.array([1.0]), np.zeros(0))
    assert need.breakdown["worst scenario"] == pytest.approx(558.0)
    assert 10.0 - need.initial == pytest.approx(-608.0)
    assert 10.0 - need.maintenance == pytest.approx(-481.4)


def call_spread(state_of):
    """derivexyz/v2-core, portfolio_cases/test_18: short 1 call 4,000, long 1 call 4,200, 794,852 s to expiry, rate 15 %."""
    option = {"kind": "option", "underlying": "ETH", "forward": 2_682.9997436016715, "days": 794_852 / 86_400}
    state = state_of(
        [{**option, "strike": 4_000.0, "vol": 0.8795543651099665}, {**option, "strike": 4_200.0, "vol": 0.8833255402190362}],
        index={"ETH": 2_681.6029850999994},
    )
    return Derive(rate=0.15), state, np.array([-1.0, 1.0])


def test_call_spread_case_of_the_venue(state_of) -> None:
    model, state, z = call_spread(state_of)
    (expiry,) = model.expiries(state, "ETH")
    assert float(expiry.now @ z) == pytest.approx(-0.1944703408568294, rel=1e-7)
    assert (expiry.gain_discount, expiry.loss_discount) == pytest.approx((0.9445087287221925, 1.0037878445554764), rel=1e-9)
    shocked = expiry.shocked @ z
    value = np.where(shocked >= 0, expiry.gain_discount, expiry.loss_discount) * shocked
    change = (value - float(expiry.now @ z)) * model.damping
    regular = [
        -22.155960343313989, 0.14799277465746058, -2.612005878134634, -16.586851489650812, 0.18730085314985062,
        -1.10392323514390811, -11.971969456775335, 0.193654376374761683, -0.342125876275824969, -8.285380685592352,
        0.194404464035709212, -0.000736623421816185, -5.458760994683610, 0.194466735756041759, 0.133015873822556363,
        -3.389224117449318, 0.194470214043127337, 0.178057032715373903, -1.950895298724726, 0.194470338163172579,
        0.19083719922811157, -1.008593681433082, -0.431448504800219512,
    ]  # fmt: skip
    tails = [0.01060747231014925, 0.017406868849158732, -5.945789781026996, -6.016806447312971, -3.582818984059084,
             -2.397534215691246]  # fmt: skip
    assert change[:23] == pytest.approx(regular, rel=1e-6, abs=1e-9)
    assert change[23:29] == pytest.approx(tails, rel=1e-6, abs=1e-9)
    assert -np.abs(change[29:]) == pytest.approx([-0.425648507254371145] * 2, rel=1e-6)
    basis = min(float(expiry.up @ z), float(expiry.down @ z)) - float(expiry.now @ z)
    assert basis * (0.5 + 2 * 794_852 / YEAR) == pytest.approx(-0.18719471531829726, rel=1e-6)
    equity = float(expiry.now @ z)
    need = model.requirement(state, z, np.zeros(0))
    assert equity - need.initial == pytest.approx(-35.75844560967082, rel=1e-7)
    assert equity - need.maintenance == pytest.approx(-25.96404757080802, rel=1e-7)
    assert need.breakdown["short options"] == pytest.approx(8.044808955299999 + 5.363205970199999)


def test_static_discounts_of_the_venue_cases() -> None:
    # test_44: rates 29 % and 23 %, 18,938,852 s and 5,633,252 s
    p = table("derive")["portfolio_margin"]
    for seconds, rate, gain, loss in (
        (18_938_852, 0.29, 0.7607156031658348, 1.1902443790976243),
        (5_633_252, 0.23, 0.89882370801299, 1.0419403825966795),
    ):
        t = seconds / YEAR
        assert p["long_discount"] * np.exp(-t * (rate + p["long_rate_add"])) == pytest.approx(gain, rel=1e-9)
        marked = p["short_discount"] * np.exp(t * (0.5 * rate + p["short_rate_add"]))
        assert min(np.exp(rate * t), marked) == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize(
    ("k", "seconds", "linear", "absolute"),
    [
        (0.5737792689864195, 794_852, 1.0220415796622477, 2.4727373074743078),
        (-0.2691785325230279, 18_938_852, 0.9985348286885299, 1.1246026288413449),
        (-0.5221955180240566, 5_633_252, 0.9935310701714488, 1.4758222511672043),
        (-0.7391821617687636, 18_938_852, 0.995976542084457, 1.3421671100058352),
    ],
)
def test_skew_multipliers_of_the_venue_case_44(k: float, seconds: float, linear: float, absolute: float) -> None:
    p = {"linear_cap": 0.15, "linear_base": -0.05, "absolute_cap": 9.5, "absolute_base": -0.05, "min_k_star": 0.01,
         "width_scale": 5.0, "vol_static": 4.5, "vol_scale": 1.0}  # fmt: skip
    for kind, expected in (("linear", linear), ("absolute", absolute)):
        assert float(skew_multiplier(np.array([k]), seconds / YEAR, kind, p)[0]) == pytest.approx(expected, rel=1e-9)


def test_a_broken_peg_raises_initial_margin_only(state_of) -> None:
    items = [{"kind": "perpetual", "underlying": "ETH", "mark": 3_000.0}]
    sound = state_of(items, index={"ETH": 3_000.0}, collateral={"USDC": 1.0})
    broken = state_of(items, index={"ETH": 3_000.0}, collateral={"USDC": 0.93})
    z, n = np.array([2.0]), np.array([10_000.0])
    before, after = Derive().requirement(sound, z, n), Derive().requirement(broken, z, n)
    assert after.maintenance == pytest.approx(before.maintenance)
    worst = before.breakdown["worst scenario"]
    assert after.initial - before.initial == pytest.approx(2.0 * (0.98 - 0.93) * worst)
