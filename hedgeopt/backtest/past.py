"""Scenario settings that see only the past: files of histories are cut at the moment of decision."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.history import TIMES, parse_times

__all__ = ["REPLAY", "as_known"]

REPLAY = "replay"
"""In place of a file name: the index prices of the replay so far."""


@contextmanager
def as_known(rules: Any, state: Any) -> Iterator[Any]:
    """The policy with its histories cut: rows later than the decision are not in the files that the scenarios read."""
    settings = rules.scenarios
    if settings.kind != "historical":
        yield rules
        return
    moment = pd.Timestamp(state.market.timestamp)
    with tempfile.TemporaryDirectory(prefix="hedgeopt-") as folder:
        update: dict[str, Any] = {}
        if settings.prices == REPLAY:
            path = Path(folder) / "prices.csv"
            state.history.rename_axis("timestamp").to_csv(path)
            update["prices"] = str(path)
        else:
            update["prices"] = _cut(Path(settings.prices), moment, folder)
        for field in ("vols", "funding"):
            given = getattr(settings, field)
            update[field] = {asset: _cut(Path(path), moment, folder) for asset, path in given.items()}
        yield rules.model_copy(update={"scenarios": settings.model_copy(update=update)})


def _cut(path: Path, moment: pd.Timestamp, folder: str) -> str:
    if not path.is_file():
        raise InputError("history not found", file=path, field="scenarios")
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
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
