"""The plans of the study on the data at hand, run or resumed, as rows of figures."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from pathlib import Path
from typing import Any

from hedgeopt.backtest.sweep.content import source_digest
from hedgeopt.backtest.sweep.drive import SweepProgress, run_sweep
from hedgeopt.backtest.sweep.plan import Cell, read_plan
from hedgeopt.backtest.sweep.store import CellStore
from hedgeopt.files.reading import parse_toml
from hedgeopt.files.writing import write_atomically

__all__ = ["FOLDER", "PLANS", "RUNNER", "digests", "hours", "label", "plans", "rows_of", "run_plan", "save"]

RESULTS = Path(__file__).with_name("results.json")
RUNNER = "benchmarks.study.shared:run"

FOLDER = Path(__file__).resolve().parent
PLANS = ("daily", "six_hourly")
_DIGITS = 12
_WRITTEN = "../../../shared/data"


def plans(out: Path) -> Path:
    """Folder of the plans: this one, or copies under ``out`` whose data paths start at HEDGEOPT_SHARED_DATA."""
    data = os.environ.get("HEDGEOPT_SHARED_DATA")
    if data is None:
        return FOLDER
    texts = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.toml")}
    root = str(Path(data).resolve())
    write_atomically({out / "plans" / name: text.replace(_WRITTEN, root) for name, text in texts.items()})
    return out / "plans"


def run_plan(name: str, out: Path, workers: int | None = None, progress: SweepProgress | None = None) -> None:
    """Run what is not finished yet and write the sweep's own pages."""
    folder = plans(out)
    plan, began = read_plan(folder / f"{name}.toml"), _cpu()
    try:
        run_sweep(
            plan, out / name, folder=folder, workers=workers, progress=progress, runner=RUNNER
        ).write(out / name)  # fmt: skip
    finally:
        write_atomically({out / name / "cpu_hours": f"{hours(name, out) + (_cpu() - began) / 3600.0:.4f}\n"})


def hours(name: str, out: Path) -> float:
    """CPU hours that a plan has taken so far, over all runs that ended in order."""
    path = out / name / "cpu_hours"
    return float(path.read_text(encoding="utf-8")) if path.is_file() else 0.0


def _cpu() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def digests(name: str, out: Path) -> dict[str, str]:
    """First digits of the SHA-256 of hedgeopt's source, of the plans, and of every recorded file that they name."""
    folder = plans(out)
    base = parse_toml(folder / "backtest.toml", "backtest")["replay"]
    named = [*base["chains"], *base["marks"], base["index"]]
    found = {"source": source_digest()[:_DIGITS]}
    for text in (f"{name}.toml", "backtest.toml"):
        found[text] = hashlib.sha256((FOLDER / text).read_bytes()).hexdigest()[:_DIGITS]
    for text in dict.fromkeys(named):
        with (folder / text).open("rb") as stream:
            found[Path(text).name] = hashlib.file_digest(stream, "sha256").hexdigest()[:_DIGITS]
    return found


def rows_of(name: str, out: Path) -> list[dict[str, Any]]:
    """One row per finished cell, in the plan's order; the per-step P&L and its moments are under ``pnl`` and ``moments``."""
    store, folder = CellStore(out / name / "cells"), plans(out)
    found = []
    for cell in read_plan(folder / f"{name}.toml").cells(folder, RUNNER):
        record = store.read(cell.key)
        if record is not None:
            found.append({"study": name, **label(cell), **_figures(record)})
    return found


def save(name: str, out: Path, rows: list[dict[str, Any]]) -> None:
    """Put what is finished into results.json, with its digests and CPU hours; P&L to the cent."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    kept = [{**row, "steps": [round(value, 2) for value in row["steps"]]} for row in rows]
    known[name] = {"digests": digests(name, out), "cpu_hours": round(hours(name, out), 3), "rows": kept}
    write_atomically({RESULTS: json.dumps(known, indent=0, sort_keys=True, allow_nan=False) + "\n"})


def label(cell: Cell) -> dict[str, Any]:
    """Book and policy."""
    where = {**cell.setting, **cell.replication}
    policy = where["policies.0"]
    return {"book": where["books.0"]["name"], "policy": policy.get("name") or _NAMES[policy["kind"]]}


_NAMES = {
    "do_nothing": "do nothing",
    "delta_band": "delta band",
    "delta_vega": "delta–vega",
    "whalley_wilmott": "Whalley–Wilmott band",
    "mean_variance_delta": "mean–variance delta",
    "tail_hedge": "static tail hedge",
}


def _figures(record: dict[str, Any]) -> dict[str, Any]:
    m, tail = record["measures"], record["tail"]
    p = {test["name"]: test.get("exact_p_value", test["p_value"]) for test in tail["coverage"]}
    z = {test["name"]: test["p_value"] for test in tail["shortfall"]}
    return {
        "pnl": m["total_pnl"],
        "cost": m["cost"] + m["fees"],
        "worst": m["worst_step"],
        "drawdown": m["max_drawdown"],
        "liquidations": int(m["liquidations"]),
        "promised": tail["mean_promised_cvar"],
        "realised": tail["realised_cvar"],
        "hits": tail["hits"],
        "expected": tail["expected_hits"],
        "windows": tail["decisions"],
        "judged": tail["judged_share"],
        "power": tail["power"],
        "kupiec": next((v for k, v in p.items() if "Kupiec" in k), None),
        "acerbi_szekely": next((v for k, v in z.items() if "Z2" in k), None),
        "kept": tail["kept"],
        "identity_gap": m["identity_gap"],
        "attribution": record["attribution"],
        "events": record["events"],
        "steps": record["pnl"],
        "moments": record["timestamps"],
    }
