"""Sweeps give one result however they are run: any number of workers, killed and resumed, with faults in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hedgeopt.backtest.sweep.cell import run_cell
from hedgeopt.backtest.sweep.drive import run_cells, run_sweep
from hedgeopt.backtest.sweep.engines import open_engine
from hedgeopt.backtest.sweep.plan import SweepPlan
from hedgeopt.backtest.sweep.store import CellStore
from hedgeopt.errors import InputError

RUNNER = "toy_backtest:run"
KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import toy_plan
from hedgeopt.backtest.sweep.drive import run_sweep
if __name__ == "__main__":
    run_sweep(toy_plan(seconds=0.4), sys.argv[1], workers=2, runner="toy_backtest:run")
"""


def plan_of(**backtest: object) -> SweepPlan:
    return SweepPlan(
        name="toy",
        backtest={"policy": {"kind": "band"}, **backtest},
        vary={"policy.band": [0.0, 0.1, 0.2], "policy.kind": ["band", "other"]},
        across={"period": ["2026-01", "2026-03"]},
    )


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


class Inline:
    """An engine that runs each cell as it is submitted, here."""

    def __init__(self) -> None:
        self.closed: bool | None = None
        self.submitted = 0

    def executor(self):
        return self

    def submit(self, function, *arguments):
        from concurrent.futures import Future

        self.submitted += 1
        future = Future()
        future.set_result(function(*arguments))
        return future

    def slots(self) -> int:
        return 2

    def close(self, now: bool = False) -> None:
        self.closed = now


def test_one_worker_and_two_agree_and_finished_cells_are_not_run_again(tmp_path, reference, runs):
    told = []
    result = run_sweep(plan_of(), tmp_path / "out", workers=1, runner=RUNNER, progress=lambda *n: told.append(n))
    assert result.to_json() == reference.to_json()
    assert told == [(k, 12, 0) for k in range(13)]
    assert len(runs()) == 12
    again = run_sweep(plan_of(), tmp_path / "out", workers=1, runner=RUNNER, progress=lambda *n: told.append(n))
    assert again.to_json() == reference.to_json()
    assert len(runs()) == 12
    assert told[13:] == [(12, 12, 0)]
    # one more value: only its cells are new
    plan = plan_of()
    wider = plan.model_copy(update={"vary": {**plan.vary, "policy.band": [0.0, 0.1, 0.2, 0.3]}})
    run_cells(wider.cells(tmp_path, RUNNER), CellStore(tmp_path / "out" / "cells"), Inline, RUNNER)
    assert [line[1] for line in runs()[12:]] == ["0.3"] * 4


def test_a_sweep_killed_outright_resumes_where_it_was(tmp_path, reference, runs):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, script, tmp_path / "out", Path(__file__).parent])
    cells = tmp_path / "out" / "cells"
    deadline = time.monotonic() + 300
    while len(list(cells.glob("*.json"))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path.stem: path.read_bytes() for path in cells.glob("*.json")}
    assert 3 <= len(finished) < 12
    workers = {int(line[0]) for line in runs()}
    deadline = time.monotonic() + 300
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)  # nobody is left behind
    started = len(runs())
    result = run_sweep(plan_of(seconds=0.4), tmp_path / "out", workers=2, runner=RUNNER)
    assert len(runs()) - started == 12 - len(finished)
    assert all((cells / f"{key}.json").read_bytes() == text for key, text in finished.items())
    assert json.loads(result.to_json()) == json.loads(reference.to_json())


def test_a_cell_that_kills_its_process_is_found_and_costs_the_others_nothing(tmp_path, reference):
    plan = plan_of(die=0.1)
    plan = plan.model_copy(update={"vary": {"policy.band": [0.0, 0.1, 0.2]}, "across": {"period": ["2026-01"]}})
    result = run_sweep(plan, tmp_path / "out", workers=2, runner=RUNNER)
    assert [(setting["policy.band"], "died 3 times" in line) for setting, line in result.failed] == [(0.1, True)]
    assert sorted(result.trials["policy.band"]) == [0.0, 0.2]


def test_faults_are_told_and_retried_and_their_trials_are_out(tmp_path, runs):
    plan = plan_of(refuse=0.1, **{"break": 0.2})
    cells, store = plan.cells(tmp_path, RUNNER), CellStore(tmp_path / "cells")
    failed = run_cells(cells, store, Inline, RUNNER)
    assert len(failed) == 8
    lines = set(failed.values())
    assert lines == {"policy.band: band too wide (got 0.1)", "unexpected ZeroDivisionError: a bug"}
    run_cells(cells, store, Inline, RUNNER)
    assert len(runs()) == 12 + 8  # what failed is tried again, what finished is not
    from hedgeopt.backtest.sweep.outcome import outcome

    result = outcome(plan, cells, store, failed)
    assert set(result.trials["policy.band"]) == {0.0}
    assert len(result.failed) == 8
    assert "8 cells failed" in result.note


def test_nothing_finished_is_an_error_with_the_first_reason(tmp_path):
    plan = plan_of(refuse=0.0).model_copy(update={"vary": {"policy.band": [0.0]}})
    cells, store = plan.cells(tmp_path, RUNNER), CellStore(tmp_path / "cells")
    failed = run_cells(cells, store, Inline, RUNNER)
    from hedgeopt.backtest.sweep.outcome import outcome

    with pytest.raises(InputError, match=r"no trial of the sweep finished: policy\.band: band too wide"):
        outcome(plan, cells, store, failed)


def test_an_interruption_keeps_what_is_finished_and_lets_go_of_the_workers(tmp_path):
    engine = Inline()

    def interrupt(done: int, total: int, failed: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    cells, store = plan_of().cells(tmp_path, RUNNER), CellStore(tmp_path / "cells")
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, store, lambda: engine, RUNNER, interrupt)
    assert engine.closed is True
    assert sum(store.read(cell.key) is not None for cell in cells) == 5


def test_no_more_cells_are_under_way_than_the_engine_has_slots(tmp_path):
    engine, under_way = Inline(), []
    cells, store = plan_of().cells(tmp_path, RUNNER), CellStore(tmp_path / "cells")
    run_cells(cells, store, lambda: engine, RUNNER, lambda done, *_: under_way.append(engine.submitted - done))
    assert max(under_way) <= engine.slots()


def test_torn_and_foreign_files_do_not_count_as_finished(tmp_path):
    store = CellStore(tmp_path)
    record = {"key": "k", "pnl": [1.0], "measures": {}}
    store.write(record)
    assert store.read("k") == record
    for text in ("", '{"key": "k", "pn', '{"key": "other", "pnl": []}', "[]", '{"key": "k"}'):
        store.path("k").write_text(text)
        assert store.read("k") is None
    assert store.read("absent") is None


def test_a_worker_of_other_code_refuses():
    record = run_cell("k", {"policy": {"band": 0.0}}, RUNNER, source="other")
    assert "another version" in record["error"]


def test_engines_say_what_they_need():
    with pytest.raises(InputError, match="address of a scheduler"):
        open_engine("dask")
    with pytest.raises(InputError, match="for the dask engine"):
        open_engine("local", scheduler="tcp://x:1")
    with pytest.raises(InputError, match="at least 1"):
        open_engine("local", workers=0)


def test_workers_have_one_thread_each():
    engine = open_engine("local", workers=1)
    try:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        assert list(engine.executor().map(os.getenv, names)) == ["1"] * 4
    finally:
        engine.close()


def test_the_command_line_writes_everything_and_resumes(tmp_path, capsys, monkeypatch, runs):
    from hedgeopt.cli import main

    monkeypatch.setattr("hedgeopt.backtest.sweep.drive.RUNNER", RUNNER)
    monkeypatch.setattr("hedgeopt.backtest.sweep.drive.open_engine", lambda *_: Inline())
    config = tmp_path / "sweep.toml"
    config.write_text(
        'name = "toy"\n[backtest.policy]\nkind = "band"\n[vary]\n"policy.band" = [0.0, 0.2]\n'
        '[across]\nperiod = ["2026-01", "2026-03"]\n'
    )
    arguments = ["sweep", str(config), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "policy.band = 0.2" in out
    assert "expected of the best of 2 trials" in " ".join(out.split())
    assert "4 of 4 cells finished" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "cells", "sweep.json", "sweep.html", "trials.csv", "winner.toml",
    }  # fmt: skip
    import tomllib

    assert tomllib.loads((tmp_path / "out" / "winner.toml").read_text())["policy"]["band"] == 0.2
    page = (tmp_path / "out" / "sweep.html").read_text()
    assert page.count("<svg") == 1
    assert "<script src" not in page
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["winner"] == {"policy.band": 0.2}
    assert len(runs()) == 4
    assert main(["sweep", str(tmp_path / "none.toml"), "--out", str(tmp_path)]) == 2
    assert "not found" in capsys.readouterr().err
    assert os.path.exists(tmp_path / "out" / "cells")
