"""Tables of venues that a user brings: one TOML file per venue, ``okx.toml`` for the venue ``okx``, and no code.

Sections, of which ``[fees]`` alone must be there::

    as_of = 2026-11-01              # the day on which the numbers were the venue's
    shelf_life_days = 365
    unverified = ["lots"]           # what was not read in the venue's own pages: sections or dotted names
    default_margin = "table"        # what margin = "standard" means: the [margin] below, or a rule of this package

    [fees]                          # by the families' fee keys, shares of notional
    perpetual_taker = 0.0005
    option_rate = 0.0003            # of the index, at most option_cap of the option's price
    option_cap = 0.125

    [[names]]                       # hedgeopt.venues.forms
    [lots.perpetual]                # hedgeopt.venues.known.increments
    [margin]                        # hedgeopt.models.margin.generic; so [haircut] and [liquidation]
    [delivery]                      # shares of notional: option_rate, option_cap (of the payoff), future_rate
    [funding]                       # largest_8h; damper and cap where backtests work it out from the premium
    [settlement]                    # averaging_minutes before expiry
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.reading import parse_toml, validated
from hedgeopt.files.record import Record

__all__ = ["OwnTable", "own_files", "read_own"]

_FOLDERS = "HEDGEOPT_VENUES"
_Share = Annotated[float, Field(ge=0, le=1)]
_FEE_ENDS = ("_taker", "_rate", "_cap")


def _fee_keys(fees: dict[str, float]) -> dict[str, float]:
    for key in fees:
        if not key.endswith(_FEE_ENDS):
            raise ValueError(f"{key!r} is no fee; a fee is a family's key and {', '.join(_FEE_ENDS)}: perpetual_taker")
    return fees


class _Delivery(Record):
    """Fees at expiry: shares of the notional, and of an option's payoff at most ``option_cap``."""

    option_rate: _Share | None = None
    option_cap: _Share | None = None
    future_rate: _Share | None = None


class _Funding(Record):
    """Bounds of funding per 8 hours; ``damper`` and ``cap`` give it from the premium."""

    largest_8h: float | None = Field(default=None, gt=0, le=1)
    damper: float | None = Field(default=None, ge=0)
    cap: float | None = Field(default=None, gt=0)


class _Settlement(Record):
    """Averaging of the delivery price."""

    averaging_minutes: float = Field(gt=0, le=1440)


class OwnTable(Record):
    """Sections of a venue's table. Names, lots and margin: see :mod:`hedgeopt.venues.known`, which knows kinds."""

    as_of: date
    shelf_life_days: int = Field(gt=0)
    unverified: tuple[str, ...] = ()
    source: str = ""
    default_margin: str | None = None
    fees: Annotated[dict[str, _Share], AfterValidator(_fee_keys)]
    names: str | tuple[dict[str, Any], ...] = ()
    lots: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    margin: dict[str, Any] | None = None
    haircut: dict[str, _Share] = Field(default_factory=dict)
    liquidation: dict[str, Any] | None = None
    delivery: _Delivery | None = None
    funding: _Funding | None = None
    settlement: _Settlement | None = None


def own_files(folders: str, taken: Collection[str]) -> dict[str, Path]:
    """TOML files of the folders (separated as in ``PATH``) by their names without ending.

    Raises
    ------
    InputError
        For a folder that is not there, and for a name that stands for another table already.
    """
    found: dict[str, Path] = {}
    for text in filter(None, folders.split(os.pathsep)):
        folder = Path(text)
        if not folder.is_dir():
            raise InputError("is no folder", field=_FOLDERS, value=text, fix="name folders of venue tables (NAME.toml)")
        for path in sorted(folder.glob("*.toml")):
            if path.stem in taken or path.stem in found:
                other = found.get(path.stem, f"models/data/{path.stem}.toml")
                raise InputError(f"there is a table of this name already: {other}", file=path, fix="rename the file")
            found[path.stem] = path
    return found


def _check_date(found: Any, path: Path) -> None:
    """Refuse what is no TOML date, and a day that has begun nowhere yet."""
    if not isinstance(found, date) or isinstance(found, datetime):
        fix = "write as_of = 2026-02-20, a TOML date: no quotes and no time"
        raise InputError("is not a date", file=path, field="as_of", value=found, fix=fix)
    if found > (datetime.now(UTC) + timedelta(hours=14)).date():
        fix = "give the day on which the numbers were the venue's"
        raise InputError("is in the future", file=path, field="as_of", value=found, fix=fix)


def read_own(path: Path) -> dict[str, Any]:
    """A user's table, checked: no section that nothing reads, a date, and doubts that name something in it."""
    data = parse_toml(path, "venue table")
    for section in data:
        if section not in OwnTable.model_fields:
            fix = advice(section, OwnTable.model_fields)
            raise InputError("is no section of a venue table", file=path, field=section, fix=fix)
    _check_date(data.get("as_of", date.min), path)
    validated(OwnTable, data, path)
    data.setdefault("unverified", [])
    for entry in data["unverified"]:
        inside: Any = data
        for part in entry.split("."):
            if not isinstance(inside, dict) or part not in inside:
                fix = f"name a section or number of the table; sections: {', '.join(data)}"
                raise InputError("names nothing here", file=path, field="unverified", value=entry, fix=fix)
            inside = inside[part]
    return data
