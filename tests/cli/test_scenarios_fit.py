"""``hedgeopt scenarios fit``: recorded chains in, a model that policies read out; one line for what is no record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from tests.models.scenarios.drawn_chains import drawn_chains, recorded


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("record") / "chains.parquet"
    recorded(drawn_chains(steps=45, seed=2)).to_parquet(path)
    return path


def test_a_record_becomes_a_model_that_a_policy_reads(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.toml"
    assert main(["scenarios", "fit", str(record), "--out", str(out), "--resamples", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] == {"BTC": 45, "ETH": 45}
    policy = tmp_path / "policy.toml"
    policy.write_text('[[minimize]]\nterm = { kind = "carry" }\n[scenarios]\nkind = "parametric"\nmodel = "model.toml"\n')
    read = ho.read_policy(policy).scenarios
    fitted = told["settings"]["by_asset"]["BTC"]["vol_of_vol"]
    assert read.by_asset["BTC"].vol_of_vol == pytest.approx(fitted, rel=1e-3)
    assert np.isfinite(told["errors"]["by_asset"]["BTC"]["vol_of_vol"])


def test_the_table_names_every_number(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.toml"
    assert main(["scenarios", "fit", str(record), "--out", str(out), "--resamples", "20", "--asset", "BTC"]) == 0
    text = capsys.readouterr().out
    for word in ("vol_beta_up", "skew_noise", "noise of strike at the money, 10 days", "degrees of noise of strike"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.parquet"], "no such file"),
        (["{record}", "--to", "2026-01-03T00:00:00Z"], "30 are needed"),
        (["{record}", "--from", "yesterday"], "--from"),
        (["{record}", "--asset", "SOL"], "no option"),
        (["{record}", "--resamples", "2"], "--resamples"),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    given = [one.format(record=record) for one in arguments]
    assert main(["scenarios", "fit", *given, "--out", str(tmp_path / "m.toml")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "m.toml").exists()


def test_a_solve_with_a_record_tells_how_promises_were_kept(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in ho.example_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    given = ["--book", "book.json", "--market", "market.csv", "--policy", "policy.toml"]
    files = [str(tmp_path / one) if "." in one else one for one in given]
    out = tmp_path / "out"
    assert main(["solve", *files, "--scenarios", "500", "--record", str(record), "--out", str(out)]) == 0
    assert "99 % days were exceeded" in " ".join(capsys.readouterr().out.split())
    promise = ho.read_proposal(out / "proposal.json").promise
    assert promise is not None
    assert promise.coverage is not None
    assert promise.coverage.record == record.name
    assert promise.coverage.windows == 11  # of a day, over 45 steps of six hours
    assert main(["verify", str(out / "proposal.json"), *files, "--scenarios", "500"]) == 0
    assert main(["solve", *files, "--record", str(tmp_path / "absent.parquet")]) == 2
    assert "absent.parquet" in capsys.readouterr().err
