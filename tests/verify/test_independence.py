"""The verifier imports nothing of what it checks, not even inside functions or through its own modules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hedgeopt.verify

ROOM = Path(hedgeopt.verify.__file__).parent
FORBIDDEN = (
    "hedgeopt.program", "hedgeopt.constraints", "hedgeopt.tail", "hedgeopt.inputs.policy.Policy",
    "hedgeopt.models.term", "hedgeopt.models.bound", "hedgeopt.models.margin.after", "hedgeopt.models.terms",
    "hedgeopt.models.separable", "hedgeopt.models.risk", "hedgeopt.models.costs", "hedgeopt.models.margin.term",
    "hedgeopt.models.margin.bind", "hedgeopt.models.margin.bind_blocks", "hedgeopt.models.margin.bind_ramps",
    "hedgeopt.models.margin.bind_positions", "hedgeopt.models.margin.encoding", "hedgeopt.models.margin.effects",
    "cvxpy",
)  # fmt: skip


def imported(source: str) -> set[str]:
    """Every module and name that code imports at run time; blocks for type checkers are not run."""
    tree = ast.parse(source)
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not followed"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and "import_module" in ast.dump(node.func) + ast.dump(node):
            raise AssertionError("an import by name cannot be followed")
    return found


def forbidden(names: set[str]) -> set[str]:
    return {name for name in names for bad in FORBIDDEN if name == bad or name.startswith(bad + ".")}


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: path.name)
def test_a_module_imports_nothing_of_what_it_checks(path: Path) -> None:
    assert not forbidden(imported(path.read_text(encoding="utf-8")))


def test_a_lazy_import_is_seen() -> None:
    code = (
        "def f():\n    from hedgeopt.models.margin.encoding import Block\n    import hedgeopt.tail.atom\n    return Block\n"
    )
    assert len(forbidden(imported(code))) == 3


def test_nothing_it_checks_is_built_on_it() -> None:
    """The other way round would share code as well."""
    package = ROOM.parent
    for name in ("program", "certificate", "plain_limits", "solve", "proposal", "assemble"):
        names = imported((package / "program" / f"{name}.py").read_text(encoding="utf-8"))
        assert not {found for found in names if found.startswith("hedgeopt.verify")}
