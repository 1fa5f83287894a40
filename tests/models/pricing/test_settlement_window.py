"""The last half hour of Deribit options and futures: decaying delta, averaged payoff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import norm

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.future import FUTURE, Future
from hedgeopt.models.pricing.option import OPTION, Option
from hedgeopt.models.scenarios.set import ScenarioSet

EXPIRY = datetime(2026, 1, 16, 8, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def option(strike: float, right: str = "call", settlement: str = "BTC") -> Option:
    terms = {"name": f"{strike}{right}{settlement}", "venue": "deribit", "underlying": "BTC", "settlement": settlement}
    return Option(**terms, expiry=EXPIRY, strike=strike, right=right)


def future(settlement: str = "BTC") -> Future:
    return Future(name="BTC-16JAN26", venue="deribit", underlying="BTC", settlement=settlement, expiry=EXPIRY)


def quotes(item: object, index: float, vol: float = 0.6, average: float = float("nan")) -> dict:
    mark = float("nan") if isinstance(item, Option) else index  # without a mark an option is worth the formula
    return {item: {"mark_iv": vol, "underlying_price": index, "mark_price": mark, "settlement_average": average}}


def at(minutes: float) -> datetime:
    return EXPIRY - timedelta(minutes=minutes)


def spot(*factors: float, horizon_days: float = 0.0) -> ScenarioSet:
    table = np.array(factors)[:, None]
    return ScenarioSet("s", ("BTC",), table, np.zeros_like(table), horizon_days)


@pytest.mark.parametrize(("minutes", "share"), [(30.001, 1.0), (15.0, 0.5), (7.5, 0.25), (0.01, 1 / 3000)])
def test_net_transaction_delta_decays_linearly(make_market, minutes, share):
    """Deribit's example: 7,000 call with delta 1 and mark .3, half way: .5 - .3 * .5 = .35."""
    item = option(7_000.0)
    market = make_market(quotes(item, 10_000.0), at=at(minutes), BTC=10_000.0)
    risk = OPTION.unit_risk([item], market, ("BTC",))
    assert risk.premium[0] == pytest.approx(0.3, abs=1e-9)
    net = risk.greeks[greek("delta"), 0, 0] - risk.premium[0]
    assert net == pytest.approx(share * (1.0 - 0.3), abs=1e-9)


@pytest.mark.parametrize("settlement", ["BTC", "USDC"])
@pytest.mark.parametrize(("strike", "right"), [(9_980.0, "call"), (10_000.0, "put"), (10_030.0, "put"), (4_000.0, "call")])
@pytest.mark.parametrize("average", [9_950.0, 10_060.0])
def test_greeks_against_differences_of_the_averaged_payoff(make_market, settlement, strike, right, average):
    """Delta, gamma, vega and value against scipy and central differences, 10 minutes in."""
    item, index, vol, k = option(strike, right, settlement), 10_000.0, 0.7, 2 / 3
    years = 20 / (365 * 1440)

    def value(s: float, sigma: float = vol) -> float:
        forward, left, sd = k * s, strike - (1 - k) * average, sigma * np.sqrt(years / 3)
        side = 1.0 if right == "call" else -1.0
        d1 = np.log(forward / left) / sd + 0.5 * sd
        dollars = side * (forward * norm.cdf(side * d1) - left * norm.cdf(side * (d1 - sd)))
        return dollars if settlement == "USDC" else s * dollars / (k * s + (1 - k) * average)

    market = make_market(quotes(item, index, vol, average), at=at(20), BTC=index)
    risk = OPTION.unit_risk([item], market, ("BTC", "USDC"))
    h = 1.0
    delta = (value(index - 2 * h) - 8 * value(index - h) + 8 * value(index + h) - value(index + 2 * h)) / (12 * h)
    gamma = (value(index + h) - 2 * value(index) + value(index - h)) / h**2
    assert risk.value[0] == pytest.approx(value(index), rel=1e-9, abs=1e-9)
    assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(delta, abs=1e-6)
    assert risk.greeks[greek("gamma"), 0, 0] == pytest.approx(gamma, abs=2e-6)
    vega = 50 * (value(index, vol + 1e-4) - value(index, vol - 1e-4))
    assert risk.greeks[greek("vega"), 0, 0] == pytest.approx(vega, abs=1e-6)

    factors = np.array([0.9, 0.99, 1.02, 1.2])
    out = np.empty((4, 1))
    OPTION.scenario_pnl([item], market, spot(*factors), out)
    assert out[:, 0] == pytest.approx([value(index * f) - value(index) for f in factors], rel=1e-9, abs=1e-7)


def test_a_strike_that_the_average_has_passed_is_exercised_for_sure(make_market):
    """One minute left: the call is worth what is fixed, whatever the last minute brings, and its put nothing."""
    call, put = option(5_000.0, settlement="USDC"), option(5_000.0, "put", "USDC")
    market = make_market({**quotes(call, 10_000.0, 3.0), **quotes(put, 10_000.0, 3.0)}, at=at(1), BTC=10_000.0)
    risk = OPTION.unit_risk([call, put], market, ("BTC", "USDC"))
    assert risk.value == pytest.approx([5_000.0, 0.0], abs=1e-6)
    assert risk.greeks[greek("delta"), :, 0] == pytest.approx([1 / 30, 0.0], abs=1e-9)
    out = np.empty((1, 2))
    OPTION.scenario_pnl([call, put], market, spot(0.5), out)
    assert out[0] == pytest.approx([-0.5 * 10_000.0 / 30, 0.0], abs=1e-6)


def test_before_the_window_nothing_changes(make_market):
    """A venue without averaging, and Deribit a minute before the window, price by plain Black-76."""
    item = option(10_000.0)
    other = item.model_copy(update={"venue": "elsewhere"})
    for chosen, minutes in ((item, 31.0), (other, 31.0), (other, 3.0)):
        market = make_market(quotes(chosen, 10_000.0), at=at(minutes), BTC=10_000.0)
        sd = 0.6 * np.sqrt(minutes / (365 * 1440))
        risk = OPTION.unit_risk([chosen], market, ("BTC",))
        assert risk.value[0] == pytest.approx(10_000.0 * (2 * norm.cdf(sd / 2) - 1), rel=1e-9)


def test_futures_follow_only_what_is_still_averaged(make_market):
    for settlement, unit in (("BTC", 1e-4), ("USDC", 1.0)):
        item = future(settlement)
        market = make_market(quotes(item, 10_000.0), at=at(15), BTC=10_000.0)
        risk = FUTURE.unit_risk([item], market, ("BTC", "USDC"))
        assert risk.greeks[greek("delta"), 0, 0] == pytest.approx(0.5 * unit)
        out = np.empty((1, 1))
        FUTURE.scenario_pnl([item], market, spot(1.2), out)
        # the mark goes to 11,000; the coins gained are worth the index of 12,000
        expected = (1 / 10_000 - 1 / 11_000) * 12_000 if settlement == "BTC" else 1_000.0
        assert out[0, 0] == pytest.approx(expected)


def test_an_expired_future_is_refused(make_market):
    market = make_market(quotes(future(), 10_000.0), at=at(-1), BTC=10_000.0)
    with pytest.raises(InputError, match="remove the expired future"):
        FUTURE.unit_risk([future()], market, ("BTC",))
