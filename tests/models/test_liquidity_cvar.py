"""CVaR with the cost of leaving in each scenario, against an evaluation one scenario and one position at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.verify import claim_of, judge

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ITEMS = [
    ho.Perpetual(name=f"{asset}-PERPETUAL", venue=venue, underlying=asset, settlement=coin)
    for asset, venue, coin in (("ETH", "deribit", "ETH"), ("BTC", "deribit", "BTC"), ("ETH", "hyperliquid", "USDC"))
]
PRICES = {"ETH": 3_000.0, "BTC": 90_000.0, "USDC": 1.0}


def market() -> ho.Market:
    rows = {
        item.id: {"mark_price": PRICES[item.underlying], "bid_price": PRICES[item.underlying] * (1 - half),
                  "ask_price": PRICES[item.underlying] * (1 + half), "funding_8h": 0.0}
        for item, half in zip(ITEMS, (2e-4, 1e-4, 1e-3), strict=True)
    }  # fmt: skip
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    return ho.Market(NOW, PRICES, {item.id: item for item in ITEMS}, quotes)


BOOK = ho.Book(
    accounts=[
        {"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 5e6}], "tags": ["a"],
         "positions": [{"instrument": ITEMS[0].name, "quantity": 2e6}, {"instrument": ITEMS[1].name, "quantity": -1e6}]},
        {"name": "chain", "venue": "hyperliquid", "collateral": [{"asset": "USDC", "amount": 3e6}],
         "positions": [{"instrument": ITEMS[2].name, "quantity": 300.0}]},
    ]
)  # fmt: skip
DRAIN = {"kind": "liquidity_drain", "venue": "hyperliquid", "spread": 40.0, "probability": 0.02}
HALT = {"kind": "venue_pause", "venue": "deribit", "probability": 0.02}


def policy(of: tuple[str, ...] = (), least: float = 200.0, **more: Any) -> ho.Policy:
    scenarios = ho.ParametricScenarios(
        count=400, vol={"ETH": 0.8, "BTC": 0.6}, spread_beta=10.0, events=(DRAIN, HALT), horizon_days=2.0
    )
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.9, include_unwind=True, of=of),
        subject_to=[ho.Delta("ETH").within(least, 700.0), ho.OrderLimit(notional=2e6)],
        scenarios=scenarios, candidates=ho.Candidates(kinds=("perpetual",), underlyings=("ETH", "BTC")), **more,
    lots="ideal")  # fmt: skip


def by_hand(e: Any, x: np.ndarray, beta: float, inside: tuple[str, ...] = ("main", "chain")) -> float:
    """Loss and leaving, scenario by scenario and position by position; then the mean of the worst."""
    draining, halted = ({k: i.happens for i in e.scenarios.events for k in [i.event.kind]}[kind] for kind in
                        ("liquidity_drain", "venue_pause"))  # fmt: skip
    z = e.positions(x)
    losses = []
    for s in range(len(e.base_pnl)):
        wide = float(e.scenarios.liquidity["spread"][s])
        loss = 0.0
        for c, name in enumerate(e.accounts):
            loss -= float(e.account_pnl[s, c]) if name in inside else 0.0
        for i, row in enumerate(e.candidate.tolist()):
            loss -= float(e.pnl[s, i] * x[i]) if e.accounts[e.rows.account[row]] in inside else 0.0
        for row, item in enumerate(e.rows.instruments):
            if e.accounts[e.rows.account[row]] not in inside or (item.venue == "deribit" and halted[s]):
                continue
            half, fee = {ITEMS[0].id: (2e-4, 5e-4), ITEMS[1].id: (1e-4, 5e-4), ITEMS[2].id: (1e-3, 4.5e-4)}[item.id]
            times = wide * (40.0 if item.venue == "hyperliquid" and draining[s] else 1.0)
            usd = abs(float(z[row])) * (1.0 if item.inverse else 3_000.0)
            loss += usd * (times * half + fee)
        losses.append(loss)
    worst = np.sort(losses)[::-1]
    return float(worst[: round((1 - beta) * len(worst))].mean())


def test_the_value_is_that_of_every_scenario_by_hand() -> None:
    solved = ho.solve(BOOK, market(), policy())
    e, after = solved.exposures, solved.proposal.objective["after"].tolist()
    assert after[1] == pytest.approx(by_hand(e, solved.x, 0.9), rel=1e-6)
    assert solved.proposal.objective["before"].tolist()[1] == pytest.approx(by_hand(e, 0.0 * solved.x, 0.9), rel=1e-6)
    assert solved.proposal.objective["term"].tolist()[1] == "cvar 0.9 with unwind"


@pytest.mark.parametrize("more", [{}, {"numeraire": "ETH", "least": -900.0}, {"of": ("a",)}])
def test_the_verifier_agrees(more: dict[str, Any]) -> None:
    rules = policy(**more)
    found = ho.propose(BOOK, market(), rules)
    verdict = judge(claim_of(found.to_dict()), expose(BOOK, market(), rules), market(), rules.model_dump(mode="json"))
    assert found.certificate.valid
    assert verdict.valid, verdict
    assert verdict.gap <= 1e-6


def test_a_strategy_leaves_its_own_positions_only() -> None:
    solved = ho.solve(BOOK, market(), policy(of=("a",)))
    e, x, told = solved.exposures, solved.x, solved.proposal.objective
    assert told["before"].tolist()[1] == pytest.approx(by_hand(e, 0.0 * x, 0.9, ("main",)), rel=1e-6)
    assert told["after"].tolist()[1] == pytest.approx(by_hand(e, x, 0.9, ("main",)), rel=1e-6, abs=1e-6)


def test_nothing_better_is_found_by_a_solver_of_the_whole() -> None:
    solved = ho.solve(BOOK, market(), policy())
    e = solved.exposures
    x = cp.Variable(e.n_candidates)
    times = np.array([e.scenarios.liquidity["spread"]] * 2).T  # type: ignore[union-attr]
    spent = []
    for venue in ("deribit", "hyperliquid"):
        rows = [r for r, item in enumerate(e.rows.instruments) if item.venue == venue]
        at = [e.candidate.tolist().index(r) for r in rows]
        usd = np.array([1.0 if e.rows.instruments[r].inverse else 3_000.0 for r in rows])
        half = np.array([{ITEMS[0].id: 2e-4, ITEMS[1].id: 1e-4, ITEMS[2].id: 1e-3}[e.rows.instruments[r].id] for r in rows])
        fee = 5e-4 if venue == "deribit" else 4.5e-4
        size = cp.multiply(usd, cp.abs(e.rows.quantity[rows] + x[at]))
        spent.append((half @ size, fee * cp.sum(size)))
    event = {item.event.kind: item.happens for item in e.scenarios.events}  # type: ignore[union-attr]
    open_now = 1.0 - event["venue_pause"]
    drain = np.where(event["liquidity_drain"], 40.0, 1.0)
    losses = -e.base_pnl - e.pnl @ x + cp.multiply(times[:, 0] * open_now, spent[0][0]) + open_now * spent[0][1]
    losses += cp.multiply(times[:, 1] * drain, spent[1][0]) + spent[1][1]
    tail = cp.sum_largest(losses, 40) / 40
    cost = e.cost_buy @ cp.pos(x) + e.cost_sell @ cp.neg(x)
    delta = e.trade_greeks[0, :, e.asset("ETH")] @ x + float(
        e.rows.quantity @ e.rows.greeks[0, :, e.asset("ETH")] + e.coin_delta[:, e.asset("ETH")].sum()
    )
    box = 2e6 / e.rows.notional[e.candidate]
    problem = cp.Problem(cp.Minimize(cost + tail), [delta >= 200, delta <= 700, cp.abs(x) <= box])
    problem.solve(solver="HIGHS")
    assert solved.proposal.certificate.objective == pytest.approx(problem.value, rel=1e-6)


def test_it_may_be_limited_and_read_back() -> None:
    term = ho.CVaR(0.9, include_unwind=True)
    assert type(term).model_validate(term.model_dump()) == term
    assert "include_unwind" not in ho.CVaR(0.9).model_dump()
    free = ho.propose(BOOK, market(), policy())
    most = 0.95 * free.objective["before"].tolist()[1]
    rules = policy()
    rules = ho.Policy(
        minimize=ho.TransactionCost(), subject_to=[*rules.subject_to, term <= most], scenarios=rules.scenarios,
        candidates=rules.candidates,
    lots="ideal")  # fmt: skip
    found = ho.propose(BOOK, market(), rules)
    assert found.certificate.valid
    row = found.limits.set_index("limit").loc["cvar 0.9 with unwind"]
    assert row["after"] <= most * (1 + 1e-9)
