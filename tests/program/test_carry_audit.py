"""Theta enters where docs/costs.md says: in scenarios, and in carry only where it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.pricing.family import greek
from hedgeopt.verify.straight import STRAIGHT


def test_theta_is_in_scenarios_and_in_carry_where_it_is_asked_for(toy_book: ho.Book, toy_market: ho.Market) -> None:
    """Prices and vols that stand still lose the decay of the horizon in every scenario."""
    still = ho.ParametricScenarios(count=20, vol={"BTC": 1e-7, "ETH": 1e-7}, vol_of_vol=0.0)
    e = expose(toy_book, toy_market, ho.Policy(minimize=ho.Carry(), scenarios=still), trades=False)
    rows = e.rows
    option = np.array([item.nature.option for item in rows.instruments])
    theta = float((rows.greeks[greek("theta")].sum(axis=1) * rows.quantity)[option].sum()) * e.horizon_days
    assert theta != 0.0
    assert float(e.base_pnl.mean()) == pytest.approx(theta, rel=0.1)
    assert not rows.carry[option].any()
    carry = float(rows.carry @ rows.quantity) * e.horizon_days
    for include, told in ((False, -carry), (True, -carry - theta)):
        _, unit, convex = STRAIGHT["carry"]({"kind": "carry", "include_theta": include}, e)
        assert unit == "USD"
        assert convex.constant == pytest.approx(told)
