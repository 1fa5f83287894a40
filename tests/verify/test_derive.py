"""The verifier on Derive's portfolio margin: options and perpetuals of two expiries, the limit binding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.verify.accounts import account
from hedgeopt.verify.margins import asked, below_asked
from hedgeopt.verify.sizes import trade_range

from .worlds import World


def derive_market(toy: ho.Market) -> ho.Market:
    """The toy chain as Derive lists it: USDC-settled, quoted in dollars, at the index as forward of what has none."""
    instruments: dict[str, Any] = {}
    quotes: dict[str, dict[str, Any]] = {}
    for key, item in toy.instruments.items():
        row = toy.quotes.loc[key].to_dict()
        if item.kind == "option":
            item = item.model_copy(update={"venue": "derive", "settlement": "USDC", "inverse": False})
            factor = row["underlying_price"]
        elif item.kind == "perpetual":
            item = ho.Perpetual(name=item.name, venue="derive", underlying=item.underlying, settlement="USDC")
            factor = 1.0
        else:
            continue
        row |= {name: row[name] * factor for name in ("bid_price", "ask_price", "mark_price")}
        instruments[item.id] = item
        quotes[item.id] = row
    return ho.Market(toy.timestamp, dict(toy.prices), instruments, pd.DataFrame(quotes).T, "derive")


def derive_book() -> ho.Book:
    """A short strangle, short puts and a long call against dollars."""
    held = {"BTC-27MAR26-88000-C": -10.0, "BTC-27MAR26-72000-P": -10.0, "BTC-26JUN26-80000-C": 5.0}
    held["ETH-26JUN26-2000-P"] = -100.0
    account = {
        "name": "main",
        "venue": "derive",
        "margin": "derive",
        "collateral": [{"asset": "USDC", "amount": 700_000.0}],
        "positions": [{"instrument": name, "quantity": q} for name, q in held.items()],
    }
    return ho.Book(name="derive", accounts=[account])


def derive_policy(limit: float) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.MarginUtilisation(limit=limit), ho.OrderLimit(notional=3e6)],
        scenarios=ho.ParametricScenarios(count=100, seed=5, vol={"BTC": 0.6, "ETH": 0.8}),
        lots="ideal",
    )


@pytest.fixture(scope="module")
def market(toy_market: ho.Market) -> ho.Market:
    return derive_market(toy_market)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_binding_margin_limit_is_proven(market: ho.Market, share: float) -> None:
    e = World(derive_book(), market, derive_policy(1.0)).exposures()
    now = asked(e, account(e, 0), "initial", np.zeros(e.n_candidates)) / float(e.equity[0])
    world = World(derive_book(), market, derive_policy(share * now))
    told = world.told()
    assert max(row["shadow_price"] for row in told["limits"]) > 0
    verdict = world.verdict(told)
    assert verdict.valid, verdict


def test_the_lower_function_is_below_the_rule_and_touches_it(market: ho.Market) -> None:
    world = World(derive_book(), market, derive_policy(0.5))
    e = world.exposures()
    a, box = account(e, 0), trade_range(world.policy.model_dump(mode="json"), e)
    rng = np.random.default_rng(3)
    for kind in ("initial", "maintenance"):
        for trial in range(8):
            x = rng.uniform(*box) * 10.0 ** rng.uniform(-4, 0) * (rng.random(e.n_candidates) < 0.3)
            below = below_asked(e, a, kind, x, box)
            assert below is not None
            assert below(x) >= 0.7 * asked(e, a, kind, x), (kind, trial)
            for _ in range(30):
                y = rng.uniform(*box) * 10.0 ** rng.uniform(-6, 0)
                assert below(y) <= asked(e, a, kind, y) * (1 + 1e-9) + 1e-6
