"""Hostile values of every option of every command: exit 2 with one line, or a certified answer; never exit 1.

The values are tried on the small case of :mod:`test_hostile_inputs`. A run draws some of the pairs by seed;
``HEDGEOPT_FUZZ=1000`` takes all of them.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hedgeopt.cli import main
from hedgeopt.example import example_files

TIMES = float(os.environ.get("HEDGEOPT_FUZZ", "1"))
SEED = int(os.environ.get("HEDGEOPT_FUZZ_SEED", datetime.now(UTC).strftime("%Y%m%d")))

ANY = ["", " ", "\0", "\ud800", "x" * 5_000, "NaT", "-1", "1e400", "\u0661", "../x"]
MOMENTS = [*ANY, "now", "today", "nan", "1677-09-21T00:12:43Z", "9999-12-31T23:59:59Z", "0001-01-01", "2026-02-30", "2026"]
COUNTS = [*ANY, "0", "1", "1.5", "1_000", "99999999999", str(10**30), "true", "nan", "inf"]
OPTIONS = {
    "--at": MOMENTS,
    "--as-of": MOMENTS,
    "--price": [
        *ANY,
        "=",
        "BTC=1",
        "stETH=nan",
        "stETH=inf",
        "stETH=1_000",
        "stETH=-1",
        "stETH=1e300",
        "=5",
        "a=b=c",
        "stETH=0x10",
    ],
    "--window": [*ANY, "nan", "inf", "0", "1e30", "1e-320", "-5", "1_000"],
    "--scenarios": COUNTS,
    "--seed": COUNTS,
    "--rows": COUNTS,
    "--worst-of": [*ANY, "btc", "DOGE", "*"],
    "--solver": [*ANY, "GUROBI", "highs ", "SCIPY", "None"],
    "--book": [*ANY, ".", "/dev/null", "/dev/full", "policy.toml", "market.csv"],
    "--market": [*ANY, ".", "/dev/null", "/dev/zero", "policy.toml", "book.json"],
    "--policy": [*ANY, ".", "/dev/null", "/dev/zero", "book.json", "market.csv"],
    "--out": ["", "\0", "\ud800", "n" * 5_000, "/dev/null", "/dev/null/x", "/proc/x", "book.json", "book.json/x"],
    "--workers": COUNTS,
    "--scheduler": ANY,
    "--engine": [*ANY, "ray"],
}
FILES = {"--book": "book.json", "--market": "market.csv", "--policy": "policy.toml"}
COMMANDS = {
    "solve": (
        ["--book", "--market", "--policy"],
        ["--at", "--as-of", "--price", "--window", "--scenarios", "--seed", "--solver", "--out"],
    ),
    "risk": (["--book", "--market", "--policy"], ["--at", "--as-of", "--price", "--window", "--scenarios", "--seed"]),
    "margin": (["--book", "--market", "--policy"], ["--at", "--as-of", "--price", "--window"]),
    "check": (["--book", "--market", "--policy"], ["--at", "--as-of", "--price", "--window"]),
    "scenarios list": (["--policy"], []),
    "scenarios describe": (["--market", "--policy", "--book"], ["--at", "--price", "--window", "--scenarios", "--seed"]),
    "scenarios sample": (
        ["--market", "--policy", "--book"],
        ["--at", "--price", "--window", "--scenarios", "--seed", "--rows", "--worst-of"],
    ),
    "demo": ([], ["--out"]),
}
PAIRS = [
    (command, option, value)
    for command, (files, options) in COMMANDS.items()
    for option in (*files, *options)
    for value in OPTIONS[option]
]
WORDS = [
    (f"{command} {word!r}"[:40], [*command.split(), word])
    for command in ("schema", "scenarios describe", "backtest", "sweep --out o", "verify", "doctor", "", "scenarios")
    for word in (*ANY, ".", "/dev/zero", "/dev/null", "--nope", "--out")
]


def run(arguments: list[str]) -> int:
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main(arguments)
    said = stderr.getvalue()
    what = [word[:60] for word in arguments]
    assert code in (0, 2, 3, 4), (what, code, said)
    if code:
        assert said.startswith("hedgeopt: "), (what, said)
        assert said.count("\n") == 1, (what, said)
        assert len(said) < 1_500, (what, len(said), said[:300])
        assert "hedgeopt: unexpected" not in said, (what, said)
    return code


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    import json

    from tests.fuzz.test_hostile_inputs import small_case, written

    folder = tmp_path_factory.mktemp("options")
    case = small_case()
    (folder / "book.json").write_text(json.dumps(case["book"]))
    (folder / "market.csv").write_text(case["market"])
    written(folder, "policy", case["policy"])
    return folder


def drawn(count: int, pairs: list, salt: int) -> list:
    rng = random.Random(SEED + salt)
    return pairs if count * TIMES >= len(pairs) else rng.sample(pairs, max(1, round(count * TIMES)))


def test_hostile_values_of_options(folder, monkeypatch):
    monkeypatch.chdir(folder)
    before = {path.name for path in folder.iterdir()}
    for command, option, value in drawn(40, PAIRS, 1):
        files, _ = COMMANDS[command]
        arguments = [word for name in files if name != option for word in (name, FILES[name])]
        code = run([*command.split(), *arguments, option, value])
        if code:
            assert {path.name for path in folder.iterdir()} == before, (command, option, value[:60])
        before = {path.name for path in folder.iterdir()}


def test_hostile_words_in_place_of_arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _, arguments in drawn(20, WORDS, 2):
        run(arguments)


def test_the_packaged_case_is_the_one_that_is_tried():
    assert set(FILES.values()) <= set(example_files())
