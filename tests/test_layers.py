"""The layers of the house: a module imports only from rooms below its own, and no two modules import each other.

Imports inside functions count, and so do modules that a string names for ``import_module``. Blocks for type checkers do
not: nothing in them runs.
"""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYERS = """
__main__
cli
hedgeopt
backtest
orders
reports
program verify presets
measures
exposures
inputs
venues
constraints example
models
files
tail
_extras
errors _first_import _quiet
"""
DECLARED = {  # the complete list: whoever adds to it changes the design
    ("hedgeopt.inputs.policy", "hedgeopt.program.solve"): "Policy.propose",
    ("hedgeopt.models.term", "hedgeopt.constraints.limit"): "Term.__le__",
    ("hedgeopt.program.proposal", "hedgeopt.reports.page"): "Proposal.to_html and write",
    ("hedgeopt.program.proposal", "hedgeopt.reports.figures"): "Proposal.plot",
}
OWN_READERS = {  # methods of a class that call the function which makes it
    ("hedgeopt.inputs.market", "hedgeopt.inputs.market_frame"): "Market.from_frame and to_frame",
    ("hedgeopt.inputs.book", "hedgeopt.inputs.book_frame"): "Book.from_frame and to_frame",
    ("hedgeopt.program.proposal", "hedgeopt.program.explain.what_if"): "Proposal.without and with_limit",
}
RANK = {room: rank for rank, rooms in enumerate(LAYERS.split("\n")) for room in rooms.split()}
FOLDERS = {"hedgeopt": "hedgeopt", "models": "hedgeopt.models", "constraints": "hedgeopt.constraints"}


def modules(root: Path) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in (root / folder).rglob("*.py"):
            within = path.relative_to(root / folder).with_suffix("").parts
            found[".".join([package, *within]).removesuffix(".__init__")] = path
    return found


def named(tree: ast.AST) -> Iterator[str]:
    """What the code imports when it runs, now or later: dotted names, of modules or of things in them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node = ast.Module(node.orelse, [])
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not followed"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and re.fullmatch(r"hedgeopt(\.\w+)+(:\w+)?", str(node.value)):
            yield str(node.value).partition(":")[0]
        yield from named(node)


def imports(root: Path) -> dict[str, set[str]]:
    """By module, the modules of ours that it imports."""
    found, graph = modules(root), {}
    for module, path in found.items():
        graph[module] = set()
        for name in named(ast.parse(path.read_text(encoding="utf-8"))):
            while name not in found and "." in name:
                name = name.rpartition(".")[0]
            if name in found and name != module:
                graph[module].add(name)
    return graph


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def upward(graph: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Imports that do not go down, from one room to another."""
    pairs = {(module, other) for module, others in graph.items() for other in others if room(module) != room(other)}
    return {(module, other) for module, other in pairs if RANK[room(module)] >= RANK[room(other)]}


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """Modules that import each other, lazily or not, without the declared exceptions."""
    left_out = DECLARED | OWN_READERS
    kept = {module: {other for other in others if (module, other) not in left_out} for module, others in graph.items()}
    try:
        graphlib.TopologicalSorter(kept).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return None


@pytest.fixture(scope="module")
def graph(repository: Path) -> dict[str, set[str]]:
    return imports(repository)


def test_imports_go_down_but_for_the_declared_ones(graph: dict[str, set[str]]) -> None:
    assert upward(graph) == set(DECLARED), "new ones break the layers; take declared ones that are gone off the list"


def test_no_modules_import_each_other(graph: dict[str, set[str]]) -> None:
    assert circle(graph) is None


HOUSE = {"hedgeopt/tail/atom.py": "", "hedgeopt/program/solve.py": "import hedgeopt.tail.atom\n", "models/term.py": ""}


@pytest.mark.parametrize(
    ("path", "code", "seen"),
    [
        ("hedgeopt/tail/atom.py", "from hedgeopt.models import term\n", True),
        ("models/term.py", "def f():\n    from hedgeopt.program.solve import propose\n", True),
        ("models/term.py", "def f(importlib):\n    importlib.import_module('hedgeopt.program.solve')\n", True),
        ("hedgeopt/verify/told.py", "import hedgeopt.program.solve\n", True),
        ("hedgeopt/verify/told.py", "import hedgeopt.tail.atom\n", False),
        ("models/term.py", "if TYPE_CHECKING:\n    import hedgeopt.program.solve\nelse:\n    import numpy\n", False),
        ("models/term.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import hedgeopt.program.solve\n", True),
    ],
)
def test_an_import_that_goes_up_is_seen(tmp_path: Path, path: str, code: str, seen: bool) -> None:
    for name, text in (HOUSE | {path: code}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert bool(upward(imports(tmp_path))) == seen


def test_a_lazy_circle_within_a_room_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "hedgeopt" / "tail"
    folder.mkdir(parents=True)
    (folder / "source.py").write_text("def f():\n    from hedgeopt.tail.product import losses\n")
    (folder / "product.py").write_text("import hedgeopt.tail.source\n")
    assert set(circle(imports(tmp_path)) or ()) == {"hedgeopt.tail.source", "hedgeopt.tail.product"}
