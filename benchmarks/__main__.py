"""``python -m benchmarks NAME --json PATH|-``, ``--list``, ``--smoke`` (tiny sizes; without NAME: every benchmark)."""

from __future__ import annotations

import argparse
import json
import os
import sys

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    # Set before numpy loads: all rivals run on one thread.
    os.environ.setdefault(_variable, "1")


def main(arguments: list[str] | None = None) -> int:
    from benchmarks.registry import load

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="benchmark to run")
    parser.add_argument("--json", default="-", metavar="PATH", help="one JSON line per case; - is standard output")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes")
    chosen = parser.parse_args(arguments)
    known = load()
    if chosen.list:
        for item in known.values():
            print(f"{item.name:20s} {item.about}")
        return 0
    if chosen.name is None and not chosen.smoke:
        parser.error("name a benchmark, or use --list or --smoke")
    if chosen.name is not None and chosen.name not in known:
        parser.error(f"unknown benchmark {chosen.name!r}; known: {', '.join(known)}")
    names = [chosen.name] if chosen.name else list(known)
    sink = sys.stdout if chosen.json == "-" else open(chosen.json, "w", encoding="utf-8")  # noqa: SIM115
    try:
        for name in names:
            for record in known[name].run(chosen.smoke):
                print(json.dumps({"benchmark": name, **record}), file=sink, flush=True)
    finally:
        if sink is not sys.stdout:
            sink.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
