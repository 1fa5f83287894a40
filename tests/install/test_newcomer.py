"""A newcomer with an empty environment, the wheel, the README, the docs and ``hedgeopt schema``, and nothing else.

First the README's commands in its order, then a first market, book and policy of one's own: what may stand in a file is
learnt from the schemas that the command prints, and the policy is the first block of docs/policy.md.
"""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from .conftest import run

pytestmark = pytest.mark.slow
COMMANDS = """
import contextlib, io, json, sys
from hedgeopt.cli import main
found = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


def commands(python: Path, folder: Path, *lines: str) -> list[list[Any]]:
    """``[exit code, stdout, stderr]`` of command lines run one after the other in one process."""
    words = [shlex.split(line.removeprefix("hedgeopt "), comments=True) for line in lines]
    done = run(python, folder, "-c", COMMANDS, json.dumps(words))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_readme_in_its_order(plain_python: Path, plain_demo: Path, repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    order = [
        "make demo",
        "make test",
        "python3 -m venv",
        "py -m venv",
        "python -m hedgeopt demo",
        "hedgeopt schema",
        "hedgeopt check",
    ]
    order += ["hedgeopt solve", "hedgeopt verify", "hedgeopt solve", "hedgeopt risk"]
    assert [next((word for word in order if line.startswith(word)), line) for line in lines] == order
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in lines[2:4]:  # installs: run without the network by the fixtures
        (extras,) = re.findall(r'python -m pip install "\.\[([a-z,]+)\]"', line)
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    for line, (code, out, err) in zip(lines[5:], commands(plain_python, plain_demo.parent, *lines[5:]), strict=True):
        assert code == 0, (line, err)
        assert out
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    done = run(plain_python, plain_demo.parent, "-W", "error", "-c", block)
    assert done.returncode == 0, done.stderr


def test_a_first_book_of_ones_own(plain_python: Path, tmp_path: Path, repository: Path) -> None:
    schemas = commands(plain_python, tmp_path, *(f"schema {kind}" for kind in ("market", "book", "policy")))
    market, book, policy = (json.loads(out) for _, out, _ in schemas)

    rows = list(chain())
    assert set(market["required"]) <= set(rows[0])
    for row in rows:
        assert set(row) <= set(market["properties"])
        jsonschema.validate({name: None if value == "" else value for name, value in row.items()}, market)
    with (tmp_path / "chain.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    account = {"name": "main", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 10}]}
    account["positions"] = [{"instrument": "BTC-27MAR26-80000-C", "quantity": -20}]
    mine = {"accounts": [account]}
    jsonschema.validate(mine, book)
    (tmp_path / "book.json").write_text(json.dumps(mine), encoding="utf-8")

    page = (repository / "docs" / "policy.md").read_text(encoding="utf-8")
    first = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)[0]
    jsonschema.validate(tomllib.loads(first), policy)
    (tmp_path / "policy.toml").write_text(first, encoding="utf-8")

    files = "--book book.json --market chain.csv --policy policy.toml"
    check, solve, verify = commands(
        plain_python, tmp_path, f"check {files}", f"solve {files} --out out", f"verify out/proposal.json {files}"
    )
    assert check[0] == solve[0] == verify[0] == 0, (check, solve, verify)
    proposal = json.loads((tmp_path / "out" / "proposal.json").read_text(encoding="utf-8"))
    assert re.search(r"Certified: the \d+ limits of this policy hold", " ".join(solve[1].replace("│", " ").split()))
    deltas = [row["after"] for row in proposal["limits"] if row["limit"].startswith("delta BTC")]
    assert deltas
    assert all(-5 - 1e-6 <= value <= 5 + 1e-6 for value in deltas)


def chain() -> list[dict[str, Any]]:
    """Ten options of one expiry and the perpetual, priced by Black's formula, in the columns that the schema requires."""
    index, forward, vol, years = 80_000.0, 80_240.0, 0.55, 25 / 365
    stamp = {"timestamp": "2026-03-02T08:00:00Z", "currency": "BTC"}
    rows = []
    for strike in (70_000, 75_000, 80_000, 85_000, 90_000):
        d1 = (math.log(forward / strike) + 0.5 * vol**2 * years) / (vol * math.sqrt(years))
        call = normal(d1) - strike / forward * normal(d1 - vol * math.sqrt(years))
        for right, mark in (("call", call), ("put", call - 1 + strike / forward)):
            name = f"BTC-27MAR26-{strike}-{right[0].upper()}"
            contract = {"instrument_name": name, "option_type": right, "strike": strike, "expiry": "2026-03-27T08:00:00Z"}
            quotes = {
                "bid_price": round(mark - 0.0005, 4),
                "ask_price": round(mark + 0.0005, 4),
                "mark_price": round(mark, 6),
            }
            levels = {
                "mark_iv": vol,
                "underlying_price": forward,
                "index_price": index,
                "open_interest": 500,
                "funding_8h": "",
            }
            rows.append(stamp | contract | quotes | levels)
    empty = dict.fromkeys(("option_type", "strike", "expiry", "mark_iv", "underlying_price"), "")
    quotes = {"bid_price": index - 5, "ask_price": index + 5, "mark_price": index, "index_price": index}
    other = {"instrument_name": "BTC-PERPETUAL", "open_interest": 500_000_000, "funding_8h": 0.0001}
    rows.append({name: (stamp | empty | quotes | other)[name] for name in rows[0]})
    return rows


def normal(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))
