"""Reading files: strict parsing with one-line errors."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.faults import validation_line
from hedgeopt.regular import require_file

__all__ = ["parse_json", "parse_toml", "read_text", "validated", "validation_line"]

T = TypeVar("T", bound=BaseModel)


def read_text(path: str | Path, what: str) -> str:
    """The text of a file, or an InputError that names it."""
    path = require_file(path, what)
    try:
        data = path.read_bytes()
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError("is UTF-16", file=path, fix="save it as UTF-8")
        return data.decode("utf-8-sig")
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"holds the key {key!r} twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not a number; every value must be finite")
