"""The main job in a separate process: seconds per stage, first solve and re-solve, start-up, compile pause.

``python -m benchmarks end_to_end --json -``. Seconds are of the clock, as a user waits them; ``cpu_seconds`` beside them
(of all threads) tell how much of them this machine's other work took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.end_to_end_case import Inputs, next_market, write_inputs
from benchmarks.process import run
from benchmarks.registry import benchmark

STAGES = ("read", "value", "build", "solve", "certify", "report")
START_LIMIT, PAUSE_LIMIT = 0.5, 2.0


@benchmark("end_to_end", "seconds per stage on the crash chain, first solve and re-solve; start-up; compile pause")
def records(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record for start-up, one per process run, one per re-solve."""
    yield start_up(1 if smoke else 7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = write_inputs(folder, smoke)
        if smoke:
            yield from session(inputs, folder, 1)["records"]
            return
        # A fresh numba cache: the first process compiles, the second shows what is left of the pause.
        os.environ["NUMBA_CACHE_DIR"] = str(folder / "numba")
        try:
            for process in ("first process, nothing compiled", "second process"):
                found = run(session, inputs, folder, 5, cap=900.0)
                for record in found.pop("records", [found]):
                    yield {"process": process, **record}
        finally:
            del os.environ["NUMBA_CACHE_DIR"]


def start_up(times: int) -> dict[str, Any]:
    """``hedgeopt --help`` as a subprocess, the best and the median of several."""
    command = [sys.executable, "-c", "from hedgeopt.cli import main; raise SystemExit(main())", "--help"]
    wall, cpu = [], []
    for _ in range(times + 1):
        began, before = time.perf_counter(), os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        wall.append(time.perf_counter() - began)
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    del wall[0], cpu[0]  # the first reads the files from disk
    return {
        "case": "hedgeopt --help", "runs": times, "limit_seconds": START_LIMIT,
        "seconds": {"best": min(wall), "median": float(np.median(wall))},
        "cpu_seconds": {"best": min(cpu), "median": float(np.median(cpu))},
    }  # fmt: skip


class Clock:
    """CPU seconds per stage: told of each stage as it starts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._since = "", time.process_time()

    def __call__(self, stage: str) -> None:
        now = time.process_time()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now


def session(inputs: Inputs, folder: Path, times: int) -> dict[str, Any]:
    """Read, propose and write as ``hedgeopt solve`` does, then re-solve with moved markets on the same program."""
    records: list[dict[str, Any]] = []
    imports = time.perf_counter()
    import numba.core.event

    from hedgeopt.inputs.book_file import read_book
    from hedgeopt.inputs.chain.reader import read_market
    from hedgeopt.inputs.policy import read_policy
    from hedgeopt.program.solve import solve

    imports = time.perf_counter() - imports
    compiling: list[float] = []
    clock = Clock()
    with numba.core.event.install_timer("numba:compiler_lock", compiling.append):
        clock("read")
        began = time.perf_counter()
        policy, book = read_policy(inputs.policy), read_book(inputs.book)
        market = read_market(*inputs.market)
        read = time.perf_counter() - began
        first = solve(book, market, policy, progress=clock)
        began = time.perf_counter()
        first.proposal.write(folder)
        written = time.perf_counter() - began
        clock("")
    seconds = {"read": read, **first.proposal.seconds}
    seconds["report"] += written
    record = _record(inputs, book, first, "first solve", seconds, clock.seconds)
    compile_times = {"numba_seconds": float(sum(compiling)), "numba_limit_seconds": PAUSE_LIMIT}
    records.append({**record, "import_seconds": imports, **compile_times})
    program, again, clocks = first.program, [], []
    for seed in range(times):
        moved = next_market(market, seed)
        clock = Clock()
        solved = solve(book, moved, policy, program=program, progress=clock)
        clock("")
        again.append((solved, solved.program is program))
        clocks.append(clock.seconds)
        program = solved.program
    middle = {stage: float(np.median([s.proposal.seconds.get(stage, 0.0) for s, _ in again])) for stage in STAGES[1:]}
    spent = {stage: float(np.median([c.get(stage, 0.0) for c in clocks])) for stage in STAGES[1:]}
    record = _record(inputs, book, again[-1][0], "re-solve, moved market", middle, spent)
    records.append({**record, "median_of": times, "program_reused": sum(kept for _, kept in again)})
    return {"records": records}


def _record(
    inputs: Inputs, book: Any, solved: Any, case: str, seconds: dict[str, float], cpu: dict[str, float]
) -> dict[str, Any]:
    proposal, e = solved.proposal, solved.exposures
    certificate = proposal.certificate
    return {
        "case": case, "input": inputs.name, "scenarios": int(e.pnl.shape[0]), "candidates": int(e.n_candidates),
        "positions": int(book.n_positions), "trades": len(proposal.trades),
        "gap": float(certificate.gap), "feasible": bool(certificate.feasible),
        "stage_seconds": {stage: round(seconds[stage], 4) for stage in STAGES if stage in seconds},
        "stage_cpu_seconds": {stage: round(cpu[stage], 4) for stage in STAGES if stage in cpu},
        "seconds": sum(seconds.values()), "cpu_seconds": sum(cpu.values()), "load_average": os.getloadavg()[0],
    }  # fmt: skip
