"""JSON Schemas of the inputs."""

from __future__ import annotations

from typing import Any

from hedgeopt.inputs.columns import COLUMNS, REQUIRED
from hedgeopt.inputs.quotes import quote_schema

__all__ = ["input_schema"]

_TYPES = {"moment": "string", "text": "string", "number": "number"}


def input_schema(kind: str) -> dict[str, Any]:
    """Schema of a ``book`` or ``policy`` file, of one row of a ``market`` or ``quotes`` table, or of a user table.

    User tables are ``venue``, ``assets`` and ``stress``.
    """
    if kind in ("venue", "assets", "stress"):
        return _user_table(kind)
    if kind == "market":
        return _market_row()
    if kind == "quotes":
        return quote_schema()
    if kind == "book":
        from hedgeopt.inputs.book import Book

        return Book.model_json_schema()
    from hedgeopt.inputs.policy import Policy

    return Policy.model_json_schema()


def _user_table(kind: str) -> dict[str, Any]:
    if kind == "assets":
        from hedgeopt.models.data.user_files import AssetTable

        return AssetTable.model_json_schema()
    if kind == "stress":
        from hedgeopt.models.scenarios.stress_table import StressTable

        return StressTable.model_json_schema()
    from pydantic import TypeAdapter

    from hedgeopt.models.data.own import OwnTable
    from hedgeopt.models.margin.table_rules import LiquidationRule, MarginTable
    from hedgeopt.venues.name_form import NameForm

    found = OwnTable.model_json_schema()
    parts: dict[str, Any] = {"margin": MarginTable, "liquidation": LiquidationRule, "form": NameForm}
    for name, model in parts.items():
        part = TypeAdapter(model).json_schema(ref_template="#/$defs/{model}")
        found.setdefault("$defs", {}).update(part.pop("$defs", {}))
        found["$defs"][name] = part
    properties = found["properties"]
    properties["margin"] = {"$ref": "#/$defs/margin"}
    properties["liquidation"] = {"$ref": "#/$defs/liquidation"}
    properties["names"] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/form"}}]}
    return found


def _market_row() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Market",
        "description": "One row of a chain (CSV or Parquet): one instrument at one moment.",
        "type": "object",
        "properties": {
            column.name: {
                "type": _TYPES[column.type] if column.filled else [_TYPES[column.type], "null"],
                "description": column.meaning,
            }
            for column in COLUMNS
        },
        "required": list(REQUIRED),
    }
