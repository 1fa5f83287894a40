"""Modules, names and files that documents, docstrings and comments mention exist; a string "hedgeopt.x" may be any key."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

DOTTED = re.compile(r"(?<![\"'\w./-])hedgeopt(?:\.[A-Za-z_]\w*)+(?![\w/-])")
FILED = re.compile(r"(?<![\w./{}-])(?:\.\./)*((?:[A-Za-z_][\w-]*/)+[\w-]+\.(?:py|pyi|toml|md|html|css|ipynb))\b")
ROOTS = ("", "hedgeopt", "docs")
READ = ("README.md", "SECURITY.md", "Makefile", "pyproject.toml", "docs", "hedgeopt", "models", "constraints", "benchmarks")
TO_BE_WRITTEN = {
    "constraints/premium_budget.py", "tests/constraints/test_premium_budget.py", "models/risk/option_value.py",
    "models/risk/vega_norm.py", "models/pricing/power_perpetual.py", "models/margin/flat.py",
}  # fmt: skip
"""Files that docs/extend.md tells how to write."""
BUILT = {"docs/api.md"}
"""Files that commands write and nobody commits."""
FOLDERS = {"hedgeopt", "models", "constraints", "tests", "docs", "benchmarks", "notebooks", "requirements"}


def texts(repository: Path) -> Iterator[Path]:
    """Documents, and code, whose docstrings, comments and strings are read as they are."""
    for name in READ:
        path = repository / name
        yield from sorted(p for p in path.rglob("*") if p.suffix in (".py", ".pyi", ".md")) if path.is_dir() else [path]


def exists(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one, of a class in one, and so on."""
    parts = dotted.split(".")
    for k in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for name in parts[k:]:
            fields = getattr(thing, "__annotations__", {}) | getattr(thing, "__dataclass_fields__", {})
            if not hasattr(thing, name):
                return name in fields | getattr(thing, "model_fields", {})
            thing = getattr(thing, name)
        return True
    return False


def is_there(repository: Path, place: Path, name: str) -> bool:
    """Whether a path leads somewhere from the root, from a folder that such paths begin in, or from where it is written."""
    if Path(name).stem.isupper() and name.endswith(".py"):
        return True  # NAME.py
    if name in BUILT or (place.name == "extend.md" and name in TO_BE_WRITTEN):
        return True
    if name.split("/")[0] not in FOLDERS | {p.name for p in (repository / "hedgeopt").iterdir()}:
        return True  # a reader's own folders
    return any((root / name).exists() for root in (*(repository / root for root in ROOTS), place.parent))


def missing(repository: Path, place: Path, text: str) -> list[str]:
    """What a text mentions that is not there."""
    found = [name for name in dict.fromkeys(DOTTED.findall(text)) if not exists(name)]
    return found + [name for name in dict.fromkeys(FILED.findall(text)) if not is_there(repository, place, name)]


def test_what_is_mentioned_exists(repository: Path) -> None:
    found = {}
    for path in texts(repository):
        gone = missing(repository, path, path.read_text(encoding="utf-8"))
        if gone:
            found[path.relative_to(repository).as_posix()] = gone
    assert found == {}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("see :mod:`hedgeopt.models.term` and hedgeopt.Policy.propose", []),
        ("see :mod:`hedgeopt.models.terms_of_old`", ["hedgeopt.models.terms_of_old"]),
        ("`hedgeopt.program.solve.nobody(x)`", ["hedgeopt.program.solve.nobody"]),
        ("[a](../hedgeopt/backtest/ledger.py), models/term.py and my/own.py", []),
        ("[a](../hedgeopt/ledger.py), models/terms/cvar.py", ["hedgeopt/ledger.py", "models/terms/cvar.py"]),
    ],
)
def test_what_is_gone_is_seen(repository: Path, text: str, gone: list[str]) -> None:
    assert missing(repository, repository / "README.md", text) == gone
