"""One name, one thing: no two public classes, functions or types share a name, and neither do modules of general names."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

import hedgeopt
from hedgeopt.constraints.constraint import BoxConstraint, Constraint
from hedgeopt.models.bound import BoundPart
from hedgeopt.models.term import Term

FOLDERS = ("hedgeopt", "models", "constraints")
DECLARED = {  # the same idea by the field's language, each with a reason
    "verify": "a proof of what another part has found: of a proposal, of a solve",
    "finite": "numbers that are finite: refused where not as an input, null where not in JSON",
}
HOOKS = (Term, Constraint, BoxConstraint, BoundPart, Exception)
"""Bases of what users write themselves, whose hooks the program calls."""
_APPS = ("app", "explain_app", "orders_app", "replays_app", "risk_app", "scenarios_app")
COMMANDS = tuple(f"hedgeopt/cli/{name}.py" for name in _APPS)
"""Their functions are the commands, named as they are typed; :data:`WORK` does what they say under the same names."""
WORK = ("commands.py", "backtest.py", "sweep.py", "verify.py", "doctor.py", "scenarios.py", "orders.py", "explain.py")
GENERAL = ("config", "data", "helpers", "run", "settings", "state", "summary", "table", "templates", "types", "utils")


@pytest.fixture(scope="module")
def sources(repository: Path) -> dict[str, ast.Module]:
    paths = sorted(path for folder in FOLDERS for path in (repository / folder).rglob("*.py"))
    return {path.relative_to(repository).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def shared(files: Mapping[str, ast.Module]) -> dict[str, list[str]]:
    """Public classes, functions and types at module level that stand in more than one module; constants may."""
    found = defaultdict(list)
    for path, tree in files.items():
        a_command = path.startswith("hedgeopt/cli/") and (path in COMMANDS or path.endswith(WORK))
        for node in tree.body:
            name = ""
            if isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and not a_command):
                name = node.name
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id if re.match("[A-Z].*[a-z]", node.targets[0].id) else ""
            if name and not name.startswith("_"):
                found[name].append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def test_no_two_public_things_share_a_name(sources: dict[str, ast.Module]) -> None:
    assert {name: paths for name, paths in shared(sources).items() if name not in DECLARED} == {}


def test_what_is_declared_is_needed(sources: dict[str, ast.Module]) -> None:
    assert set(DECLARED) <= set(shared(sources)), "take off the list what shares its name no longer"


def test_a_shared_name_is_seen() -> None:
    one, two = ast.parse("class Policy: ..."), ast.parse("def f(): ...\ndef _g(): ...\nclass Policy: ...")
    assert shared({"a.py": one, "b.py": two, "c.py": ast.parse("def _g(): ...")}) == {"Policy": ["a.py", "b.py"]}


@pytest.mark.parametrize("name", GENERAL)
def test_a_general_module_name_stands_once(sources: dict[str, ast.Module], name: str) -> None:
    found = [path for path in sources if Path(path).stem == name or Path(path).parent.name == name]
    assert len({Path(path).parent if Path(path).parent.name == name else Path(path) for path in found}) <= 1, found


def test_no_module_hides_one_of_the_standard_library(sources: dict[str, ast.Module]) -> None:
    names = {path: Path(path).stem for path in sources}
    assert [path for path, name in names.items() if name in sys.stdlib_module_names] == []


def test_what_users_call_takes_exposures_by_that_name() -> None:
    """``e`` is for the hooks of terms and limits, see docs/extend.md."""
    found = []
    for name in hedgeopt.__all__:
        thing = getattr(hedgeopt, name)
        if inspect.isclass(thing) and issubclass(thing, HOOKS):
            continue
        methods = [m for m in vars(thing).values() if inspect.isfunction(m)] if inspect.isclass(thing) else []
        public = [thing, *(method for method in methods if not method.__name__.startswith("_"))]
        if inspect.ismodule(thing):
            public = [call for key in thing.__all__ if callable(call := getattr(thing, key))]
        found += [f"{name}: {call}" for call in public if "e" in inspect.signature(call).parameters]
    assert found == []
