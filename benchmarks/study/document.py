"""``python -m benchmarks.study.document > docs/model.md``: the scenario model for a validator, written from its own data.

Assumptions, numbers with their standard errors, what is unverified, and where the study refuted it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hedgeopt.files.reading import parse_toml
from hedgeopt.models.scenarios.noise import MEASURED
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

__all__ = ["document"]

RESULTS = Path(__file__).with_name("results.json")
_ASSUMED = (
    "Returns of all assets are jointly Student-t with one number of degrees and one correlation, scaled to the vol that the "
    "chain itself implies now; over other horizons they scale with the root of time.",
    "Vol answers spot with one slope for falls and one for rallies; each may differ between scenarios by its own noise.",
    "Every expiry's level and skew, and every strike, have noise of their own, as measured; draws are independent.",
    "Liquidity, margin rules and fees stay what they are; what venues do in a crash is in the stress table, not here.",
)


def document() -> str:
    """The page."""
    data = parse_toml(MEASURED, "scenario model")
    lines = [
        "# The scenario model, for a validator",
        "",
        "Written by `python -m benchmarks.study.document`; do not edit.",
        "",
    ]
    lines += ["## Assumptions", "", *(f"- {text}" for text in _ASSUMED), ""]
    lines += ["## Numbers", "", f"As of {data.get('as_of', 'no date')}, from `{MEASURED.name}`; the record: "
              + ", ".join(f"{k} {v}" for k, v in data.get("record", {}).items()) + ".", ""]  # fmt: skip
    lines += ["| number | value | standard error | what it is |", "|---|---:|---:|---|"]
    wrong = dict(_flat(data.get("errors", {})))
    for path, value in _flat(data["scenarios"]):
        field = ParametricScenarios.model_fields.get(path.rsplit(".", 1)[-1])
        said = (field.description or "") if field is not None else ""
        lines.append(f"| `{path}` | {value:g} | {_number(wrong.get(path))} | {said} |")
    lines += ["", "## Unverified", ""]
    lines += [f"- {text}" for text in data.get("unverified", ())] or ["- Nothing is marked so."]
    lines += ["", "## Where the study refuted it", "", *_refuted(), ""]
    return "\n".join(lines)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for k, one in enumerate(value):
            yield from _flat(one, f"{path}[{k}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.2g}"


def _refuted() -> list[str]:
    if not RESULTS.is_file():
        return ["- The study has not been run."]
    found, judged = [], 0
    for name, part in json.loads(RESULTS.read_text(encoding="utf-8")).items():
        for row in part["rows"]:
            judged += 1
            if row["kept"] is False:
                found.append(
                    f"- {name}, {row['book']}, {row['policy']}: {row['hits']} losses beyond the value at risk where "
                    f"{row['expected']:.1f} were promised."
                )
    return [*(found or ["- Nowhere."]), f"- {judged} cells were judged; docs/study.md has the power of each verdict."]


if __name__ == "__main__":
    print(document(), end="")
