"""Delivery fees: worked by hand, in the objective, proven, verified, and as the backtest's ledger charges them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.models.costs.delivery import fee_at_delivery
from hedgeopt.venues.known import parser
from hedgeopt.verify.measures import measure

NOW = datetime(2026, 3, 6, 20, tzinfo=UTC)
INDEX = 80_000.0
SOON, LATER = "7MAR26", "27MAR26"


def market(*names: str, settlement: float = 1.0) -> ho.Market:
    """Options and futures at Deribit around 80,000; those of 7 March expire in 12 hours."""
    items = [parser("deribit")(name) for name in names]
    quotes: dict[str, Any] = {}
    for item in items:
        price = 0.05 if item.inverse and item.nature.option else 4_000.0 if item.nature.option else INDEX
        quotes[item.id] = {
            "timestamp": pd.Timestamp(NOW), "bid_price": 0.999 * price, "ask_price": 1.001 * price, "mark_price": price,
            "mark_iv": 0.5 if item.nature.option else np.nan, "underlying_price": INDEX, "open_interest": 1e4, "volume": 1e4,
            "funding_8h": 0.0, "settlement_average": np.nan,
        }  # fmt: skip
    return ho.Market(NOW, {"BTC": INDEX, "USDC": settlement}, {i.id: i for i in items}, pd.DataFrame(quotes).T, "hand")


def policy(*terms: Any, **more: Any) -> ho.Policy:
    sample = ho.ParametricScenarios(count=50, seed=1, vol={"BTC": 0.5}, horizon_days=1.0)
    candidates = ho.Candidates(min_days=0.0, kinds=("option", "future", "perpetual"))
    return ho.Policy(minimize=sum(terms[1:], terms[0]), scenarios=sample, candidates=candidates, lots="ideal", **more)


def book(**held: float) -> ho.Book:
    positions = [{"instrument": name.replace("_", "-"), "quantity": q} for name, q in held.items()]
    cash = [{"asset": "BTC", "amount": 50.0}, {"asset": "USDC", "amount": 1e6}]
    return ho.Book(accounts=[{"name": "a", "venue": "deribit", "collateral": cash, "positions": positions}])


@pytest.mark.parametrize(
    ("name", "price", "dollars", "fee"),
    [
        (f"BTC-{SOON}-70000-C", INDEX, INDEX, 0.00015),  # of a coin; the payoff is 0.125 coins
        (f"BTC-{SOON}-79950-C", INDEX, INDEX, 0.125 * 50.0 / INDEX),  # capped at an eighth of the payoff
        (f"BTC-{SOON}-90000-C", INDEX, INDEX, 0.0),
        (f"BTC-{SOON}-90000-P", INDEX, INDEX, 0.00015),
        (f"BTC_USDC-{SOON}-70000-C", INDEX, 0.999, 12.0),
        (f"BTC-{SOON}", INDEX, INDEX, 0.00025 / INDEX),  # a dollar of an inverse future, in coins
    ],
)
def test_worked_by_hand(name: str, price: float, dollars: float, fee: float) -> None:
    assert fee_at_delivery(parser("deribit")(name), price, dollars) == pytest.approx(fee, rel=1e-12, abs=0.0)


def test_the_term_adds_up_what_expires_within_the_horizon() -> None:
    """Long and short pay alike; what expires later, or is worth nothing today, does not."""
    names = f"BTC-{SOON}-70000-C", f"BTC-{SOON}-90000-C", f"BTC-{LATER}-70000-C", f"BTC-{SOON}", "BTC-PERPETUAL"
    held = dict(zip([name.replace("-", "_") for name in names], (-3.0, 5.0, 7.0, 40_000.0, 1e5), strict=True))
    e = ho.expose(book(**held), market(*names), policy(ho.DeliveryFee()))
    found = measure({"kind": "delivery_fee"}, e, np.zeros(e.n_candidates), ())
    by_hand = 3.0 * 0.00015 * INDEX + 40_000.0 * 0.00025
    assert found.value == pytest.approx(by_hand, rel=1e-12)
    x = np.zeros(e.n_candidates)
    for i, row in enumerate(e.candidate.tolist()):
        if e.rows.instruments[row].name == names[0]:
            x[i] = 4.0
    assert measure({"kind": "delivery_fee"}, e, x, ()).value == pytest.approx(by_hand - 2.0 * 0.00015 * INDEX, rel=1e-12)


def test_what_is_about_to_be_delivered_is_closed_where_that_is_cheaper() -> None:
    """Ten coins short in a call that pays 12 USD each at delivery: closing costs 25, which three times 12 is worth."""
    name = f"BTC-{SOON}-70000-C"
    given, held = market(name), book(**{name.replace("-", "_"): -10.0})
    quotes = given.quotes.copy()
    quotes[["bid_price", "mark_price", "ask_price"]] = [0.125, 0.125, 0.125 + 1.0 / INDEX]
    given = ho.Market(NOW, given.prices, given.instruments, quotes, "hand")
    plain = ho.propose(held, given, policy(ho.TransactionCost()))
    assert not len(plain.trades)
    dear = ho.propose(held, given, policy(ho.TransactionCost(), ho.DeliveryFee()))
    assert not len(dear.trades)  # a fee of 24 and a spread of 1 against 12
    worth = ho.propose(held, given, policy(ho.TransactionCost(), 3.0 * ho.DeliveryFee()))
    assert worth.trades["quantity"].tolist() == pytest.approx([10.0])
    row = worth.objective.set_index("term").loc["delivery fees"]
    assert (row["before"], row["after"]) == pytest.approx((120.0, 0.0), abs=1e-6)
    verdict = ho_verify(worth, held, given, policy(ho.TransactionCost(), 3.0 * ho.DeliveryFee()))
    assert verdict.wrong == ()
    assert (verdict.broken, verdict.unproven) == ((), ())


def ho_verify(proposal: ho.Proposal, held: ho.Book, given: ho.Market, rules: ho.Policy) -> Any:
    from hedgeopt.verify import claim_of, judge

    return judge(claim_of(proposal.to_dict()), ho.expose(held, given, rules), given, rules.model_dump(mode="json"))


def test_a_venue_without_such_a_fee_is_refused_where_something_expires() -> None:
    item = parser("okx")("BTC-USD-260307-70000-C")
    with pytest.raises(ho.InputError, match=r"okx.toml: delivery.option_rate.*no delivery fee of okx is known"):
        fee_at_delivery(item, INDEX, INDEX)
    assert item.expiry > NOW + timedelta(hours=1)
