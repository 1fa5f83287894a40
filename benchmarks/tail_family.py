"""``method="tail"`` and its rivals over a family of CVaR programs: the distribution of the ratio of CPU seconds.

``python -m benchmarks.tail_family --store FILE [--tier small|medium|all] [--half open|aside|both] [--rivals a,b]
[--python NAME=PATH]`` resumes from FILE (JSON lines; rivals' times are kept by instance, ours are measured anew) and ends
with minimum, first decile and median. Each solve runs in a process of its own with caps on CPU seconds and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import benchmark
from benchmarks.tail_family_cases import DAYS, SEED_KEPT_ASIDE, SEED_OPEN, TIERS, Spec, specs
from benchmarks.tail_family_rivals import RIVALS, applies

# CPU seconds a rival gets at least and at most, and the ratio to ours its cap proves; bytes of memory; the gap up to which
# an answer counts as exact; entries beyond which rivals that hold the canonicalised matrix are not tried.
CAP, RATIO, MEMORY, EXACT = (20.0, 150.0), 60.0, 9 << 30, 2e-6
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
GOALS = {"minimum": 1.0, "first decile": 8.0, "median": 30.0}
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


def measured(spec: Spec, names: tuple[str, ...], known: dict[str, Any], pythons: dict[str, str]) -> dict[str, Any]:
    """Ours, then every rival that has no stored answer."""
    record: dict[str, Any] = {"spec": asdict(spec), "digest": spec.digest, "rivals": dict(known)}
    rivals = record["rivals"]
    entries = spec.scenarios * spec.instruments
    if "tail" in names:
        rivals["tail"] = run(spec, "tail", OURS, pythons)
    ours = rivals.get("tail", {})
    for name in names:
        if name in rivals or not applies(name, spec):
            continue
        if entries > LARGEST.get(name, np.inf):
            continue
        spent = ours.get("cpu_seconds", 1.0)
        rivals[name] = run(spec, name, float(np.clip(RATIO * spent, *CAP)), pythons)
    return judged(record)


def run(spec: Spec, name: str, cap: float, pythons: dict[str, str]) -> dict[str, Any]:
    """One solve in a process of its own: what it found, or what ended it."""
    python = pythons.get(name, pythons.get("rivals", sys.executable) if name != "tail" else sys.executable)
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Drawing an instance costs CPU seconds, too; they are not the rival's.
    whole = int(cap + 20 + 4e-7 * spec.scenarios * spec.instruments)

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        command = [python, "-W", "ignore", "-m", "benchmarks.tail_family_rivals", json.dumps(asdict(spec)), name, str(out)]
        try:
            ended = subprocess.run(
                command, cwd=Path(__file__).resolve().parents[1], env=environment, preexec_fn=limits, timeout=5 * whole,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"outcome": "too slow by the clock", "cap_seconds": cap}
        if out.is_file():
            return {"outcome": "solved", **json.loads(out.read_text(encoding="utf-8"))}
        if ended.returncode < 0:
            return {"outcome": f"ended by signal {-ended.returncode}", "cap_seconds": cap}
        last = ended.stderr.strip().splitlines()[-1:] or [""]
        return {"outcome": f"failed: {last[0][:160]}"}


def judged(record: dict[str, Any]) -> dict[str, Any]:
    """Gaps by the bound, and our ratio to the best exact rival (a capped one is at least its cap away)."""
    ours = record["rivals"].get("tail", {})
    if "objective" not in ours:
        return record
    bound = ours.get("outside_bound", -np.inf)
    record["outside_gap"] = (ours["objective"] - bound) / max(abs(ours["objective"]), 1e-300)
    record["proven"] = bool(ours.get("proven")) and ours["status"] == "optimal"
    exact, least = {}, {}
    for name, answer in record["rivals"].items():
        if name == "tail":
            continue
        if "objective" in answer:
            worse = abs(answer["objective"] - ours["objective"]) / max(abs(ours["objective"]), 1e-300)
            if worse <= EXACT and answer["violation"] <= 1e-5:
                exact[name] = answer["cpu_seconds"]
        elif "cap_seconds" in answer:
            least[name] = answer["cap_seconds"]
    best = min(exact, key=lambda k: exact[k], default=None)
    if best is not None:
        record |= {"best": best, "ratio": exact[best] / ours["cpu_seconds"], "at_least": False}
    elif least:
        record |= {"best": "none within its cap", "ratio": max(least.values()) / ours["cpu_seconds"], "at_least": True}
    return record


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Minimum, first decile and median of the ratios; passes, gaps, refusals."""
    out: dict[str, Any] = {"instances": len(found)}
    groups = {"all": found, "many scenarios": [r for r in found if r["spec"]["scenarios"] >= 100_000]}
    for half in ("open", "aside"):
        groups[half] = [r for r in found if r["spec"]["name"].startswith(half)]
    for name, group in groups.items():
        ratios = [r["ratio"] for r in group if "ratio" in r]
        if ratios:
            low, decile, middle = np.quantile(ratios, [0.0, 0.1, 0.5])
            out[name] = {"minimum": low, "first decile": decile, "median": middle, "compared": len(ratios)}
    gaps = [r["outside_gap"] for r in found if "outside_gap" in r and r["spec"]["extra"] != "integers"]
    passes = [r["rivals"]["tail"]["passes"] for r in found if "passes" in r["rivals"].get("tail", {})]
    if gaps:
        out |= {"largest outside gap": max(gaps), "median passes": float(np.median(passes)), "most passes": max(passes)}
    out["not proven"] = [r["spec"]["name"] for r in found if not r.get("proven")]
    out["no answer"] = [r["spec"]["name"] for r in found if "objective" not in r["rivals"].get("tail", {})]
    return out


def line(r: dict[str, Any]) -> str:
    """An instance in one line."""
    s, t = r["spec"], r["rivals"].get("tail", {})
    flags = [
        s["form"],
        s["role"],
        s["greeks"],
        *(k for k in ("costs", "boxes", "tilted", "ties", "duplicates") if s[k]),
        s["extra"],
    ]
    spent = t.get("cpu_seconds", np.nan)
    sign = ">=" if r.get("at_least") else "  "
    return (
        f"{s['name']:9s} {s['scenarios']:>8,}x{s['instruments']:<5d}b{s['beta']:<6g}t{s['tails']} {s['market']:9s} "
        f"{' '.join(flags):58s} {spent:7.2f}s again {t.get('again_cpu_seconds', np.nan):6.2f} {sign}"
        f"{r.get('ratio', np.nan):7.1f} {r.get('best', '-'):13s} passes {t.get('passes', np.nan):5.1f} "
        f"rounds {t.get('rounds', np.nan):3.0f} gap {r.get('outside_gap', np.nan):8.1e} "
        f"{t.get('status', t.get('outcome'))} {t.get('master', '')}"
    )


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tier", choices=list(TIERS), default="all")
    parser.add_argument("--half", choices=["open", "aside", "both"], default="both")
    parser.add_argument("--rivals", default=",".join(RIVALS), help="names, ours is tail")
    parser.add_argument("--only", default="", help="names of instances")
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
    found = []
    for spec in family(given.half):
        if spec.scenarios * spec.instruments > TIERS[given.tier] or (chosen and spec.name not in chosen):
            continue
        item = measured(spec, tuple(given.rivals.split(",")), store.get(spec.digest, {}).get("rivals", {}), pythons)
        store[spec.digest] = item
        found.append(item)
        print(line(item), flush=True)
        given.store.parent.mkdir(parents=True, exist_ok=True)
        given.store.write_text("".join(json.dumps(x) + "\n" for x in store.values()), encoding="utf-8")
    print(json.dumps(summary(found), indent=1))


if __name__ == "__main__":
    main()
