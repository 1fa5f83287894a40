"""The tail family's report: how ratios are judged, and that the documents print what the result file says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.tail_family_report import RESULT, distribution, judged, pages, renewed

OURS = {"objective": 10.0, "cpu_seconds": 1.0, "status": "optimal", "proven": 1.0, "outside_gap": 1e-8}


def record(**rivals: dict[str, object]) -> dict[str, object]:
    return judged({"rivals": {"tail": OURS, **rivals}})


def solved(seconds: float, objective: float = 10.0, violation: float = 0.0) -> dict[str, object]:
    return {"objective": objective, "violation": violation, "cpu_seconds": seconds}


def test_the_best_exact_rival_counts() -> None:
    rough, loose = solved(0.1, objective=10.001), solved(0.1, violation=1e-3)
    told = record(slow=solved(40.0), quick=solved(30.0), rough=rough, loose=loose)
    assert (told["best"], told["ratio"], told["at_least"]) == ("quick", 30.0, False)


def test_a_rival_that_was_stopped_earlier_could_have_been_quicker() -> None:
    told = record(exact=solved(30.0), stopped={"cap_seconds": 5.0, "outcome": "ended by signal 24"})
    assert (told["ratio"], told["at_least"]) == (5.0, True)


def test_stopped_rivals_alone_give_a_lower_bound() -> None:
    told = record(a={"cap_seconds": 20.0, "outcome": "ended"}, b={"outcome": "failed: no such solver"})
    assert (told["ratio"], told["at_least"], told["best"]) == (20.0, True, "none in time")


def test_without_our_answer_there_is_no_ratio() -> None:
    told = judged({"rivals": {"tail": {"outcome": "ended by signal 9"}, "a": solved(1.0)}})
    assert "ratio" not in told


def test_quantiles_count_lower_bounds() -> None:
    found = [{"ratio": float(r), "at_least": r > 8} for r in range(1, 12)]
    assert distribution(found) == {
        "minimum": 1.0,
        "first decile": 2.0,
        "median": 6.0,
        "compared": 11,
        "at least": 3,
    }


def test_the_documents_print_the_result_file(repository) -> None:
    told = json.loads(RESULT.read_text(encoding="utf-8"))
    for name, new in pages(told).items():
        text = (repository / name).read_text(encoding="utf-8")
        assert renewed(text, new) == text, f"{name}: python -m benchmarks.tail_family_report"


def test_a_figure_that_moved_is_noticed(repository) -> None:
    told = json.loads(RESULT.read_text(encoding="utf-8"))
    told["all"]["median"] *= 2
    for name, new in pages(told).items():
        text = (repository / name).read_text(encoding="utf-8")
        assert renewed(text, new) != text
    with pytest.raises(ValueError, match="places for the figures"):
        renewed("no marks", "anything")


def test_check_agrees(repository) -> None:
    command = [sys.executable, "-m", "benchmarks.tail_family_report", "--check"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
