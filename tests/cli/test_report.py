"""``hedgeopt report``: what solve printed and wrote, from the file alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hedgeopt.cli import main
from hedgeopt.example import example_files

STORED = Path(__file__).parents[1] / "program" / "stored"


def test_it_prints_and_draws_what_solve_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in example_files().items():
        (tmp_path / name).write_text(text)
    book, market, policy = (str(tmp_path / name) for name in ("book.json", "market.csv", "policy.toml"))
    solve = [
        "solve",
        "--book",
        book,
        "--market",
        market,
        "--policy",
        policy,
        "--scenarios",
        "200",
        "--out",
        f"{tmp_path}/out",
    ]
    assert main(solve) == 0
    printed = capsys.readouterr().out
    for name in ("book.json", "market.csv", "policy.toml"):
        (tmp_path / name).unlink()
    stored = tmp_path / "out" / "proposal.json"
    assert main(["report", str(stored), "--html", f"{tmp_path}/page.html", "--csv", f"{tmp_path}/tables"]) == 0
    said = capsys.readouterr()
    assert said.out == printed
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "out" / "proposal.html").read_bytes()
    with (tmp_path / "tables" / "trades.csv").open(encoding="utf-8", newline="") as table:
        trades = list(csv.DictReader(table))
    told = json.loads(stored.read_text())["trades"]
    read = [{name: type(one[name])(text) for name, text in row.items()} for row, one in zip(trades, told, strict=True)]
    assert read == told  # every digit
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "trades.csv",
        "transfers.csv",
        "limits.csv",
        "objective.csv",
        "costs.csv",
        "cash.csv",
        "margins.csv",
    }
    assert "trades.csv" in said.err


@pytest.mark.parametrize("version", ["1", "2"])
def test_older_files_are_drawn(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(STORED / version / "network.json"), "--html", str(tmp_path / "p.html")]) == 0
    out = capsys.readouterr().out
    assert "net/work ~" in out
    assert "Transfers" in out
    assert ("Not recorded." in (tmp_path / "p.html").read_text()) == (version == "1")


@pytest.mark.parametrize(
    ("content", "words"), [("", "is empty"), ('{"trades": ', "is not JSON"), ("{}", "is not a proposal"), (None, "p.json")]
)
def test_what_is_no_proposal_ends_in_one_line(
    content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.json"
    if content is not None:
        path.write_text(content)
    page = tmp_path / "p.html"
    assert main(["report", str(path), "--html", str(page)]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert str(path) in said.err
    assert said.err.count("\n") == 1
    assert not said.out
    assert not page.exists()
