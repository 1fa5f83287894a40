"""Notebooks use public names only, run from top to bottom, and are committed with the outputs that they give."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
PUBLIC = ("hedgeopt", "hedgeopt.backtest", "hedgeopt.tail")


@pytest.fixture(scope="module")
def runner(repository: Path) -> ModuleType:
    """docs/run_notebooks.py, which no package holds."""
    spec = importlib.util.spec_from_file_location("run_notebooks", repository / "docs" / "run_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code(name: str) -> ast.Module:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    return ast.parse("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"))


@pytest.mark.parametrize("name", NAMES)
def test_committed_with_outputs_and_nothing_of_a_machine(name: str) -> None:
    text = (NOTEBOOKS / name).read_text(encoding="utf-8")
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= len(cells) // 2
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert all(cell.execution_count is None and not cell.metadata for cell in cells)
    pictures = re.compile(r'"image/png": "[^"]*"')
    assert not re.search(r"/(home|tmp|work|root|Users|var)/|site-packages|[A-Z]:\\\\", pictures.sub("", text))
    assert len(text) < 700_000


@pytest.mark.parametrize("name", NAMES)
def test_only_public_names_are_used(name: str) -> None:
    aliases = {}
    for node in ast.walk(code(name)):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name.startswith("hedgeopt")}
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hedgeopt"):
            assert node.module in PUBLIC
            assert {alias.name for alias in node.names} <= set(importlib.import_module(node.module).__all__)
    assert set(aliases.values()) <= set(PUBLIC)
    for node in ast.walk(code(name)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            assert node.attr in importlib.import_module(aliases[node.value.id]).__all__, node.attr


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_current(name: str, runner: ModuleType) -> None:
    """Otherwise: python docs/run_notebooks.py."""
    fresh = runner.run(NOTEBOOKS / name)
    assert list(runner.differences(nbformat.read(NOTEBOOKS / name, as_version=4), fresh)) == []


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_runs_on_recorded_data(name: str, shared_data: Path, runner: ModuleType) -> None:
    runner.run(NOTEBOOKS / name, shared_data)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("a 1.0001", "a 1.0002", True),
        ("a 1.0", "a 1.1", False),
        ("a", "b", False),
        ("-----  1", "---  1", True),
        ("1 2", "1", False),
    ],
)
def test_an_output_that_differs_is_seen(runner: ModuleType, old: str, new: str, same: bool) -> None:
    def notebook(text: str) -> nbformat.NotebookNode:
        stream = nbformat.v4.new_output("stream", name="stdout", text=text)
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print()", outputs=[stream])])

    assert (list(runner.differences(notebook(old), notebook(new))) == []) is same
