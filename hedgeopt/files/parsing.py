"""Strict JSON and TOML: every error names the place, the value found there, and how to mend it."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from hedgeopt.errors import InputError

__all__ = ["from_json", "from_toml"]

_SHOWN = 40
_MOST_DIGITS = 300
_MANY_DIGITS = re.compile(f"[0-9a-fA-F_]{{{_MOST_DIGITS}}}")
_ENDLESS, _SHORTEN = f"is a whole number of more than {_MOST_DIGITS} digits", "nothing needs so many: shorten it"
_HINTS = (
    (r"#|//|/\*", "JSON has no comments: remove them"),
    (r"'", 'write text and names in double quotes: "BTC"'),
    (r"(?i:none|true|false|nan|-?inf)\b", "write null, true or false, and numbers that are finite"),
)
_NUMBERS = "write numbers such as 1000, -0.5 or 1e-6"
_BY_PROBLEM = {
    "Extra data": "remove what follows the first value",
    "Invalid control character at": "write \\n for a line break inside of text",
    "Unterminated string starting at": "end the text with a double quote",
    "Expecting ',' delimiter": "put a comma before it, or mend what stands before it",
    "Expecting ':' delimiter": "put a colon between the name and its value",
    "Expecting property name enclosed in double quotes": 'begin each entry with a name in double quotes: "name"',
}
_TOML = (
    ("Cannot overwrite", "the name is given twice: keep one of them"),
    ("Cannot declare", "the table is given twice: write it once, or [[...]] for each entry of a list"),
    ("Cannot mutate", "the table is given twice: write all of it in one place"),
    ("Invalid statement", "begin the line with a name, and a comment with #"),
    ("Expected '=' after a key", "write name = value"),
    ("Invalid date", "write 2026-02-05T21:29:37Z"),
    ("Unterminated string", "end the text with the quote that began it"),
    ("Unescaped", 'write \\\\ for a backslash, or the text in single quotes'),
    ("Illegal character", "remove the character that cannot be seen, or write it as \\uXXXX"),
    ("Expected ']", "close the bracket"),
    ("Unclosed", "close the bracket"),
    ("Invalid value", 'write text in quotes: "BTC", numbers such as 1_000 or -0.5, true or false in small letters'),
    ("Expected newline", "put one name = value on each line, numbers such as 1_000 or -0.5, text in quotes"),
)  # fmt: skip


class _Twice(dict[str, Any]):
    """An object in which one key appears more than once."""

    key: str


def from_json(text: str, file: object) -> Any:
    """The JSON value in a text.

    Raises
    ------
    InputError
        For what is not JSON, keys given twice, halves of characters, and numbers that are not finite: with the field.
    """
    odd = False

    def seen(value: Any) -> Any:
        nonlocal odd
        odd = True
        return value

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(found)
        if len(data) == len(found):
            return data
        twice, keys = _Twice(data), [key for key, _ in found]
        twice.key = next(key for k, key in enumerate(keys) if key in keys[:k])
        return seen(twice)

    def number(digits: str) -> Any:
        value = float(digits)
        return value if math.isfinite(value) else seen(value)

    def whole(digits: str) -> Any:
        return int(digits) if len(digits) <= _MOST_DIGITS else seen(10**_MOST_DIGITS)

    try:
        data = json.loads(
            text, object_pairs_hook=pairs, parse_constant=lambda name: seen(float(name)), parse_float=number, parse_int=whole
        )
        if odd:
            raise _first_fault(data, file)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode("utf-8")
        return data
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        fix = "remove it, or write both halves"
        raise InputError("holds half a character, which no text can hold", file=file, value=half, fix=fix) from None
    except json.JSONDecodeError as error:
        raise _not_json(error, file) from None
    except RecursionError:
        raise InputError("is not JSON: nested too deeply", file=file, fix="is it the right file?") from None


def from_toml(text: str, file: object) -> dict[str, Any]:
    """The TOML table in a text.

    Raises
    ------
    InputError
        For what is not TOML, with the line and how to mend it.
    """
    try:
        data = tomllib.loads(text)
        if _MANY_DIGITS.search(text) and any(_is_endless(value) for _, value in _walk(data, ())):
            raise _first_fault(data, file)
        return data
    except InputError:
        raise
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(text, str(error), file) from None
    except RecursionError:
        raise InputError("is not TOML: nested too deeply", file=file, fix="is it the right file?") from None
    except ValueError:  # the one thing that tomllib leaves to int()
        raise InputError(_ENDLESS.replace("is ", "holds "), file=file, fix=_SHORTEN) from None


def _not_json(error: json.JSONDecodeError, file: object) -> InputError:
    if error.msg.startswith("Illegal trailing comma"):  # Python 3.13 points at the comma, older ones behind it
        behind = error.doc[error.pos + 1 :]
        error = json.JSONDecodeError(error.msg, error.doc, error.pos + 1 + len(behind) - len(behind.lstrip()))
    text, at = error.doc, error.pos
    problem = f"is not JSON: {error.msg.removesuffix(' at')}"
    if at >= len(text.rstrip()):
        fix = "is it truncated? fetch it again" if text.strip() else "is it the right file?"
        return InputError(f"{problem} at line {error.lineno}; the file ends early", file=file, fix=fix)
    there = text[at:].split("\n", 1)[0]
    place = f"at line {error.lineno}, column {error.colno}"
    return InputError(f"{problem} {place}", file=file, value=there[:_SHOWN] or None, fix=_json_fix(error, there))


def _json_fix(error: json.JSONDecodeError, there: str) -> str:
    before = error.doc[: error.pos]
    if "Invalid \\" in error.msg:
        return "write \\\\ for a backslash"
    if there[:1] in ("]", "}") and before.rstrip().endswith(","):
        return "remove the comma before it"
    if before[-1:].isdigit() and re.match(r"[0-9_.xX]", there):
        return _NUMBERS
    for form, fix in _HINTS:
        if re.match(form, there):
            return fix
    if error.msg == "Expecting value" and re.match(r"[+.0-9_]", there):
        return _NUMBERS
    if not before.strip():
        return "is it the right file? JSON begins with { or ["
    return _BY_PROBLEM.get(error.msg, "a comma, a quote or a bracket is missing or too much there")


def _not_toml(text: str, told: str, file: object) -> InputError:
    """Python names no line when it is the last one."""
    lines = text.rstrip().split("\n")
    place = re.search(r"line (\d+)", told)
    line = lines[min(int(place[1]), len(lines)) - 1] if place else lines[-1]
    told = re.sub(r"at end of document", f"at the end, line {len(lines)}", told).replace("(", "").replace(")", "")
    fix = next((fix for start, fix in _TOML if start in told), "mend that line; a comment begins with #, text needs quotes")
    shown = line.strip()[:_SHOWN]
    return InputError(f"is not TOML: {told}", file=file, value=shown or None, fix=fix)


def _first_fault(data: Any, file: object) -> InputError:
    """The first fault of the data: a key twice, a number that is none."""
    for path, value in _walk(data, ()):
        field = ".".join(str(part)[:80] for part in path) or None
        if isinstance(value, _Twice):
            key = value.key[:80]
            return InputError(
                "is given twice", file=file, field=".".join([*([field] if field else []), key]), fix="keep one of them"
            )
        if _is_endless(value):
            return InputError(_ENDLESS, file=file, field=field, fix=_SHORTEN)
        if isinstance(value, float) and not math.isfinite(value):
            fix = "write a finite number, or leave it out where nothing is known"
            return InputError("must be a finite number", file=file, field=field, value=value, fix=fix)
    raise AssertionError("a fault was seen, but none is there")


def _is_endless(value: Any) -> bool:
    """Python would not even write it as text from 4,300 digits on."""
    return isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS


def _walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from _walk(item, (*path, key))
