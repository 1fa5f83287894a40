"""Executors of cells: processes of this machine, or a Dask cluster. Both are ``concurrent.futures`` executors."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, Literal, Protocol

from hedgeopt.backtest.sweep.cell import prepare_worker
from hedgeopt.errors import InputError

__all__ = ["DaskEngine", "Engine", "EngineName", "LocalEngine", "open_engine"]

EngineName = Literal["local", "dask"]
_PATIENCE = 20.0  # seconds to wait for a scheduler


class Engine(Protocol):
    """A source of executors."""

    def executor(self) -> Executor:
        """A fresh executor; the one before it, if any, is broken."""

    def slots(self) -> int:
        """Cells to keep submitted at once: enough that no worker waits, few enough that memory stays bounded."""

    def close(self, now: bool = False) -> None:
        """Let go of workers; what has not started is cancelled, and what runs is not waited for if it must be ``now``."""


class LocalEngine:
    """Processes of this machine; started afresh (spawn), so that they share nothing and behave alike everywhere."""

    def __init__(self, workers: int | None) -> None:
        self.workers = workers if workers is not None else _cores()
        if self.workers < 1:
            raise InputError("must be at least 1", field="workers", value=self.workers)
        self._pool: ProcessPoolExecutor | None = None

    def executor(self) -> Executor:
        """A pool of new processes."""
        import multiprocessing

        self.close()
        self._pool = ProcessPoolExecutor(self.workers, multiprocessing.get_context("spawn"), initializer=prepare_worker)
        return self._pool

    def slots(self) -> int:
        """One running and one waiting for each process."""
        return 2 * self.workers

    def close(self, now: bool = False) -> None:
        """Stop the processes."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if now:  # Python has a public way from 3.14 on
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


class DaskEngine:
    """A Dask cluster that is already running; a cell whose worker dies is run again by the scheduler elsewhere."""

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        if not scheduler:
            raise InputError(
                "the dask engine needs the address of a scheduler", field="scheduler", fix="give tcp://HOST:8786"
            )
        try:
            from distributed import Client
        except ImportError:
            raise InputError("dask is not installed", field="engine", fix="pip install 'hedgeopt[cluster]'") from None
        self.limit = workers
        try:
            self._client: Any = Client(scheduler, timeout=_PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers: {error}", field="scheduler", value=scheduler) from None

    def executor(self) -> Executor:
        """The cluster's executor."""
        return self._client.get_executor(pure=False, retries=2)

    def slots(self) -> int:
        """Two for each thread of the cluster at this moment, or as many as ``workers`` allows."""
        threads = sum(self._client.nthreads().values())
        return max(self.limit if self.limit is not None else 2 * threads, 1)

    def close(self, now: bool = False) -> None:
        """Leave: the cluster stays, and drops what was submitted."""
        self._client.close()


def open_engine(name: EngineName, workers: int | None = None, scheduler: str | None = None) -> Engine:
    """The engine of that name; see the command line's options."""
    if name == "dask":
        return DaskEngine(scheduler, workers)
    if scheduler is not None:
        raise InputError("a scheduler is for the dask engine", field="scheduler", fix="add --engine dask, or leave it out")
    return LocalEngine(workers)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
