"""Reading files: strict parsing with one-line errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.parsing import from_json, from_toml
from hedgeopt.files.record import as_record
from hedgeopt.files.regular import require_file
from hedgeopt.files.unpack import unpacked

__all__ = ["parse_json", "parse_toml", "read_text", "validated", "validation_line"]

T = TypeVar("T", bound=BaseModel)


def read_text(path: str | Path, what: str) -> str:
    """The text of a file, or an InputError that names it."""
    path = require_file(path, what)
    try:
        data = unpacked(path, what)
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError("is UTF-16", file=path, fix="save it as UTF-8 (PowerShell: Out-File -Encoding utf8)")
        if (at := data.find(b"\0")) >= 0:
            raise InputError(f"is not text (byte {at} is NUL)", file=path, fix=f"give a {what} file, saved as UTF-8")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"cannot be read: {(error.strerror or str(error)).lower()}",
            file=path,
            fix=f"give a {what} file that you may read",
        ) from None
    except UnicodeDecodeError as error:
        fix = f"give a {what} file, saved as UTF-8"
        raise InputError(f"is not text (byte {error.start} is not UTF-8)", file=path, fix=fix) from None


def parse_json(path: str | Path, what: str) -> Any:
    """The JSON value in a file; duplicate keys and numbers that are not finite are refused with their field."""
    return from_json(read_text(path, what), path)


def parse_toml(path: str | Path, what: str) -> dict[str, Any]:
    """The TOML table in a file."""
    return from_toml(read_text(path, what), path)


def validated(model: type[T], data: Any, file: object) -> T:
    """``data`` as a ``model``; the first fault becomes one line that names file, field, value and fix."""
    try:
        return as_record(model, data)
    except ValidationError as error:
        raise validation_line(error, file) from None
