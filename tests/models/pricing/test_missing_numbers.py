"""A rule whose table lacks a number: valued without margin in reports of risk, refused where trades are proposed."""

from __future__ import annotations

from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose


def test_risk_counts_no_margin_where_a_number_is_missing_and_says_so(make_market: Any) -> None:
    """A Bybit perpetual without risk limits: valued with a note; refused where trades are proposed."""
    item = ho.Perpetual(name="BTCUSDT", venue="bybit", underlying="BTC", settlement="USDT")
    market = make_market({item: {"mark_price": 5e4, "index_price": 5e4}}, BTC=5e4, USDT=1.0)
    held = {"name": "b", "venue": "bybit", "collateral": [{"asset": "USDT", "amount": 1e4}],
            "positions": [{"instrument": item, "quantity": 1.0}]}  # fmt: skip
    book = ho.Book(accounts=[held])
    policy = ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20, vol={"BTC": 0.8}))
    e = expose(book, market, policy, trades=False)
    assert any(
        "margin and liquidation of account b are unknown: bybit.toml: margin.brackets: BTCUSDT" in note for note in e.notes
    )
    assert e.margins.names[0].startswith("bybit lacks margin.brackets")
    strict = expose(book, market, policy.model_copy(update={"strictness": "strict"}), trades=False)
    with pytest.raises(ho.InputError, match="no margin tier for BTC"):
        strict.margins.encoding(0, "initial")
