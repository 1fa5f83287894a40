"""Reading files: strict parsing with one-line errors."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.models.record import Record

__all__ = ["parse_json", "parse_toml", "read_text", "validated"]

_LARGEST = 256 * 2**20

T = TypeVar("T", bound=BaseModel)


def read_text(path: str | Path, what: str) -> str:
    """The text of a file, or an InputError that names it."""
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"is larger than {_LARGEST >> 20} MiB", file=path, fix=f"give a {what} file")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{what} file not found", file=path) from None
    except IsADirectoryError:
        raise InputError(f"is a folder, not a {what} file", file=path) from None
    except PermissionError:
        raise InputError("cannot be read: permission denied", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not text (byte {error.start} is not UTF-8)", file=path, fix=f"give a {what} file") from None


def parse_json(path: str | Path, what: str) -> Any:
    """The JSON value in a file; duplicate keys and NaN are refused."""
    text = read_text(path, what)
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode("utf-8")
        return data
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise InputError("holds half a character, which no text can hold", file=path, value=half) from None
    except json.JSONDecodeError as error:
        end = "; the file ends early: is it truncated?" if error.pos >= len(text.rstrip()) else ""
        raise InputError(f"is not JSON: {error.msg} at line {error.lineno}{end}", file=path) from None
    except RecursionError:
        raise InputError("is not JSON: nested too deeply", file=path) from None
    except ValueError as error:
        raise InputError(str(error), file=path) from None


def parse_toml(path: str | Path, what: str) -> Any:
    """The TOML table in a file."""
    text = read_text(path, what)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not TOML: {error}", file=path) from None
    except RecursionError:
        raise InputError("is not TOML: nested too deeply", file=path) from None


def validated(model: type[T], data: Any, file: object) -> T:
    """``data`` as a ``model``; the first fault becomes one line that names file, field, value and fix."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise validation_line(error, file) from None


def validation_line(error: ValidationError, file: object | None) -> InputError:
    """The first fault of a pydantic error as an :class:`InputError`."""
    faults = error.errors(include_url=False)
    first = _most_telling(faults)
    more = f" (and {len(faults) - 1} more fault{'s' if len(faults) > 2 else ''})" if len(faults) > 1 else ""
    message, fix = first["msg"].removeprefix("Value error, "), None
    shown = first.get("input")
    shown = None if first["type"] in ("value_error", "missing") or isinstance(shown, dict | list) else shown
    field = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] in ("tuple_type", "list_type"):
        message, fix = "must be a list", f"in TOML each entry begins with [[{field}]]"
    elif first["type"] == "extra_forbidden":
        message, fix, shown = "unknown field", _nearest_field(str(first["loc"][-1])), None
    return InputError(message[0].lower() + message[1:] + more, file=file, field=field, value=shown, fix=fix)


def _nearest_field(name: str) -> str:
    """What to do about a field that no record has; the nearest field of any of them."""
    import difflib

    found: set[str] = set()
    waiting: list[type] = [Record]
    while waiting:
        one = waiting.pop()
        found |= set(getattr(one, "model_fields", ()))
        waiting += one.__subclasses__()
    near = difflib.get_close_matches(name, sorted(found), n=1, cutoff=0.7)
    return f"did you mean {near[0]!r}?" if near else "remove it"


def _most_telling(faults: list[Any]) -> Any:
    """The first fault; where a name or a whole object may stand and an object does, what is wrong with the object."""
    first = faults[0]
    if first["type"] == "string_type" and isinstance(first.get("input"), dict):
        beside = [fault for fault in faults[1:] if fault["loc"][: len(first["loc"]) - 1] == first["loc"][:-1]]
        return beside[0] if beside else first
    return first


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"holds the key {key!r} twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not a number; every value must be finite")
