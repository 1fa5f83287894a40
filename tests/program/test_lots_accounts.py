"""One instrument in several accounts of a venue: never bought in one and sold in another, by search and by verifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.errors import InfeasibleError
from hedgeopt.exposures.expose import expose
from hedgeopt.program.lots.steps import facing
from hedgeopt.verify.lots import not_whole
from tests.program.proposal_cases import policy, venues


def two_accounts(held: float, other: float) -> ho.Book:
    accounts = [
        ho.Account(name=name, venue="deribit", collateral=[ho.Collateral(asset="BTC", amount=40.0)],
                   positions=[ho.Position(instrument="BTC-deribit", quantity=80_000.0 * coins)])
        for name, coins in (("a", held), ("b", other))
    ]  # fmt: skip
    return ho.Book(name="two accounts", accounts=accounts)


def limits(most: float) -> list[Any]:
    return [ho.Delta("BTC", of=(name,)).within(30.0, 40.0 + most) for name in ("a", "b")]


def whole(*rules: Any) -> ho.Policy:
    return policy(*rules).model_copy(update={"lots": "whole"})


def test_opposite_sides_are_refused_where_nothing_else_would_do() -> None:
    rules = whole(*limits(1.0))
    book, market = two_accounts(8.0, -14.0), venues()
    ideal = rules.model_copy(update={"lots": "ideal"}).propose(book, market)
    assert set(ideal.trades.side) == {"buy", "sell"}
    with pytest.raises(InfeasibleError, match=r"nearest list found.*one side per instrument: BTC-deribit"):
        rules.propose(book, market)


def test_the_verifier_sees_the_desk_trade_with_itself() -> None:
    rules, market = whole(), venues()
    e = expose(two_accounts(8.0, -14.0), market, rules)
    at = [i for i, row in enumerate(e.candidate) if e.rows.instruments[row].name == "BTC-deribit"]
    assert len(at) == 2
    x = np.zeros(e.n_candidates)
    x[at] = 100.0
    assert not facing(e, x)
    assert not list(not_whole(rules.model_dump(mode="json"), e, market, x))
    x[at[1]] = -100.0
    assert facing(e, x) == "BTC-deribit"
    (line,) = not_whole(rules.model_dump(mode="json"), e, market, x)
    assert "would trade with itself" in line


def test_two_accounts_that_both_sell_may() -> None:
    found = whole(*limits(1.0)).propose(two_accounts(8.0, 9.0), venues())
    sold = found.trades[found.trades.instrument == "BTC-deribit"]
    assert set(sold.side) == {"sell"}
    assert set(sold.account) == {"a", "b"}


@settings(max_examples=12, deadline=None)
@given(coins=st.floats(-4.9, 4.9))
def test_nothing_is_traded_while_a_breach_is_within_the_band(coins: float) -> None:
    """Trading costs money, and inside every limit there is nothing to gain."""
    account = ho.Account(name="a", venue="binance", collateral=[ho.Collateral(asset="USDC", amount=3e6)],
                         positions=[ho.Position(instrument="BTC-binance", quantity=round(coins, 3))])  # fmt: skip
    rules = whole(ho.Delta("BTC").within(-5.0, 5.0))
    found = rules.propose(ho.Book(name="inside", accounts=[account]), venues())
    assert found.certificate.valid
    assert found.trades.empty
