"""``hedgeopt verify`` on files of other processes: the packaged example, and recorded chains."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hedgeopt.cli.guard import guarded


def _hedgeopt(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hedgeopt.cli", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    from hedgeopt.example import example_files

    for name, text in example_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    found = _hedgeopt("solve", *_inputs(folder), "--scenarios", 2_000, "--out", folder)
    assert found.returncode == 0, found.stderr
    return folder


def _inputs(folder: Path) -> list[object]:
    files = {"--book": "book.json", "--market": "market.csv", "--policy": "policy.toml"}
    return [word for option, name in files.items() for word in (option, folder / name)]


def test_the_example_of_another_process_is_valid(example: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["verify", example / "proposal.json", *_inputs(example), "--scenarios", 2_000]
    assert guarded([str(word) for word in words]) == 0
    said = capfd.readouterr().out
    assert "valid" in said
    assert re.search(r"objective [\d,.]+ USD, recomputed; optimum proven: no trade list is below [\d,.]+ USD\n", said), said
    assert guarded([str(word) for word in [*words, "--json"]]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["valid"] is True
    assert told["gap"] <= told["tolerance"]


def test_the_objective_has_the_unit_of_the_policy() -> None:
    """The verifier counts in dollars: what the proposal calls 1.467 ETH is told in both."""
    from hedgeopt.cli.verify import _words
    from hedgeopt.verify import Verdict
    from hedgeopt.verify.counted import objective_unit

    cost, variance, delta = ({"weight": 1.0, "term": {"kind": kind}} for kind in ("transaction_cost", "variance", "delta"))
    assert [objective_unit({"minimize": parts}) for parts in ([cost], [variance], [cost, variance])] == ["USD", "USD^2", ""]
    assert objective_unit({"minimize": [delta]}) == ""
    verdict = Verdict(4_665.36, 4_665.0, 1e-9, 1e-4, (), (), (), 3, "USD", "ETH", 3_180.0)
    assert "objective 4,665.36 USD (1.467094" in _words(Path("p.json"), verdict, 3)[2]
    assert "below 4,665 USD (1.466981" in _words(Path("p.json"), verdict, 3)[2]


def test_a_window_belongs_to_the_inputs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was solved with ``--at`` and ``--window`` could not be verified: the rows of another window were read."""
    from tests.fuzz.test_hostile_inputs import small_case, written

    case = small_case()
    lines = case["market"].splitlines()
    lines[1] = lines[1].replace("T10:00:00", "T09:55:00")  # within 600 s, not within 30
    (tmp_path / "market.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "book.json").write_text(json.dumps(case["book"]), encoding="utf-8")
    written(tmp_path, "policy", case["policy"])
    at = [str(word) for word in [*_inputs(tmp_path), "--at", "2026-03-06T10:00:00Z", "--window"]]
    assert guarded(["solve", *at, "30", "--out", str(tmp_path)]) == 0
    assert guarded(["verify", str(tmp_path / "proposal.json"), *at, "30"]) == 0
    capfd.readouterr()
    assert guarded(["verify", str(tmp_path / "proposal.json"), *at, "0"]) == 2
    assert "window" in capfd.readouterr().err


def test_exit_codes(example: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = json.loads((example / "proposal.json").read_text(encoding="utf-8"))
    options = [str(word) for word in [*_inputs(example), "--scenarios", 2_000]]

    def code(change: object) -> int:
        path = tmp_path / "changed.json"
        path.write_text(change if isinstance(change, str) else json.dumps(change), encoding="utf-8")
        return guarded(["verify", str(path), *options])

    assert code(told | {"trades": told["trades"][1:]}) == 3
    wrong = json.loads(json.dumps(told))
    wrong["certificate"]["objective"] += 100.0
    assert code(wrong) == 4
    assert code("{") == 2
    assert code(told | {"proof": None}) == 2
    assert code(told | {"trades": [told["trades"][0] | {"quantity": "12"}]}) == 2
    assert guarded(["verify", str(example / "proposal.json"), *options[:-1], "1000"]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 4  # one line each
    assert "policy.scenarios.count" in lines[-1]


def test_how_it_was_solved_is_no_other_policy(example: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A time limit and a solver leave an answer as right or wrong as it is."""
    rules = (example / "policy.toml").read_text(encoding="utf-8")
    (tmp_path / "policy.toml").write_text(f'time_limit_seconds = 40.0\nsolver = "HIGHS"\n{rules}', encoding="utf-8")
    words = ["verify", example / "proposal.json", *_inputs(example)[:-1], tmp_path / "policy.toml", "--scenarios", 2_000]
    assert guarded([str(word) for word in words]) == 0, capfd.readouterr().err
