"""What a policy counts as costs is what the ledger of a backtest charges, or it is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.backtest.policies.protocol import Order
from hedgeopt.models.data import OWN_TABLES, use_tables

STRIKES = (72_000.0, 80_000.0, 88_000.0)
SHORT = {"BTC-27MAR26-80000-C": -5.0, "BTC-27MAR26-80000-P": -5.0}


@pytest.fixture
def maker_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_TABLES, os.environ.get(OWN_TABLES, ""))
    (tmp_path / "deribit.toml").write_text(
        'extends = "deribit"\nas_of = 2026-02-20\nshelf_life_days = 365\n[fees]\nperpetual_maker = 0.0001\n'
        "option_maker = 0.0002\n"
    )
    use_tables(tmp_path / "deribit.toml")


def rules(**more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + more.pop("tail", 0.5 * ho.CVaR(0.95)),
        subject_to=[ho.Delta("BTC").within(-0.1, 0.1), ho.Gamma("BTC") >= 0],
        scenarios=ho.ParametricScenarios(count=200, vol={"BTC": 0.6}, seed=5, spread_beta=more.pop("spread_beta", 0.0)),
        lots="ideal",
        **more,
    )


@pytest.mark.usefixtures("maker_rates")
@pytest.mark.parametrize("fees", ["taker", "maker"])
def test_the_ledger_charges_the_fees_that_the_policy_counts(toys: Any, fees: str) -> None:
    policy = rules(candidates=ho.Candidates(fees=fees, mark_half_spread=0.0001))
    market, book = toys.path([80_000.0], strikes=STRIKES)[0], toys.Given(positions=SHORT)
    told = policy.propose(book.open(market), market)
    settings = Settings(scenarios=policy.scenarios, mark_half_spread=0.0001)
    done = simulate([market], book, policy, settings).trades
    assert len(done) >= 2
    assert {name.split("-")[-1] for name in done["instrument"]} >= {"PERPETUAL"}
    assert done["fee"].sum() == pytest.approx(told.costs["fees"], rel=1e-6)
    # the spread of a dollar of an inverse perpetual is linear in the price here, and 1 / price in the ledger
    assert done["cost"].sum() + done["fee"].sum() == pytest.approx(told.costs["transaction"], rel=1e-3)


@pytest.mark.usefixtures("maker_rates")
def test_an_order_of_ones_own_may_be_a_makers(toys: Any) -> None:
    market = toys.path([80_000.0])[0]
    for maker, rate in ((False, 0.0005), (True, 0.0001)):
        script = toys.Scripted({0: [Order("main", "BTC-PERPETUAL", 40_000.0, maker=maker)]})
        settings = Settings(scenarios=rules().scenarios)
        done = simulate([market], toys.Given(), script, settings).trades
        assert done["fee"].tolist() == pytest.approx([rate * 40_000.0])


@pytest.mark.parametrize("slots", [3, 96])
def test_the_cost_of_leaving_counts_in_decisions_as_in_live_use(toys: Any, slots: int) -> None:
    """Nothing is left at a step, so the ledger pays nothing for it; what it makes a policy do is the same."""
    policy = rules(tail=0.5 * ho.CVaR(0.95, include_unwind=True), spread_beta=12.0)
    markets, book = toys.path([80_000.0, 77_000.0], strikes=STRIKES), toys.Given(positions=SHORT)
    seen: list[dict[str, float]] = []

    class Watched(Optimizer):
        def decide(self, state: Any) -> Any:
            told = policy.propose(state.book, state.market).trades
            seen.append(
                dict(zip(told["instrument"], told["quantity"] * np.where(told["side"] == "buy", 1, -1), strict=True))
            )
            return super().decide(state)

    strategy = Watched(policy)
    strategy._columns.slots = slots
    done = simulate(markets, book, strategy, Settings(scenarios=policy.scenarios, mark_half_spread=None)).trades
    for moment, told in zip([m.timestamp for m in markets], seen, strict=True):
        mine = done[done["timestamp"] == moment]
        assert dict(zip(mine["instrument"], mine["quantity"], strict=True)) == pytest.approx(told, rel=1e-4, abs=1e-3)
    plain = rules(spread_beta=12.0).propose(book.open(markets[0]), markets[0]).trades
    assert len(plain)
    assert plain["quantity"].sum() != pytest.approx(sum(abs(q) for q in seen[0].values()), rel=1e-3)
