"""Every benchmark is listed and runs in its smoke size."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import main


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert {"tail", "tail_out_of_core", "tail_resolve"} <= {
        line.split()[0] for line in capsys.readouterr().out.splitlines()
    }


@pytest.mark.parametrize("name", ["tail_out_of_core", "tail_resolve"])
def test_smoke(name: str, tmp_path) -> None:
    path = tmp_path / "out.json"
    assert main([name, "--smoke", "--json", str(path)]) == 0
    record = json.loads(path.read_text().splitlines()[0])
    assert record["benchmark"] == name
    if "verified_gap" in record:
        assert record["verified_gap"] <= 1e-6
