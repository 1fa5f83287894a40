"""Finished backtests of a configuration on disk, one folder each: a run that was cut off goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from hedgeopt.backtest.result import BacktestResult

__all__ = ["keep_result", "kept_result"]

_TABLES = ("steps", "trades", "attribution", "ledger")
_REST = "rest.json"


def keep_result(result: BacktestResult, folder: Path) -> None:
    """Write a result's tables (Parquet) and the rest (JSON); whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for name in _TABLES:
            getattr(result, name).to_parquet(draft / f"{name}.parquet")
        rest = {"config": result.config, "events": result.events, "policy": result.policy, "book": result.book}
        text = json.dumps({**rest, "caveats": list(result.caveats)}, default=str)
        (draft / _REST).write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def kept_result(folder: Path) -> BacktestResult | None:
    """The result kept there; None where there is none, or it cannot be read. Moments in events are text then."""
    try:
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        rest = json.loads((folder / _REST).read_text(encoding="utf-8"))
        return BacktestResult(**tables, **{**rest, "caveats": tuple(rest["caveats"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
