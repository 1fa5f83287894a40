"""Result files: one JSON per entry, small enough to read."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.campaign.registry import Entry, source_digest

__all__ = ["RESULTS", "again", "faults", "outcome_of", "read", "result", "write"]

RESULTS = Path(__file__).with_name("results")
_VERSIONS = ("cvxpy", "highspy", "clarabel", "numpy", "scipy")


def result(entry: Entry, found: Sequence[str], seconds: float) -> dict[str, Any]:
    """A result file; case ``i`` had outcome ``found[i]``."""
    counts = Counter(found)
    commonest = counts.most_common(1)[0][0]
    rest: dict[str, list[int]] = {}
    for number, outcome in enumerate(found):
        if outcome != commonest:
            rest.setdefault(outcome, []).append(number)
    return {
        "entry": entry.name,
        "about": entry.about,
        "ended": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round(seconds),
        "cases": len(found),
        "outcomes": dict(counts.most_common()),
        "never": {outcome: counts.get(outcome, 0) for outcome in entry.never},
        "numbers": rest,
        "versions": {name: metadata.version(name) for name in _VERSIONS} | {"python": platform.python_version()},
        "sources": source_digest(entry),
    }


def outcome_of(told: Mapping[str, Any], number: int) -> str:
    """The outcome a file records for a case."""
    rest: Mapping[str, list[int]] = told["numbers"]
    for outcome, numbers in rest.items():
        if number in numbers:
            return outcome
    return next(outcome for outcome in told["outcomes"] if outcome not in rest)


def again(entry: Entry, told: Mapping[str, Any], found: Mapping[int, str]) -> dict[str, Any]:
    """A result with the outcomes of some cases that were run again; ``again`` names them, the time and their sources."""
    whole = [found.get(number, outcome_of(told, number)) for number in range(told["cases"])]
    fresh = result(entry, whole, told["seconds"])
    kept = {name: told[name] for name in ("ended", "versions", "sources")}
    more = {"ended": fresh["ended"], "cases": {str(number): outcome for number, outcome in found.items()},
            "sources": fresh["sources"]}  # fmt: skip
    return fresh | kept | {"again": [*told.get("again", []), more]}


def faults(entry: Entry, told: Mapping[str, Any]) -> list[str]:
    """What is wrong with a result: outcomes that must not occur, or too few cases."""
    found = [f"{count} of {told['cases']} cases {o}" for o, count in told["outcomes"].items() if entry.forbidden(o)]
    if told["cases"] < entry.full:
        found.append(f"only {told['cases']} of {entry.full} cases")
    return found


def read(entry: Entry) -> dict[str, Any] | None:
    """The committed result, if there is one."""
    path = RESULTS / f"{entry.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(told: Mapping[str, Any]) -> Path:
    """Replace the entry's file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{told['entry']}.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path
