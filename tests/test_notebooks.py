"""Notebooks run from top to bottom, and are committed without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
RECORDED = ("03_scenarios.ipynb",)
"""Notebooks that are about recorded data; the others fall back to the packaged example."""


def execute(name: str, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setenv("HEDGEOPT_SHARED_DATA", str(data))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_runs_on_recorded_data(name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(name, monkeypatch, shared_data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(p.name for p in NOTEBOOKS.glob("*.ipynb") if p.name not in RECORDED))
def test_runs_on_the_packaged_example(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(name, monkeypatch, tmp_path / "nothing here")
