"""A wrong option or argument in one line: which, the value, and the fix; the parser's own words name neither of the last."""

from __future__ import annotations

import re
from typing import Any

from hedgeopt.errors import InputError

__all__ = ["usage_line"]


def usage_line(error: Any) -> str:
    """The line for an exception of the parser, with the command whose help tells more."""
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context is not None else ""
    return f"{_plain(error) or error.format_message()}{where}"


def _plain(error: Any) -> str | None:
    """The fault of a value that the parser could not convert, where it says enough."""
    errors, parameter = getattr(error.__cause__, "errors", None), getattr(error, "param", None)
    if parameter is None:
        return None
    if callable(errors):
        found = errors()[0]
        value, fault = str(found["input"]), _fault(str(found["type"]), found.get("ctx") or {}, str(found["msg"]), parameter)
    else:
        value, fault = _in_words(str(getattr(error, "message", "")), parameter)
    if fault is None:
        return None
    option = next((name for name in parameter.opts if name.startswith("--")), parameter.name.upper())
    return str(InputError(fault[0], field=option, value=value, fix=fault[1]))


def _in_words(message: str, parameter: Any) -> tuple[str, tuple[str, str] | None]:
    """Value and fault of a parser that says them in words (typer before 0.29)."""
    found = re.fullmatch(r"(\S+) is not in the range (x>=|x<=)(\S+?)\.?", message)
    if found:
        value, side, end = found.groups()
        kind, name = ("greater_than_equal", "ge") if side == "x>=" else ("less_than_equal", "le")
        return value, _fault(kind, {name: end}, message, parameter)
    value = message.removeprefix("'").partition("' is not ")[0]
    kind = (
        "int_" if " is not a valid integer" in message else "float_" if " is not a valid float" in message else "value_error"
    )
    return value, _fault(kind, {}, message, parameter)


def _fault(kind: str, limits: dict[str, Any], message: str, parameter: Any) -> tuple[str, str] | None:
    """What is wrong, and the fix, for pydantic's kinds of faults."""
    if kind == "greater_than_equal":
        return f"is below {limits['ge']}", f"give {limits['ge']} or more"
    if kind == "less_than_equal":
        return f"is above {limits['le']}", f"give {limits['le']} or less"
    if kind.startswith("int_"):
        least = getattr(parameter, "min", getattr(getattr(parameter, "type", None), "min", None))
        return "is no whole number", f"give a whole number{'' if least is None else f' of {least} or more'}"
    if kind.startswith("float_"):
        return "is no number", "give a number"
    if kind == "value_error" and " is not one of " in message:
        known = re.findall("'([^']*)'", message.partition(" is not one of ")[2])
        return "is unknown", f"give one of {', '.join(known)}"
    return None
