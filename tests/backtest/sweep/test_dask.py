"""The same sweep on a real local Dask cluster, one of whose workers is killed on the way."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from hedgeopt.backtest.sweep.drive import run_sweep
from hedgeopt.backtest.sweep.engines import open_engine
from hedgeopt.errors import InputError

distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'hedgeopt[cluster]'")

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of Dask and its own libraries
    pytest.mark.skipif(sys.platform == "win32", reason="signals"),
]
RUNNER = "toy_backtest:run"


def test_a_worker_killed_mid_sweep_changes_nothing(tmp_path, reference, runs):
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from conftest import toy_plan
    finally:
        sys.path.pop(0)
    killed = []
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:

        def kill(done: int, total: int, failed: int) -> None:
            if done >= 3 and not killed:
                killed.append(int(runs()[-1][0]))
                os.kill(killed[0], signal.SIGKILL)

        result = run_sweep(
            toy_plan(seconds=0.3),
            tmp_path / "out",
            engine="dask",
            scheduler=cluster.scheduler_address,
            runner=RUNNER,
            progress=kill,
        )
    assert killed
    assert {int(line[0]) for line in runs()} - set(killed)  # others took over
    assert result.to_json() == reference.to_json()


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("hedgeopt.backtest.sweep.engines._PATIENCE", 1.0)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        open_engine("dask", scheduler="tcp://127.0.0.1:1")


def test_the_command_line_takes_engine_and_scheduler(tmp_path, monkeypatch, capsys):
    """One option and an address; the sweep reaches for the cluster, which is not there."""
    from hedgeopt.cli import main

    monkeypatch.setattr("hedgeopt.backtest.sweep.engines._PATIENCE", 1.0)
    monkeypatch.setattr("hedgeopt.backtest.sweep.drive.RUNNER", RUNNER)
    (tmp_path / "sweep.toml").write_text('[backtest.policy]\nkind = "band"\n[vary]\n"policy.band" = [0.0, 0.2]\n')
    arguments = ["sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "no Dask scheduler answers" in capsys.readouterr().err
    assert main([*arguments, "--engine", "dask"]) == 2
    assert "needs the address of a scheduler" in capsys.readouterr().err
