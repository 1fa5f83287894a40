"""Every quoted row of a recorded chain, through the command line: finishes, certified, saying what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.end_to_end_full import BYTES, STAGES, SYSTEMS, solve_by_command


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_whole_chain_is_solved_and_certified(system: str, tmp_path: Path) -> None:
    record = solve_by_command(tmp_path, system, scenarios=1_000)
    assert record["exit_code"] == 0, record.get("outcome")
    assert record["certified"]
    assert record["candidates"] > 1_400 * (2 if system == "both" else 1)
    assert record["positions"] >= 60
    # a stage that is over before the display turns is not seen
    assert {"reading", "solving"} <= set(record["stages_told"]) <= set(STAGES)
    assert record["peak_bytes"] < BYTES
