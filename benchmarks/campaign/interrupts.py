"""Ctrl-C at a random moment of a command: one line and exit code 130, and no output of which only a part is there."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.campaign.registry import campaign

_LONGEST = 8.0
_RUN = "import sys; from hedgeopt.cli import main; print('up', file=sys.stderr, flush=True); sys.exit(main())"


@campaign(
    "interrupts",
    about="hedgeopt demo, interrupted at a random moment",
    full=300,
    sample=1,
    never=("half written", "files left over", "more than a line", "another exit code"),
    sources=("hedgeopt/cli", "hedgeopt/files/reading.py"),
    repeatable=False,
)
def interrupted(number: int) -> str:
    """One run; the moment is uniform from the start of our code until the command would surely have ended."""
    moment = np.random.default_rng([11, number]).uniform(0.0, _LONGEST)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-c", _RUN, "demo", "--json", f"--out={out}"]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)
        assert running.stderr is not None
        running.stderr.readline()
        time.sleep(moment)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=120)
        names = {path.name for path in out.rglob("*")} if out.is_dir() else set()
    if names - {"book.json", "market.csv", "policy.toml", "proposal.json", "proposal.html"}:
        return "files left over"
    for unit in ({"book.json", "market.csv", "policy.toml"}, {"proposal.json", "proposal.html"}):
        if names & unit not in (set(), unit):
            return "half written"
    if running.returncode in (0, -signal.SIGINT):  # it had ended, or was past its last line
        return "ended before"
    if running.returncode != 130:
        return "another exit code"
    return "interrupted" if errors == b"hedgeopt: interrupted\n" or b"wrote" in errors else "more than a line"
