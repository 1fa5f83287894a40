"""Translates pydantic's findings: the value that is wrong, the value that is needed, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.names import advice

__all__ = ["validation_line"]

# What a value must be, by pydantic's name of the fault; {names} come from its context.
_WORDS = {
    "missing": "is missing",
    "model_type": "must be a table of fields",
    "model_attributes_type": "must be a table of fields",
    "dataclass_type": "must be a table of fields",
    "dict_type": "must be a table of names and values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "literal_error": "is none of the known words",
    "enum": "is none of the known words",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "too_short": "needs at least {min_length} of them",
    "too_long": "may have at most {max_length} of them",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "string_pattern_mismatch": "is not of the form {pattern}",
    "timezone_aware": "has no time zone",
    "none_required": "must be left out",
    "recursion_loop": "holds itself",
}
_MOMENTS = ("datetime_", "date_", "time_")
# names that pydantic gives to the branches of "this or that"; they are no part of the file
_BRANCH = re.compile(r"^(float|int|str|bool|datetime|date|none|literal|any|is-instance|whole)$|\[")
_SHOWN = 80


def validation_line(error: ValidationError, file: object | None, within: str | None = None) -> InputError:
    """The first fault of a pydantic error as an :class:`~hedgeopt.errors.InputError`; ``within`` stands before its field."""
    faults = _own_faults(error.errors(include_url=False))
    first = _most_telling(faults)
    root = next((one for one in _records(_base()) if one.__name__ == error.title), None)
    here = [part for part in first["loc"] if not (isinstance(part, str) and _BRANCH.search(part))]
    problem, value, fix = _said(first, faults, here, root)
    count = len({tuple(fault["loc"][: len(here)]) for fault in faults})
    more = f" (and {many(count - 1, 'more fault')})" if count > 1 else ""
    field = ": ".join(part for part in (within, ".".join(str(part)[:_SHOWN] for part in here)) if part)
    return InputError(problem + more, file=file, field=field or None, value=value, fix=fix)


def _said(
    first: Any, faults: list[Any], here: list[Any], root: type[BaseModel] | None
) -> tuple[str, object | None, str | None]:
    """Problem, the value to show, and the fix; may add the field that is meant to ``here``."""
    kind, context, given = first["type"], first.get("ctx") or {}, first.get("input")
    shown = None if isinstance(given, dict | list | tuple | BaseModel) else given
    if kind in ("value_error", "assertion_error"):
        number = isinstance(given, int | float) and not isinstance(given, bool)
        return _lower(first["msg"].split(", ", 1)[-1]), given if number else None, None
    if kind == "missing":
        return _WORDS[kind], None, f"add {str(here[-1])!r}" if here else None
    if kind == "extra_forbidden":
        return "unknown field", None, _nearest_field(str(here[-1]), _fields(root, here[:-1]))
    if kind == "union_tag_invalid":
        here.append(_plain(context["discriminator"]))
        return "is no known kind", context["tag"], advice(context["tag"], _quoted(context["expected_tags"]))
    if kind == "union_tag_not_found":
        known = ", ".join(_kinds(root, here)) or None
        if isinstance(given, dict):
            here.append(_plain(context["discriminator"]))
            return "is missing", None, f"known: {known}"[:200] if known else None
        return "must be a table of fields with a kind", shown, f"known: {known}"[:200] if known else None
    if kind in ("model_type", "model_attributes_type"):
        return _WORDS[kind], shown, _such_as(_fields(root, here))
    if kind in ("list_type", "tuple_type"):
        toml = f"in TOML each entry begins with [[{'.'.join(map(str, here))}]]"
        return _WORDS[kind], shown, toml if _models(root, here) else "write it in brackets: [...]"
    if kind in ("literal_error", "enum"):
        return _WORDS[kind], shown, advice(str(given), _quoted(str(context.get("expected", ""))))
    if kind == "timezone_aware":
        return _WORDS[kind], shown, "end it with Z for UTC"
    if kind.startswith(_MOMENTS):
        return "is not a date and time", shown, "write 2026-02-05T21:29:37Z"
    wanted = [_WORDS[fault["type"]] for fault in faults if _place(fault) == _place(first) and fault["type"] in _WORDS]
    both = " or ".join(dict.fromkeys(word.removeprefix("must be ") for word in wanted if word.startswith("must be ")))
    if len(set(wanted)) > 1 and both and "{" not in both:
        return f"must be {both}", shown, None
    if kind in _WORDS:
        limits = {name: f"{x:g}" if isinstance(x, int | float) else str(x)[:_SHOWN] for name, x in context.items()}
        return _WORDS[kind].format_map(limits), shown, None
    return _lower(first["msg"]), shown, None


def _place(fault: Any) -> tuple[Any, ...]:
    return tuple(part for part in fault["loc"] if not (isinstance(part, str) and _BRANCH.search(part)))


def _lower(text: str) -> str:
    """Without the capital of a sentence; names in capitals, such as USDC, stay."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return text if first[1:] != first[1:].lower() else text[:1].lower() + text[1:]


def _plain(word: str) -> str:
    return word.strip("'").removesuffix("()")


def _quoted(words: str) -> list[str]:
    return re.findall(r"'([^']*)'", words)


def _such_as(fields: dict[str, bool]) -> str | None:
    first = sorted(fields, key=lambda name: not fields[name])[:5]
    return f"such as {', '.join(first)}" if first else None


def _nearest_field(name: str, fields: dict[str, bool]) -> str:
    """The nearest field of this table; else the nearest of any table, which may be where it belongs."""
    import difflib

    if difflib.get_close_matches(name, fields, n=1, cutoff=0.6):
        return advice(name, fields)
    everywhere = {other for one in _records(_base()) for other in one.model_fields}
    near = difflib.get_close_matches(name, sorted(everywhere - set(fields)), n=1, cutoff=0.85)
    meant = f"did you mean {near[0]!r}? " if near and near[0] != name else ""
    return f"{meant}{advice(name, fields)}" if fields else (meant or "remove it").rstrip()


def _base() -> type[BaseModel]:
    """The base of our records, found by its name: its module imports this one."""
    named = {f"{one.__module__}.{one.__name__}": one for one in BaseModel.__subclasses__()}
    return next(one for name, one in named.items() if name.endswith("files.record.Record"))


def _records(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in base.__subclasses__():
        yield one
        yield from _records(one)


def _fields(root: type[BaseModel] | None, place: list[Any]) -> dict[str, bool]:
    """Fields of the table at a place, and whether each must be given."""
    return {
        field.alias or name: field.is_required()
        for model in _models(root, place)
        for name, field in model.model_fields.items()
    }


def _kinds(root: type[BaseModel] | None, place: list[Any]) -> list[str]:
    return sorted({_kind(model) for model in _models(root, place)} - {""})


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    words = get_args(field.annotation) if field is not None else ()
    return str(words[0]) if words else ""


def _models(root: type[BaseModel] | None, place: list[Any]) -> list[type[BaseModel]]:
    """The records that may stand at a place; parts of it are fields, numbers in a list, names in a table, and kinds."""
    now: list[type[BaseModel]] = [root] if root is not None else []
    for part in place:
        if not isinstance(part, str):
            continue
        chosen = [one for one in now if part in (_kind(one), one.__name__)]
        if chosen:
            now = chosen
            continue
        held = [model.model_fields[part] for model in now if part in model.model_fields]
        if held:
            now = list(dict.fromkeys(inner for field in held for inner in _inside([field.annotation, *field.metadata])))
    return now


def _inside(annotations: Any) -> Iterator[type[BaseModel]]:
    for one in annotations:
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield one
        yield from _inside(get_args(one))


def _own_faults(faults: list[Any]) -> list[Any]:
    """Without lists that are too short for no other reason than that pydantic took out the entries with faults."""

    def caused(fault: Any) -> bool:
        place = fault["loc"]
        return fault["type"] == "too_short" and any(f["loc"][: len(place)] == place and f["loc"] != place for f in faults)

    return [fault for fault in faults if not caused(fault)]


def _most_telling(faults: list[Any]) -> Any:
    """The first fault; where a name or a whole object may stand and an object does, what is wrong with the object."""
    first = faults[0]
    if first["type"] == "string_type" and isinstance(first.get("input"), dict):
        beside = [fault for fault in faults[1:] if fault["loc"][: len(first["loc"]) - 1] == first["loc"][:-1]]
        return beside[0] if beside else first
    return first
