"""The page of policies, docs/policy.md: every term, limit, candidate field and scenario setting, from the tables."""

from __future__ import annotations

import re
from typing import Any

import hedgeopt as ho
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.scenarios.sample_settings import (
    HistoricalScenarios,
    ParametricScenarios,
    RegimeScenarios,
    ScenarioSettings,
)
from hedgeopt.models.scenarios.stress_table import StressGrid, StressSettings
from hedgeopt.models.terms import TERMS

__all__ = ["policy_page"]

_HEAD = """# Policies

Written by `make docs` from the tables of terms and limits; `make check` compares.

A policy says which sum of terms is minimised, which limits hold, which instruments may be traded, and on which scenarios
risk is measured. It is a TOML or JSON file, or `ho.Policy(...)` in Python; both ways give the same object.

```toml
[[minimize]]                                    # repeat for every term of the sum
weight = 1.0
term = { kind = "transaction_cost" }

[[subject_to]]                                  # a bound on any term: lower, upper or both
kind = "limit"
term = { kind = "delta", underlying = "BTC" }
lower = -5.0
upper = 5.0

[[subject_to]]                                  # any other limit
kind = "participation"
share = 0.10

[candidates]
kinds = ["option", "perpetual"]
```

```python
policy = ho.Policy(
    minimize=ho.TransactionCost(),
    subject_to=[ho.Delta("BTC").within(-5, 5), ho.Participation(share=0.10)],
    candidates=ho.Candidates(kinds=["option", "perpetual"]),
)
```

**Money in another asset.** `numeraire = "BTC"` counts P&L, tails, stress, costs, limits on terms, weights and reports
in BTC: `upper = 2.5` on a CVaR is 2.5 BTC, and the tail is that of P&L measured in coins, not the dollar tail at
today's price. The coin's delta falls by what equity is in it: a book of nothing but that coin has none. Fields of the
policy that say USD stay in dollars, as venues count them; pages, the terminal, CSV files and `hedgeopt margin` show the
money of trades, transfers and margin in BTC at today's price.

**One strategy under the firm's limits.** Accounts have `tags`; a file `{"name": "firm", "books": ["vol.json",
"basis.json"]}` is all books as one, each account tagged with its book's name. `of` limits the part of some accounts
or tags, limits without it count the whole firm, and `candidates.trade_in` says where hedges may be traded:

```toml
[[subject_to]]
kind = "limit"
term = { kind = "delta", underlying = "BTC", of = ["vol"] }
lower = -1.0
upper = 1.0
```

Whether a limit is per account, instrument or book: [limits.md](limits.md). A commented example is
[hedgeopt/example/policy.toml](../hedgeopt/example/policy.toml); `hedgeopt check --policy FILE` validates yours, and
`hedgeopt schema policy` prints the JSON Schema. New terms and limits: [extend.md](extend.md).
"""


def policy_page() -> str:
    """The page's text."""
    parts = [_HEAD, "## Fields of a policy\n", _fields(Policy)]
    parts += [
        "## Terms\n",
        "A term is minimised, with a weight, or limited. Only those marked *linear* take a lower limit.\n",
    ]
    parts.append(_overview(TERMS, "term"))
    for kind, term in TERMS.items():
        parts += [f"### {kind}\n", _about(term), _fields(term)]
    parts += ["## Limits\n", _overview(CONSTRAINTS, "limit")]
    for kind, limit in CONSTRAINTS.items():
        parts += [f"### {kind}\n", _about(limit), _fields(limit)]
    parts += ["## Candidates\n", _sentence(Candidates) + "\n", _fields(Candidates)]
    parts += ["## Scenarios\n", "How the samples are drawn and fitted: [scenarios.md](scenarios.md).\n"]
    shared = set(ScenarioSettings.model_fields)
    for settings in (ParametricScenarios, RegimeScenarios, HistoricalScenarios):
        kind = settings.model_fields["kind"].default
        parts += [f"### {kind}\n", _sentence(settings) + "\n", _fields(settings, without=shared)]
    parts += ["### Settings of every kind\n", _fields(ScenarioSettings)]
    parts += ["## Stress\n", _sentence(StressSettings) + "\n", _fields(StressSettings)]
    parts += ["### A grid\n", _sentence(StressGrid) + "\n", _fields(StressGrid)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def _overview(table: dict[str, Any], what: str) -> str:
    rows = [f"| {what} | Python | meaning |", "|---|---|---|"]
    for kind, item in table.items():
        rows.append(f"| [`{kind}`](#{_anchor(kind)}) | {_call(item)} | {_cell(_sentence(item))} |")
    return "\n".join(rows) + "\n"


def _anchor(kind: str) -> str:
    return kind.replace("_", "_").lower()


def _call(item: Any) -> str:
    """``ho.Name(required fields)`` where the name is public; other limits are written as a dictionary."""
    if item.__name__ not in ho.__all__:
        return "as a dictionary"
    wanted = [name for name, field in item.model_fields.items() if field.is_required()]
    return f"`ho.{item.__name__}({', '.join(wanted)})`"


def _about(item: Any) -> str:
    text = _sentence(item)
    unit = getattr(item, "unit", "")
    if isinstance(unit, str) and unit:
        text += f" Unit: {unit}."
    if getattr(item, "affine", False):
        text += " *Linear.*"
    return text + "\n"


def _sentence(item: Any) -> str:
    """The first paragraph of the docstring, in Markdown."""
    paragraph = " ".join((item.__doc__ or "").split("\n\n")[0].split())
    if not paragraph:
        raise ValueError(f"{item.__name__} has no docstring")
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", paragraph).replace("``", "`")


def _fields(model: Any, without: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """A table of the fields; empty where there are none."""
    schema = model.model_json_schema()
    names = [name for name in model.model_fields if name != "kind" and name not in without]
    if not names:
        return "" if without else "No settings.\n"
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name in names:
        found = schema["properties"][name]
        told = model.model_fields[name].description
        if not told:
            raise ValueError(f"{model.__name__}.{name} has no description: give its Field one")
        needed = name in schema.get("required", ())
        default = "required" if needed else f"`{_default(model.model_fields[name])}`"
        rows.append(f"| `{name}` | {_type(found, schema)} | {default} | {_cell(told)} |")
    return "\n".join(rows) + "\n"


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    if isinstance(value, (tuple, dict)):
        return str(list(value)).replace("'", '"') if value or isinstance(value, tuple) else "{}"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}".replace(",", "_")
    return str(value) if isinstance(value, (str, int)) else "its defaults"


def _type(found: dict[str, Any], schema: dict[str, Any]) -> str:
    """Type and bounds in words."""
    if "anyOf" in found:
        sides = [_type(side, schema) for side in found["anyOf"] if side.get("type") != "null"]
        return " or ".join(dict.fromkeys(sides))
    if "$ref" in found or "discriminator" in found or "oneOf" in found or "allOf" in found:
        return "table"
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    kind = found.get("type", "value")
    if kind == "array":
        inner = found.get("items") or (found.get("prefixItems") or [{}])[0]
        return f"list of {_plural(_type(inner, schema))}"
    words = {"string": "text", "boolean": "true or false", "integer": "whole number", "object": "table"}.get(kind, kind)
    bounds = [
        f"{sign} {found[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in found
    ]
    return f"{words} {', '.join(bounds)}" if bounds else words


def _plural(words: str) -> str:
    first, _, rest = words.partition(" ")
    names = {"number": "numbers", "table": "tables", "text": "texts", "value": "values", "list": "lists"}
    return " ".join(part for part in (names.get(first, first), rest) if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
