"""The study's plans are valid, its tables say what its cells say, and a cell of it runs on the recorded chains."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.study import tables
from benchmarks.study.cells import FOLDER, PLANS, RESULTS, label, plans, rows_of
from benchmarks.study.document import document
from benchmarks.study.shared import narrowed
from benchmarks.study.shared import run as run_shared
from hedgeopt.backtest.results.summary import summarize
from hedgeopt.backtest.runner import run
from hedgeopt.backtest.settings import BacktestConfig
from hedgeopt.backtest.sweep.plan import read_plan


@pytest.mark.parametrize("name", PLANS)
def test_every_cell_is_a_backtest(name: str) -> None:
    cells = read_plan(FOLDER / f"{name}.toml").cells(FOLDER)
    assert len(cells) == 70
    assert len({tuple(label(cell).values()) for cell in cells}) == len(cells)
    for cell in cells:
        config = BacktestConfig(**narrowed(cell.config))
        assert len(config.replay.assets) == 1
        horizon = 0.25 if name == "six_hourly" else 1.0
        assert config.risk.scenarios.horizon_days == horizon
        assert config.replay.clock == "quotes"
        policy = config.policies[0]
        rules = getattr(policy, "policy", None) or getattr(getattr(policy, "stressed", None), "policy", None)
        if rules is not None:
            assert rules["scenarios"]["horizon_days"] == (3.0 if "3-day" in label(cell)["policy"] or policy.kind == "regime"
                                                           else horizon)  # fmt: skip
            assert rules["scenarios"].get("seed", 0) != config.risk.scenarios.seed


def test_the_data_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEDGEOPT_SHARED_DATA", raising=False)
    assert plans(tmp_path) == FOLDER
    monkeypatch.setenv("HEDGEOPT_SHARED_DATA", str(tmp_path / "data"))
    folder = plans(tmp_path)
    assert all("shared/data/" not in (folder / f"{name}.toml").read_text() for name in PLANS)
    assert str(tmp_path / "data" / "deribit-chains") in (folder / "backtest.toml").read_text()
    assert rows_of("daily", tmp_path) == []


def row(policy: str, scale: float, **more: object) -> tables.Row:
    pnl = scale * np.random.default_rng(3).standard_normal(40)
    days = pd.date_range("2026-01-01", periods=40, tz="UTC")
    parts = dict.fromkeys(("delta", "gamma", "vega", "theta", "carry", "cost", "residual"), 1_000.0)
    said = {"book": "b", "policy": policy, "pnl": -12_345.0, "cost": 100.0, "worst": -1.0, "drawdown": 20_000.0, "hits": 2}
    said |= {"expected": 1.5, "promised": 9_000.0, "realised": 8_000.0, "kupiec": 0.5, "acerbi_szekely": None, "kept": True}
    said |= {"judged": 1.0, "power": 0.33}
    said |= {"liquidations": 0, "attribution": parts, "steps": pnl.tolist(), "moments": [d.isoformat() for d in days]}
    return said | more


def test_tables() -> None:
    rows = [row(tables.CHOSEN, 1.0, liquidations=1, kept=False), row("delta band", 50.0)]
    assert "| b | −12 / 20 · 2 | −12 / 20 · 2†‡ |" in tables.compact(rows)
    band, optimizer = tables.full(rows).splitlines()[2:]
    assert "| kept |" in band
    assert "−12.3" in band
    assert "**broken**" in optimizer
    assert "| 100 % |" in band
    assert "| 33 % |" in band
    assert "better" in tables.differences(rows)
    assert "| b | delta band |" in tables.differences(rows, against="best")
    assert tables.sources(rows).count("1.0") == 14


@pytest.mark.realdata
def test_a_cell_on_recorded_chains(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve days across the crash: the ledger's identity to a cent, and a promise at every step."""
    monkeypatch.setenv("HEDGEOPT_SHARED_DATA", str(shared_data))
    folder = plans(tmp_path)
    cells = read_plan(folder / "daily.toml").cells(folder)
    cell = next(c for c in cells if label(c) == {"book": "AMM LP, ETH", "policy": "CVaR optimizer"})
    config = narrowed(cell.config)
    config["replay"] |= {"start": "2026-01-29T00:00:00Z", "end": "2026-02-08T00:00:00Z"}
    result = run(config)
    assert len(result.steps) == 10
    assert summarize(result).measures["identity_gap"] < 0.005
    assert (result.steps["promised_cvar"] > 0).all()
    assert Path(result.config["replay"]["chains"][0]).resolve().is_relative_to(shared_data.resolve())


@pytest.mark.realdata
@pytest.mark.parametrize("book", ["AMM LP, BTC", "short gamma, ETH"])
def test_a_cell_of_the_study_gives_what_its_table_says(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, book: str
) -> None:
    """The delta band of two books over the whole of April and May, run again."""
    monkeypatch.setenv("HEDGEOPT_SHARED_DATA", str(shared_data))
    wanted = {"book": book, "policy": "delta band"}
    saved = json.loads(RESULTS.read_text(encoding="utf-8"))["daily"]["rows"]
    told = next(row for row in saved if {k: row[k] for k in wanted} == wanted)
    folder = plans(tmp_path)
    cell = next(c for c in read_plan(folder / "daily.toml").cells(folder) if label(c) == wanted)
    summary = summarize(run_shared(cell.config))
    assert summary.steps == len(told["steps"])
    assert summary.measures["total_pnl"] == pytest.approx(told["pnl"], rel=1e-6, abs=0.05)
    assert summary.measures["max_drawdown"] == pytest.approx(told["drawdown"], rel=1e-6, abs=0.05)
    assert summary.tail.hits == told["hits"]


def test_the_model_document_is_written_from_the_model() -> None:
    page = document()
    assert "| `degrees` |" in page
    assert "## Where the study refuted it" in page
    assert page == (FOLDER.parents[1] / "docs" / "model.md").read_text(encoding="utf-8")
