"""Run the notebooks and store their outputs; ``python docs/run_notebooks.py --check [NAME ...]`` compares them instead.

They run on the packaged example, whatever recorded data is at hand, so that anybody gets the same. Outputs are stripped of
times and of all metadata. Compared are the kinds of the outputs and all text, numbers to a thousandth; pictures are compared
by being there, as a drawing differs between versions of fonts.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOKS", "differences", "run"]

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
_NUMBER = re.compile(r"[−-]?\d[\d,]*\.?\d*(?:e[−+-]?\d+)?")
_MATPLOTLIB = re.compile(r"^(?:<Figure size|<matplotlib|Text\(|\[<matplotlib|\(Text\().*$", re.MULTILINE)


def run(path: Path, data: Path | None = None) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; ``data`` is a folder of recorded data to use instead of the example."""
    notebook = nbformat.read(path, as_version=4)
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline", "COLUMNS": "100"}
    environment.pop("HEDGEOPT_SHARED_DATA", None)
    if data is not None:
        environment["HEDGEOPT_SHARED_DATA"] = str(data)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    client.execute(env=environment)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = _merged(cell.outputs)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _merged(outputs: list[Any]) -> list[Any]:
    """Outputs without counts and metadata; pieces of one stream joined, as they come apart by chance."""
    kept: list[Any] = []
    for output in outputs:
        output.pop("execution_count", None)
        if output.output_type == "execute_result":
            output.execution_count = None
        if "metadata" in output:
            output.metadata = {}
        for kind, text in output.get("data", {}).items():
            if kind.startswith("text/"):  # names that pandas and Python draw anew each time
                output.data[kind] = re.sub(r"\bT_[0-9a-f]{5}", "T_table", re.sub(r" at 0x[0-9a-f]+", "", text))
        if kept and output.output_type == "stream" == kept[-1].output_type and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def differences(stored: nbformat.NotebookNode, fresh: nbformat.NotebookNode) -> Iterator[str]:
    """Where the stored outputs are not what the cells give now."""
    pairs = zip(stored.cells, fresh.cells, strict=True)
    for number, (old, new) in enumerate(pairs, start=1):
        if old.cell_type != "code":
            continue
        kinds = [[(o.output_type, *sorted(o.get("data", ()))) for o in cell.outputs] for cell in (old, new)]
        if kinds[0] != kinds[1]:
            yield f"cell {number}: outputs {kinds[0]} instead of {kinds[1]}"
            continue
        for one, other in zip(_texts(old.outputs), _texts(new.outputs), strict=True):
            if told := _apart(one, other):
                yield f"cell {number}: {told}"


def _texts(outputs: list[Any]) -> list[str]:
    found = []
    for output in outputs:
        if output.output_type == "stream":
            found.append(output.text)
        for kind, text in sorted(output.get("data", {}).items()):
            if kind.startswith("text/"):
                found.append(_MATPLOTLIB.sub("", str(text)))
    return found


def _apart(old: str, new: str) -> str:
    """The first words or number in which two texts differ, or nothing."""
    a, b = ([float(n.replace(",", "").replace("−", "-")) for n in _NUMBER.findall(text)] for text in (old, new))
    words = [" ".join(re.sub(r"-+", "-", _NUMBER.sub("#", text)).split()) for text in (old, new)]
    if words[0] != words[1] or len(a) != len(b):
        k = next((k for k, (x, y) in enumerate(zip(*words, strict=False)) if x != y), min(map(len, words)))
        return f"{words[0][max(k - 30, 0) : k + 30]!r} instead of {words[1][max(k - 30, 0) : k + 30]!r}"
    for x, y in zip(a, b, strict=True):
        if abs(x - y) > 1e-3 * max(abs(x), abs(y)) + 1e-9:
            return f"{x:g} instead of {y:g}"
    return ""


def main() -> int:
    """Store or compare; 1 if something differs."""
    check = "--check" in sys.argv[1:]
    chosen = [word for word in sys.argv[1:] if not word.startswith("-")]
    faults = 0
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if chosen and not any(word in path.name for word in chosen):
            continue
        fresh = run(path)
        if not check:
            nbformat.write(fresh, path)
            continue
        for fault in differences(nbformat.read(path, as_version=4), fresh):
            print(f"{path.name}: {fault}; run python docs/run_notebooks.py", file=sys.stderr)
            faults += 1
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
