"""JSON Schemas of the inputs."""

from __future__ import annotations

from typing import Any

from hedgeopt.inputs.columns import COLUMNS, REQUIRED

__all__ = ["input_schema"]

_TYPES = {"moment": "string", "text": "string", "number": "number"}


def input_schema(kind: str) -> dict[str, Any]:
    """Schema of a ``book`` or ``policy`` file, or of one row of a ``market`` table."""
    if kind == "market":
        return _market_row()
    if kind == "book":
        from hedgeopt.inputs.book import Book

        return Book.model_json_schema()
    from hedgeopt.inputs.policy import Policy

    return Policy.model_json_schema()


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
