"""Classes of users beside the package's: a union of kinds that takes theirs too, by instance or by the name of its kind.

Defining a class with a ``kind`` makes it known in this process; nothing in the package is edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, WrapSerializer, WrapValidator

from hedgeopt.errors import InputError

__all__ = ["OwnKinds"]


class OwnKinds:
    """The user's own classes of one sort, by kind; ``what`` is the sort's name in messages."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.packaged: dict[str, type[Any]] = {}
        self.own: dict[str, type[Any]] = {}

    def define(self, cls: type[BaseModel]) -> None:
        """Note a class as it is defined: one with a kind, outside the package; a second of one name replaces the first.

        Raises
        ------
        InputError
            For a kind that is the package's, or is no text.
        """
        field = cls.model_fields.get("kind")
        if field is None or cls.__module__.partition(".")[0] == "hedgeopt":
            return
        words = get_args(field.annotation)
        kind = field.default
        if not isinstance(kind, str) or not kind or words != (kind,):
            fix = f'write kind: Literal["{cls.__name__.lower()}"] = "{cls.__name__.lower()}"'
            raise InputError(f"{cls.__name__} needs a kind of its own", field="kind", value=str(kind), fix=fix)
        if kind in self.packaged and self.packaged[kind] is not cls:
            fix = "choose another name"
            raise InputError(f"{cls.__name__}: kind is a {self.what} of the package", field="kind", value=kind, fix=fix)
        self.own[kind] = cls

    def union(self, packaged: Mapping[str, type[Any]], members: Any) -> Any:
        """The type of fields that hold one of the ``packaged`` (``members`` is their union) or of the user's own."""
        self.packaged = dict(packaged)
        return Annotated[members, WrapValidator(self._take), WrapSerializer(self._plain)]

    def is_own(self, item: Any) -> bool:
        """Whether an instance is of a user's class."""
        return type(item) in self.own.values()

    def _take(self, value: Any, packaged: Any) -> Any:
        kind = value.get("kind") if isinstance(value, dict) else _kind_of(value)
        cls = self.own.get(kind) if isinstance(kind, str) and kind not in self.packaged else None
        if cls is None:
            return packaged(value)
        if isinstance(value, BaseModel) and (type(value) is cls or type(value).__name__ == cls.__name__):
            return value  # a class defined anew in a notebook leaves instances of the older one
        return cls.__pydantic_validator__.validate_python(value)

    def _plain(self, value: Any, packaged: Any, info: Any) -> Any:
        return packaged(value) if type(value) in self.packaged.values() else value.model_dump(mode=info.mode)


def _kind_of(value: Any) -> Any:
    """The kind that an instance's class declares; None where it declares none."""
    field = type(value).model_fields.get("kind") if isinstance(value, BaseModel) else None
    return None if field is None else field.default
