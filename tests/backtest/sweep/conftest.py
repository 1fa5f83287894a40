"""A sweep over the toy backtest, and the environment its workers need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hedgeopt.backtest.sweep.drive import run_sweep
from hedgeopt.backtest.sweep.outcome import SweepResult
from hedgeopt.backtest.sweep.plan import SweepPlan

TOYS = Path(__file__).parent / "toys"
RUNNER = "toy_backtest:run"


def toy_plan(**backtest: Any) -> SweepPlan:
    """Six settings, each run in two months."""
    return SweepPlan(
        name="toy",
        backtest={"policy": {"kind": "band"}, **backtest},
        vary={"policy.band": [0.0, 0.1, 0.2], "policy.kind": ["band", "other"]},
        across={"period": ["2026-01", "2026-03"]},
    )


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path) -> None:
    """Let this and every worker process find the toy, and keep a log of its runs."""
    monkeypatch.syspath_prepend(str(TOYS))
    old = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in (str(TOYS), str(repository), old) if part))
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "runs.log"))


@pytest.fixture
def runs(tmp_path: Path) -> Any:
    """Lines of the log so far: process, band, kind, period."""

    def read() -> list[list[str]]:
        log = tmp_path / "runs.log"
        return [line.split(" ") for line in log.read_text().splitlines()] if log.exists() else []

    return read


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """The toy sweep in two processes, uninterrupted: what every other way of running it must equal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOYS))
        return run_sweep(toy_plan(), tmp_path_factory.mktemp("reference"), workers=2, runner=RUNNER)
