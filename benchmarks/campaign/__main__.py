"""``python -m benchmarks.campaign [NAME ...] [--cases N] [--workers N]``, ``--list``, ``--status``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main(arguments: list[str] | None = None) -> int:
    """Run entries, write their results, and return 1 when something occurred that must not."""
    from benchmarks.campaign.registry import Entry, load, outcomes, source_digest
    from benchmarks.campaign.store import faults, read, result, write

    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign", description=__doc__)
    parser.add_argument("names", nargs="*", help="entries; default: all")
    parser.add_argument("--cases", type=int, help="so many cases instead of the full number; nothing is written")
    parser.add_argument("--again", action="store_true", help="only the cases whose recorded outcome must not occur")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="list the entries")
    parser.add_argument("--status", action="store_true", help="list results that are missing, faulty or of other sources")
    chosen = parser.parse_args(arguments)
    known = load()
    unknown = [name for name in chosen.names if name not in known]
    if unknown:
        parser.error(f"unknown entry {unknown[0]!r}; known: {', '.join(known)}")
    entries = [known[name] for name in chosen.names] or list(known.values())
    if chosen.list:
        for entry in entries:
            print(f"{entry.name:24s} {entry.full:>8,}  {entry.about}")
        return 0
    if chosen.status:
        return max([_status(entry, read(entry), faults, source_digest) for entry in entries], default=0)

    def run(entry: Entry) -> int:
        if chosen.again:
            return _again(entry, chosen.workers)
        begun, count = time.monotonic(), entry.full if chosen.cases is None else chosen.cases

        def told(done: int) -> None:
            if done * 20 // count > (done - 1) * 20 // count:
                print(f"{entry.name}: {done:,} of {count:,}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)

        outcome = result(entry, outcomes(entry, range(count), chosen.workers, told), time.monotonic() - begun)
        print(json.dumps({key: outcome[key] for key in ("entry", "cases", "outcomes", "seconds")}), flush=True)
        if chosen.cases is None:
            print(f"wrote {write(outcome).name}", file=sys.stderr)
        wrong = [fault for fault in faults(entry, outcome) if chosen.cases is None or not fault.startswith("only ")]
        for fault in wrong:
            print(f"{entry.name}: {fault}", file=sys.stderr)
        return int(bool(wrong))

    return max([run(entry) for entry in entries], default=0)


def _again(entry, workers: int) -> int:
    """Run what must not have occurred once more and write that into the recorded result, with the day."""
    from benchmarks.campaign.registry import outcomes
    from benchmarks.campaign.store import again, faults, outcome_of, read, write

    told = read(entry)
    if told is None:
        print(f"{entry.name}: no result yet", file=sys.stderr)
        return 1
    numbers = [number for number in range(told["cases"]) if entry.forbidden(outcome_of(told, number))]
    told = again(entry, told, dict(zip(numbers, outcomes(entry, numbers, workers), strict=True)))
    write(told)
    print(json.dumps({key: told[key] for key in ("entry", "cases", "outcomes", "again")}), flush=True)
    return int(bool(faults(entry, told)))


def _status(entry, told, faults, source_digest) -> int:
    if told is None:
        print(f"{entry.name}: no result yet")
        return 1
    wrong = faults(entry, told)
    same = told["sources"] == source_digest(entry)
    print(
        f"{entry.name}: {told['cases']:,} cases, {told['ended']}, {'these' if same else 'other'} sources", *wrong, sep="; "
    )
    return int(bool(wrong) or not same)


if __name__ == "__main__":
    raise SystemExit(main())
