"""Runs a sweep: orders the cells that are left, and recovers when a worker dies."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from pathlib import Path
from typing import Any

from hedgeopt.backtest.sweep.cell import RUNNER, run_cell
from hedgeopt.backtest.sweep.content import source_digest
from hedgeopt.backtest.sweep.engines import Engine, EngineName, open_engine
from hedgeopt.backtest.sweep.outcome import SweepResult, outcome
from hedgeopt.backtest.sweep.plan import Cell, SweepPlan
from hedgeopt.backtest.sweep.store import CellStore
from hedgeopt.errors import HedgeoptError, InputError
from hedgeopt.files.counted import many

__all__ = ["SweepProgress", "run_cells", "run_sweep"]

SweepProgress = Callable[[int, int, int], None]
"""Told the number of cells finished, of all cells, and of those that failed."""

_ATTEMPTS = 3


def run_sweep(
    plan: SweepPlan,
    out: str | Path,
    *,
    folder: str | Path = ".",
    workers: int | None = None,
    engine: EngineName = "local",
    scheduler: str | None = None,
    runner: str | None = None,
    progress: SweepProgress | None = None,
) -> SweepResult:
    """Run every cell that is not finished yet, and judge them all.

    The result depends on the plan alone: not on the number of workers, the engine, the order in which cells finish, or how
    often the sweep was interrupted. A script that calls this must guard its entry with ``if __name__ == "__main__"``, as for
    any process pool.

    Parameters
    ----------
    out
        Folder of finished cells (``cells/KEY.json``); one sweep after another may use it.
    folder
        Where relative file names in the plan start.
    workers
        Processes; default one per core. With Dask the largest number of cells submitted at once.
    engine, scheduler
        ``local``, or ``dask`` and the address of its scheduler.
    runner
        ``module:function`` that runs a configuration; default :data:`~hedgeopt.backtest.sweep.cell.RUNNER`.

    Raises
    ------
    InputError
        Something in the plan is wrong, or no cell could be run.
    """
    runner = runner or RUNNER
    cells = plan.cells(Path(folder).resolve(), runner)
    if runner == RUNNER and cells:
        _refuse_unknown_fields(cells[0])
    store = CellStore(Path(out) / "cells")
    failed = run_cells(cells, store, lambda: open_engine(engine, workers, scheduler), runner, progress)
    return outcome(plan, cells, store, failed)


def _refuse_unknown_fields(cell: Cell) -> None:
    """A path that names no field of a backtest would fail every cell: it is refused before any is run."""
    from hedgeopt.backtest.settings import BacktestConfig

    try:
        BacktestConfig(**cell.config)
    except InputError as error:
        if error.problem.startswith("unknown field"):
            raise error.at("sweep") from None


def run_cells(
    cells: Sequence[Cell],
    store: CellStore,
    start: Callable[[], Engine],
    runner: str = RUNNER,
    progress: SweepProgress | None = None,
) -> dict[str, str]:
    """Run the unfinished cells; returns a line about each that failed, by key. The engine starts only if there is work."""
    told = progress or (lambda done, total, failed: None)
    todo = deque(cell for cell in cells if store.read(cell.key) is None)
    done = len(cells) - len(todo)
    failed: dict[str, str] = {}
    told(done, len(cells), 0)
    if not todo:
        return failed
    engine = start()
    try:
        for record in _records(todo, engine, runner):
            if "error" in record:
                failed[record["key"]] = str(record["error"])
            else:
                store.write(record)
                done += 1
            told(done, len(cells), len(failed))
    except BaseException:
        engine.close(now=True)
        raise
    engine.close()
    return {cell.key: failed[cell.key] for cell in cells if cell.key in failed}


def _records(todo: deque[Cell], engine: Engine, runner: str) -> Iterator[dict[str, Any]]:
    """Records as they come in. At most ``engine.slots()`` cells are under way, so memory does not grow with the sweep.

    When a process dies its pool is lost, and which of the cells under way killed it is not known: they are all run again,
    one at a time, so that only the culprit dies a second and third time.
    """
    executor, broken = engine.executor(), False
    running: dict[Future[dict[str, Any]], Cell] = {}
    deaths: Counter[str] = Counter()
    suspects: set[str] = set()
    while todo or running:
        if broken and not running:
            executor, broken = engine.executor(), False
        room = 1 if suspects else engine.slots()
        while todo and len(running) < room and not broken:
            try:
                running[executor.submit(run_cell, todo[0].key, todo[0].config, runner, source_digest())] = todo[0]
                todo.popleft()
            except BrokenExecutor:
                broken = True
        for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
            cell = running.pop(future)
            suspects.discard(cell.key)
            try:
                record = future.result()
            except BrokenExecutor:
                broken = True
                deaths[cell.key] += 1
                if deaths[cell.key] < _ATTEMPTS:
                    suspects.add(cell.key)
                    todo.appendleft(cell)
                    continue
                record = {"key": cell.key, "error": f"its process died {many(_ATTEMPTS, 'time')} (out of memory?)"}
            except CancelledError:
                raise HedgeoptError("the cluster was lost; finished cells are kept: run the sweep again to go on") from None
            except Exception as error:  # the cluster's own: a worker died as often as its scheduler tolerates
                record = {"key": cell.key, "error": " ".join(f"{type(error).__name__}: {error}".split())}
            yield record
