"""Tables of venues that a user brings: one TOML file per venue, ``okx.toml`` for the venue ``okx``, and no code.

Sections, of which ``[fees]`` alone must be there::

    as_of = 2026-11-01              # the day on which the numbers were the venue's
    shelf_life_days = 365
    unverified = ["lots"]           # what was not read in the venue's own pages: sections or dotted names
    default_margin = "table"        # what margin = "standard" means: the [margin] below, or a rule of this package
    extends = "deribit"             # only in a file named as that packaged venue: its numbers, except those given here

    [fees]                          # by the families' fee keys, shares of notional
    perpetual_taker = 0.0005
    option_rate = 0.0003            # of the index, at most option_cap of the option's price
    option_cap = 0.125
    ticket = 5.0                    # USD an order whatever its size; counts where the policy has candidates.ticket (0.0 too)
    perpetual_maker = 0.0002        # of orders that pay as makers (option_maker: of the index), 0 for a rebate

    [fee_tiers.vip3]                # fees of a tier, in place of those above where fee_tier = "vip3" is at the top, or where
                                    # an account of the book has it
    perpetual_taker = 0.0003

    [[names]]                       # hedgeopt.venues.forms
    [lots.perpetual]                # hedgeopt.venues.known.increments
    [margin]                        # hedgeopt.models.margin.generic; so [haircut] and [liquidation]
    [delivery]                      # shares of notional: option_rate, option_cap (of the payoff), future_rate
    [funding]                       # largest_8h; damper and cap where backtests work it out from the premium
    [settlement]                    # averaging_minutes before expiry
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.reading import parse_toml, validated
from hedgeopt.files.record import Record

__all__ = ["OwnTable", "read_own"]

_Share = Annotated[float, Field(ge=0, le=1)]
_FEE_ENDS = ("_taker", "_maker", "_rate", "_cap")
_MOST, _MOST_SPOT = 0.01, 0.02
"""Shares above any venue's fee on contracts and on spot: 0.04 was meant as 0.04 %."""


def _fee_keys(fees: dict[str, float]) -> dict[str, float]:
    for key, value in fees.items():
        if key == _TICKET:
            continue
        if not key.endswith(_FEE_ENDS):
            known = f"a family's key and {', '.join(_FEE_ENDS)}: perpetual_taker; or {_TICKET}"
            raise ValueError(f"{key!r} is no fee; a fee is {known}")
        if value > 1.0:
            raise ValueError(f"{key} {value:g} is above 1; fees are shares: 0.0004 is 0.04 %")
    return fees


_TICKET = "ticket"
_Fees = Annotated[dict[str, Annotated[float, Field(ge=0, le=1e6)]], AfterValidator(_fee_keys)]


def _check_fees(fees: Any, section: str, path: Path) -> None:
    """Refuse rates that no venue charges, such as per cents; caps are shares of an option's price."""
    for key, rate in fees.items() if isinstance(fees, dict) else ():
        if key == _TICKET:
            continue
        most = 1.0 if key.endswith("_cap") else _MOST_SPOT if key == "spot_taker" else _MOST
        if isinstance(rate, int | float) and rate > most:
            problem = f"is {100.0 * rate:g} %, and no venue charges more than {100.0 * most:g} %"
            fix = "fees are shares: 0.0004 is 0.04 %"
            raise InputError(problem, file=path, field=f"{section}.{key}", value=rate, fix=fix)


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
    extends: str | None = Field(default=None, description="packaged venue whose numbers count where this table has none")
    fee_tier: str | None = Field(default=None, description="the tier of [fee_tiers] that the desk is in; none: [fees] alone")
    fees: _Fees
    fee_tiers: dict[str, _Fees] = Field(default_factory=dict)
    names: str | tuple[dict[str, Any], ...] = ()
    lots: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    margin: dict[str, Any] | None = None
    haircut: dict[str, _Share] = Field(default_factory=dict)
    liquidation: dict[str, Any] | None = None
    delivery: _Delivery | None = None
    funding: _Funding | None = None
    settlement: _Settlement | None = None


def _check_date(found: Any, path: Path) -> None:
    """Refuse what is no TOML date, and a day that has begun nowhere yet."""
    if not isinstance(found, date) or isinstance(found, datetime):
        fix = "write as_of = 2026-02-20, a TOML date: no quotes and no time"
        raise InputError("is not a date", file=path, field="as_of", value=found, fix=fix)
    if found > (datetime.now(UTC) + timedelta(hours=14)).date():
        fix = "give the day on which the numbers were the venue's"
        raise InputError("is in the future", file=path, field="as_of", value=found, fix=fix)


def read_own(path: Path, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """A user's table, checked: every section is used, the date is one, and doubts name something in it.

    ``base`` is the packaged table that it extends: numbers of the user's replace its numbers of the same name.
    """
    data = parse_toml(path, "venue table")
    sections = [*OwnTable.model_fields, *(name for name in base or {} if name not in OwnTable.model_fields)]
    for section in data:
        if section not in sections:
            fix = advice(section, sections)
            raise InputError("is no section of a venue table", file=path, field=section, fix=fix)
    _check_date(data.get("as_of", date.min), path)
    for section in ("fees", "delivery"):
        _check_fees(data.get(section), section, path)
    tiers = data.get("fee_tiers")
    for name, fees in tiers.items() if isinstance(tiers, dict) else ():
        _check_fees(fees, f"fee_tiers.{name}", path)
    known = {name: value for name, value in data.items() if name in OwnTable.model_fields}
    if base is None:
        validated(OwnTable, known, path)
    else:
        for name, value in data.items():
            _check_like(base.get(name), value, name, path)
        own_margin: dict[str, Any] = (
            {"margin": {}} if "margin" in base and "margin" in known else {}
        )  # a packaged rule checks its own
        validated(OwnTable, {"fees": {}, **known, **own_margin}, path)
    data.setdefault("unverified", [])
    for entry in data["unverified"]:
        if not _holds(data, entry):
            fix = f"name a section or number of the table; sections: {', '.join(data)}"
            raise InputError("names nothing here", file=path, field="unverified", value=entry, fix=fix)
    if base is not None:
        doubts = [entry for entry in base["unverified"] if not _holds(data, entry)]
        data = _merged(base, data) | {"unverified": [*data["unverified"], *doubts]}
        data["as_of"] = min(data["as_of"], base["as_of"])
    tier, tiers = data.get("fee_tier"), data.get("fee_tiers", {})
    if tier is not None:
        if tier not in tiers:
            raise InputError("is no tier of [fee_tiers]", file=path, field="fee_tier", value=tier, fix=advice(tier, tiers))
        data["fees"] = {**data["fees"], **tiers[tier]}
    return data


def _holds(data: dict[str, Any], entry: str) -> bool:
    """Whether a dotted name leads to something in a table; keys may have dots themselves."""
    parts = entry.split(".")
    for k in range(1, len(parts) + 1):
        head, rest = ".".join(parts[:k]), ".".join(parts[k:])
        if head in data and (not rest or (isinstance(data[head], dict) and _holds(data[head], rest))):
            return True
    return False


def _check_like(base: Any, given: Any, field: str, path: Path) -> None:
    """Refuse a number where the packaged table has a section, and the reverse; names that it lacks may be added."""
    if isinstance(base, dict) and isinstance(given, dict):
        for name, value in given.items():
            _check_like(base.get(name), value, f"{field}.{name}", path)
        return
    number = (int, float)
    if isinstance(given, float) and not isfinite(given):
        raise InputError("must be a finite number", file=path, field=field, value=given)
    alike = isinstance(given, number) and not isinstance(given, bool) if isinstance(base, number) else (
        isinstance(given, type(base))
    )  # fmt: skip
    if base is not None and not alike and not isinstance(base, bool):
        shape = "a section" if isinstance(base, dict) else "a number" if isinstance(base, number) else f"as {base!r}"
        raise InputError(f"must be {shape}, as in the packaged table", file=path, field=field, value=given)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for name, value in over.items():
        before = found.get(name)
        found[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found
