"""Calls of public functions: arguments that do not fit are refused in one line that names argument, value and fix."""

from __future__ import annotations

import functools
import inspect
import math
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Annotated, Any, TypeVar, Union, get_args, get_origin

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice

__all__ = ["strict_call", "strict_class"]

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

_WORDS = {float: "a number", int: "a whole number", str: "text", bool: "True or False", np.ndarray: "an array"}
_MADE_BY = {
    "Book": 'ho.read_book("book.json")',
    "Market": 'ho.read_market("chain.csv")',
    "Policy": 'ho.read_policy("policy.toml")',
    "Exposures": "ho.expose(book, market, policy)",
    "Program": "ho.Program(policy, exposures)",
    "Proposal": 'ho.propose(book, market, policy) or ho.read_proposal("proposal.json")',
}
"""By class, a call that makes one: a caller with the wrong object learns the step that is missing."""


def strict_call(function: F) -> F:
    """The function, refusing by InputError: unknown and missing arguments, wrong types, numbers that are not finite.

    Types are checked as far as annotations name classes; an array is taken where a numpy array is asked for, whatever its
    shape.
    """
    return _checked(function, function.__qualname__.removesuffix(".__init__"), vars(sys.modules[function.__module__]))


def strict_class(cls: C) -> C:
    """The class (a dataclass), whose calls are :func:`strict_call`; numbers of a result may be NaN or infinite."""
    finite = not getattr(cls, "MAY_BE_INFINITE", False)
    wrapped = _checked(cls.__init__, cls.__name__, vars(sys.modules[cls.__module__]), finite)  # type: ignore[misc]
    cls.__init__ = wrapped  # type: ignore[misc]
    return cls


def _checked(function: Any, name: str, scope: dict[str, Any], finite: bool = True) -> Any:
    signature = inspect.signature(function)
    kinds = functools.cache(lambda argument: _kinds(signature.parameters[argument].annotation, scope))
    inner = functools.cache(lambda argument: _members(signature.parameters[argument].annotation, scope))

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            bound = signature.bind(*args, **options)
        except TypeError as error:
            raise _unfit(error, signature, name, options) from None
        for argument, value in bound.arguments.items():
            parameter = signature.parameters[argument]
            allowed = kinds(argument)
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            if allowed is None or parameter.kind is inspect.Parameter.VAR_KEYWORD or value is parameter.default:
                continue
            for one in value if several else (value,):
                _check(one, allowed, f"{name}: {argument}", finite)
                if isinstance(one, list | tuple | np.ndarray) and (members := inner(argument)) is not None:
                    for k, member in enumerate(one):
                        _check(member, members, f"{name}: {argument}[{k}]", finite)
        return function(*args, **options)

    return call


def _unfit(error: TypeError, signature: inspect.Signature, name: str, options: Mapping[str, Any]) -> InputError:
    known = [p for p in signature.parameters if p not in ("self", "cls")]
    odd = next((key for key in options if key not in known), None)
    if odd is not None:
        return InputError("unknown argument", field=f"{name}: {odd}", value=options[odd], fix=advice(odd, known))
    fix = f"its arguments: {', '.join(known)}" if known else "it takes no arguments"
    return InputError(str(error), field=name, fix=fix)


class _Known(Mapping[str, Any]):
    """Names of a module, and the public ones that it imports for type checkers alone."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self._scope = scope

    def __getitem__(self, name: str) -> Any:
        if name in self._scope:
            return self._scope[name]
        package = __name__.partition(".")[0]
        for public in (package, f"{package}.backtest"):
            module = sys.modules.get(public)
            if module is not None and name in module.__all__:
                return getattr(module, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._scope)

    def __len__(self) -> int:
        return len(self._scope)


def _members(annotation: Any, scope: dict[str, Any]) -> tuple[type, ...] | None:
    """The classes that a list's or tuple's members may have, where the annotation is one of them and names classes."""
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {}, _Known(scope))
        except (NameError, TypeError, AttributeError):
            return None
    whole = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    lists = [one for one in whole if get_origin(one) in (list, Sequence, tuple, Iterable)]
    if len(lists) != 1:
        return None
    parts = [one for one in get_args(lists[0]) if one is not Ellipsis]
    return _kinds(parts[0], scope) if len(parts) == 1 else None


def _kinds(annotation: Any, scope: dict[str, Any]) -> tuple[type, ...] | None:
    """The classes that an annotation allows; None where it says more than classes, or a name that is not there."""
    if annotation is inspect.Parameter.empty:
        return None
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {}, _Known(scope))
        except (NameError, TypeError, AttributeError):  # a name for type checkers alone
            return None
    found: list[type] = []
    for one in get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,):
        if get_origin(one) is Annotated:
            one = get_args(one)[0]
        if one is Any:
            return None
        kind: Any = type(None) if one is None else get_origin(one) or one
        if not isinstance(kind, type) or kind is IO or getattr(kind, "_is_protocol", False):
            return None
        found.append(kind)
    return tuple(found)


def _check(value: Any, kinds: tuple[type, ...], field: str, finite: bool) -> None:
    if any(_is(value, kind) for kind in kinds):
        if finite and isinstance(value, float | np.floating) and not math.isfinite(value):
            raise InputError("must be a finite number", field=field, value=value, fix="give a number")
        return
    wanted = " or ".join(dict.fromkeys(_named(kind) for kind in kinds if kind is not type(None)))
    shown = type(value).__name__ if not isinstance(value, str | int | float | bool) and value is not None else repr(value)
    made = next((_MADE_BY[kind.__name__] for kind in kinds if kind.__name__ in _MADE_BY), None)
    fix = f"give {wanted}" + ("" if made is None else f", such as {made}")
    raise InputError(f"must be {wanted}, not {shown[:80]}", field=field, fix=fix)


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float):
        number = isinstance(value, int | np.integer) or (kind is float and isinstance(value, float | np.floating))
        return number and not isinstance(value, bool)
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind is Sequence or issubclass(kind, tuple):
        return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)
    if kind is Iterable:
        return isinstance(value, Iterable) and not isinstance(value, str | bytes | np.ndarray | Mapping | pd.DataFrame)
    return callable(value) if kind.__name__ == "Callable" else isinstance(value, kind)


def _named(kind: type) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    name = {"Mapping": "a dict", "Sequence": "a list", "Callable": "a function"}.get(kind.__name__, kind.__name__)
    return name if name.startswith("a ") else f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"
