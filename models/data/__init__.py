"""Dated tables of venue rules and stress events, a source in each file.

Every table gives three things at its top, before its first section:

``as_of``
    The day on which its numbers were the venue's.
``shelf_life_days``
    For how many days after that they may be relied on without another look.
``unverified``
    Numbers that were not read in a source of the venue's own: dotted names of parameters or of whole sections, such as
    ``"portfolio_margin.dte_floor"`` or ``"fees"``. Everything else was. (``stress.toml``: every number says it for itself.)

:func:`about` reads them; reports repeat the doubts of every number that a result rests on.

A table with ``[fees]`` is a venue's, and named after it: fees, margin, haircuts, and how its instruments are called
(:mod:`hedgeopt.venues.known`). Users bring tables of venues, assets and stress scenarios:
:mod:`hedgeopt.models.data.user_files`; :mod:`hedgeopt.models.data.own` lists the sections of a venue's.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.errors import InputError, MissingNumberError
from hedgeopt.files.calls import strict_call

if TYPE_CHECKING:
    from hedgeopt.models.data.user_files import UserFile

__all__ = [
    "OWN_TABLES",
    "About",
    "about",
    "asset_name",
    "averaging_minutes",
    "decimals",
    "dollar_assets",
    "lacking",
    "names",
    "own_tables",
    "packaged_table",
    "pegged_assets",
    "table",
    "tables_key",
    "use_tables",
    "venues",
    "where",
    "wraps",
]

OWN_TABLES = "HEDGEOPT_TABLES"
"""Environment variable with folders and files of user tables, separated as in ``PATH``."""


@strict_call
def use_tables(*paths: str | Path) -> None:
    """Let user tables count from now on, in this process and in those that it starts; naming a table again changes nothing.

    Raises
    ------
    InputError
        For a path that does not exist, a file that is no table, or a name that two different files have.
    """
    for path in paths:
        if not str(path).strip():
            raise InputError(
                "is empty", field="path of a table", value=str(path), fix="give a TOML file or a folder of them"
            )
    before = tables_key()
    added = [str(Path(path).resolve()) for path in paths]
    os.environ[OWN_TABLES] = os.pathsep.join(dict.fromkeys([*filter(None, before.split(os.pathsep)), *added]))
    try:
        _own(tables_key())
    except BaseException:
        os.environ[OWN_TABLES] = before
        raise


def names() -> tuple[str, ...]:
    """Names of all tables: the packaged ones, and venues of the user's."""
    own = (name for name, file in _own(tables_key()).items() if file.kind == "venue")
    return tuple(dict.fromkeys((*_packaged(), *own)))


def venues() -> tuple[str, ...]:
    """Venues that a table describes: those with ``[fees]``."""
    return _venues(tables_key())


def table(name: str) -> dict[str, Any]:
    """The table ``name`` (a TOML file without its ending), parsed once.

    Raises
    ------
    FileNotFoundError
        When no such table is packaged or among the user's.
    InputError
        When a table of the user's cannot be trusted.
    """
    return _table(name, tables_key())


def where(name: str) -> str:
    """The file of a table, for messages; where a packaged one would be if there is none."""
    own = _own(tables_key()).get(name)
    return f"models/data/{name}.toml" if own is None else str(own.path)


def lacking(
    name: str, problem: str, *, field: str, line: str, value: object = None, known: str = "", instead: str = ""
) -> InputError:
    """The error for a number that a venue's table lacks; it names the file to write and the ``line`` to put there.

    ``known`` are the entries that there are, ``instead`` is what helps without the number.
    """
    own = _own(tables_key()).get(name)
    if own is not None:
        file, fix = str(own.path), f"add {line}"
    else:
        head = f'extends = "{name}", ' if name in _packaged() else ""
        file = f"{name}.toml"
        fix = (
            f"write {name}.toml beside the policy with {head}as_of, shelf_life_days and {line}; name it there "
            f'(tables = ["{name}.toml"]) or with --tables'
        )
    told = fix + (f", or {instead}" if instead else "") + (f" (known: {known})" if known else "")
    return MissingNumberError(problem, file=file, field=field, value=value, fix=told)


def own_tables(kind: str | None = None) -> dict[str, Path]:
    """Files of the user's tables by name, of one kind or all; they count among the inputs of a result."""
    return {name: file.path for name, file in _own(tables_key()).items() if kind in (None, file.kind)}


def averaging_minutes(venue: str) -> float:
    """Minutes before expiry over which a venue averages its index to the delivery price; 0: it settles on the last one."""
    return _minutes(tables_key()).get(venue, 0.0)


def tables_key() -> str:
    """Paths of the user's tables as one text: what is read from tables is kept by it."""
    return os.environ.get(OWN_TABLES, "")


def packaged_table(name: str) -> dict[str, Any]:
    """The table of that name as it is packaged, without what a user's adds."""
    return _shipped(name)


@lru_cache
def _packaged() -> tuple[str, ...]:
    found = (item.name for item in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


@lru_cache
def _own(paths: str) -> dict[str, UserFile]:
    """The user's tables by name."""
    if not paths:
        return {}
    from hedgeopt.models.data.user_files import user_files

    return user_files(paths, _packaged(), OWN_TABLES)


@lru_cache
def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


@lru_cache
def _table(name: str, paths: str) -> dict[str, Any]:
    if name == "assets":
        return _assets(paths)
    own = _own(paths).get(name)
    if own is None or own.kind != "venue":
        return _shipped(name)
    from hedgeopt.models.data.own import read_own

    found = read_own(own.path, None if own.extends is None else _shipped(own.extends))
    if "haircut" in found:
        found["haircut"] = {asset_name(asset): share for asset, share in found["haircut"].items()}
    return found


def _assets(paths: str) -> dict[str, Any]:
    """The packaged assets, and those that the user's tables add."""
    found: dict[str, Any] = dict(_shipped("assets"))
    for file in _own(paths).values():
        if file.kind == "assets":
            from hedgeopt.models.data.user_files import read_assets

            added = read_assets(file.path, found)
            found["dollar"] = [*found["dollar"], *added["dollar"]]
            for section in ("pegged", "wraps", "aliases", "decimals"):
                found[section] = {**found[section], **added[section]}
    return found


@lru_cache
def _venues(paths: str) -> tuple[str, ...]:
    own = [name for name, file in _own(paths).items() if file.kind == "venue"]
    return tuple(name for name in dict.fromkeys((*_packaged(), *own)) if "fees" in _table(name, paths))


@lru_cache
def _minutes(paths: str) -> dict[str, float]:
    found = {name: _table(name, paths).get("settlement", {}) for name in _venues(paths)}
    return {name: float(rule["averaging_minutes"]) for name, rule in found.items() if "averaging_minutes" in rule}


@dataclass(frozen=True)
class About:
    """Date, shelf life and doubts of a table; see the module's text."""

    name: str
    as_of: date
    shelf_life_days: int
    unverified: tuple[str, ...]

    def expired(self, on: date) -> bool:
        """Whether the table is past its shelf life on a day."""
        return (on - self.as_of).days > self.shelf_life_days

    def doubts(self, parameter: str) -> tuple[str, ...]:
        """The unverified entries that a parameter or section ``parameter`` (dotted) rests on: above it, or inside it."""
        return tuple(
            entry
            for entry in self.unverified
            if f"{parameter}.".startswith(f"{entry}.") or entry.startswith(f"{parameter}.")
        )


def about(name: str) -> About:
    """Date, shelf life and unverified numbers of the table ``name``."""
    data = table(name)
    return About(name, data["as_of"], int(data["shelf_life_days"]), tuple(data["unverified"]))


def dollar_assets() -> frozenset[str]:
    """Assets pegged to one US dollar, in which linear instruments may settle."""
    return _roles(tables_key())[0]


def pegged_assets() -> dict[str, str]:
    """Underlying of each staked or wrapped asset."""
    return _roles(tables_key())[1]


def wraps() -> dict[str, str]:
    """Asset inside each redeemable wrapper: wstETH is stETH, WETH is ETH."""
    return _roles(tables_key())[2]


def asset_name(asset: str) -> str:
    """The one name of an asset: stETH for Deribit's STETH; an asset without another name is itself."""
    return _roles(tables_key())[3].get(asset, asset)


def decimals(asset: str) -> int | None:
    """Decimals of a token's smallest unit on chain; None where no table gives them."""
    found = table("assets")["decimals"].get(asset_name(asset))
    return None if found is None else int(found)


@lru_cache
def _roles(paths: str) -> tuple[frozenset[str], dict[str, str], dict[str, str], dict[str, str]]:
    found = _table("assets", paths)
    return frozenset(found["dollar"]), dict(found["pegged"]), dict(found["wraps"]), dict(found["aliases"])
