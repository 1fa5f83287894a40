"""Hostile inputs through the command line: whatever stands in a file, one clear line or a certified answer.

Each case is a valid book, market and policy, backtest or sweep with one to three wounds, drawn by seed. A run takes some
dozens of seeds that change with the date; ``HEDGEOPT_FUZZ=10`` takes ten times as many, ``HEDGEOPT_FUZZ_SEED`` fixes them.
``CORPUS`` keeps what once failed.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.example import example_files

TIMES = float(os.environ.get("HEDGEOPT_FUZZ", "1"))
SEED = int(os.environ.get("HEDGEOPT_FUZZ_SEED", datetime.now(UTC).strftime("%Y%m%d")))

HOSTILE: list[Any] = [
    None, True, False, "", " ", " 5 ", "1_000", "NaN", "inf", "-0", "None", "true", "\u202e", "\ud800", "a" * 5_000, "BTC\n",
    0, -0.0, -1, 1, 2, 0.5, 99, 100, 1e-320, -1e-9, 1e-12, 1e6, 1e9, 1e15, 9e17, -9e17, 1e30, 1e160, 10**30, 10**400,
    [], {}, [[]], [None], {"kind": "optoin"}, ["BTC"], "BTC", "ETH", "derbit", "option", "USD", "2026-02-05T21:29:37Z",
    "1677-09-21T00:12:43Z", "9999-12-31T23:59:59Z", "BTC-27MAR26-0-C", "BTC-31FEB26-90000-C",
    "BTC-27MAR26-" + "9" * 400 + "-C", "../x",
]  # fmt: skip
"""What stands where a value should: wrong types, extremes, text that looks like numbers, names of nothing."""


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    own = [path] if path else []
    if isinstance(value, dict):
        return own + [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    if isinstance(value, list):
        return own + [leaf for k, item in enumerate(value) for leaf in _leaves(item, (*path, k))]
    return own


def _sort(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "word"
    return "number" if isinstance(value, int | float) else type(value).__name__


def mutated(data: Any, rng: random.Random) -> tuple[Any, str]:
    """A copy of ``data`` with one to three values replaced, scaled, dropped, doubled or renamed; and what was done."""
    data, done = copy.deepcopy(data), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(_leaves(data))
        parent = data
        for key in path[:-1]:
            parent = parent[key]
        key, act = path[-1], rng.choice(("replace", "replace", "replace", "scale", "drop", "double", "rename"))
        if act == "scale" and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
            parent[key] = parent[key] * rng.choice((-1, 0, 100, 0.01, 1e6, 1e-6, 1e12))
        elif act == "drop":
            del parent[key]
        elif act == "double" and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif act == "rename" and isinstance(parent, dict):
            parent[rng.choice(("kind", "name", key + "x", key.upper(), ""))] = parent.pop(key)
        else:
            alike = [value for value in HOSTILE if _sort(value) == _sort(parent[key])]
            parent[key] = rng.choice(alike if alike and rng.random() < 0.7 else HOSTILE)
        done.append(
            f"{act} {'.'.join(map(str, path))} -> {json.dumps(parent.get(key) if isinstance(parent, dict) else None)[:60]}"
        )
    return data, "; ".join(done)


def mutated_text(text: str, rng: random.Random) -> tuple[str, str]:
    """A copy of a text with one wound: cut short, a cell changed, a line doubled, dropped or moved, odd bytes put in."""
    lines = text.split("\n")
    act = rng.choice(("cut", "cell", "cell", "cell", "cell", "double", "drop", "header", "odd", "swap"))
    at = rng.randrange(1, len(lines) - 1)
    if act == "cut":
        end = rng.randrange(len(text))
        return text[:end], f"cut at {end}"
    if act == "cell":
        cells = lines[at].split(",")
        column = rng.randrange(len(cells))
        value = str(rng.choice(HOSTILE)).encode("utf-8", "replace").decode()
        cells[column] = value
        lines[at] = ",".join(cells)
        return "\n".join(lines), f"line {at} column {column} -> {value[:60]!r}"
    if act == "double":
        lines.insert(at, lines[at])
    elif act == "drop":
        del lines[at]
    elif act == "header":
        cells = lines[0].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(("", "x", "mark_iv", "timestamp", "instrument_name"))
        lines[0] = ",".join(cells)
    elif act == "odd":
        lines[at] = (
            lines[at][: len(lines[at]) // 2] + rng.choice(("\x00", "\ufeff", '"', "\r", ";", "\t", "\u2212")) + lines[at]
        )
    else:
        other = rng.randrange(1, len(lines) - 1)
        lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines), f"{act} line {at}"


# --- the inputs that are wounded ---------------------------------------------------------------------------------------


def small_case() -> dict[str, Any]:
    """The packaged example cut to some thirty instruments, four positions and thirty scenarios."""
    files = example_files()
    book, policy = json.loads(files["book.json"]), tomllib.loads(files["policy.toml"])
    account = book["accounts"][0]
    account["positions"] = account["positions"][::18]
    policy["scenarios"]["count"] = 30
    held = {position["instrument"] for position in account["positions"]}
    market = pd.read_csv(io.StringIO(files["market.csv"]), dtype=str, keep_default_na=False)
    kept = market["instrument_name"].isin(held) | (market.index % 10 == 0) | market["instrument_name"].str.contains("PERP")
    return {"book": book, "market": market[kept].to_csv(index=False), "policy": policy}


BACKTEST: dict[str, Any] = {
    "name": "toy",
    "replay": {"chains": ["chain.parquet"], "synthetic_perpetuals": True, "funding": {"BTC": 0.0001}},
    "risk": {"beta": 0.95, "scenarios": {"kind": "parametric", "count": 32}},
    "costs": {"mark_half_spread": 0.0001},
    "halts": [{"venue": "deribit", "start": "2026-03-03T20:00:00Z", "end": "2026-03-04T02:00:00Z"}],
    "books": [{"kind": "short_gamma", "collateral": {"BTC": 20.0}, "quantity": {"BTC": 2.0}}],
    "policies": [
        {"kind": "delta_band", "band": {"BTC": 0.5}},
        {
            "kind": "optimizer",
            "name": "tail",
            "budget": 20_000.0,
            "policy": {
                "minimize": [{"weight": 1.0, "term": {"kind": "transaction_cost"}}],
                "subject_to": [
                    {"kind": "limit", "term": {"kind": "delta", "underlying": "BTC"}, "lower": -1.0, "upper": 1.0}
                ],
                "scenarios": {"kind": "parametric", "count": 32},
            },
        },
    ],
}

SWEEP: dict[str, Any] = {
    "name": "toy",
    "backtest": BACKTEST | {"policies": BACKTEST["policies"][:1]},
    "vary": {"policies.0.band.BTC": [0.1, 0.5]},
    "across": {"books.0.quantity.BTC": [1.0, 2.0]},
}


def written(folder: Path, name: str, data: Any) -> Path:
    """``data`` as TOML where TOML can hold it, else as JSON with the same ending (which is then a hostile file too)."""
    path = folder / f"{name}.toml"
    try:
        text = tomli_w.dumps(data)
    except (TypeError, ValueError, AttributeError, OverflowError):
        text = json.dumps(data, default=str)
        path = folder / f"{name}.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def answer(arguments: list[str], what: str, out: Path) -> int:
    """Run a command and demand what every command promises; the exit code."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main([*arguments, "--json", "--out", str(out)])
    said = stderr.getvalue()
    assert code in (0, 2, 3, 4), (what, code, said)
    if code == 0:
        json.loads(stdout.getvalue())
    else:
        assert said.startswith("hedgeopt: "), (what, said)
        assert said.count("\n") == 1 or arguments[0] == "sweep", (what, said)  # a sweep says how far it is
        assert all(len(line) < 1_500 for line in said.splitlines()), (what, said)
        if code != 3:
            assert stdout.getvalue() == "", what
        assert not out.exists() or arguments[0] == "sweep", what
    return code


def solve(folder: Path, book: Any, market: str, policy: Any, what: str) -> int:
    (folder / "book.json").write_text(json.dumps(book))
    (folder / "market.csv").write_bytes(market.encode("utf-8", "surrogatepass"))
    rules = written(folder, "policy", policy)
    inputs = ["--book", str(folder / "book.json"), "--market", str(folder / "market.csv"), "--policy", str(rules)]
    return answer(["solve", *inputs], what, folder / "out")


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    return small_case()


def seeds(count: int, salt: int) -> range:
    first = 1_000_000 * salt + SEED * 1_000
    return range(first, first + max(1, round(count * TIMES)))


def test_the_case_itself_is_solved(case, tmp_path):
    assert solve(tmp_path, case["book"], case["market"], case["policy"], "unwounded") == 0


@pytest.mark.parametrize("part", ["book", "policy", "market"])
def test_wounded_inputs_of_a_solve(case, part, tmp_path):
    codes = []
    for seed in seeds(10, ("book", "policy", "market").index(part) + 1):
        rng, wounded = random.Random(seed), dict(case)
        wounded[part], what = (mutated_text if part == "market" else mutated)(case[part], rng)
        folder = tmp_path / str(seed)
        folder.mkdir()
        codes.append(solve(folder, **wounded, what=f"seed {seed}: {what}"))
    assert set(codes) <= {0, 2, 3, 4}


@pytest.fixture(scope="module")
def chain(tmp_path_factory, request) -> str:
    from scipy.stats import norm

    rows, expiry = [], datetime(2026, 3, 27, 8, tzinfo=UTC)
    for day, index in enumerate(80_000.0 * np.exp(np.cumsum(0.03 * np.random.default_rng(1).standard_normal(4)))):
        moment = datetime(2026, 3, 2 + day, 8, tzinfo=UTC)
        years = (expiry - moment).total_seconds() / (365 * 86_400)
        for strike in (72_000.0, 80_000.0, 88_000.0):
            for sign, right in ((1, "call"), (-1, "put")):
                d1 = np.log(index / strike) / (0.6 * np.sqrt(years)) + 0.3 * np.sqrt(years)
                usd = sign * (index * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - 0.6 * np.sqrt(years))))
                mark = usd / index
                rows.append(
                    {
                        "timestamp": moment.isoformat(),
                        "currency": "BTC",
                        "instrument_name": f"BTC-27MAR26-{strike:.0f}-{right[0].upper()}",
                        "option_type": right,
                        "strike": strike,
                        "expiry": expiry.isoformat(),
                        "bid_price": max(mark - 0.0005, 0.0001),
                        "ask_price": mark + 0.0005,
                        "mark_price": mark,
                        "mark_iv": 0.6,
                        "underlying_price": index,
                        "index_price": index,
                        "open_interest": 100.0,
                    }
                )
    return pd.DataFrame(rows).to_csv(index=False)


def store(path: Path, rows: str) -> None:
    """A chain as Parquet; what is no table any more as the text it is."""
    try:
        frame = pd.read_csv(io.StringIO(rows), low_memory=False)
        for column in ("timestamp", "expiry"):
            with contextlib.suppress(ValueError, KeyError):
                frame[column] = pd.to_datetime(frame[column], utc=True)
        for column in frame.columns:
            if pd.api.types.is_object_dtype(frame[column]) or pd.api.types.is_string_dtype(frame[column]):
                frame[column] = frame[column].astype(str)
        frame.to_parquet(path)
    except (ValueError, TypeError, pd.errors.ParserError):
        path.write_bytes(rows.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("part", ["nothing", "config", "chain"])
def test_wounded_backtests(chain, part, tmp_path):
    codes = []
    for seed in seeds(6, ("config", "chain").index(part) + 5) if part != "nothing" else range(1):
        rng, config, rows, what = random.Random(seed), BACKTEST, chain, ""
        if part == "config":
            config, what = mutated(BACKTEST, rng)
        elif part == "chain":
            rows, what = mutated_text(chain, rng)
        folder = tmp_path / str(seed)
        folder.mkdir()
        store(folder / "chain.parquet", rows)
        codes.append(answer(["backtest", str(written(folder, "backtest", config))], f"seed {seed}: {what}", folder / "out"))
    assert part != "nothing" or codes == [0]


@pytest.mark.parametrize("part", ["nothing", "config"])
def test_wounded_sweeps(chain, part, tmp_path):
    codes = []
    for seed in seeds(2, 7) if part != "nothing" else range(1):
        config, what = mutated(SWEEP, random.Random(seed)) if part == "config" else (SWEEP, "")
        folder = tmp_path / str(seed)
        folder.mkdir()
        store(folder / "chain.parquet", chain)
        path = written(folder, "sweep", config)
        codes.append(answer(["sweep", str(path), "--workers", "1"], f"seed {seed}: {what}", folder / "out"))
    assert part != "nothing" or codes == [0]


def change(data: Any, path: str, value: Any) -> Any:
    """A copy with the value at ``a.0.b`` replaced."""
    data = copy.deepcopy(data)
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    parent = data
    for key in parents:
        parent = parent[key]
    parent[last] = value
    return data


CORPUS: list[tuple[str, str, Any]] = [
    ("policy", "max_quote_age_seconds", float("inf")),
    ("policy", "minimize.0.weight", float("nan")),
    ("policy", "minimize.0.weight", float("inf")),
    ("policy", "minimize.0.weight", "NaN"),
    ("policy", "tolerance", float("nan")),
    ("policy", "subject_to", {"kind": "participation", "share": 0.1}),
    ("book", "accounts.0.positions.0.quantity", 1e30),
    ("book", "accounts.0.positions.0.quantity", True),
    ("book", "accounts.0.positions.0.quantity", "1_000"),
    ("book", "accounts.0.positions.0.quantity", " 5 "),
    ("book", "accounts.0.positions.0.instrument", "BTC-27MAR26-0-C"),
    ("book", "accounts.0.positions.0.instrument", "BTC-27MAR26-" + "9" * 400 + "-C"),
    ("book", "accounts.0.positions.0.instrument", "\ud800"),
    ("book", "accounts.0.collateral.0.amount", 1e160),
    ("book", "name", "\ud800"),
    ("book", "timestamp", -1),
    ("book", "timestamp", "1677-09-21T00:12:43Z"),
]


@pytest.mark.parametrize(("part", "path", "value"), CORPUS, ids=lambda value: str(value)[:40])
def test_what_once_failed_is_refused(case, part, path, value, tmp_path, capsys):
    wounded: dict[str, Any] = {**case, part: change(case[part], path, value)}
    assert solve(tmp_path, **wounded, what=f"{path} = {value}") == 2


def test_threads_share_nothing(case, tmp_path):
    (tmp_path / "book.json").write_text(json.dumps(case["book"]))
    (tmp_path / "market.csv").write_text(case["market"])
    market, book = ho.read_market(tmp_path / "market.csv"), ho.read_book(tmp_path / "book.json")
    policy = ho.Policy.model_validate(case["policy"])
    alone = ho.solve(book, market, policy)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: ho.solve(book, market, policy), range(6)))
    for solved in together:
        assert solved.proposal.certificate.valid
        np.testing.assert_array_equal(solved.x, alone.x)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_backtest_leaves_all_or_nothing(chain, tmp_path):
    store(tmp_path / "chain.parquet", chain)
    command = [sys.executable, "-m", "hedgeopt.cli", "backtest", str(written(tmp_path, "backtest", BACKTEST))]
    out, rng = tmp_path / "out", random.Random(SEED)
    begun = time.perf_counter()
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    took = time.perf_counter() - begun
    whole = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    assert len(whole) > 8
    for _ in range(max(2, round(2 * TIMES))):
        process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * rng.uniform(0.5, 1.1))
        process.kill()
        process.wait()
        found = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
        shown = {path for path in found if not path.parts[0].startswith(".")}
        assert shown <= whole  # all, none, or some with the rest behind a journal
        kept = {path for path in whole if path.parts[0] == "cells"}  # results are kept as they finish, each whole
        assert all({other for other in kept if other.parent == path.parent} <= shown for path in shown & kept)
        shown, all_of_it = shown - kept, whole - kept
        assert shown in (set(), all_of_it) or any(path.name == "journal" for path in found)
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    assert {path.relative_to(out) for path in out.rglob("*") if path.is_file()} == whole
