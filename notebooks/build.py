"""Run a notebook script and save it as .ipynb with its outputs: ``python -m notebooks.build notebooks/03_scenarios.py``.

Scripts hold cells in the percent format (``# %%`` and ``# %% [markdown]``), which editors and Jupyter open as notebooks too.
Nothing but the standard library and matplotlib is needed.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def cells(text: str) -> list[tuple[str, str]]:
    """(kind, source) of every cell, kind ``markdown`` or ``code``."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("# %%"):
            found.append(("markdown" if "[markdown]" in line else "code", []))
        elif found:
            found[-1][1].append(line)
    bare = {"markdown": lambda line: line.removeprefix("# ").removeprefix("#"), "code": lambda line: line}
    return [(kind, "\n".join(bare[kind](line) for line in lines).strip()) for kind, lines in found]


def run(source: str, space: dict[str, Any]) -> list[dict[str, Any]]:
    """Execute one cell; its printed text, last expression and figures as notebook outputs."""
    import matplotlib.pyplot as plt

    tree, printed, value = ast.parse(source), io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), space)
        if isinstance(last, ast.Expr):  # a closing semicolon keeps the value back, as in Jupyter
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), space)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue()})
    if value is not None and not source.endswith(";"):
        data = {"text/plain": str(value)}
        if hasattr(value, "to_html"):
            data["text/html"] = value.to_html()
        outputs.append({"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data})
    for number in plt.get_fignums():
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
        encoded = base64.b64encode(picture.getvalue()).decode()
        outputs.append({"output_type": "display_data", "metadata": {}, "data": {"image/png": encoded}})
    plt.close("all")
    return outputs


def build(script: Path) -> Path:
    """Write the notebook beside its script."""
    import matplotlib as mpl

    mpl.use("Agg")
    space: dict[str, Any] = {"__name__": "__main__"}
    body = []
    for number, (kind, source) in enumerate(cells(script.read_text(encoding="utf-8")), start=1):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
        if kind == "code":
            cell |= {"execution_count": number, "outputs": run(source, space)}
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = number
        body.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": body, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    target = script.with_suffix(".ipynb")
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(build(Path(name)))
