"""``python -m benchmarks.study [daily six_hourly] --out DIR``: run the rest of the study, print its tables.

Each part is a sweep whose cells share the markets that their process has read (:mod:`benchmarks.study.shared`).
What is finished is not computed again; ``--tables`` runs nothing. ``--json`` prints one JSON line per cell.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from benchmarks.study import tables
from benchmarks.study.cells import PLANS, digests, hours, rows_of, run_plan, save


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help=f"of {', '.join(PLANS)}; default all")
    parser.add_argument("--out", type=Path, default=Path("out/study"), help="folder of finished cells")
    parser.add_argument("--workers", type=int, default=None, help="processes; default one per core")
    parser.add_argument("--tables", action="store_true", help="of what is finished; run nothing")
    parser.add_argument("--save", action="store_true", help="write what is finished to benchmarks/study/results.json")
    parser.add_argument("--json", action="store_true", help="one line per cell")
    chosen = parser.parse_args(arguments)
    for name in chosen.parts or PLANS:
        if name not in PLANS:
            parser.error(f"unknown part {name!r}; known: {', '.join(PLANS)}")
        if not chosen.tables:
            run_plan(name, chosen.out, chosen.workers, partial(_told, name))
        rows = rows_of(name, chosen.out)
        if chosen.save:
            save(name, chosen.out, rows)
        if chosen.json:
            for row in rows:
                print(json.dumps({k: v for k, v in row.items() if k not in ("steps", "moments")}))
            continue
        gap = max((row["identity_gap"] for row in rows), default=0.0)
        print(
            f"# {name}: {len(rows)} cells, largest gap of the identity {gap:.0e} USD, "
            f"{hours(name, chosen.out):.2f} CPU hours\n"
        )
        print(", ".join(f"{what} `{digest}`" for what, digest in digests(name, chosen.out).items()) + "\n")
        if rows:
            for table in (tables.compact, tables.full, tables.differences, partial(tables.differences, against="best")):
                print(table(rows))
            print(tables.sources(rows))
    return 0


def _told(name: str, done: int, total: int, failed: int) -> None:
    print(f"{name}: {done} of {total} cells finished, {failed} failed", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
