"""One list of market columns: nobody else spells one."""

from __future__ import annotations

import ast
from pathlib import Path

import hedgeopt
from hedgeopt.inputs.columns import CHAIN, COLUMNS, MORE_FIELDS, QUOTE_FIELDS
from hedgeopt.models.scenarios import surface_moves

MANY = 5
"""Names of columns in one collection that make it a list of columns."""


def test_every_column_is_described_once():
    assert len(set(CHAIN)) == len(COLUMNS)
    assert all(column.meaning and (column.required or not column.filled) for column in COLUMNS)
    assert not set(QUOTE_FIELDS) & set(MORE_FIELDS)


def test_nobody_else_spells_a_list_of_columns():
    root = Path(hedgeopt.__file__).parent
    found = []
    for path in [*root.rglob("*.py"), *(root.parent / "models").rglob("*.py"), *(root.parent / "constraints").rglob("*.py")]:
        if path == root / "inputs" / "columns.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
            names = {word.value for word in words if isinstance(word, ast.Constant)} & set(CHAIN)
            if len(names) >= MANY and not _makes_rows(path, root):
                found.append(f"{path}:{node.lineno}: {sorted(names)}")
    assert found == []


def _makes_rows(path: Path, root: Path) -> bool:
    """Files that make rows of a chain, with a value for each column, and read none; and a model below the inputs, which
    says what table it takes."""
    makers = (
        "backtest/policies/walk_forward.py",
        "cli/scenarios_fit.py",
        "example/generate.py",
        "inputs/chain/parity.py",
        "inputs/market_frame.py",
        "inputs/payloads/tardis.py",
    )
    models = [folder / "models" / "scenarios" / "surface_moves.py" for folder in (root, root.parent)]
    return path in [*models, *(root / name for name in makers)]


def test_a_model_takes_columns_of_the_list():
    assert set(surface_moves.COLUMNS) <= set(CHAIN)
