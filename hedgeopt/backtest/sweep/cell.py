"""Runs one cell, in any process on any machine."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from typing import Any

__all__ = ["RUNNER", "prepare_worker", "run_cell"]

RUNNER = "hedgeopt.backtest.runner:run"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def prepare_worker() -> None:
    """Prepare a worker process, before anything heavy is imported.

    One thread: processes are the parallelism. Ctrl-C is the parent's to handle. And when the parent is gone, however
    violently, so is the worker: it would wait for work for ever.
    """
    for name in _THREADS:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)


def run_cell(key: str, config: dict[str, Any], runner: str = RUNNER, source: str | None = None) -> dict[str, Any]:
    """Run a backtest and return what a sweep keeps of it: plain values, small, and the same on every run.

    Returns
    -------
    dict
        ``key``, ``measures``, ``attribution``, ``tail``, ``events``, ``timestamps`` (ISO, UTC) and ``pnl`` (USD per step);
        or, when the backtest was refused or broke, ``key``, ``error`` (one line) and ``expected`` (whether it was an input's
        fault).

    Parameters
    ----------
    runner
        ``module:function`` of a configuration that returns a BacktestResult; text, so that any machine can be told.
    source
        Digest of the source the sweep was planned with: a cluster of other code refuses.
    """
    from threadpoolctl import threadpool_limits

    from hedgeopt.backtest.sweep.content import source_digest
    from hedgeopt.errors import HedgeoptError

    try:
        if source is not None and source != source_digest():
            return _fault(key, "this worker has another version of hedgeopt installed than the sweep was planned with", True)
        with threadpool_limits(limits=1, user_api="blas"):
            module, name = runner.split(":")
            return _record(key, getattr(importlib.import_module(module), name)(config))
    except HedgeoptError as error:
        return _fault(key, str(error), True)
    except Exception as error:
        return _fault(key, f"unexpected {type(error).__name__}: {error}", False)


def _record(key: str, result: Any) -> dict[str, Any]:
    from hedgeopt.backtest.results.summary import summarize

    summary = summarize(result).to_dict()
    return {
        "key": key,
        "measures": summary["measures"],
        "attribution": summary["attribution"],
        "tail": summary["tail"],
        "events": summary["events"],
        "timestamps": [stamp.isoformat() for stamp in result.steps.index],
        "pnl": [float(value) for value in result.steps["pnl"]],
    }


def _fault(key: str, words: str, expected: bool) -> dict[str, Any]:
    return {"key": key, "error": " ".join(words.split()), "expected": expected}
