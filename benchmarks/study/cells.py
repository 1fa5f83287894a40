"""The plans of the study on the data at hand, run or resumed, as rows of figures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hedgeopt.backtest.sweep.cell import RUNNER
from hedgeopt.backtest.sweep.drive import SweepProgress, run_sweep
from hedgeopt.backtest.sweep.plan import Cell, read_plan
from hedgeopt.backtest.sweep.store import CellStore
from hedgeopt.files.writing import write_atomically

__all__ = ["FOLDER", "PLANS", "label", "plans", "rows_of", "run_plan"]

FOLDER = Path(__file__).resolve().parent
PLANS = ("daily", "six_hourly", "models")
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
    run_sweep(read_plan(folder / f"{name}.toml"), out / name, folder=folder, workers=workers, progress=progress).write(
        out / name
    )


def rows_of(name: str, out: Path) -> list[dict[str, Any]]:
    """One row per finished cell, in the plan's order; the per-step P&L and its moments are under ``pnl`` and ``moments``."""
    store, folder = CellStore(out / name / "cells"), plans(out)
    found = []
    for cell in read_plan(folder / f"{name}.toml").cells(folder, RUNNER):
        record = store.read(cell.key)
        if record is not None:
            found.append({"study": name, **label(cell), **_figures(record)})
    return found


def label(cell: Cell) -> dict[str, Any]:
    """Book, policy and, where it varies, the model that judges."""
    where = {**cell.setting, **cell.replication}
    policy = where["policies.0"]
    said = {"book": where["books.0"]["name"], "policy": policy.get("name") or _NAMES[policy["kind"]]}
    risk = where.get("risk")
    if risk is None:
        return said
    model = risk["scenarios"]
    fitted = "fitted" if "expiry_noise" in model else "as it comes"
    own = risk["promise"] == "policy"
    return said | {"model": "the policy's own sample" if own else f"{model['kind']}, {fitted}"}


_NAMES = {"do_nothing": "do nothing", "delta_band": "delta band", "delta_vega": "delta–vega"}


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
        "kupiec": next((v for k, v in p.items() if "Kupiec" in k), None),
        "acerbi_szekely": next((v for k, v in z.items() if "Z2" in k), None),
        "kept": tail["kept"],
        "identity_gap": m["identity_gap"],
        "attribution": record["attribution"],
        "events": record["events"],
        "steps": record["pnl"],
        "moments": record["timestamps"],
    }
