"""A model's document for a validator: every number with its error, doubts, what was not estimated, where it was refuted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hedgeopt.cli import main
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.document import model_document
from hedgeopt.models.scenarios.model_file import read_model
from tests.models.scenarios.drawn_chains import drawn_chains, recorded


def test_every_number_of_the_packaged_model_is_in_its_document() -> None:
    text = model_document("measured")
    found = read_model("measured")
    for asset, numbers in found["by_asset"].items():
        for name, value in numbers.items():
            assert f"| {asset} {name} | {value:g} |" in text
    for asset, noise in found["noise"].items():
        for part, table in noise.items():
            assert text.count(f"| {asset} noise of {part}, ") == len(table["days"])
    for name in ("degrees", "correlation", "jump_rate", "skew_tenor"):
        assert f"| {name} | {found[name]:g} |" in text
    assert "`funding_beta` is left at 0" in text
    assert "Not judged" in text
    assert "Unverified numbers: none are marked." in text
    assert "2026-01-01" in text


def test_a_record_is_judged_and_the_document_tells_where_it_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, judged, out = tmp_path / "chains.parquet", tmp_path / "judged.json", tmp_path / "model.md"
    recorded(drawn_chains(steps=40, seed=2)).to_parquet(record)
    assert main(["scenarios", "judge", str(record), "--hours", "6", "--level", "0.9", "--out", str(judged)]) == 0
    assert "90 % value at risk" in capsys.readouterr().out
    told = json.loads(judged.read_text(encoding="utf-8"))
    assert {row["windows"] for row in told["rows"] if row["book"].startswith("AMM LP")} == {40}
    told["refuted"] = ["AMM LP, BTC, 6 hours"]
    judged.write_text(json.dumps(told), encoding="utf-8")
    assert main(["scenarios", "document", "--judged", str(judged), "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert "| AMM LP, BTC | 6 | 40 |" in text
    assert "Refuted at 5 %, all tests together (Holm): AMM LP, BTC, 6 hours." in text
    with pytest.raises(InputError, match="another model"):
        model_document("measured", [("judged.json", {**told, "model": "own.toml"})])
    with pytest.raises(InputError, match=r"rows.0.record"):
        model_document("measured", [("judged.json", {"model": "measured", "rows": [{"book": "x"}]})])
    with pytest.raises(InputError, match="another model"):
        model_document("measured", [("judged.json", [1, 2])])  # type: ignore[list-item]
    assert main(["scenarios", "document", "--model", str(tmp_path / "absent.toml")]) == 2
    assert main(["scenarios", "judge", str(tmp_path / "absent.parquet")]) == 2
    capsys.readouterr()
    assert main(["scenarios", "judge", str(record), "--to", "2026-01-01T09:00:00Z"]) == 2
    assert "no window" in capsys.readouterr().err
    policy = tmp_path / "policy.toml"
    policy.write_text('name = "x"\n[scenarios]\n', encoding="utf-8")
    assert main(["scenarios", "document", "--model", str(policy)]) == 2
