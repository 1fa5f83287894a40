"""What is said about a wrong input: plain words, the place, and how to mend it; never the library's own."""

import copy
import json
import tomllib

import pytest

from hedgeopt.errors import InputError
from hedgeopt.example import example_files
from hedgeopt.files.reading import validated
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.policy import Policy

MISSING = object()
LIBRARY = ("input should", "pydantic", "instance of", "expected tags", "permitted")
CASES = [
    ("book", "accounts.0.positions.0", 5, "must be a table of fields (got 5); such as instrument, quantity"),
    ("book", "accounts.0.positions.0.quantty", 5, "quantty: unknown field", "did you mean 'quantity'?"),
    ("book", "accounts.0.positions.0.quantity", "1_000", "quantity: must be a number (got '1_000')"),
    ("book", "accounts.0.positions.0.quantity", MISSING, "quantity: is missing; add 'quantity'"),
    ("book", "accounts", 5, "accounts: must be a list (got 5)"),
    ("book", "accounts.0.positions.0.instrument", {"kind": "optoin"}, "is no known kind", "did you mean 'option'?"),
    ("book", "timestamp", "soon", "timestamp: is not a date and time (got 'soon'); write 2026-"),
    ("book", "timestamp", "2026-02-05T00:00:00", "timestamp: has no time zone", "end it with Z"),
    ("book", "name", 5, "name: must be text (got 5)"),
    ("policy", "minimize.0.term.kind", " 5 ", "minimize.0.term.kind: is no known kind (got ' 5 '); known: "),
    ("policy", "minimize.0.term", 5, "minimize.0.term: must be a table of fields (got 5); such as "),
    ("policy", "minimize.0.weight", float("nan"), "weight: must be a finite number"),
    ("policy", "minimize.0.weight", True, "weight: must be a number (got True)"),
    ("policy", "scenarios.count", 1.5, "count: must be a whole number (got 1.5)"),
    ("policy", "scenarios.count", -5, "count: must be 1 or more (got -5)"),
    ("policy", "scenarios.kind", "parametrc", "scenarios.kind: is no known kind", "did you mean 'parametric'?"),
    ("policy", "solver", "HIHGS", "solver: is none of the known words", "did you mean 'HIGHS'?"),
    ("policy", "candidates.kinds", 3, "candidates.kinds: must be a list"),
    ("policy", "candidates.max_order_notional", -3, "max_order_notional: must be greater than 0 (got -3)"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{str(case[2])[:20]}")
def test_a_fault_is_said_in_plain_words(case):
    what, path, value, *words = case
    files = example_files()
    data = json.loads(files["book.json"]) if what == "book" else tomllib.loads(files["policy.toml"])
    data = copy.deepcopy(data)
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    parent = data
    for key in parents:
        parent = parent.setdefault(key, {}) if isinstance(parent, dict) else parent[key]
    if value is MISSING:
        del parent[last]
    else:
        parent[last] = value
    with pytest.raises(InputError) as raised:
        validated(Book if what == "book" else Policy, data, "here")
    said = str(raised.value)
    assert all(word in said for word in words), said
    assert len(said) < 300
    assert not any(word in said.lower() for word in LIBRARY)
