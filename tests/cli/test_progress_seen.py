"""A large book takes a while: what it is at is seen meanwhile, on a terminal and in a log, and never in the answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading

import pytest

from benchmarks.inputs import large_market

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "openpty"), reason="POSIX terminals")]

POLICY = """
minimize = [{ term = { kind = "transaction_cost" } }]
subject_to = [{ kind = "limit", term = { kind = "cvar" }, upper = 1e9 }]
[candidates]
min_days = 0.0
max_days = 1000.0
min_delta = 0.0
max_relative_spread = 10.0
[scenarios]
kind = "parametric"
count = 2000
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("large")
    frame = large_market(700, 300)
    frame.to_csv(folder / "market.csv", index=False)
    names = frame.loc[frame["option_type"].notna(), "instrument_name"].tolist()[:400]
    held = [{"instrument": name, "quantity": 1.5} for name in names]
    posted = [{"asset": "BTC", "amount": 2_000.0}]
    account = {"name": "desk", "venue": "deribit", "margin": "otc", "collateral": posted, "positions": held}
    (folder / "book.json").write_text(json.dumps({"accounts": [account]}), encoding="utf-8")
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    return [f"--{name}={folder / file}" for name, file in
            (("book", "book.json"), ("market", "market.csv"), ("policy", "policy.toml"))]  # fmt: skip


def command(given: list[str]) -> list[str]:
    return [sys.executable, "-m", "hedgeopt", "solve", *given, "--json"]


def test_in_a_log(given: list[str]) -> None:
    environment = {**os.environ, "HEDGEOPT_PROGRESS": "0.2"}
    done = subprocess.run(command(given), capture_output=True, text=True, timeout=300, env=environment, check=True)
    assert json.loads(done.stdout)["certificate"]["feasible"]
    lines = done.stderr.splitlines()
    told = [line for line in lines if re.fullmatch(r"hedgeopt: [a-z ]+ \(\d+ s\)", line)]
    assert told == lines
    stages = {line.split(" (")[0].removeprefix("hedgeopt: ") for line in told}
    assert "loading" in stages
    assert len(stages) >= 3  # which ones outlast a fifth of a second is the machine's


def test_on_a_terminal(given: list[str]) -> None:
    ours, theirs = os.openpty()
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                return
            if not part:
                return
            seen.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    running = subprocess.Popen(command(given), stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    out, _ = running.communicate(timeout=300)
    reader.join(timeout=30)
    os.close(ours)
    assert running.returncode == 0
    assert json.loads(out)["certificate"]["feasible"]
    words = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(seen)).decode()
    stages = ("loading", "reading the files", "pricing book and candidates in every scenario", "solving", "summing up")
    assert sum(stage in words for stage in stages) >= 3
