"""A rule whose table lacks a number: valued without margin in reports of risk, refused where trades are proposed."""

from __future__ import annotations

import json
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.verify import claim_of, judge


def test_risk_counts_no_margin_where_a_number_is_missing_and_says_so(make_market: Any) -> None:
    """A Bybit perpetual without risk limits: valued with a note; refused where trades are proposed."""
    item = ho.Perpetual(name="BTCUSDT", venue="bybit", underlying="BTC", settlement="USDT")
    market = make_market({item: {"mark_price": 5e4, "index_price": 5e4}}, BTC=5e4, USDT=1.0)
    held = {"name": "b", "venue": "bybit", "collateral": [{"asset": "USDT", "amount": 1e4}],
            "positions": [{"instrument": item, "quantity": 1.0}]}  # fmt: skip
    book = ho.Book(accounts=[held])
    policy = ho.Policy(
        minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20, vol={"BTC": 0.8}), lots="ideal"
    )
    e = expose(book, market, policy, trades=False)
    assert any(
        "margin and liquidation of account b are unknown: bybit.toml: margin.brackets: BTCUSDT" in note for note in e.notes
    )
    assert e.margins.names[0].startswith("bybit lacks margin.brackets")
    strict = expose(book, market, policy.model_copy(update={"strictness": "strict"}), trades=False)
    with pytest.raises(ho.InputError, match="no margin tier for BTC"):
        strict.margins.encoding(0, "initial")


def test_a_perpetual_without_tiers_is_not_opened_and_asked_for_only_where_margin_counts(make_market: Any) -> None:
    """A default Bybit account with perpetuals among its candidates: proposed for without them; a limit on margin asks."""
    item = ho.Perpetual(name="BTCUSDT", venue="bybit", underlying="BTC", settlement="USDT")
    other = ho.Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC")
    quotes = {"mark_price": 5e4, "index_price": 5e4, "bid_price": 49_999.0, "ask_price": 50_001.0}
    market = make_market({item: quotes, other: quotes}, BTC=5e4, USDT=1.0, USDC=1.0)
    held = {"name": "d", "venue": "deribit", "margin": "portfolio", "collateral": [{"asset": "USDC", "amount": 1e6}],
            "positions": [{"instrument": other, "quantity": 1e6}]}  # fmt: skip
    empty = {"name": "b", "venue": "bybit", "collateral": [{"asset": "USDT", "amount": 1e6}]}
    book = ho.Book(accounts=[held, empty])
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC").within(-5.0, 5.0)],
        scenarios=ho.ParametricScenarios(count=20, vol={"BTC": 0.8}),
        lots="ideal",
    )
    proposal = policy.propose(book, market)
    assert set(proposal.trades["account"]) == {"d"}
    assert any("perpetuals and futures of BTC at bybit are not opened: bybit.toml has no margin tiers" in n
               for n in proposal.notes)  # fmt: skip
    told = json.loads(proposal.to_json())
    assert judge(claim_of(told), expose(book, market, policy), market, policy.model_dump(mode="json")).valid
    limited = policy.model_copy(update={"subject_to": (*policy.subject_to, ho.MarginUtilisation(limit=0.9))})
    with pytest.raises(ho.InputError, match=r"no margin tier for BTC; write bybit\.toml"):
        limited.propose(book, market)
    holding = {**empty, "positions": [{"instrument": item, "quantity": 1.0}]}
    with pytest.raises(ho.InputError, match=r"no margin tier for BTC; write bybit\.toml"):
        policy.propose(ho.Book(accounts=[held, holding]), market)
