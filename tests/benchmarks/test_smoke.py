"""Every registered benchmark runs in its smoke size and tells what it says it tells."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.margin_looseness import PLACES
from benchmarks.registry import load

NAMES = {
    "backtest",
    "end_to_end",
    "end_to_end_full",
    "explain",
    "inputs",
    "lots",
    "lots_found",
    "margin",
    "startup",
    "costs",
    "tail",
    "tail_family",
    "tail_integers",
    "tail_out_of_core",
    "tail_overhead",
    "tail_resolve",
    "tail_threads",
    "valuation",
}


def smoke(name: str, path) -> list[dict]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rivals' own
        assert main([name, "--smoke", "--json", str(path / "out.json")]) == 0
    records = [json.loads(line) for line in (path / "out.json").read_text().splitlines()]
    assert records
    assert all(record["benchmark"] == name for record in records)
    return records


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == NAMES == set(load())


def test_unknown_name_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["no-such-benchmark"])


def test_tail(tmp_path) -> None:
    *compared, memory = smoke("tail", tmp_path)
    for record in compared:
        rivals = record["rivals"]
        assert rivals["tail"]["verified_gap"] <= 1e-6
        # Exact methods agree on the objective, each evaluated from its own point; a rival may fail now and then.
        told = [rivals[name].get("objective", np.nan) for name in ("dual_lp", "cvxpy_highs", "cvxpy_default")]
        told = [value for value in told if np.isfinite(value)]
        ours = rivals["tail"]["objective"]
        assert any(value == pytest.approx(ours, rel=1e-5) for value in told)
        assert all(value >= ours - 1e-5 * abs(ours) for value in told)  # stopped early perhaps, never better
        for answer in rivals.values():
            assert "cpu_seconds" in answer or "skipped" in answer or "cap_seconds" in answer, answer
    assert memory["extra_resident_bytes"] > 0


def test_tail_family(tmp_path) -> None:
    *found, distribution = smoke("tail_family", tmp_path)
    for record in found:
        assert record["proven"]
        assert record["outside_gap"] <= 1e-6
    assert distribution["all"]["compared"] == len(found)
    assert distribution["no answer"] == []


def test_tail_out_of_core(tmp_path) -> None:
    npy, arrow, cluster = smoke("tail_out_of_core", tmp_path)
    assert "skipped" in cluster
    assert npy["value"] == pytest.approx(arrow["value"], rel=1e-7)
    for record in (npy, arrow):
        assert record["status"] == "optimal"
        assert record["verified_gap"] <= 1e-6


def test_tail_overhead(tmp_path) -> None:
    *found, spread = smoke("tail_overhead", tmp_path)
    assert all(record["proven"] for record in found)
    assert spread["all"]["minimum"] <= spread["all"]["median"]


def test_tail_threads(tmp_path) -> None:
    (stream,) = (record for record in smoke("tail_threads", tmp_path) if record["what"] == "stream")
    assert stream["status"] == "optimal"


def test_tail_resolve(tmp_path) -> None:
    (record,) = smoke("tail_resolve", tmp_path)
    assert record["largest_difference"] <= 1e-5


def test_valuation(tmp_path) -> None:
    records = smoke("valuation", tmp_path)
    assert {record["case"] for record in records} >= {
        "accuracy",
        "scenario price",
        "price and Greeks",
        "implied vol",
        "blocks",
    }
    assert all("million_per_second" in r or "skipped" in r for r in records if "method" in r)


def test_end_to_end(tmp_path) -> None:
    start, first, again = smoke("end_to_end", tmp_path)
    assert start["case"] == "hedgeopt --help"
    assert list(first["stage_seconds"]) == ["read", "value", "build", "solve", "certify", "report"]
    assert again["program_reused"] == 1
    for record in (first, again):
        assert record["feasible"]
        assert record["gap"] <= 0.005  # whole lots, within lot_gap
        assert all(math.isfinite(seconds) for seconds in record["stage_seconds"].values())


def test_margin(tmp_path) -> None:
    compared, *loose = smoke("margin", tmp_path)
    assert compared["ratio"] > 0.0
    assert len(loose) == len({record["rule"] for record in loose}) > 10
    for record in loose:
        for place in PLACES:
            assert record[place]["minimum"] > -1e-9, record  # else a program takes for fine what the venue does not
        assert record["at the anchor"]["median"] < 5.0, record


def test_backtest(tmp_path) -> None:
    records = smoke("backtest", tmp_path)
    own, *naive = [record for record in records if record["case"] == "synthetic chain"]
    assert len(naive) == 4
    # the naive rival is the same policy: the same optimum, and its trades end with the same money
    assert all(abs(record["objective_difference"]) <= 1e-6 for record in naive)
    assert [record["pnl"] for record in naive] == pytest.approx([own["pnl"]] * 4, rel=1e-4)
    by_case = {record["case"]: record for record in records}
    assert by_case["memory"]["kilobytes_per_step"] < 100
    assert by_case["sweep"]["same_result"]
    assert "6 spot assets" in by_case


def test_explain(tmp_path) -> None:
    *cases, whole = smoke("explain", tmp_path)
    assert all(record["exact"] and record["proven"] for record in cases)
    assert all("names nothing" in record["peer_highs"] for record in cases)
    assert whole["exact"] == len(cases)
