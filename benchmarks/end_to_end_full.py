"""Every quoted row of the crash chain through the command line, on both of Deribit's margin systems.

``python -m benchmarks end_to_end_full --json -``: one record per margin system of ``hedgeopt solve`` as a user starts it,
in a separate process. It must exit 0 with a certified answer, print its progress, and stay below ``SECONDS`` and ``BYTES``.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.end_to_end_case import CHAIN, PERPETUALS, crash_book, crash_policy
from benchmarks.registry import benchmark

__all__ = ["BYTES", "SECONDS", "full_policy", "solve_by_command"]

SECONDS, BYTES = 600.0, 6_000_000_000
SYSTEMS = ("portfolio", "standard", "both")
"""Deribit's margin of the book's account; "both" has two accounts with half the book each, and all candidates twice."""
STAGES = ("reading", "pricing", "building", "solving", "proving", "summing")
"""First words of the command's progress line, on a terminal."""


@benchmark("end_to_end_full", "hedgeopt solve on every quoted row of the crash chain: seconds, peak memory, certificate")
def records(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per margin system; none without the recorded chain."""
    if not CHAIN.is_file():
        yield {"case": "every quoted row", "outcome": "the recorded chain is not here"}
        return
    for system in SYSTEMS[:1] if smoke else SYSTEMS:
        with tempfile.TemporaryDirectory() as name:
            yield solve_by_command(Path(name), system, scenarios=100 if smoke else 1_000)


def full_policy(scenarios: int) -> Any:
    """Cost, carry and CVaR within bands, margin, leverage, CVaR and stress limits; any row with a quote may be traded."""
    import hedgeopt as ho

    rules = crash_policy()
    limits = [
        ho.Delta("BTC").within(-1, 1),
        ho.Delta("ETH").within(-20, 20),
        ho.Vega("BTC").within(-50_000, 50_000),
        ho.Vega("ETH").within(-5_000, 5_000),
        ho.Gamma("BTC") >= 0,
        ho.GrossLeverage() <= 3,
        ho.Margin("deribit") <= 0.6,
        ho.CVaR(0.99) <= 400_000,
        ho.StressLoss("2020-03-12") <= 1_500_000,
        ho.OrderLimit(notional=5e6),
    ]
    every = ho.Candidates(
        two_sided=False, min_days=0.0, max_days=4_000.0, min_delta=0.0, max_relative_spread=1e6, held=True,
        mark_half_spread=0.0002,
    )  # fmt: skip
    return ho.Policy(
        minimize=rules.minimize,
        subject_to=limits,
        candidates=every,
        scenarios=ho.ParametricScenarios(count=scenarios, seed=7),
        lots="ideal",
    )


def solve_by_command(folder: Path, system: str, scenarios: int) -> dict[str, Any]:
    """Write the inputs into ``folder``, run ``hedgeopt solve --json`` on them, and return the outcome."""
    files = (CHAIN, PERPETUALS)
    book = _book(files, system)
    (folder / "book.json").write_text(json.dumps(book), encoding="utf-8")
    (folder / "policy.toml").write_text(full_policy(scenarios).to_toml(), encoding="utf-8")
    command = [sys.executable, "-c", "from hedgeopt.cli import main; raise SystemExit(main())", "solve", "--json"]
    command += ["--book", str(folder / "book.json"), "--policy", str(folder / "policy.toml")]
    command += [part for file in files for part in ("--market", str(file))]
    screen, terminal = pty.openpty()
    shown: list[bytes] = []
    reader = threading.Thread(target=_read, args=(screen, shown), daemon=True)
    began = time.perf_counter()
    with open(folder / "out", "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=terminal)
        os.close(terminal)
        reader.start()
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join(10.0)
    os.close(screen)
    told = b"".join(shown).decode("utf-8", "replace")
    record: dict[str, Any] = {
        "case": "every quoted row", "margin": system, "scenarios": scenarios, "exit_code": process.returncode,
        "candidates": _candidates(folder / "book.json", files, scenarios),
        "positions": sum(len(a["positions"]) for a in book["accounts"]),
        "seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime,
        "limit_seconds": SECONDS, "peak_bytes": used.ru_maxrss * 1024, "limit_bytes": BYTES,
        "stages_told": [word for word in STAGES if word in told], "load_average": os.getloadavg()[0],
    }  # fmt: skip
    if process.returncode:
        return record | {"outcome": " ".join(told.split())[-2_000:]}
    return record | _answer(json.loads((folder / "out").read_text(encoding="utf-8")))


def _book(files: tuple[Path, ...], system: str) -> dict[str, Any]:
    book = crash_book(files)
    (account,) = book["accounts"]
    account["margin"] = "portfolio" if system == "both" else system
    if system == "both":
        half = [{**c, "amount": 0.5 * c["amount"]} for c in account["collateral"]]
        moved, kept = account["positions"][::2], account["positions"][1::2]
        other = {**account, "name": "second", "margin": "standard", "collateral": half, "positions": moved}
        account |= {"collateral": half, "positions": kept}
        book["accounts"].append(other)
    return book


def _candidates(book: Path, files: tuple[Path, ...], scenarios: int) -> int:
    """Trades that the policy may choose from: quoted instruments times accounts."""
    from hedgeopt.exposures.candidates import choose_candidates
    from hedgeopt.exposures.resolve import resolve
    from hedgeopt.inputs.book_file import read_book
    from hedgeopt.inputs.chain.reader import read_market

    holdings = read_book(book)
    chosen = choose_candidates(resolve(holdings, read_market(*files)), full_policy(scenarios).candidates)
    return len(chosen) * len(holdings.accounts)


def _read(screen: int, shown: list[bytes]) -> None:
    """Output on a terminal, until nobody writes to it."""
    while True:
        try:
            part = os.read(screen, 65_536)
        except OSError:  # what Linux says when the last writer has gone
            return
        if not part:
            return
        shown.append(part)


def _answer(proposal: dict[str, Any]) -> dict[str, Any]:
    certificate = proposal["certificate"]
    return {
        "certified": bool(certificate["feasible"] and certificate["optimal"]), "gap": certificate["gap"],
        "objective": certificate["objective"], "worst_limit": certificate["worst_limit"],
        "worst_violation": certificate["worst_violation"], "trades": len(proposal["trades"]),
    }  # fmt: skip
