"""Tables that a user brings: which files they are, and what each of them is.

Three kinds, told apart by their sections: a **venue** (``[fees]``, ``[margin]``, ...), **assets** (``dollar``, ``[pegged]``,
``[wraps]``, ``[aliases]``, ``[decimals]``) and **stress** scenarios (``[[event]]``). They are named in the policy
(``tables = ["okx.toml", "assets.toml"]``, from its folder), with ``--tables`` on the command line, by
:func:`hedgeopt.models.data.use_tables` in Python, or in the environment variable ``HEDGEOPT_TABLES``; a folder means
all of its ``.toml`` files.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.reading import parse_toml, validated
from hedgeopt.files.record import Record

__all__ = ["AssetTable", "UserFile", "read_assets", "user_files"]

_ASSETS = ("dollar", "pegged", "wraps", "aliases", "decimals")


@dataclass(frozen=True)
class UserFile:
    """One file: its kind and, of a venue, the packaged table that it extends."""

    path: Path
    kind: Literal["venue", "assets", "stress"]
    extends: str | None = None


class AssetTable(Record):
    """Assets with a fixed role, added to the packaged ones."""

    as_of: date = Field(description="day on which the entries were checked")
    shelf_life_days: int = Field(gt=0, description="days after that for which they may be relied on")
    unverified: tuple[str, ...] = ()
    source: str = ""
    dollar: tuple[str, ...] = Field(default=(), description="assets pegged to one US dollar")
    pegged: dict[str, str] = Field(default_factory=dict, description="underlying of each staked or wrapped token")
    wraps: dict[str, str] = Field(default_factory=dict, description="asset inside each wrapper that redeems at once")
    aliases: dict[str, str] = Field(default_factory=dict, description="other names of an asset, such as STETH for stETH")
    decimals: dict[str, int] = Field(default_factory=dict, description="decimals of a token's smallest unit on chain")

    @model_validator(mode="after")
    def _consistent(self) -> AssetTable:
        for alias, name in self.aliases.items():
            if name in self.aliases:
                raise ValueError(f"aliases.{alias} leads to {name!r}, which is an alias itself; name the asset")
        for asset, count in self.decimals.items():
            if not 0 <= count <= 36:
                raise ValueError(f"decimals.{asset} must be 0 to 36 (found {count})")
        both = sorted(set(self.dollar) & set(self.pegged))
        if both:
            raise ValueError(f"{both[0]} is in dollar and in pegged; keep one of them")
        return self


def user_files(paths: str, packaged: Collection[str], field: str) -> dict[str, UserFile]:
    """User files by name (the file's without its ending); ``paths`` are separated as in ``PATH``, and
    come from ``field``.

    Raises
    ------
    InputError
        For a path that does not exist, a file that is no table, a name that occurs twice, and a venue named as a packaged
        one that does not extend it.
    """
    found: dict[str, UserFile] = {}
    for text in filter(None, paths.split(os.pathsep)):
        given = Path(text)
        if not given.exists():
            raise InputError("does not exist", field=field, value=text, fix="name tables (NAME.toml) or folders of them")
        for path in sorted(given.glob("*.toml")) if given.is_dir() else [given]:
            if path.suffix != ".toml":
                raise InputError("is no TOML file", field=field, value=str(path), fix="name it NAME.toml")
            file = _told_apart(path)
            other = found.get(path.stem)
            if other is not None and other.path.resolve() != path.resolve():
                raise InputError(f"there is a table of this name already: {other.path}", file=path, fix="rename the file")
            if file.kind == "venue" and path.stem in packaged and file.extends != path.stem:
                fix = f'add extends = "{path.stem}" at its top to change numbers of the packaged table, or rename the file'
                raise InputError(f"there is a table of this name already: models/data/{path.stem}.toml", file=path, fix=fix)
            if file.extends is not None and file.extends not in packaged:
                raise InputError(
                    "is no packaged venue", file=path, field="extends", value=file.extends,
                    fix=f"known: {', '.join(packaged)}",
                )  # fmt: skip
            found[path.stem] = file
    return found


def _told_apart(path: Path) -> UserFile:
    data = parse_toml(path, "table")
    if "event" in data:
        return UserFile(path, "stress")
    if set(data) & set(_ASSETS):
        return UserFile(path, "assets")
    extends = data.get("extends")
    return UserFile(path, "venue", extends if isinstance(extends, str) else None)


def read_assets(path: Path, known: dict[str, Any]) -> dict[str, Any]:
    """A user's asset table, checked against the entries ``known`` so far: a role may be added and not changed."""
    data = validated(AssetTable, parse_toml(path, "asset table"), path)
    for asset in data.dollar:
        if asset in known["pegged"]:
            raise InputError(f"is pegged to {known['pegged'][asset]} already", file=path, field="dollar", value=asset)
    for section in ("pegged", "wraps", "aliases", "decimals"):
        for name, value in getattr(data, section).items():
            before = known.get(section, {}).get(name, value)
            if before != value or (section == "pegged" and name in known["dollar"]):
                problem = f"is {before!r} already" if before != value else "is a dollar asset already"
                raise InputError(problem, file=path, field=f"{section}.{name}", value=value, fix="choose another name")
            if section == "aliases" and (name in known["dollar"] or name in known["pegged"] or name == value):
                raise InputError("names an asset of its own", file=path, field=f"aliases.{name}", fix="leave it out")
    return data.model_dump()
