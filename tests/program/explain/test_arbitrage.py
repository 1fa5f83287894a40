"""Quotes that pay for certain are found with their legs and refused; quotes that do not are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.box import trade_box
from hedgeopt.program.explain.arbitrage import quoted_arbitrage
from tests.program.explain.test_explained import BOOK, MARKET, POLICY

E = expose(BOOK, MARKET, POLICY)
NAMES = [E.rows.instruments[row].name for row in E.candidate]


def quoted(**bids: float) -> ho.Exposures:
    bid = E.rows.bid.copy()
    for name, value in bids.items():
        bid[E.candidate[NAMES.index(name.replace("_", "-"))]] = value
    return replace(E, rows=replace(E.rows, bid=bid))


def ask(name: str) -> float:
    return float(E.rows.ask[E.candidate[NAMES.index(name)]])


def worst(e: ho.Exposures, legs: tuple[tuple[float, str, int], ...]) -> float:
    """Coins at the worst of many prices, each leg paid by hand: an evaluation that shares nothing with the search."""
    s = np.geomspace(500.0, 2e6, 4001)
    total = np.zeros_like(s)
    for x, name, i in legs:
        row = e.candidate[i]
        _, _, strike, right = name.split("-")
        pays = np.maximum(s - float(strike), 0) if right == "C" else np.maximum(float(strike) - s, 0)
        price = e.rows.ask[row] if x > 0 else e.rows.bid[row]
        total += x * (pays / s - price) - abs(x) * e.fee[i] / e.price("BTC")
    return float(total.min())


def test_the_packaged_quotes_hold_none() -> None:
    assert quoted_arbitrage(E, trade_box(POLICY, E)) == []


def test_a_call_bid_above_a_lower_strike_is_named_with_its_legs() -> None:
    e = quoted(BTC_13MAR26_92000_C=1.2 * ask("BTC-13MAR26-90000-C"))
    (found, *_) = quoted_arbitrage(e, trade_box(POLICY, e))
    assert any(x < 0 and name == "BTC-13MAR26-92000-C" for x, name, _ in found.legs)
    assert any(x > 0 for x, _, _ in found.legs)
    assert worst(e, found.legs) == pytest.approx(found.gain, rel=1e-3)
    assert found.gain > 0.0
    assert found.usd == pytest.approx(found.gain * E.price("BTC"))


def test_a_butterfly_that_costs_less_than_nothing_is_found() -> None:
    low, high = ask("BTC-13MAR26-88000-C"), ask("BTC-13MAR26-92000-C")
    e = quoted(BTC_13MAR26_90000_C=0.5 * (low + high) + 0.004)
    found = quoted_arbitrage(e, trade_box(POLICY, e))
    assert found
    assert worst(e, found[0].legs) > 0.0


def test_fees_can_make_it_none() -> None:
    e = quoted(BTC_13MAR26_92000_C=1.2 * ask("BTC-13MAR26-90000-C"))
    dear = replace(e, fee=np.full_like(e.fee, 10_000.0))
    assert quoted_arbitrage(dear, trade_box(POLICY, dear)) == []


def test_such_quotes_are_refused_with_the_line_that_leaves_them_out() -> None:
    quotes = MARKET.quotes.copy()
    key = next(k for k, item in MARKET.instruments.items() if item.name == "BTC-13MAR26-92000-C")
    quotes.loc[key, ["bid_price", "ask_price"]] = 1.9 * ask("BTC-13MAR26-90000-C"), 2.0 * ask("BTC-13MAR26-90000-C")
    market = replace(MARKET, quotes=quotes)
    with pytest.raises(ho.InputError, match="gain at least") as error:
        POLICY.propose(BOOK, market)
    assert '"BTC-13MAR26-92000-C"' in str(error.value)
    rules = POLICY.candidates.model_validate({**POLICY.candidates.model_dump(), "do_not_trade": ("BTC-13MAR26-92000-C",)})
    proposal = POLICY.model_copy(update={"candidates": rules}).propose(BOOK, market)
    assert proposal.certificate.valid
