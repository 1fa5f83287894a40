"""Base of every input: frozen, without unknown fields, every number finite, every moment a moment of our time.

One base type, so that no field of any input can forget it. A number is a number: text such as ``"1_000"`` or ``" 5 "`` and
``true`` are refused, and so is what no book can hold, beyond 1e18.
"""

from __future__ import annotations

import math
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["LARGEST", "Record"]

LARGEST = 1e18
"""Largest absolute value of a number in an input, unless its field names a larger bound."""

_NO_SCHEMAS = ("metadata", "default", "serialization")
_NO_SCHEMAS = ("metadata", "default", "serialization")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if isinstance(schema, tuple):
        return tuple(_strict(item) for item in schema)
    if not isinstance(schema, dict) or schema.get("strict"):
        return schema
    kind = schema.get("type")
    if kind in ("float", "int"):
        largest = max(LARGEST, schema.get("le", 0.0), schema.get("lt", 0.0))
        return core_schema.no_info_before_validator_function(partial(_number, largest), {**schema, "strict": True})
    if kind == "bool":
        return {**schema, "strict": True}
    if kind == "datetime":
        return core_schema.no_info_before_validator_function(
            _moment, core_schema.no_info_after_validator_function(_ours, schema)
        )
    return {key: value if key in _NO_SCHEMAS else _strict(value) for key, value in schema.items()}


def _number(largest: float, value: Any) -> Any:
    """Python numbers as they are, numpy's as Python's; what is too large to be meant is refused."""
    if type(value) is not float and type(value) is not int:
        if not hasattr(value, "dtype") or getattr(value, "shape", None) != ():
            return value  # the strict number behind this says what is wrong
        value = value.item()
    if not -largest <= value <= largest and not _not_finite(value):
        raise ValueError(f"is beyond {largest:g}: no book holds that much, check the unit")
    return value


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _moment(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise ValueError("is a number, not a date and time; write it such as 2026-02-05T21:29:37Z")
    return value


def _ours(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year < _LAST_YEAR:
        raise ValueError(f"lies in the year {value.year}; give one from {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


class Record(BaseModel):
    """Base of every input model.

    Numbers must be finite and at most :data:`LARGEST` in size; text and booleans are no numbers, and numbers no moments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The fields' own schema, with every number, boolean and moment in it made strict."""
        schema: CoreSchema = _strict(handler(source))
        return schema
