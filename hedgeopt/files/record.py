"""Base of every input: frozen, without unknown fields, every number finite, every moment a moment of our time.

One base type, so that no field of any input can forget it. A number is a number: text such as ``"1_000"`` or ``" 5 "`` and
``true`` are refused, and so is what no book can hold, beyond 1e18.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.notebook import shortened

__all__ = ["LARGEST", "Record", "as_record"]

LARGEST = 1e18
"""Largest absolute value of a number in an input, unless its field names a larger bound."""

_NO_SCHEMAS = ("metadata", "default", "serialization")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_LONGEST = 400


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
    if kind in ("tuple", "list"):
        inner = {key: value if key in _NO_SCHEMAS else _strict(value) for key, value in schema.items()}
        return core_schema.no_info_before_validator_function(_listed, inner)
    if kind == "datetime":
        return core_schema.no_info_before_validator_function(
            _moment, core_schema.no_info_after_validator_function(_ours, schema)
        )
    return {key: value if key in _NO_SCHEMAS else _strict(value) for key, value in schema.items()}


def _listed(value: Any) -> Any:
    """A table's columns and a dict's keys are no list that anybody meant."""
    if hasattr(value, "columns") or (isinstance(value, Mapping) and not value):
        raise ValueError(f"must be a list, not a {type(value).__name__}")
    return value


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


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Called
else:

    class _Called(type(BaseModel)):
        """Calls of a record's class that fail with one line; records inside records are pydantic's, with their place."""

        def __call__(cls, *args: Any, **settings: Any) -> Any:
            try:
                return super().__call__(*args, **settings)
            except ValidationError as error:
                raise _line(error, cls) from None
            except TypeError as error:
                try:
                    inspect.signature(cls.__init__).bind(None, *args, **settings)
                except TypeError as told:
                    raise InputError(f"cannot be made: {told}", field=cls.__name__, fix=_names(cls)) from None
                raise error


def _line(error: ValidationError, cls: type[BaseModel]) -> InputError:
    return validation_line(error, None, within=cls.__name__)


def _names(cls: type[BaseModel]) -> str:
    return f"name its fields: {', '.join(name for name in cls.model_fields if name != 'kind')}"


class Record(BaseModel, metaclass=_Called):
    """Base of every input model; made by a call, it is refused by :class:`~hedgeopt.errors.InputError`.

    Numbers must be finite and at most :data:`LARGEST` in size; text and booleans are no numbers, and numbers no moments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr__(self) -> str:
        """As pydantic writes it, cut to a few lines."""
        return shortened(super().__repr__(), _LONGEST)

    def __str__(self) -> str:
        return repr(self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Inputs do not change: another one is made."""
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise self._frozen(name) from error

    def __delattr__(self, name: str) -> None:
        try:
            super().__delattr__(name)
        except ValidationError as error:
            raise self._frozen(name) from error

    def _frozen(self, name: str) -> InputError:
        what = "cannot be changed" if name in type(self).model_fields else "is no field"
        return InputError(
            what, field=f"{type(self).__name__}: {name}", fix=f'make another: model_copy(update={{"{name}": ...}})'
        )

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """The record that ``obj`` describes, or an InputError."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise _line(error, cls) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """The record in a JSON text, or an InputError."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise _line(error, cls) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The fields' own schema, with every number, boolean and moment in it made strict."""
        schema: CoreSchema = _strict(handler(source))
        return schema


M = TypeVar("M", bound=BaseModel)


def as_record(model: type[M], data: Any) -> M:
    """``data`` as a ``model``, with pydantic's own error: for readers that name file and place themselves."""
    found: M = model.__pydantic_validator__.validate_python(data)
    return found
