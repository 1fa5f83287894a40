"""No certified list takes a position above the largest notional that the venue allows at the account's leverage."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.box import trade_box

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
        ("binance", -8e5, -1.8e9, 1.8e9),  # whatever is held
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


@pytest.mark.parametrize(("limit", "outcome"), [(0.25, None), (0.09, ho.CertificateError), (0.05, ho.InfeasibleError)])
def test_without_a_leverage_a_position_may_leave_its_bracket(
    venues_market: ho.Market, limit: float, outcome: type[Exception] | None
) -> None:
    """800,000 short counts at 75x; 5m long are wanted, at 50x 100,000 of 1m. That no bracket has room is said where it is
    proven: the hull between 3m at 75x and 12m at 50x asks 84,444 for 5m.
    """
    book = ho.Book(accounts=[account("bn", "binance", 1e6, [("BTC-binance", -8e5 / BTC)], margin="binance")])
    rules = policy(ho.Delta("BTC").within(5e6 / BTC, 1e9), ho.MarginUtilisation(limit=limit), max_order_notional=2e7)
    if outcome is not None:
        with pytest.raises(outcome, match="name the leverage" if outcome is ho.CertificateError else "no trade list"):
            ho.propose(book, venues_market, rules)
        return
    proposal = ho.propose(book, venues_market, rules)
    assert float(np.sum(proposal.trades["quantity"])) * BTC == pytest.approx(5.8e6, rel=1e-3)
