"""Counts with their nouns: one is never "1 rows"."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from hedgeopt.files.counted import many

NOUN = re.compile(r" (?:more |other |common |usable )?(?!(?:is|has|as|pass|of|gives|needs|lies|hours|this|his)\b)[a-z]+s\b")


def counts(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and words of every f-string where a number of things is followed by their plural."""
    found = []
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, words in pairwise(parts):
            if not (isinstance(value, ast.FormattedValue) and isinstance(words, ast.Constant)):
                continue
            call, noun = value.value, NOUN.match(str(words.value))
            counted = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("len", "int")
            if counted and noun:
                found.append((value.lineno, f"{ast.unparse(call)}{noun.group()}"))
    return found


@pytest.mark.parametrize("folder", ["hedgeopt", "models", "constraints"])
def test_no_count_stands_before_a_plural_without_many(folder: str, repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)}:{line}: {words}"
        for path in sorted((repository / folder).rglob("*.py"))
        for line, words in counts(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [], "use hedgeopt.files.counted.many"


def test_one_and_more() -> None:
    assert (many(1, "row"), many(0, "row"), many(12_345, "entry", "entries")) == ("1 row", "0 rows", "12,345 entries")
    assert many(1, "row is", "rows are") == "1 row is"


def test_the_search_finds_what_it_is_for() -> None:
    tree = ast.parse("f'{len(rows)} rows are'; f'{int(bad.sum()):,} more options'; f'{len(a)} of {n} is'; f'{x} has'")
    assert [words for _, words in counts(tree)] == ["len(rows) rows", "int(bad.sum()) more options"]
