"""The output folder of an import: nobody's file is overwritten, and none of an earlier import stays beside the new."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hedgeopt.errors import InputError
from hedgeopt.inputs.importing import Imported

QUOTES = pd.DataFrame({"timestamp": [pd.Timestamp("2026-03-06T10:00:00Z")], "instrument": ["BTC-PERPETUAL"], "mark": [1.0]})
HISTORY = pd.DataFrame({"timestamp": [pd.Timestamp("2026-03-06T10:00:00Z")], "BTC": [1.0]})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_same_import_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        Imported(None, QUOTES, HISTORY).write(tmp_path / "out")
    assert names(tmp_path / "out") == {"quotes.csv", "history.csv"}


def test_a_file_of_another_import_is_refused_and_with_force_removed(tmp_path: Path) -> None:
    Imported(None, QUOTES).write(tmp_path)
    before = (tmp_path / "quotes.csv").read_bytes()
    with pytest.raises(InputError, match=r"quotes\.csv: --out: is there already, of another import; .*--force"):
        Imported(None, pd.DataFrame(), HISTORY).write(tmp_path)
    assert names(tmp_path) == {"quotes.csv"}
    assert (tmp_path / "quotes.csv").read_bytes() == before
    Imported(None, pd.DataFrame(), HISTORY).write(tmp_path, force=True)
    assert names(tmp_path) == {"history.csv"}


@pytest.mark.parametrize("name", ["quotes.csv", "bybit.toml"])
def test_a_file_that_is_not_the_imports_is_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    found = Imported(None, QUOTES, tables={"bybit": "as_of = 2026-03-06\n"})
    with pytest.raises(InputError, match=rf"{name}: --out: is there already, and this import would replace it; .*--force"):
        found.write(tmp_path)
    assert names(tmp_path) == {name}
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    found.write(tmp_path, force=True)
    assert names(tmp_path) == {"quotes.csv", "bybit.toml"}
