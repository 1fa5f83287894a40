"""``method="tail"`` and its rivals over a family of CVaR programs: the distribution of the ratio of CPU seconds.

``python -m benchmarks.tail_family --store FILE [--tier small|medium|all] [--half open|aside|both] [--rivals a,b]
[--python NAME=PATH] [--minutes M] [--cap S]`` resumes from FILE (JSON lines; rivals' times are kept by instance, ours are
measured anew) and ends with minimum, first decile and median. Each solve runs in a process of its own with caps on CPU
seconds and memory; a rival that its cap ended makes the ratio "at least". With ``--minutes`` ours is measured everywhere
first, and the CPU time that is left is shared out among the rivals; with ``--cap`` each has so many CPU seconds, however
quick the best one is. ``--result FILE`` writes the distribution as the documents quote it.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import benchmark
from benchmarks.tail_family_cases import SEED_KEPT_ASIDE, SEED_OPEN, TIERS, Spec, specs
from benchmarks.tail_family_markets import DAYS
from benchmarks.tail_family_report import judged, line, summary, write
from benchmarks.tail_family_rivals import RIVALS, applies

# CPU seconds a rival gets at least and at most, and the ratio to ours its cap proves; bytes of memory; how much longer than
# the best exact rival so far another one may take; entries beyond which rivals that hold the canonicalised matrix, or have
# been many times slower wherever both were tried, are not tried.
CAP, RATIO, MEMORY, LATER = (5.0, 150.0), 45.0, 9 << 30, 1.1
LARGEST = {
    "cvxpy_default": 6e6,
    "clarabel": 6e6,
    "cvxpy_highs": 3e6,
    "piqp": 3e6,
    "qoco": 3e6,
    "dual_pdlp": 6e6,
    "cvqp": 2e7,
}
OURS = 120.0
SMOKE = ("tail", "dual_simplex")


@benchmark("tail_family", "CVaR programs nobody tuned to: method='tail' against the best exact rival, distribution")
def records(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per instance, then the distribution."""
    if not DAYS.is_file():
        print(f"tail_family: no recorded chains at {DAYS}; made-up chains take their place", file=sys.stderr)
    drawn = family("both")
    if smoke:
        drawn = [replace(s, scenarios=400, instruments=12, extra="none") for s in drawn[:2]]
    found = [measured(s, SMOKE if smoke else tuple(RIVALS), {}, {}) for s in drawn]
    yield from found
    yield summary(found)


def family(half: str) -> list[Spec]:
    """The instances of ``open``, ``aside`` or ``both`` halves; the second is empty while its seed is not set."""
    halves = {"open": SEED_OPEN, "aside": SEED_KEPT_ASIDE}
    chosen = list(halves) if half == "both" else [half]
    return [replace(s, name=f"{h}-{s.name}") for h in chosen if halves[h] is not None for s in specs(halves[h])]


def measured(
    spec: Spec,
    names: tuple[str, ...],
    known: dict[str, Any],
    pythons: dict[str, str],
    drawn: Path | None = None,
    most: float = CAP[1],
    each: float | None = None,
) -> dict[str, Any]:
    """Ours, then every rival that has no stored answer, for at most ``most`` seconds and as long as it could be the best, or
    for ``each`` seconds, however quick the best one is."""
    record: dict[str, Any] = {"spec": asdict(spec), "digest": spec.digest, "rivals": dict(known)}
    rivals = record["rivals"]
    entries = spec.scenarios * spec.instruments
    if "tail" in names:
        rivals["tail"] = run(spec, "tail", OURS, pythons, drawn)
    for name in names:
        if name in rivals or not applies(name, spec):
            continue
        if entries > LARGEST.get(name, np.inf):
            continue
        spent = rivals.get("tail", {}).get("cpu_seconds", 1.0)
        cap = float(np.clip(RATIO * spent, CAP[0], max(most, CAP[0])))
        # What is slower than the best exact rival so far is not the best one.
        best = judged(record).get("best_seconds", np.inf)
        rivals[name] = run(spec, name, min(cap, max(LATER * best, 2.0)) if each is None else each, pythons, drawn)
    return judged(record)


def run(spec: Spec, name: str, cap: float, pythons: dict[str, str], drawn: Path | None = None) -> dict[str, Any]:
    """One solve in a process of its own: what it found, or what ended it."""
    python = pythons.get(name, pythons.get("rivals", sys.executable) if name != "tail" else sys.executable)
    entries = spec.scenarios * spec.instruments
    # Loading code and laying out arrays costs CPU seconds, too; they are not the rival's. Ours is solved twice and verified.
    limit = (2.2 * cap if name == "tail" else cap) + 4.0 + 6e-8 * entries
    asked = {"spec": asdict(spec), "name": name, "limit": limit, "memory": MEMORY, "drawn": drawn and str(drawn)}
    answer = _server(python).ask(asked)
    return answer if "cpu_seconds" in answer or answer["outcome"].startswith("failed") else answer | {"cap_seconds": cap}


class _Server:
    """A process of ``benchmarks.tail_family_rivals``."""

    def __init__(self, python: str) -> None:
        environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "benchmarks.tail_family_rivals"], cwd=Path(__file__).resolve().parents[1],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that serves the rivals has ended")
        return json.loads(answer)  # type: ignore[no-any-return]


@cache
def _server(python: str) -> _Server:
    server = _Server(python)
    atexit.register(server.process.kill)
    return server


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tier", choices=list(TIERS), default="all")
    parser.add_argument("--half", choices=["open", "aside", "both"], default="both")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="names, ours is tail; none: what is stored")
    parser.add_argument("--only", default="", help="names of instances")
    parser.add_argument("--minutes", type=float, help="CPU minutes for everything")
    parser.add_argument("--cap", type=float, help="CPU seconds for every rival, however quick the best one is")
    parser.add_argument("--drawn", type=Path, help="folder that keeps drawn instances (up to 0.4 GB each)")
    parser.add_argument("--result", type=Path, help="file for the distribution")
    parser.add_argument(
        "--python", action="append", default=[], metavar="NAME=PATH", help="interpreter of a rival, or of 'rivals'"
    )
    given = parser.parse_args()
    pythons = dict(x.split("=", 1) for x in given.python)
    store = {}
    if given.store.is_file():
        for text in given.store.read_text(encoding="utf-8").splitlines():
            item = json.loads(text)
            store[item["digest"]] = item
    chosen = set(given.only.split(",")) - {""}
    names = tuple(name for name in given.rivals.split(",") if name in RIVALS)
    todo = [
        s for s in family(given.half)
        if s.scenarios * s.instruments <= TIERS[given.tier] and (not chosen or s.name in chosen)
    ]  # fmt: skip
    found: dict[str, dict[str, Any]] = {}

    def measure(spec: Spec, wanted: tuple[str, ...], most: float) -> float:
        known = store.get(spec.digest, {}).get("rivals", {})
        drawn = None if given.drawn is None else given.drawn / f"{spec.digest}.pickle"
        item = found[spec.digest] = store[spec.digest] = measured(spec, wanted, known, pythons, drawn, most, given.cap)
        print(line(item), flush=True)
        given.store.parent.mkdir(parents=True, exist_ok=True)
        given.store.write_text("".join(json.dumps(x) + "\n" for x in store.values()), encoding="utf-8")
        fresh = [k for k in item["rivals"] if k not in known or k == "tail" in wanted]
        return float(sum(item["rivals"][k].get("process_seconds", 0.0) for k in fresh))

    if given.drawn is not None:
        given.drawn.mkdir(parents=True, exist_ok=True)
    if given.minutes is None:
        for spec in todo:
            measure(spec, names, CAP[1])
    else:
        left = 60.0 * given.minutes
        for spec in todo if "tail" in names else []:
            left -= measure(spec, ("tail",), CAP[1])
        others = tuple(n for n in names if n != "tail")
        # The quick ones first: what they leave is the others'.
        cost = {s.digest: store[s.digest]["rivals"].get("tail", {}).get("cpu_seconds", OURS) for s in todo}
        order = sorted(todo, key=lambda s: cost[s.digest])
        for i, spec in enumerate(order):
            share = left / (len(order) - i)
            left -= measure(spec, others, share / 2)
    print(json.dumps(summary(list(found.values())), indent=1))
    if given.result is not None:
        write(given.result, list(found.values()))


if __name__ == "__main__":
    main()
