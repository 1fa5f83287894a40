"""The four tables, and that nobody asks by name whether something has a hook: what is in them is asked for everything in
tests/registry/."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from hedgeopt.constraints.constraint import BoundConstraint, BoxConstraint, Constraint
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.models.bound import BoundTerm
from hedgeopt.models.margin.model import MarginModel
from hedgeopt.models.margin.rules import MODELS
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.models.pricing.family import Family
from hedgeopt.models.term import Term
from hedgeopt.models.terms import TERMS

PROTOCOLS = (Term, BoundTerm, Constraint, BoxConstraint, BoundConstraint, MarginModel, Family)


def test_tables_are_keyed_by_kind() -> None:
    for table in (TERMS, CONSTRAINTS):
        for kind, spec in table.items():
            assert spec.model_fields["kind"].default == kind
    for kind, family in FAMILIES.items():
        assert family.kind == kind
        assert family.instrument.model_fields["kind"].default == kind
    assert all(callable(make) for make in MODELS.values())


def own(protocol: type) -> set[str]:
    """Public names that a protocol and its bases of ours declare, attributes without a value included."""
    ours = [base for base in protocol.__mro__ if base.__module__.startswith("hedgeopt.")]
    declared = {name for base in ours for name in (*vars(base), *inspect.get_annotations(base))}
    return {name for name in declared if not name.startswith("_")}


def asked_by_name(tree: ast.AST) -> set[str]:
    """What code asks for by ``hasattr(part, "hook")`` or ``getattr(part, "hook", ...)``."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") in ("hasattr", "getattr")]
    return {str(n.args[1].value) for n in calls if isinstance(n.args[1], ast.Constant)}


def test_hooks_are_called_and_never_looked_for(repository: Path) -> None:
    """A hook that is looked for by name is missed in silence where it is misspelt."""
    hooks = set.union(*(own(protocol) for protocol in PROTOCOLS)) - {"name", "called"}  # "called" asks for any word's name
    assert {"slack_cost", "auxiliary", "refine", "put_duals", "liquidation_rule", "by_candidate"} <= hooks
    for folder in ("hedgeopt", "models", "constraints"):
        for path in (repository / folder).rglob("*.py"):
            if "tail" in path.parts:  # knows no terms and no limits
                continue
            found = asked_by_name(ast.parse(path.read_text(encoding="utf-8"))) & hooks
            assert not found, f"{path.relative_to(repository)} looks for {', '.join(found)}"


def test_such_questions_are_found() -> None:
    tree = ast.parse('x = [p for p in parts if hasattr(p, "refine")]; y = getattr(model, "liquidation_rule", None)')
    assert asked_by_name(tree) == {"refine", "liquidation_rule"}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)
def test_every_hook_is_documented(protocol: type) -> None:
    for name in own(protocol):
        member = inspect.getattr_static(protocol, name, None)
        member = getattr(member, "fget", member)
        text = inspect.getdoc(member) if callable(member) else "".join(base.__doc__ or "" for base in protocol.__mro__)
        assert text, f"{protocol.__name__}.{name}"
        assert callable(member) or name.startswith("model_") or name in text, f"{protocol.__name__}.{name}"
