"""From a TOML file to results, and the command; on recorded data where there is some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.runner import run, run_config
from hedgeopt.backtest.settings import BacktestConfig, read_config
from hedgeopt.cli import main
from hedgeopt.errors import InputError

TEXT = """
name = "toy"
[replay]
chains = ["chain.parquet"]
synthetic_perpetuals = true
[risk.scenarios]
kind = "parametric"
count = 64
[[books]]
kind = "short_gamma"
collateral = { BTC = 20.0 }
quantity = { BTC = 2.0 }
[[policies]]
kind = "do_nothing"
[[policies]]
kind = "delta_band"
band = { BTC = 0.5 }
[[policies]]
kind = "optimizer"
name = "tail"
[policies.policy]
minimize = [{ weight = 1.0, term = { kind = "transaction_cost" } }, { weight = 0.1, term = { kind = "cvar", beta = 0.95 } }]
scenarios = { kind = "parametric", count = 100 }
[[policies]]
kind = "regime"
signal = "drawdown"
enter = 0.02
calm = { kind = "do_nothing" }
stressed = { kind = "python", object = "hedgeopt.backtest.policies.simple:DoNothing" }
"""


@pytest.fixture
def folder(tmp_path: Path, toys: Any) -> Path:
    prices = 80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(1).standard_normal(4)))
    pd.concat([toys.rows_of(m) for m in toys.path(prices, strikes=(72_000.0, 80_000.0, 88_000.0))]).to_parquet(
        tmp_path / "chain.parquet"
    )
    (tmp_path / "backtest.toml").write_text(TEXT)
    return tmp_path


def test_every_book_with_every_policy(folder: Path) -> None:
    results = run_config(folder / "backtest.toml")
    assert [r.policy for r in results] == ["do nothing", "delta band", "tail", "do nothing / do nothing"]
    assert all(len(r.steps) == 4 for r in results)
    again = BacktestConfig(**{k: v for k, v in results[2].config.items() if k != "horizon_days"})
    repeated = run(again)
    pd.testing.assert_frame_equal(repeated.ledger, results[2].ledger)
    plain = run(again.model_dump(mode="json"))
    pd.testing.assert_frame_equal(plain.ledger, results[2].ledger)


def test_a_run_that_is_cut_off_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    """Each result is on disk as it finishes; the second run computes only what is left, and gives the same."""
    path, out = folder / "backtest.toml", tmp_path / "cells"
    whole = run_config(path)
    seen: list[str] = []

    def cut(text: str) -> None:
        seen.append(text)
        if "delta band" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_config(path, cut, folder=out)
    assert len([one for one in out.iterdir() if not one.name.startswith(".")]) == 1
    again: list[str] = []
    results = run_config(path, again.append, folder=out)
    assert any("do nothing" in text for text in seen)
    assert not any(", do nothing:" in text for text in again)
    for one, other in zip(whole, results, strict=True):
        fixed = one.steps.drop(columns="solve_seconds")
        pd.testing.assert_frame_equal(fixed, other.steps.drop(columns="solve_seconds"), check_freq=False)
        pd.testing.assert_frame_equal(one.trades, other.trades, check_dtype=False)
        assert [event["kind"] for event in one.events] == [event["kind"] for event in other.events]
    for part in next(one for one in out.iterdir()).glob("steps.parquet"):
        part.write_bytes(b"half")  # what cannot be read is computed again
    assert len(run_config(path, folder=out)) == len(whole)


def test_a_warm_up_is_known_from_the_first_step(folder: Path, toys: Any) -> None:
    """Index prices of the days before the start, and none later than the first snapshot, are in the history."""
    table: dict[str, Any] = {
        "replay": {"chains": [str(folder / "chain.parquet")], "start": "2026-03-04T00:00:00Z", "warm_up_days": 10.0},
        "books": [{"kind": "short_gamma", "collateral": {"BTC": 20.0}, "quantity": {"BTC": 2.0}}],
        "policies": [{"kind": "do_nothing"}],
    }
    config = BacktestConfig(**table)
    settings, seen = config.settings(), []

    class Looking:
        name = "looking"

        def decide(self, state: Any) -> Any:
            seen.append(state.history["BTC"])
            return ()

    simulate(config.replay.build(), toys.Given(), Looking(), settings)
    assert [len(one) for one in seen] == [3, 4]  # two days before the start
    assert seen[0].index.max() == pd.Timestamp(toys.START) + pd.Timedelta(days=2)
    with pytest.raises(InputError, match="warm_up_days needs a start"):
        BacktestConfig(**{**table, "replay": {"chains": ["x"], "warm_up_days": 3.0}})


def test_a_fault_in_the_last_policy_is_told_before_the_first_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXT.replace('kind = "cvar", beta = 0.95', 'kind = "cvar", beta = 95')
    (folder / "backtest.toml").write_text(text)
    monkeypatch.setattr("hedgeopt.backtest.runner.simulate", lambda *args, **options: pytest.fail("ran"))
    with pytest.raises(
        InputError, match=r"backtest.toml: policies.2: minimize.1.term.cvar: CVaR: beta: must be less than 1"
    ):
        run_config(folder / "backtest.toml")


def test_the_command_writes_tables_and_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out"
    assert main(["backtest", str(folder / "backtest.toml"), "--out", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["policy"] for row in rows] == ["do nothing", "delta band", "tail", "do nothing / do nothing"]
    steps = pd.read_csv(out / "short-gamma" / "tail" / "steps.csv")
    assert steps["pnl"].sum() == pytest.approx(rows[2]["P&L"])
    assert (out / "short-gamma" / "tail" / "run.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "short_gamma"', 'kind = "long_gamma"', "books"),
        ('signal = "drawdown"', 'signal = "moon"', "unknown signal 'moon'"),
        ('chains = ["chain.parquet"]', 'chains = ["none.parquet"]', "no such file or folder"),
        ("synthetic_perpetuals = true", "start = 2026-04-01T00:00:00Z\nend = 2026-03-01T00:00:00Z", "the period is empty"),
        ("synthetic_perpetuals = true", "start = 2027-04-01T00:00:00Z", "no snapshot in the period"),
        ("simple:DoNothing", "simple:Missing", "cannot be made"),
        ('name = "toy"', 'nmae = "toy"', "nmae"),
    ],
)
def test_bad_files_are_named(folder: Path, old: str, new: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "backtest.toml").write_text(TEXT.replace(old, new))
    assert main(["backtest", str(folder / "backtest.toml")]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_run_takes_one_cell(folder: Path) -> None:
    config = read_config(folder / "backtest.toml")
    assert len(config.cells()) == 4
    with pytest.raises(InputError, match="one book and one policy"):
        run(config)


@pytest.mark.realdata
def test_a_week_of_recorded_chains(shared_data: Path, tmp_path: Path) -> None:
    """The week of the crash of 2026-02-05 under three policies: the hedged ones lose less, and the ledger adds up."""
    folder = shared_data / "deribit-chains"
    text = TEXT.replace('"chain.parquet"', f'"{folder / "daily_allstrikes_dev_20251230_20260531.parquet"}"')
    text = text.replace(
        "synthetic_perpetuals = true",
        f'marks = ["{folder / "perp_prices_6h_to_20260415.csv"}"]\nassets = ["BTC"]\nwindow = 3\n'
        f"start = 2026-02-02T00:00:00Z\nend = 2026-02-08T00:00:00Z\nfunding = {{ BTC = 0.0001 }}",
    )
    text = text.replace("[policies.policy]", "[policies.policy]\ncandidates = { max_days = 40.0, min_delta = 0.25 }")
    (tmp_path / "backtest.toml").write_text(text)
    nothing, band, tail, _ = run_config(tmp_path / "backtest.toml")
    assert len(nothing.steps) == 6
    assert nothing.steps["pnl"].sum() < -150_000  # 20 coins through 73,000 to 63,000
    assert abs(band.steps["pnl"].sum()) < 0.3 * abs(nothing.steps["pnl"].sum())
    assert abs(tail.steps["pnl"].sum()) < 0.3 * abs(nothing.steps["pnl"].sum())
    assert tail.steps["promised_cvar"].iloc[0] < nothing.steps["promised_cvar"].iloc[0]
    for result in (nothing, band, tail):
        assert np.allclose(result.attribution.sum(axis=1), result.steps["pnl"], atol=1e-6)
        balance = result.ledger.groupby(["entry", "currency"])["amount"].sum().abs().max()
        assert balance < 1e-9
