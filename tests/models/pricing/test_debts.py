"""A debt needs a lender: what is owned cannot be held in a negative amount, whatever the margin rule of the account."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.models.margin.rules import MODELS, margin_model
from hedgeopt.models.pricing.pegged import Pegged
from hedgeopt.models.pricing.spot import Spot

SCENARIOS = ho.ParametricScenarios(count=100, vol={"ETH": 0.7, "stETH": 0.7})
PLAIN = ho.Policy(minimize=ho.TransactionCost(), scenarios=SCENARIOS, lots="ideal")
MODELS_BY_NAME = [name for name in MODELS if name != "table"]


def _book(item: Any, quantity: float, margin: str = "none", venue: str = "wallet") -> Book:
    held = (Position(instrument=item, quantity=quantity),)
    coins = (Collateral(asset="USDC", amount=1e6),)
    return Book(accounts=(Account(name="w", venue=venue, margin=margin, positions=held, collateral=coins),))


@pytest.mark.parametrize("margin", MODELS_BY_NAME)
@pytest.mark.parametrize("kind", ["spot", "pegged"])
def test_a_short_of_what_is_owned_is_refused_under_every_rule(margin: str, kind: str, make_market: Any):
    common = {"name": "coin", "venue": "deribit"}
    item = Spot(**common, asset="ETH") if kind == "spot" else Pegged(**common, asset="stETH", underlying="ETH", peg=1.0)
    book = _book(item, -100.0, margin, "deribit")
    with pytest.raises(ho.InputError, match=r"account 'w': position 'coin': coin cannot be short.*lends none.*aave"):
        expose(book, make_market(ETH=2_000.0, stETH=2_000.0, USDC=1.0), PLAIN, trades=False)


@pytest.mark.parametrize("margin", MODELS_BY_NAME)
def test_the_plain_rules_refuse_it_too(margin: str, make_market: Any):
    """A certificate asks the rule at the trades: there a negative amount must not need a margin of 0 either."""
    item = Spot(name="coin", venue="deribit", asset="ETH")
    e = expose(
        _book(item, 1.0, margin, "deribit"),
        make_market(ETH=2_000.0, USDC=1.0),
        PLAIN,
        trades=False,
    )
    model, state = margin_model(margin, "deribit"), e.margins.state(0)
    with pytest.raises(ho.InputError, match=r"account w: coin"):
        model.requirement(state, np.array([-100.0]), e.collateral[0])
    if margin != "aave":
        model.requirement(state, np.array([-1e-9]), e.collateral[0])  # what is left of a position sold whole


def test_a_named_position_that_cannot_be_short_is_refused_as_well(make_market: Any):
    item = Spot(name="ETH_USDC", venue="wallet", asset="ETH")
    market = make_market({item: {"mark_price": 2_000.0}}, ETH=2_000.0, USDC=1.0)
    with pytest.raises(ho.InputError, match=r"position 'ETH_USDC': ETH_USDC cannot be short"):
        expose(_book("ETH_USDC", -1.0), market, PLAIN, trades=False)


def test_a_hedge_sells_at_most_what_is_held(make_market: Any):
    """Against a rise of ETH the tail would go short by any amount: the wallet has 10 to sell, and no more."""
    item = Spot(name="ETH_USDC", venue="deribit", asset="ETH")
    quote = {"mark_price": 2_000.0, "bid_price": 1_999.0, "ask_price": 2_001.0}
    market = make_market({item: quote}, ETH=2_000.0, USDC=1.0)
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("ETH").within(-50.0, 0.5)],
        candidates=ho.Candidates(kinds=("spot",), names=("ETH_USDC",)),
        scenarios=SCENARIOS,
        lots="ideal",
    )
    for margin in ("none", "portfolio"):
        e = expose(_book("ETH_USDC", 10.0, margin, "deribit"), market, policy)
        assert (e.lower[0], e.upper[0]) == (-10.0, np.inf)
    answer = policy.propose(_book("ETH_USDC", 10.0, "none", "deribit"), market)
    assert answer.trades["quantity"].sum() == pytest.approx(9.5)
    tighter = policy.model_copy(update={"subject_to": (ho.Delta("ETH").within(-50.0, -1.0),)})
    with pytest.raises(ho.InfeasibleError):
        tighter.propose(_book("ETH_USDC", 10.0, "none", "deribit"), market)


def test_a_loan_needs_a_rule_that_lends(make_market: Any):
    loan = {"kind": "lending_borrow", "name": "debt", "asset": "ETH"}
    policy, market = PLAIN, make_market(ETH=2_000.0, USDC=1.0)
    data = {"name": "w", "venue": "morpho", "positions": [{"instrument": loan, "quantity": 100.0}]}
    e = expose(Book(accounts=(Account(**data),)), market, policy, trades=False)
    with pytest.raises(ho.InputError, match=r"debt \(lending_borrow\) has no rule in the margin model"):
        e.margins.requirement(0, e.rows.quantity, e.collateral[0])
    e = expose(Book(accounts=(Account(**data, margin="aave"),)), market, policy, trades=False)
    # initial: the debt may be no more than LTV times what is supplied, which is nothing, so that it needs all of it
    assert e.margins.requirement(0, e.rows.quantity, e.collateral[0]).initial > -1.0


def test_a_negative_balance_is_a_debt_too():
    def account(*coins: tuple[str, float], **more: str) -> Account:
        posted = tuple(Collateral(asset=asset, amount=amount) for asset, amount in coins)
        return Account(name="w", collateral=posted, **{"venue": "wallet", **more})

    with pytest.raises(ValueError, match=r"account 'w' owes 100 ETH, and its margin 'standard' lends nothing.*aave"):
        account(("ETH", -100.0), ("USDC", 1e6))
    with pytest.raises(ValueError, match=r"account 'w' owes 5 dollars, and its margin 'none' lends nothing"):
        account(("USDC", 10.0), ("USD", -15.0), venue="deribit", margin="none")
    account(("USDC", 20.0), ("USD", -15.0))  # paid in one dollar with another
    account(("ETH", -100.0), ("USDC", 1e6), margin="aave")
    account(("BTC", -1.0), ("USDC", 1e6), venue="deribit")


def test_a_backtest_does_not_sell_what_it_does_not_hold(make_market: Any):
    item = Spot(name="ETH_USDC", venue="deribit", asset="ETH")
    quote = {"mark_price": 2_000.0, "bid_price": 1_999.0, "ask_price": 2_001.0}
    market = make_market({item: quote}, ETH=2_000.0, USDC=1.0, USD=1.0)
    portfolio = Portfolio(_book("ETH_USDC", 10.0, "none", "deribit"), market)
    with pytest.raises(ho.InputError, match=r"account 'w': order in 'ETH_USDC': ETH_USDC would be short"):
        portfolio.trade(market, "w", "ETH_USDC", -11.0, "hedge")
    fill = portfolio.trade(market, "w", "ETH_USDC", -10.0001, "hedge")  # 20 cents more: a solver's rounding
    assert fill.quantity == -10.0
    assert not portfolio.holdings
