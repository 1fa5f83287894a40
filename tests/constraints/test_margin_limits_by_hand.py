"""Margin limits whose numbers fit on a napkin, and the encoded optimum against the plain rule at every venue at once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints.bound_sides import BoundSides
from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.exposures.expose import expose
from hedgeopt.models.margin.effects import account_collateral
from hedgeopt.models.risk.concentration import Concentration
from hedgeopt.program.box import trade_box
from hedgeopt.program.program import Program

_spec = importlib.util.spec_from_file_location("constraints_conftest", Path(__file__).with_name("conftest.py"))
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy, BTC, ETH = _support.account, _support.policy, _support.BTC, _support.ETH


@pytest.fixture(scope="module")
def everywhere() -> ho.Book:
    """Every model beside each other, with haircuts, debt, and links between most of them."""
    coins = [{"asset": "BTC", "amount": 3.0}]
    return ho.Book(
        accounts=[
            account("sm", "deribit", 0.0, [("BTC-PERPETUAL", -900_000.0)], coins=coins, margin="standard"),
            account("pm", "deribit", 0.0, [("BTC-PERPETUAL", 400_000.0), ("ETH-PERPETUAL", -2e5)], coins=coins,
                    margin="portfolio"),
            account("old", "deribit", 0.0, [("ETH-PERPETUAL", 3e5)], coins=coins, margin="portfolio:legacy"),
            account("hl", "hyperliquid", 5e5, [("ETH-hyperliquid", 400.0)]),
            account("bn", "binance", 4e5, [("BTC-binance", 12.0)], coins=coins, margin="binance:50"),
            account("aave", "aave", coins=[{"asset": "ETH", "amount": 100.0}, {"asset": "USDC", "amount": -120_000.0}]),
        ],
        links=[
            {"source": "bn", "target": "aave", "asset": "USDC", "bridge": "across"},
            {"source": "hl", "target": "bn", "asset": "USDC", "bridge": "across"},
            {"source": "sm", "target": "bn", "asset": "BTC"},
            {"source": "bn", "target": "pm", "asset": "BTC"},
        ],
    )  # fmt: skip


def test_encoded_optimum_is_the_plain_rule_at_every_venue(everywhere: ho.Book, venues_market: ho.Market) -> None:
    """At fixed trades and transfers the least value of the encoding is the venue's own number, now and in stresses."""
    rules = policy(ho.MarginUtilisation(limit=0.9), ho.SurviveStress(scenarios=("2020-03-12", "melt-up")))
    e = expose(everywhere, venues_market, rules)
    program, box = Program(rules, e), trade_box(rules, e)
    program.update(e, box)
    sides = [limit for limit in program.limits if isinstance(limit, BoundSides)]
    bound = [(one, part.form) for limit in sides for part in limit._parts for one in getattr(part, "bound", ())]
    own = [row for limit in sides for row in limit.auxiliary]
    buy, sell = program.variables.buy, program.variables.sell
    up, down = cp.Parameter(len(box.upper)), cp.Parameter(len(box.upper))
    total = cp.sum(cp.hstack([one.expression for one, _ in bound]))
    problem = cp.Problem(cp.Minimize(total), [*own, buy == up, sell == down])
    rng = np.random.default_rng(5)
    checked = 0
    for _ in range(6):
        x = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < 0.6) * 0.1
        up.value, down.value = np.maximum(x, 0) / program.scale, np.maximum(-x, 0) / program.scale
        for limit in program.limits:
            if hasattr(limit, "refine"):
                limit.refine(e, x, program.scale)
        program.update(e, box)
        problem.solve(solver=cp.HIGHS)
        for one, form in bound:
            c = one.account
            z, posted = e.positions(x), account_collateral(e, c, x)
            kind = "maintenance" if form.stress is not None or form.name.startswith("maintenance") else "initial"
            need = e.margins.requirement(c, z, posted, form.stress)
            shock = sum(v for k, v in need.breakdown.items() if "delta shock" in k)
            assert shock == 0.0
            plain = need.of(kind)
            state = e.margins.state(c, form.stress)
            if kind == "initial":
                rates = e.margins.models[c].haircut(state, "initial")
                counted = 1.0 if form.name.startswith("withdrawal") else 0.9
                plain += counted * float(np.nan_to_num(rates, nan=1.0) * state.prices @ np.maximum(posted, 0.0))
            assert float(one.expression.value) == pytest.approx(plain, rel=1e-9, abs=1e-4)
            checked += 1
    assert checked > 100


def test_buffer_and_portfolio_wide_utilisation(venues_market: ho.Market) -> None:
    # initial margin: Hyperliquid at 40x 100 * 80,000 / 40 = 200,000; Binance holds cash only
    book = ho.Book(
        accounts=[account("hl", "hyperliquid", 250_000.0, [("BTC-hyperliquid", 100.0)]), account("bn", "binance", 150_000.0)]
    )

    def sides(*limits: object) -> dict[str, tuple[float, float]]:
        rules = policy(*limits)
        e = expose(book, venues_market, rules)
        return {s.name: (s.value, s.limit) for s in Program(rules, e).sides(e, np.zeros(e.n_candidates))}

    alone = sides(ho.MarginUtilisation(venue="hyperliquid", limit=0.6, buffer=10_000.0))
    assert alone == {"initial margin hl": (pytest.approx(200_000.0), pytest.approx(0.6 * 250_000 - 10_000))}
    together = sides(ho.MarginUtilisation(limit=0.6, portfolio=True))
    assert together == {"initial margin all accounts": (pytest.approx(200_000.0), pytest.approx(0.6 * 400_000))}
    kept = sides(ho.MarginUtilisation(venue="hyperliquid", requirement="maintenance"))
    assert kept == {"maintenance margin hl": (pytest.approx(100_000.0), pytest.approx(250_000.0))}


def test_haircuts_count_for_initial_margin_only(venues_market: ho.Market) -> None:
    # Binance counts a coin at 95 % for initial margin (models/data/binance.toml)
    book = ho.Book(accounts=[account("bn", "binance", 0.0, [("BTC-binance", 5.0)], coins=[{"asset": "BTC", "amount": 2.0}])])
    found = {}
    for kind in ("initial", "maintenance"):
        rules = policy(ho.MarginUtilisation(requirement=kind, limit=0.5))
        e = expose(book, venues_market, rules)
        (side,) = Program(rules, e).sides(e, np.zeros(e.n_candidates))
        need = e.margins.requirement(0, e.rows.quantity, e.collateral[0]).of(kind)
        found[kind] = side.value - need
        assert side.limit == pytest.approx(0.5 * 2 * BTC)
    assert found == {"initial": pytest.approx(0.5 * 0.05 * 2 * BTC), "maintenance": pytest.approx(0.0, abs=1e-6)}


def test_concentration_in_every_kind_of_place(venues_market: ho.Market) -> None:
    book = ho.Book(
        accounts=[
            account("hl", "hyperliquid", 100_000.0, chain="hyperliquid-l1"),
            account("bn", "binance", 300_000.0, counterparty="Binance Ltd"),
        ],
        links=[{"source": "bn", "target": "hl", "asset": "USDC", "bridge": "across", "cost_rate": 1e-4}],
    )
    terms = {
        Concentration(by="venue", of="binance"): (0.75, 0.65),
        Concentration(by="chain", of="hyperliquid-l1"): (0.25, 0.35),
        Concentration(by="counterparty", of="Binance Ltd"): (0.75, 0.65),
        Concentration(by="asset", of="USDC"): (1.0, 1.0),
        Concentration(by="bridge", of="across"): (0.0, 0.1),
    }
    rules = policy(*(term <= 1e3 for term in terms))
    e = expose(book, venues_market, rules)
    program = Program(rules, e)
    sent = np.zeros(e.n_candidates)
    sent[e.links.candidate[0]] = 40_000.0
    for at, x in enumerate((np.zeros(e.n_candidates), sent)):
        values = {side.name: side.value for side in program.sides(e, x)}
        for term, expected in terms.items():
            assert values[term.name] == pytest.approx(expected[at])
    with pytest.raises(ho.InputError, match="bridge that the book does not hold"):
        Program(policy(Concentration(by="bridge", of="wormhole") <= 0.1), e)


def test_gross_leverage_per_underlying(venues_market: ho.Market) -> None:
    held = [("BTC-hyperliquid", 2.0), ("ETH-hyperliquid", -40.0)]
    book = ho.Book(accounts=[account("hl", "hyperliquid", 200_000.0, held)])
    rules = policy(*(ho.GrossLeverage(underlying=coin) <= 9 for coin in (None, "BTC", "ETH")))
    assert not any(isinstance(spec, BoxConstraint) for spec in rules.subject_to)
    e = expose(book, venues_market, rules)
    values = {side.name: side.value for side in Program(rules, e).sides(e, np.zeros(e.n_candidates))}
    assert values == {
        "gross leverage": pytest.approx((2 * BTC + 40 * ETH) / 200_000),
        "gross leverage BTC": pytest.approx(2 * BTC / 200_000),
        "gross leverage ETH": pytest.approx(40 * ETH / 200_000),
    }
