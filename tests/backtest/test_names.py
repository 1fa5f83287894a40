"""Names in a backtest, in its objects and in a sweep are checked before anything runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Halt, Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.simple import DeltaBand, DoNothing
from hedgeopt.backtest.runner import run
from hedgeopt.backtest.settings import BacktestConfig
from hedgeopt.backtest.sweep.drive import run_sweep
from hedgeopt.backtest.sweep.plan import SweepPlan
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios


@pytest.fixture
def config(tmp_path: Path, toys: Any) -> dict[str, Any]:
    chain = tmp_path / "chain.parquet"
    pd.concat([toys.rows_of(m) for m in toys.path((80_000.0, 81_000.0), strikes=(72_000.0, 80_000.0))]).to_parquet(chain)
    return {
        "replay": {"chains": [str(chain)], "synthetic_perpetuals": True},
        "risk": {"scenarios": {"kind": "parametric", "count": 50}},
        "books": [{"kind": "short_gamma", "collateral": {"BTC": 20.0}, "quantity": {"BTC": 2.0}}],
        "policies": [{"kind": "do_nothing"}],
    }


def _halt(venue: str) -> dict[str, Any]:
    return {"venue": venue, "start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"halts": [_halt("derbit")]}, r"halts.venue: unknown venue \(got 'derbit'\); did you mean 'deribit'"),
        (
            {"risk": {"scenarios": {"kind": "parametric", "count": 50, "vol": {"BTCC": 0.6}}}},
            r"risk.scenarios.vol: unknown asset \(got 'BTCC'\); did you mean 'BTC'",
        ),
        ({"policies": [{"kind": "delta_band", "account": "mian"}]}, r"account \(got 'mian'\); did you mean 'main'"),
        ({"policies": [{"kind": "delta_band", "band": {"BTCC": 1.0}}]}, r"policies.band: .*did you mean 'BTC'"),
        (
            {
                "policies": [
                    {
                        "kind": "regime",
                        "signal": "drawdown",
                        "signal_options": {"asset": "BTCC"},
                        "enter": 0.1,
                        "calm": {"kind": "do_nothing"},
                        "stressed": {"kind": "do_nothing"},
                    }
                ]
            },
            r"signal_options.asset: .*did you mean 'BTC'",
        ),
        (
            {
                "books": [
                    {
                        "kind": "short_gamma",
                        "collateral": {"BTC": 20.0},
                        "quantity": {"BTC": 2.0},
                        "clients": {"account": "mian"},
                    }
                ]
            },
            r"clients.account: .*did you mean 'main'",
        ),
        (
            {
                "policies": [
                    {
                        "kind": "optimizer",
                        "policy": {
                            "minimize": [{"weight": 1.0, "term": {"kind": "transaction_cost"}}],
                            "scenarios": {"kind": "parametric", "count": 50},
                            "candidates": {"paused_venues": ["derbit"]},
                        },
                    }
                ]
            },
            "paused_venues: .*did you mean 'deribit'",
        ),
    ],
    ids=["halt", "vol", "account", "band", "signal", "clients", "paused"],
)
def test_a_word_that_refers_to_nothing_is_refused_at_the_first_step(change, said, config):
    with pytest.raises(InputError, match=said) as caught:
        run(BacktestConfig(**{**config, **change}))
    assert "\n" not in str(caught.value)


def test_objects_are_checked_as_configurations_are(toys):
    markets = toys.path((80_000.0, 81_000.0))
    start = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
    settings = Settings(scenarios=ParametricScenarios(count=50), halts=(Halt("derbit", start, start + timedelta(days=1)),))
    with pytest.raises(InputError, match=r"unknown venue .*did you mean 'deribit'"):
        simulate(markets, toys.Given(), DoNothing(), settings)
    with pytest.raises(InputError, match=r"unknown account .*did you mean 'main'"):
        simulate(markets, toys.Given(), DeltaBand({"*": 1.0}, account="mian"), Settings(ParametricScenarios(count=50)))


def test_a_sweep_over_a_field_that_does_not_exist_is_refused_before_any_cell_runs(config, tmp_path):
    plan = SweepPlan(backtest=config, vary={"policies.0.nmae": ["a", "b"]})
    with pytest.raises(InputError, match=r"sweep: policies.0.*nmae: unknown field.*did you mean 'name'"):
        run_sweep(plan, tmp_path / "out", folder=tmp_path, workers=1)
    assert not list((tmp_path / "out").rglob("*.json"))


def test_what_a_backtest_rested_on_is_said(config):
    """Deribit's standard margin is verified: nothing to say; the same book at an old date of a table says so."""
    result = run(BacktestConfig(**config))
    assert not any("deribit" in caveat for caveat in result.caveats)
    premium = {**config, "replay": {**config["replay"], "funding": {"BTC": "premium"}}}
    assert any(
        "funding.deribit.cap of backtest/venue_rules/rules.toml" in caveat
        for caveat in run(BacktestConfig(**premium)).caveats
    )
