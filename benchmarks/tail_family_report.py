"""What the tail family's measurements say: ratios to the best exact rival, their distribution, the file that docs quote.

``python -m benchmarks.tail_family_report`` writes the figures of ``benchmarks/tail_family.json`` into README.md,
docs/tail.md and docs/benchmarks.md; ``--check`` says which of them are not current.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
import textwrap
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["RESULT", "judged", "line", "pages", "summary", "write"]

RESULT = Path(__file__).with_name("tail_family.json")
ROOT = Path(__file__).resolve().parents[1]
GOALS = {"minimum": 1.0, "first decile": 8.0, "median": 30.0, "median at 100,000 scenarios and more": 40.0}
HALVES = {"open": "The open half", "aside": "The half kept aside, of a seed drawn later"}
# Relative difference of objectives up to which a rival's answer counts as exact, and its largest violation.
EXACT, VIOLATION = 2e-6, 1e-5
# What a direction may leave of its limits, and what rivals say of programs without an optimum (the dual is infeasible) and
# without a plan (the dual falls for ever).
NOTHING, NO_OPTIMUM = 1e-10, ("unbounded", "infeasible", "unbounded or infeasible", "primal infeasible or unbounded")
NO_PLAN = NO_OPTIMUM


def judged(record: dict[str, Any]) -> dict[str, Any]:
    """Our ratio to the best exact rival; one that its cap ended took at least that long."""
    ours = record["rivals"].get("tail", {})
    for key in ("best", "best_seconds", "ratio", "at_least", "outside_gap", "proven"):
        record.pop(key, None)
    if not answered(ours):
        return record
    if "objective" in ours:
        record["outside_gap"] = ours.get("outside_gap", ours.get("gap", np.inf))
        record["proven"] = bool(ours.get("proven")) and ours["status"] == "optimal"
    else:
        record["proven"] = True
    exact, least = {}, {}
    for name, answer in record["rivals"].items():
        if name == "tail":
            continue
        if "cpu_seconds" in answer:
            if _agrees(ours, answer):
                exact[name] = answer["cpu_seconds"]
        elif "cap_seconds" in answer:
            least[name] = answer["cap_seconds"]
    best = min(exact, key=lambda k: exact[k], default=None)
    if best is not None:
        record |= {"best": best, "best_seconds": exact[best]}
    floor = min(least.values(), default=np.inf)
    if best is not None and exact[best] <= 1.2 * floor:
        record |= {"ratio": exact[best] / ours["cpu_seconds"], "at_least": False}
    elif least:
        record |= {"ratio": floor / ours["cpu_seconds"], "at_least": True}
        record.setdefault("best", "none in time")
    return record


def answered(ours: dict[str, Any]) -> bool:
    """Whether there is a plan, or a proof that there is none or no best one, checked on the data."""
    falls = ours.get("slope", 0.0) < 0.0 and ours["violation"] <= NOTHING
    return "objective" in ours or falls or ours.get("missed", 0.0) > NOTHING


def _agrees(ours: dict[str, Any], answer: dict[str, Any]) -> bool:
    if "objective" not in ours:
        said = NO_OPTIMUM if "slope" in ours else NO_PLAN
        return str(answer["status"]).lower() in said
    worse = abs(answer["objective"] - ours["objective"]) / max(abs(ours["objective"]), 1e-300)
    return bool(worse <= EXACT and answer["violation"] <= VIOLATION)


def distribution(group: list[dict[str, Any]]) -> dict[str, Any]:
    """Minimum, first decile and median of the ratios."""
    ratios = [r["ratio"] for r in group if "ratio" in r]
    if not ratios:
        return {"compared": 0}
    low, decile, middle = (float(q) for q in np.quantile(ratios, [0.0, 0.1, 0.5]))
    at_least = sum(bool(r["at_least"]) for r in group if "ratio" in r)
    return {"minimum": low, "first decile": decile, "median": middle, "compared": len(ratios), "at least": at_least}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Distribution of the ratios; passes, gaps, refusals."""
    out: dict[str, Any] = {"instances": len(found)}
    groups = {"all": found, "many scenarios": [r for r in found if r["spec"]["scenarios"] >= 100_000]}
    for half in ("open", "aside"):
        groups[half] = [r for r in found if r["spec"]["name"].startswith(half)]
    for name, group in groups.items():
        told = distribution(group)
        if told["compared"]:
            out[name] = told
    gaps = [r["outside_gap"] for r in found if "outside_gap" in r and r["spec"]["extra"] != "integers"]
    passes = [r["rivals"]["tail"]["passes"] for r in found if "passes" in r["rivals"].get("tail", {})]
    if gaps:
        out |= {"largest outside gap": max(gaps), "median passes": float(np.median(passes)), "most passes": max(passes)}
    tried = [r for r in found if "tail" in r["rivals"]]
    out["not proven"] = [r["spec"]["name"] for r in tried if not r.get("proven")]
    out["no answer"] = [r["spec"]["name"] for r in tried if not answered(r["rivals"]["tail"])]
    out["infeasible"] = [r["spec"]["name"] for r in tried if r["rivals"]["tail"].get("status") == "infeasible"]
    out["unbounded"] = [r["spec"]["name"] for r in tried if r["rivals"]["tail"].get("status") == "unbounded"]
    out["not measured"] = [r["spec"]["name"] for r in found if "tail" not in r["rivals"]]
    out["without rivals"] = [r["spec"]["name"] for r in tried if "ratio" not in r]
    return out


def write(path: Path, found: list[dict[str, Any]]) -> None:
    """The distribution and one short line per instance, with what it was measured on."""
    rows = []
    for r in found:
        s, t = r["spec"], r["rivals"].get("tail", {})
        row = {k: s[k] for k in ("name", "scenarios", "instruments", "beta", "market", "form", "role", "greeks", "tails")}
        row |= {"kinds": [k for k in ("costs", "boxes", "tilted", "ties", "duplicates") if s[k]], "extra": s["extra"]}
        row["digest"] = r["digest"]
        row |= {
            "ours": _short(t.get("cpu_seconds")),
            "again": _short(t.get("again_cpu_seconds")),
            "gap": r.get("outside_gap"),
        }
        row |= {"ratio": _short(r.get("ratio")), "at_least": r.get("at_least"), "best": r.get("best")}
        row |= {"passes": _short(t.get("passes")), "rounds": t.get("rounds")}
        row["status"] = t.get("status", t.get("outcome", "not measured"))
        rows.append(row | {"rivals": {k: _told(v) for k, v in r["rivals"].items() if k != "tail"}})
    digest = hashlib.sha256()
    for file in sorted((*(ROOT / "hedgeopt" / "tail").rglob("*.py"), *(ROOT / "benchmarks").glob("tail_family*.py"))):
        digest.update(f"{file.relative_to(ROOT).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    told = {
        "entry": "tail_family",
        "ended": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **summary(found),
        "goals": GOALS,
        "versions": {name: metadata.version(name) for name in ("cvxpy", "highspy", "clarabel", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "sources": digest.hexdigest(),
        "cases": rows,
    }
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.3g}")


def _told(answer: dict[str, Any]) -> str:
    if "cpu_seconds" in answer:
        return f"{answer['cpu_seconds']:.3g} s"
    return f"> {answer['cap_seconds']:.3g} s" if "cap_seconds" in answer else str(answer["outcome"])[:60]


def line(r: dict[str, Any]) -> str:
    """An instance in one line."""
    s, t = r["spec"], r["rivals"].get("tail", {})
    kinds = (k for k in ("costs", "boxes", "tilted", "ties", "duplicates") if s[k])
    flags = [s["form"], s["role"], s["greeks"], *kinds, s["extra"]]
    spent = t.get("cpu_seconds", np.nan)
    sign = ">=" if r.get("at_least") else "  "
    return (
        f"{s['name']:9s} {s['scenarios']:>8,}x{s['instruments']:<5d}b{s['beta']:<6g}t{s['tails']} {s['market']:9s} "
        f"{' '.join(flags):58s} {spent:7.2f}s again {t.get('again_cpu_seconds', np.nan):6.2f} {sign}"
        f"{r.get('ratio', np.nan):7.1f} {r.get('best', '-'):13s} passes {t.get('passes', np.nan):5.1f} "
        f"rounds {t.get('rounds', np.nan):3.0f} gap {r.get('outside_gap', np.nan):8.1e} "
        f"{t.get('status', t.get('outcome'))} {t.get('master', '')}"
    )


def pages(told: dict[str, Any]) -> dict[str, str]:
    """The figures of a result file as the documents print them, by path."""
    every, many = told["all"], told.get("many scenarios", {"compared": 0})
    capped = f"{every['at least']} of these ratios are at least so much, because a cap on CPU time ended the rival"
    quantiles = f"{_ratio(every['minimum'])} at the least, {_ratio(every['first decile'])} at the first decile and "
    quantiles += f"{_ratio(every['median'])} at the median"
    large = f"; from 100,000 scenarios on the median is {_ratio(many['median'])} ({many['compared']} instances)"
    large = large if many["compared"] else ""
    counted = f"{every['compared']} of {told['instances']}"
    readme = _wrapped(
        "- CVaR programs drawn by seed over recorded option chains and factor portfolios, 10,000 to 1,000,000",
        "scenarios, costs written as `abs`, `norm1`, `pos` + `neg`, `maximum` or purchases and sales: the CPU time of the",
        "best exact rival is",
        f"{quantiles} of ours, over {counted} instances ({every['at least']} rivals were stopped: at least).",
        *(
            [f"Of {_named(told['no answer'])} ours had no answer in time, which no ratio counts."]
            if told["no answer"]
            else []
        ),
        "[docs/tail.md](docs/tail.md#the-family), `python -m benchmarks.tail_family`. All ratios:",
        "[docs/benchmarks.md](docs/benchmarks.md).",
        indent="  ",
    )
    row = (
        "| `python -m benchmarks.tail_family` | CVaR programs nobody tuned to, against the best exact rival | "
        f"{quantiles}{large}; {every['at least']} of {every['compared']} at least ([all](tail.md#the-family)) |\n"
    )
    lines = [
        _wrapped(
            f"Best exact rival over ours: {quantiles}, over {counted} instances{large}. {capped}.",
            *(f"{name}: {_half(told[key])}." for key, name in HALVES.items() if key in told and "aside" in told),
            f"Passes over the scenarios: {told['median passes']:.3g} at the median,",
            f"{told['most passes']:.3g} at most. Largest gap that `tail.verify`",
            f"proves from the data: {told['largest outside gap']:.0e}. Not proven or not `optimal`:",
            f"{_named(told['not proven'])}; no answer: {_named(told['no answer'])}; falls for ever, shown by a direction",
            f"that the data prove: {_named(told.get('unbounded', []))}; no plan meets the budget, shown by the bound of the",
            f"least tail: {_named(told.get('infeasible', []))}; not measured yet:",
            f"{_named(told['not measured'])}; measured without rivals: {_named(told['without rivals'])}.",
            f"Measured {told['ended'][:10]}{'; ' + told['note'] if 'note' in told else ''}.",
        ),
        "| instance | S × N, β | form | kinds | ours, s | again, s | best exact rival | ratio | gap |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for c in told["cases"]:
        if c["ours"] is None:
            continue
        kinds = [c["role"], *([f"{c['greeks']} Greeks"] if c["greeks"] != "none" else []), *c["kinds"]]
        kinds += [c["extra"]] if c["extra"] != "none" else []
        kinds += [f"{c['tails']} tails"] if c["tails"] > 1 else []
        ratio = "–" if c["ratio"] is None else ("≥ " if c["at_least"] else "") + _ratio(c["ratio"])
        gap = "–" if c["gap"] is None else f"{c['gap']:.0e}"
        lines.append(
            f"| {c['name']}, {c['market']} | {c['scenarios']:,} × {c['instruments']}, {c['beta']:g} | `{c['form']}` | "
            f"{', '.join(kinds)} | {_number(c['ours'])} | {_number(c['again'])} | {c['best'] or '–'} | {ratio} | {gap} |"
        )
    return {"README.md": readme, "docs/benchmarks.md": row, "docs/tail.md": "\n".join(lines) + "\n"}


def _half(told: dict[str, Any]) -> str:
    return (
        f"{_ratio(told['minimum'])} at the least, {_ratio(told['first decile'])} at the first decile, "
        f"{_ratio(told['median'])} at the median ({told['compared']} instances)"
    )


def _wrapped(*parts: str, indent: str = "") -> str:
    return textwrap.fill(" ".join(parts), 124, subsequent_indent=indent, break_on_hyphens=False) + "\n"


def _named(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _ratio(x: float) -> str:
    return f"{x:.0f}×" if x >= 9.95 else f"{x:.1f}×"


def _number(x: float | None) -> str:
    return "–" if x is None else f"{x:.2g}"


def renewed(text: str, new: str) -> str:
    """``text`` with what stands between the marks replaced, or, of a table, the row of this benchmark."""
    pattern = r"(?s)(<!-- printed by benchmarks\.tail_family_report -->\n).*?(<!-- end -->)"
    if new.startswith("|"):
        pattern = r"()\| `python -m benchmarks\.tail_family` \|[^\n]*\n()"
    found, count = re.subn(pattern, lambda m: m[1] + new + m[2], text)
    if count != 1:
        raise ValueError(f"{count} places for the figures where there must be one")
    return found


def main() -> int:
    """See the module's text."""
    told, stale = json.loads(RESULT.read_text(encoding="utf-8")), []
    for name, new in pages(told).items():
        text = (ROOT / name).read_text(encoding="utf-8")
        if renewed(text, new) != text:
            stale.append(name)
            if "--check" not in sys.argv:
                (ROOT / name).write_text(renewed(text, new), encoding="utf-8")
    print(*(f"{name} is not what {RESULT.name} says" for name in stale if "--check" in sys.argv), sep="\n", end="")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
