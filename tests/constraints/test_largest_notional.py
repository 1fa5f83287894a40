"""No certified list takes a position above the largest notional that the venue allows at the account's leverage."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposing import expose
from hedgeopt.program import trade_box

_spec = importlib.util.spec_from_file_location("constraints_conftest", Path(__file__).with_name("conftest.py"))
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy, BTC = _support.account, _support.policy, _support.BTC


@pytest.mark.parametrize(
    ("margin", "held", "lowest", "highest"),
    [
        ("binance:50", 0.0, -12e6, 12e6),  # 50x up to 12m
        ("binance:50", 4e6, -12e6, 12e6),
        ("binance:50", -4e6, -12e6, 12e6),
        ("binance:125", 0.0, -50e3, 50e3),
        ("binance:50", 40e6, -70e6, 70e6),  # held at no more than 25x
        ("binance", 0.0, -1.8e9, 1.8e9),  # where nothing is chosen: the table's end
        ("binance", -8e5, -3e6, 3e6),  # and of what is held the end of its bracket, 75x
    ],
)
def test_the_box_ends_at_the_largest_notional(
    venues_market: ho.Market, margin: str, held: float, lowest: float, highest: float
) -> None:
    book = ho.Book(accounts=[account("bn", "binance", 1e9, [("BTC-binance", held / BTC)] if held else [], margin=margin)])
    rules = policy(max_order_notional=1e12)
    e = expose(book, venues_market, rules)
    box = trade_box(rules, e)
    (i,) = [k for k, c in enumerate(e.candidate) if e.rows.instruments[c].name == "BTC-binance"]
    assert held + box.lower[i] * BTC == pytest.approx(lowest)
    assert held + box.upper[i] * BTC == pytest.approx(highest)
    assert "largest notional" in box.names[box.upper_from[i]]


def test_a_hedge_stops_at_the_cap_and_says_so(venues_market: ho.Market) -> None:
    """Wanted: 30m of BTC; 50x allows 12m, whatever the policy limits."""
    book = ho.Book(accounts=[account("bn", "binance", 1e8, [("BTC-binance", -2e6 / BTC)], margin="binance:50")])
    wish = ho.Delta("BTC").within(12e6 / BTC, 1e9)
    proposal = ho.propose(book, venues_market, policy(wish, max_order_notional=1e12))
    assert proposal.certificate.valid
    after = -2e6 / BTC + float(np.sum(proposal.trades["quantity"]))
    assert after * BTC == pytest.approx(12e6, rel=1e-6)
    assert after * BTC <= 12e6 * (1 + 1e-9)
    with pytest.raises(ho.InfeasibleError):
        ho.propose(book, venues_market, policy(ho.Delta("BTC").within(12.1e6 / BTC, 1e9), max_order_notional=1e12))
