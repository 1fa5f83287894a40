"""Functions that the verifier takes to lie below a margin rule lie below it: brackets of leverage, reserves of loans."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.verify.accounts import account
from hedgeopt.verify.margins import asked, below_asked
from hedgeopt.verify.sizes import trade_range

from .worlds import World, network_market

pytestmark = pytest.mark.filterwarnings("ignore:The tail solver stopped")


def world(margin: str, venue: str, limit: float, held: float = -60.0, **more: Any) -> World:
    """60 BTC short and 1,500 ETH long at one venue, whose initial margin may be a share of equity."""
    accounts = [
        {
            "name": "a",
            "venue": venue,
            "margin": margin,
            "collateral": [{"asset": "USDC", "amount": 900_000.0}],
            "positions": [
                {"instrument": f"BTC-{venue}", "quantity": held},
                {"instrument": f"ETH-{venue}", "quantity": 1_500.0},
            ],
        }
    ]
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.2 * ho.CVaR(0.95),
        subject_to=[ho.MarginUtilisation(limit=limit), ho.OrderLimit(notional=2e7)],
        scenarios=ho.ParametricScenarios(count=50, seed=5, vol={"BTC": 0.6, "ETH": 0.8}),
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("BTC", "ETH")),
        lots="ideal",
    )
    return World(ho.Book(accounts=accounts, **more), network_market(), policy)


@pytest.mark.parametrize("margin", ["binance", "binance:20", "binance:75,ETH=20"])
@pytest.mark.parametrize("held", [-60.0, 0.4, 3.0, 900.0])
def test_lines_below_brackets_are_below_the_rule(margin: str, held: float) -> None:
    """``notional / leverage(notional)`` jumps at brackets: the lines are below it, and meet it at 0."""
    one = world(margin, "binance", 0.5, held)
    e, rng = one.exposures(), np.random.default_rng(3)
    box = trade_range(one.policy.model_dump(mode="json"), e)
    a = account(e, 0)
    below = below_asked(e, a, "initial", np.zeros(e.n_candidates), box)
    assert below is not None
    held_now = e.rows.quantity[e.candidate]
    ends = [float(end) for coin in ("BTC", "ETH") for end in e.margins.models[0].allowed(coin).up_to]
    for draw in range(400):
        x = rng.uniform(*box) * 10.0 ** rng.uniform(-5, 0)
        if draw % 2:  # at a bracket's end, or just beside it
            x = np.clip(rng.choice([-1.0, 1.0]) * rng.choice(ends) / e.rows.notional[e.candidate] - held_now, *box)
            x = np.clip(x * (1.0 + rng.choice([-1e-9, 0.0, 1e-9])), *box)
        rule = asked(e, a, "initial", x)
        assert below(x) <= rule * (1.0 + 1e-9) + 1e-6, x
    empty = np.clip(-held_now, *box)
    if np.array_equal(empty, -held_now):
        assert below(empty) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("kind", ["initial", "maintenance"])
def test_tangents_below_paradex_are_below_the_rule_and_meet_it(kind: Any) -> None:
    one = world("paradex", "binance", 0.5)
    e, rng = one.exposures(), np.random.default_rng(4)
    box, a = trade_range(one.policy.model_dump(mode="json"), e), account(e, 0)
    for _ in range(60):
        here, there = (rng.uniform(*box) * 10.0 ** rng.uniform(-5, 0) for _ in range(2))
        below = below_asked(e, a, kind, here, box)
        assert below is not None
        assert below(here) == pytest.approx(asked(e, a, kind, here), rel=1e-9, abs=1e-6)
        assert below(there) <= asked(e, a, kind, there) * (1.0 + 1e-9) + 1e-6


BYBIT = "".join(f"[portfolio_margin.{coin}]\nfutures = 0.008\ninitial_factor = 1.2\n" for coin in ("BTC", "ETH"))


@pytest.mark.parametrize("margin", ["okx_portfolio", "bybit_portfolio"])
@pytest.mark.parametrize("kind", ["initial", "maintenance"])
def test_lines_below_portfolio_margins_are_below_the_rule_and_meet_it(
    margin: str, kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Perpetuals alone, up to minimum charges in the millions: the rule is convex, and the lines touch it."""
    path = tmp_path / "bybit.toml"
    path.write_text(f'extends = "bybit"\nas_of = 2026-10-01\nshelf_life_days = 90\n{BYBIT}')
    monkeypatch.setenv("HEDGEOPT_TABLES", str(path))
    one = world(margin, "binance", 0.5)
    e, rng = one.exposures(), np.random.default_rng(4)
    box, a = trade_range(one.policy.model_dump(mode="json"), e), account(e, 0)
    for _ in range(40):
        here, there = (rng.uniform(*box) * 10.0 ** rng.uniform(-5, 0) for _ in range(2))
        below = below_asked(e, a, kind, here, box)
        assert below is not None
        assert below(here) == pytest.approx(asked(e, a, kind, here), rel=1e-9, abs=1e-6)
        assert below(there) <= asked(e, a, kind, there) * (1.0 + 1e-9) + 1e-6


def test_an_optimum_inside_one_choice_of_brackets_is_not_certified() -> None:
    """At 10 % of equity the program used to end at 2,437 USD, certified, in brackets that it can't leave.

    3m USD of both, each the end of its bracket, cost some 1,530.
    """
    one = world("binance", "binance", 0.1)
    cheap = one.policy.model_copy(update={"minimize": ho.Policy(minimize=ho.TransactionCost(), lots="ideal").minimize})
    one = World(one.book, one.market, cheap)
    e = one.exposures()
    held, unit = e.rows.quantity[e.candidate], e.rows.notional[e.candidate]
    better = np.sign(held) * 3e6 * (1.0 - 2e-4) / unit - held
    a = account(e, 0)
    assert asked(e, a, "initial", better) <= 0.1 * a.equity(better)
    with pytest.raises(ho.CertificateError, match='name the leverage in the book \\(such as margin = "binance:20"\\)'):
        cheap.propose(one.book, one.market)
    chosen = world("binance:20", "binance", 0.3)
    assert chosen.verdict(chosen.told()).valid


@pytest.mark.parametrize("margin", ["binance", "binance:75", "binance:ETH=20", "binance:20", "hyperliquid"])
@pytest.mark.parametrize("limit", [0.02, 0.05, 0.08, 0.1, 0.15, 0.3])
def test_what_is_certified_is_best_over_every_bracket(margin: str, limit: float) -> None:
    """Cost and margin by hand on a grid of positions with every bracket's end: nothing feasible there is cheaper."""
    one = world(margin, margin.partition(":")[0], limit)
    policy = one.policy.model_copy(update={"minimize": ho.Policy(minimize=ho.TransactionCost(), lots="ideal").minimize})
    e = World(one.book, one.market, policy).exposures()
    model, held, unit = e.margins.models[0], e.rows.quantity[e.candidate], e.margins.state(0).notional
    costs, margins = [], []
    for k, coin in enumerate(("BTC", "ETH")):
        ends = [end for end in model.allowed(coin).up_to if end < 4e7]
        notional = np.array([*np.linspace(0.0, abs(held[k]) * unit[k], 120), *(np.array(ends) * (1.0 - 1e-9))])
        x = np.sign(held[k]) * notional / unit[k] - held[k]
        costs.append(np.where(x > 0, e.cost_buy[k] * x, -e.cost_sell[k] * x))
        margins.append([n / model.chosen(coin, float(n)) for n in notional])
    cost = np.add.outer(*costs)
    feasible = np.add.outer(*margins) <= limit * (900_000.0 - cost)
    try:
        proposal = policy.propose(one.book, one.market)
    except ho.InfeasibleError:
        assert not feasible.any()
    except ho.CertificateError:
        assert margin != "binance:20"
    else:
        assert proposal.certificate.objective <= cost[feasible].min() * (1.0 + 1e-6) + 1e-6


def test_without_a_bracket_that_matters_it_is_certified_and_proven() -> None:
    one = world("binance", "binance", 0.5)
    verdict = one.verdict(one.told())
    assert verdict.valid, verdict


@pytest.mark.parametrize(
    "margin", ["binance", "binance:75", "binance:75,ETH=20", "binance:BTC=50", "hyperliquid", "hyperliquid:40"]
)
@pytest.mark.parametrize(("smallest", "largest"), [(0.0, np.inf), (0.0, 7.8e6), (5e5, 4e6), (4e6, 9e6), (3.1e6, 2e8)])
def test_the_programs_hull_is_below_the_rule(margin: str, smallest: float, largest: float) -> None:
    """What the product's own bound rests on, at the ends of brackets and beside them; it meets the rule at either end."""
    one = world(margin, margin.partition(":")[0], 0.5)
    e, rng = one.exposures(), np.random.default_rng(4)
    encoding = e.margins.encoding(0, "initial")
    model, state = e.margins.models[0], e.margins.state(0)
    assert encoding.hull is not None
    unit = np.where(state.linear, state.notional, 1.0)
    slopes, drops = encoding.hull(smallest / unit, largest / unit)
    for row in np.flatnonzero(state.linear).tolist():
        ends = np.array([end for end in model.allowed(state.underlying[row]).up_to if np.isfinite(end)])
        sizes = np.array([*ends, *(ends * (1.0 + 1e-9)), *(10.0 ** rng.uniform(2, 9, 40)), smallest, min(largest, 2e9)])
        for size in sizes[(sizes >= smallest) & (sizes <= largest)]:
            below = (slopes[row] * size / unit[row] - drops[row]).max()
            rule = model.margin(state, row, "initial", float(size))
            assert below <= rule * (1.0 + 1e-12)
            if size in (smallest, largest):
                assert below == pytest.approx(rule)


def test_margin_in_the_table_is_the_venues() -> None:
    """The encoding of the last solve is exact at the solution alone; what stood before is told by the rule."""
    one = world("binance", "binance", 0.5)
    told, e = one.told(), one.exposures()
    a, nothing = account(e, 0), np.zeros(e.n_candidates)
    (row,) = [row for row in told["limits"] if row["limit"] == "initial margin a"]
    assert row["before"] == pytest.approx(asked(e, a, "initial", nothing), rel=1e-9)


@pytest.mark.parametrize("limits", [{"health_factor": 1.2}, {"utilisation": 0.9}])
def test_loans_with_a_shadow_price_are_proven(limits: dict[str, float]) -> None:
    """Collateral is sent to a loan that a stress would liquidate; how little is enough is proven."""
    accounts = [
        {"name": "bn", "venue": "binance", "margin": "binance:20", "collateral": [{"asset": "USDC", "amount": 900_000.0}]},
        {
            "name": "loan",
            "venue": "aave",
            "collateral": [{"asset": "ETH", "amount": 100.0}, {"asset": "USDC", "amount": -190_000.0}],
        },
    ]
    link = ho.Link(source="bn", target="loan", asset="USDC", cost_rate=1e-4)
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.SurviveStress(scenarios=("2024-08-05",), account="loan", **limits)],
        scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6, "ETH": 0.8}),
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("BTC",)),
        lots="ideal",
    )
    one = World(ho.Book(accounts=accounts, links=(link,)), network_market(), policy)
    told, e = one.told(), one.exposures()
    assert told["transfers"]
    assert one.verdict(told, e).valid, one.verdict(told, e)
    less = copy.deepcopy(told)
    for row in less["limits"]:
        row["shadow_price"] = 0.0
    less["proof"]["multipliers"] = [{"limits": [], "tails": []} for _ in less["proof"]["multipliers"]]
    assert not one.verdict(less, e).valid
