"""Exposures: premium legs, accounts, and revaluation of the whole book by other means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.set import vol_term_weight


@pytest.fixture(scope="module")
def exposures(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


def test_trading_an_inverse_option_adds_its_net_transaction_delta(exposures: Exposures, toy_market: ho.Market) -> None:
    e = exposures
    for n, row in enumerate(e.candidate):
        item = e.rows.instruments[row]
        expected = e.rows.greeks[greek("delta"), row, e.asset(item.underlying)]
        if item.kind == "option":
            expected -= toy_market.quoted("mark_price", [item.id])[0]  # the premium in coins, priced by scipy
        assert e.trade_greeks[greek("delta"), n, e.asset(item.underlying)] == pytest.approx(expected, abs=1e-9)


def test_equity_plus_delta_total_is_the_usd_exposure(exposures: Exposures, toy_market: ho.Market) -> None:
    # Deribit: USD exposure = equity + DeltaTotal, where equity counts option values in coins
    e = exposures
    report = risk_report(e)
    for asset in ("BTC", "ETH"):
        coins = e.collateral[0, e.asset(asset)]
        option_coins = sum(
            e.rows.quantity[r] * e.rows.premium[r] for r in range(len(e.rows)) if e.rows.instruments[r].underlying == asset
        )
        equity = coins + option_coins
        assert report.greeks[asset]["delta"] == pytest.approx(equity + report.accounts[0].net_transaction_delta[asset])


def _value(e: Exposures, market: ho.Market, quantity: np.ndarray, coins: np.ndarray, s: int, scenarios: object) -> float:
    """USD value of positions and coins in scenario s, written out with scipy."""
    total = 0.0
    factor = {a: scenarios.price_factor(a)[s] for a in ("BTC", "ETH")}
    total += sum(coins[a] * e.prices[a] * factor[e.assets[a]] for a in range(len(e.assets)) if e.assets[a] in factor)
    for row, item in enumerate(e.rows.instruments):
        q, f, index = quantity[row], factor[item.underlying], market.price(item.underlying)
        if q == 0:
            continue
        mark = market.quoted("mark_price", [item.id])[0]
        if item.kind != "option":
            total += q * (1 / mark - 1 / (mark * f)) * index * f
            continue
        forward, vol = market.quoted("underlying_price", [item.id])[0], market.quoted("mark_iv", [item.id])[0]
        days = 365 * item.years_from(market.timestamp)
        move = scenarios.log_vol_shift[s, scenarios.assets.index(item.underlying)]
        sigma = vol * np.exp(move * float(vol_term_weight(np.array(days / 365))))
        sigma = float(np.clip(sigma, 0.01, 5.0))
        root = sigma * np.sqrt((days - scenarios.horizon_days) / 365)
        forward_s = forward * f
        d1 = np.log(forward_s / item.strike) / root + root / 2
        sign = 1 if item.right == "call" else -1
        coin = sign * (norm.cdf(sign * d1) - item.strike / forward_s * norm.cdf(sign * (d1 - root)))
        total += q * coin * index * f
    return total


def test_scenario_pnl_of_a_traded_book_equals_revaluing_everything(
    toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy
) -> None:
    settings = toy_policy.scenarios.model_copy(update={"noise": "none"})  # which has a column for every strike
    e = expose(toy_book, toy_market, toy_policy.with_scenarios(settings))
    scenarios = draw(settings, ["BTC", "ETH"], toy_market)
    rng = np.random.default_rng(2)
    x = np.where(rng.random(e.n_candidates) < 0.2, rng.normal(size=e.n_candidates) * 5, 0.0)
    after = e.positions(x)
    coins = e.collateral[0].copy()
    for n, row in enumerate(e.candidate):  # trades at mark are paid in coins
        item = e.rows.instruments[row]
        if item.kind == "option":
            coins[e.asset(item.settlement)] -= x[n] * toy_market.quoted("mark_price", [item.id])[0]
    still = type(scenarios)("now", scenarios.assets, np.ones((1, 2)), np.zeros((1, 2)), 0.0)
    now = _value(e, toy_market, e.rows.quantity, e.collateral[0], 0, still)
    for s in (0, 17, 401, 799):
        then = _value(e, toy_market, after, coins, s, scenarios)
        assert e.base_pnl[s] + e.pnl[s] @ x == pytest.approx(then - now, rel=1e-9, abs=1e-3)


def test_equity_is_coins_plus_option_values(exposures: Exposures, toy_market: ho.Market) -> None:
    e = exposures
    value = 40 * 80_000 + 300 * 2_500
    for row, item in enumerate(e.rows.instruments):
        if item.kind == "option":
            value += e.rows.quantity[row] * toy_market.quoted("mark_price", [item.id])[0] * toy_market.price(item.underlying)
    assert e.equity.sum() == pytest.approx(value)


def test_two_accounts_at_one_venue_each_get_their_candidates(toy_market: ho.Market, toy_policy: ho.Policy) -> None:
    account = {"venue": "deribit", "collateral": [{"asset": "BTC", "amount": 5}]}
    book = ho.Book(
        accounts=[
            {"name": "a", **account, "positions": [{"instrument": "BTC-PERPETUAL", "quantity": 1e5}]},
            {"name": "b", **account},
            {"name": "closed", **account, "tradable": False},
        ]
    )
    e = expose(book, toy_market, toy_policy)
    per_account = np.bincount(e.rows.account[e.candidate], minlength=3)
    assert per_account[0] == per_account[1] > 0
    assert per_account[2] == 0
    assert e.equity.tolist() == pytest.approx([400_000.0] * 3)


def test_same_seed_same_scenarios_other_seed_others(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> None:
    first, second = (expose(toy_book, toy_market, toy_policy).base_pnl for _ in range(2))
    assert (first == second).all()
    other = toy_policy.model_copy(update={"scenarios": ho.ParametricScenarios(count=800, seed=4)})
    assert not np.allclose(first, expose(toy_book, toy_market, other).base_pnl)
