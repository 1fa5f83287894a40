"""Scenario settings that see only the past: files of histories are cut at the moment of decision."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.table_file import read_table
from hedgeopt.models.scenarios.history import TIMES, parse_times

__all__ = ["REPLAY", "as_known"]

REPLAY = "replay"
"""In place of a file name: the index prices of the replay so far."""


@contextmanager
def as_known(settings: Any, moment: datetime, history: Callable[[], pd.DataFrame]) -> Iterator[Any]:
    """The scenario settings with their files cut: rows later than ``moment`` are not in what the scenarios read.

    Within the block the settings name temporary files; ``history`` gives the replay's own prices, for :data:`REPLAY`.
    """
    if settings.kind != "historical":
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="hedgeopt-") as folder:
        update: dict[str, Any] = {}
        if settings.prices == REPLAY:
            path = Path(folder) / "prices.csv"
            history().rename_axis("timestamp").to_csv(path)
            update["prices"] = str(path)
        else:
            update["prices"] = _cut(Path(settings.prices), pd.Timestamp(moment), folder)
        for field in ("vols", "funding"):
            given = getattr(settings, field)
            update[field] = {asset: _cut(Path(path), pd.Timestamp(moment), folder) for asset, path in given.items()}
        yield settings.model_copy(update=update)


def _cut(path: Path, moment: pd.Timestamp, folder: str) -> str:
    frame = read_table(path, "history", field="scenarios")
    if frame.index.name and str(frame.index.name).lower() in TIMES:
        frame = frame.reset_index()
    when = next((column for column in frame.columns if str(column).lower() in TIMES), None)
    if when is None:
        raise InputError(f"no time column ({', '.join(TIMES)})", file=path)
    known = frame[parse_times(frame[when], path) <= moment]
    target = Path(folder) / f"{len(list(Path(folder).iterdir()))}-{path.name}"
    if path.suffix == ".parquet":
        known.to_parquet(target)
    else:
        known.to_csv(target, index=False)
    return str(target)
