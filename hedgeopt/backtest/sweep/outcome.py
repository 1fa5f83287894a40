"""The outcome of a sweep: every trial, the winner, and its Sharpe ratio corrected for the search."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgeopt.backtest.results.compare import COLUMNS, STATISTICS, compare
from hedgeopt.backtest.results.deflated import Deflated, Similarity, deflate, sharpe
from hedgeopt.backtest.results.plain import plain
from hedgeopt.backtest.sweep.store import CellStore
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

if TYPE_CHECKING:
    from hedgeopt.backtest.sweep.plan import Cell, SweepPlan

__all__ = ["SweepResult", "outcome"]

_SUMMED = ("cost", "fees", "funding", "turnover", "trades", "liquidations")
_RIVALS = 4


@dataclass(frozen=True)
class SweepResult:
    """All trials, judged.

    Attributes
    ----------
    trials
        One row per trial that finished, best first: ``trial``, the varied fields, ``cells``, the measures of all its cells
        together (USD; ``sharpe_per_step`` has no unit).
    objective
        Measure that decided, ``maximize`` or ``minimize`` before it.
    winner
        The setting of the first row.
    deflated
        Its Sharpe ratio after the search.
    rivals
        The winner against the next best, :func:`hedgeopt.backtest.results.compare.compare`; empty without any.
    config
        Configuration of the winner's first cell.
    failed
        ``(setting, line)`` of every cell that failed; its trial is out of the running.
    note
        What the reader must know about the judgement.
    """

    name: str
    objective: str
    trials: pd.DataFrame
    winner: dict[str, Any]
    deflated: Deflated
    rivals: pd.DataFrame
    config: dict[str, Any]
    failed: tuple[tuple[dict[str, Any], str], ...]
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        data = {
            "name": self.name,
            "objective": self.objective,
            "winner": self.winner,
            "deflated": asdict(self.deflated),
            "rivals": self.rivals.to_dict(orient="records"),
            "trials": self.trials.to_dict(orient="records"),
            "failed": [{"setting": setting, "error": line} for setting, line in self.failed],
            "note": self.note,
        }
        return plain(data)

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False, default=str) + "\n"

    def write(self, out: str | Path) -> None:
        """Write ``sweep.json``, ``trials.csv``, ``winner.toml`` and ``sweep.html`` into a folder, all or none."""
        import tomli_w

        from hedgeopt.backtest.results.sweep_page import sweep_page
        from hedgeopt.files.writing import write_atomically

        out = Path(out)
        write_atomically(
            {
                out / "sweep.json": self.to_json(),
                out / "trials.csv": self.trials.to_csv(index=False),
                out / "winner.toml": tomli_w.dumps(self.config),
                out / "sweep.html": sweep_page(self),
            }
        )


def outcome(plan: SweepPlan, cells: Sequence[Cell], store: CellStore, failed: dict[str, str]) -> SweepResult:
    """Judge the finished cells; trials are read one at a time."""
    lines = tuple((cell.setting | cell.replication, failed[cell.key]) for cell in cells if cell.key in failed)
    measure, sign = plan.objective
    rows: list[dict[str, Any]] = []
    similar: Similarity | None = Similarity()
    for trial, group, pnl, totals in _finished(cells, store):
        rows.append({"trial": trial, **group[0].setting, "cells": len(group), **_judged(pnl.to_numpy()), **totals})
        try:
            if similar is not None:
                similar.add(pnl.to_numpy())
        except InputError:
            similar = None
    if not rows:
        line = lines[0][1] if lines else "there are none"
        raise InputError(f"no trial of the sweep finished: {line}", fix="run one cell by hedgeopt backtest to see more")
    trials = pd.DataFrame(rows)
    order = np.argsort(-sign * trials[measure].to_numpy(dtype=float), kind="stable")
    trials = trials.iloc[order].reset_index(drop=True)
    chosen = [int(number) for number in trials["trial"].iloc[: _RIVALS + 1]]
    series = {trial: (group, pnl) for trial, group, pnl, _ in _finished([c for c in cells if c.trial in chosen], store)}
    group, pnl = series[chosen[0]]
    effective = float(len(trials)) if similar is None else similar.effective
    notes = []
    if similar is None:
        notes.append("Trials cover different steps: their correlation is unknown, and each counts as independent.")
    if measure != "sharpe_per_step":
        notes.append(f"The winner has the best {measure}; its Sharpe ratio is deflated as if it had been selected by that.")
    if lines:
        notes.append(f"{many(len(lines), 'cell')} failed: such trials are out of the running.")
    return SweepResult(
        name=plan.name,
        objective=f"{'maximize' if sign > 0 else 'minimize'} {measure}",
        trials=trials,
        winner=group[0].setting,
        deflated=deflate(pnl.to_numpy(), [float(r) for r in trials["sharpe_per_step"]], effective),
        rivals=_against([(f"trial {trial}", series[trial][1]) for trial in chosen]),
        config=group[0].config,
        failed=lines,
        note=" ".join(notes),
    )


def _finished(cells: Sequence[Cell], store: CellStore) -> Iterator[tuple[int, list[Cell], pd.Series, dict[str, float]]]:
    """Trials of which every cell is finished: number, cells, P&L of all one after the other, and what adds up."""
    for trial, members in groupby(cells, key=lambda cell: cell.trial):
        group = list(members)
        records = [store.read(cell.key) for cell in group]
        whole = [record for record in records if record is not None]
        if len(whole) < len(group):
            continue
        stamps = [(k, stamp) for k, record in enumerate(whole) for stamp in record["timestamps"]]
        pnl = pd.Series([value for record in whole for value in record["pnl"]], index=pd.Index(stamps), dtype=float)
        yield trial, group, pnl, {name: sum(float(record["measures"][name]) for record in whole) for name in _SUMMED}


def _judged(pnl: np.ndarray) -> dict[str, float]:
    return {"sharpe_per_step": sharpe(pnl), **{name: float(statistic(pnl)) for name, statistic in STATISTICS.items()}}


def _against(ranked: list[tuple[str, pd.Series]]) -> pd.DataFrame:
    """The winner against the next best that were run on the same steps."""
    (name, best), *others = ranked
    same = {other: series for other, series in others if series.index.equals(best.index)}
    if not same or len(best) < 8 or not math.isfinite(float(best.sum())):
        return pd.DataFrame(columns=COLUMNS)
    return compare({name: best, **same}, only_first=True)
