"""Records as JSON and back without loss: floats by ``repr``, NaN and infinities listed beside the data.

:func:`to_plain` turns dataclasses, tables and arrays into dicts, lists, texts and numbers. JSON has no NaN and no infinity:
such a number is written as null, and its place (a JSON pointer, RFC 6901) and word (``NaN``, ``Infinity``, ``-Infinity``)
go into a table of their own, so that a reader who does not know the table sees valid JSON in which nothing is false.
:func:`restored` puts them back, and :func:`from_plain` rebuilds the types that annotations name, refusing what they are not.
Moments are written in ISO 8601 with their offset from UTC.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["ColumnKinds", "finite", "from_plain", "json_text", "restored", "to_plain"]

ColumnKind = Literal["text", "text or none", "number", "truth"]

_FIX = "give the file as hedgeopt wrote it, or solve again"
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class ColumnKinds(dict[str, ColumnKind]):
    """Names and kinds of a table's columns, in order; the ``Annotated`` mark of a DataFrame in a record."""

    def frame(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with exactly these columns, of their types, and rows numbered from 0."""
        return self.of({name: table[name].tolist() for name in self})

    def of(self, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
        """A table of columns given as lists."""
        return pd.DataFrame({name: _series(kind, columns[name]) for name, kind in self.items()})


@lru_cache
def _text_type() -> Any:
    """What pandas takes columns of text for, in this version."""
    return pd.Series(["text"]).dtype


def _series(kind: ColumnKind, values: list[Any]) -> pd.Series:
    if kind == "text or none":
        return pd.Series([value if isinstance(value, str) else None for value in values], dtype=object)
    return pd.Series(values, dtype={"text": _text_type(), "number": float, "truth": bool}[kind])


def to_plain(value: Any, odd: dict[str, str], at: str = "") -> Any:
    """``value`` in dicts, lists, texts, numbers, truth values and None; ``odd`` gathers the places of what is not finite.

    Raises
    ------
    TypeError
        For what is no plain data, with its place.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        odd[at] = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_text(key, at): to_plain(item, odd, f"{at}/{_escaped(key)}") for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if dataclasses.is_dataclass(type(value)) or hasattr(type(value), "_fields"):
        names = {own: name for name, own in getattr(type(value), "IN_FILE", {}).items()}
        kind: Any = type(value)
        told = {names.get(name, name): getattr(value, name) for name in _fields(kind)}
        return {name: to_plain(item, odd, f"{at}/{name}") for name, item in told.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, odd, f"{at}/{k}") for k, item in enumerate(value)]
    if isinstance(value, pd.DataFrame):
        return [to_plain(row, odd, f"{at}/{k}") for k, row in enumerate(value.to_dict(orient="records"))]
    raise TypeError(f"{at}: {type(value).__name__} is no plain data")


def finite(value: Any) -> Any:
    """NaN and infinities in dicts and lists as null, and nothing said of them: for output that nobody reads back."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(data: Any) -> str:
    """JSON as files and the command line have it: indented, with a last line break; numbers that are not finite fail."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def restored(data: Any, odd: Any, file: object, field: str) -> Any:
    """Parsed JSON with the numbers that JSON cannot write back in their places; ``data`` is changed.

    Raises
    ------
    InputError
        Where the table names a place that is not there or not null, or a word that is no such number.
    """
    if not isinstance(odd, dict):
        raise InputError("is missing or no table", file=file, field=field, fix=_FIX)
    for place, word in odd.items():
        held, key = _find(data, place)
        if held is None or held[key] is not None or not isinstance(word, str) or word not in _WORDS:
            raise InputError(f"names no null, or no number: {place}", file=file, field=field, value=word, fix=_FIX)
        held[key] = _WORDS[word]
    return data


def _find(data: Any, place: str) -> tuple[Any, Any]:
    """The container and key that a pointer leads to; None and None where it leads nowhere."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]
    held: Any = None
    key: Any = None
    for part in parts:
        held, key = data, part
        if isinstance(held, list):
            key = int(part) if part.isdecimal() and int(part) < len(held) else None
        elif not isinstance(held, dict) or part not in held:
            key = None
        if key is None:
            return None, None
        data = held[key]
    return held, key


def from_plain(kind: Any, value: Any, file: object, field: str, *, lossy: bool = False) -> Any:
    """``value`` as the annotated type ``kind``; ``lossy``: null is a number that was not finite.

    Known types: str, int, float, bool, datetime, ``X | None``, dict[str, X], list[X], tuple[X, ...], tuple[X, Y], arrays of
    numbers, dataclasses and named tuples of these, DataFrames annotated with :class:`ColumnKinds`, and Any. A record whose
    fields have other names in files says so in ``IN_FILE``, from the file's name to its own.

    Raises
    ------
    InputError
        One line that names the file, the field and the value found.
    """
    origin, inside = get_origin(kind), get_args(kind)

    def bad(problem: str, key: str = "", shown: Any = value) -> InputError:
        told = None if isinstance(shown, dict | list) else shown
        problem = f"is null: {problem}" if shown is None else problem
        where = ".".join(part for part in (field, key) if part)
        return InputError(problem, file=file, field=where or None, value=told, fix=_FIX)

    def inner(part: Any, item: Any, key: object) -> Any:
        return from_plain(part, item, file, f"{field}.{key}" if field else str(key), lossy=lossy)

    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inside:
            return None
        return from_plain(next(part for part in inside if part is not type(None)), value, file, field, lossy=lossy)
    if kind is float:
        if value is None and lossy:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise bad("must be a number")
        return float(value)
    if kind in (str, int, bool):
        if type(value) is not kind:
            raise bad({str: "must be text", int: "must be a whole number", bool: "must be true or false"}[kind])
        return value
    if kind is datetime:
        return _moment(value, bad)
    if origin is typing.Annotated:
        return _table(inside[1], value, bad, inner)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields") or origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise bad("must be a table of fields")
        if origin is not None:
            return {key: inner(inside[1], item, key) for key, item in value.items()}
        return _record(kind, value, bad, inner)
    if not isinstance(value, list):
        raise bad("must be a list")
    if kind is np.ndarray:
        return np.array([inner(float, item, k) for k, item in enumerate(value)], float)
    if origin is tuple and not (len(inside) == 2 and inside[1] is Ellipsis):
        if len(value) != len(inside):
            raise bad(f"needs {many(len(inside), 'entry', 'entries')}")
        return tuple(inner(part, item, k) for k, (part, item) in enumerate(zip(inside, value, strict=True)))
    if origin not in (tuple, list):
        raise TypeError(f"{field}: {kind} is no plain type")
    return origin(inner(inside[0], item, k) for k, item in enumerate(value))


def _record(kind: Any, value: dict[str, Any], bad: Any, inner: Any) -> Any:
    own = getattr(kind, "IN_FILE", {})
    named = {own.get(name, name): name for name in value}
    fields = _fields(kind)
    told = {field: name for name, field in own.items()}
    for name in fields:
        if name not in named:
            raise bad("is missing", told.get(name, name), {})
    for name, shown in named.items():
        if name not in fields:
            raise bad("unknown field", shown, {})
    return kind(**{name: inner(part, value[named[name]], named[name]) for name, part in fields.items()})


def _table(columns: ColumnKinds, value: Any, bad: Any, inner: Any) -> pd.DataFrame:
    if not isinstance(value, list):
        raise bad("must be a list of rows")
    whole: dict[str, list[Any]] = {name: [] for name in columns}
    of = {"text": str, "text or none": str | None, "number": float, "truth": bool}
    for k, row in enumerate(value):
        if not isinstance(row, dict) or set(row) != set(columns):
            if not isinstance(row, dict):
                raise bad("must be a table of fields", str(k), row)
            odd = sorted(set(row) ^ set(columns))
            word = "is missing" if odd[0] in columns else "unknown field"
            raise bad(word, f"{k}.{odd[0]}", {})
        for name, kind in columns.items():
            whole[name].append(inner(of[kind], row[name], f"{k}.{name}"))
    return columns.of(whole)


def _moment(value: Any, bad: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise bad("is not a date and time") from None
    if found.tzinfo is None:
        raise bad("has no time zone")
    return found


@lru_cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    names = [item.name for item in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(hints)
    return {name: hints[name] for name in names}


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _text(key: Any, at: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{at}: the key {key!r} is no text")
    return key
