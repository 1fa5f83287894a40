"""After each stress every account still covers its maintenance margin, checked without the encodings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.effects import account_collateral, equity_after

_spec = importlib.util.spec_from_file_location("constraints_conftest", Path(__file__).with_name("conftest.py"))
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy, BTC = _support.account, _support.policy, _support.BTC


def after_stress(answer: ho.Solved, c: int, k: int) -> tuple[float, float]:
    """Equity and maintenance of an account after trades and a stress, by the plain rules."""
    e = answer.exposures
    need = e.margins.requirement(c, e.positions(answer.x), account_collateral(e, c, answer.x), k).maintenance
    return equity_after(e, c, answer.x, k), need


def funding(e: Exposures, k: int) -> float:
    """Share of notional that longs pay in a stress."""
    table = e.margins.stress.funding
    return 0.0 if table is None else float(table[k, e.margins.stress.column("BTC")])


def test_a_long_perpetual_is_cut_to_what_survives(venues_market: ho.Market) -> None:
    book = ho.Book(accounts=[account("hl", "hyperliquid", 1_000_000.0, [("BTC-hyperliquid", 100.0)])])
    answer = ho.solve(book, venues_market, policy(ho.SurviveStress(scenarios=("2020-03-12",)), names=("BTC-*",)))
    e = answer.exposures
    k = e.stress.index("2020-03-12")
    level = e.stress_prices[k, e.asset("BTC")] / BTC
    loss = 1.0 - level + funding(e, k) * level  # longs receive the funding of that day
    # equity 1,000,000 - c (100 - q) - q BTC loss = q BTC level / 80, where every coin sold costs c
    cost = BTC * (1e-4 + 0.00045)
    left = (1_000_000 - cost * 100) / (BTC * loss + BTC * level / 80 - cost)
    (i,) = (i for i, row in enumerate(e.candidate) if e.rows.instruments[row].name == "BTC-hyperliquid")
    assert 100 + answer.x[i] == pytest.approx(left, rel=1e-6)
    equity, need = after_stress(answer, 0, k)
    assert equity == pytest.approx(need, rel=1e-6)


def test_coin_settled_losses_hit_coin_collateral(venues_market: ho.Market) -> None:
    # long inverse perpetual with coins posted: both fall together, which cash collateral would not
    def book(coins: float, usdc: float) -> ho.Book:
        posted = [{"asset": "BTC", "amount": coins}] if coins else []
        return ho.Book(accounts=[account("db", "deribit", usdc, [("BTC-PERPETUAL", 1_500_000.0)], coins=posted)])

    rules = policy(ho.SurviveStress(scenarios=("2020-03-12",)), names=("BTC-*",))
    coins, cash = (ho.solve(book(*held), venues_market, rules) for held in ((10.0, 0.0), (0.0, 800_000.0)))
    assert coins.proposal.before.equity == pytest.approx(cash.proposal.before.equity)
    assert coins.x.sum() < cash.x.sum() - 1e5
    e = coins.exposures
    k = e.stress.index("2020-03-12")
    price = e.stress_prices[k, e.asset("BTC")]
    held = 1_500_000.0 + coins.x.sum()
    cost = coins.proposal.costs["transaction"]
    equity = (10.0 + held * (1 / BTC - 1 / price)) * price - funding(e, k) * held - cost
    position = held / price
    maintenance = (0.01 + 0.00005 * position) * held
    assert equity == pytest.approx(maintenance, rel=1e-6)
    assert equity >= maintenance * (1 - 1e-9)


@pytest.mark.parametrize("margin", ["deribit_standard", "portfolio"])
def test_every_stress_at_once_on_an_options_book(margin: str, toy_book: ho.Book, toy_market: ho.Market) -> None:
    main = toy_book.accounts[0].model_copy(update={"margin": margin})
    book = toy_book.model_copy(update={"accounts": (main,)})
    rules = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.SurviveStress(utilisation=0.9)],
        scenarios=ho.ParametricScenarios(count=100),
        lots="ideal",
    )
    answer = ho.solve(book, toy_market, rules)
    assert answer.proposal.certificate.valid
    e = answer.exposures
    ratios = []
    for k in range(len(e.stress)):
        equity, need = after_stress(answer, 0, k)
        assert 0.9 * equity >= need * (1 - 1e-6)
        ratios.append(need / equity)
    before = [
        e.margins.requirement(0, e.rows.quantity, e.collateral[0], k).maintenance
        / (e.equity[0] + e.stress_account_pnl[k, 0])
        for k in range(len(e.stress))
    ]
    if any(b > 0.9 or b < 0 for b in before):
        assert max(ratios) == pytest.approx(0.9, rel=2e-3)
    assert len(answer.proposal.limits) >= len(e.stress)


def test_stressed_options_are_revalued_by_the_venue_with_the_stressed_vol(toy_book: ho.Book, toy_market: ho.Market) -> None:
    from scipy.stats import norm

    from hedgeopt.exposures.expose import expose
    from hedgeopt.models.scenarios.set import vol_term_weight

    e = expose(
        toy_book,
        toy_market,
        ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=10), lots="ideal"),
    )
    k = e.stress.index("2024-08-05")
    state, now = e.margins.state(0, k), e.margins.state(0)
    for at in np.flatnonzero(state.option)[:12]:
        root = state.vol[at] * np.sqrt(state.years[at])
        d1 = np.log(state.forward[at] / state.strike[at]) / root + root / 2
        sign = 1.0 if state.is_call[at] else -1.0
        coin = sign * (norm.cdf(sign * d1) - state.strike[at] / state.forward[at] * norm.cdf(sign * (d1 - root)))
        assert state.mark[at] == pytest.approx(coin, rel=1e-8, abs=1e-12)  # value by the families, vol by the margin state
        column = e.margins.stress.column(state.underlying[at])
        shift = e.margins.stress.log_vol_shift[k, column] * vol_term_weight(now.years[at])
        assert state.vol[at] == pytest.approx(now.vol[at] * np.exp(shift))


def test_unknown_scenario_and_account(venues_market: ho.Market) -> None:
    book = ho.Book(accounts=[account("hl", "hyperliquid", 1e6, [("BTC-hyperliquid", 1.0)])])
    with pytest.raises(InputError, match=r"unknown stress scenario.*2020-03-12"):
        policy(ho.SurviveStress(scenarios=("1987",))).propose(book, venues_market)
    with pytest.raises(InputError, match="unknown account"):
        policy(ho.SurviveStress(account="x")).propose(book, venues_market)


def test_position_without_margin_model_and_unknown_collateral(venues_market: ho.Market) -> None:
    rules = policy(ho.MarginUtilisation())
    wrong = account("hl", "hyperliquid", 1e6, [("BTC-hyperliquid", 1.0)], margin="none")
    with pytest.raises(InputError, match="no rule in the margin model"):
        rules.propose(ho.Book(accounts=[wrong]), venues_market)
    odd = account("hl", "hyperliquid", 1e6, coins=[{"asset": "ETH", "amount": 1.0}])
    with pytest.raises(InputError, match="ETH of account hl is no known collateral at hyperliquid"):
        rules.propose(ho.Book(accounts=[odd]), venues_market)
    with pytest.raises(ValueError, match="unknown margin model"):
        ho.Book(accounts=[account("hl", "hyperliquid", margin="cross")])


def test_true_and_net_leverage_unroll_loops(venues_market: ho.Market) -> None:
    from hedgeopt.exposures.expose import expose

    # 10 ETH looped at 75 %: 40 ETH supplied, 30 ETH worth of USDC owed
    loop = account("aave", "aave", coins=[{"asset": "ETH", "amount": 40.0}, {"asset": "USDC", "amount": -30.0 * 2_500}])
    short = account("db", "deribit", 0.0, [("ETH-PERPETUAL", -50_000.0)])
    rules = policy(ho.TrueLeverage() <= 6.5, ho.NetLeverage(underlying="ETH").within(-1, 4))
    e = expose(ho.Book(accounts=[loop, short]), venues_market, rules)
    program = ho.Program(rules, e)
    values = {side.name: side.value for side in program.sides(e, np.zeros(e.n_candidates))}
    assert values["true leverage"] == pytest.approx(4.0 + 2.0)
    assert values["net leverage ETH upper"] == pytest.approx(4.0 - 2.0)
