"""Contents of a stress file, and the choice of stress scenarios of a policy."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.record import Record, as_record
from hedgeopt.models.data import own_tables, table, tables_key
from hedgeopt.models.scenarios.events import AnyEvent

__all__ = [
    "Number",
    "StressEvent",
    "StressGrid",
    "StressSettings",
    "StressTable",
    "known_events",
    "packaged_events",
    "read_stress",
]


class Number(Record):
    """A number and where it comes from: ``source`` where it was read, ``unsourced`` with what it rests on otherwise."""

    value: float = Field(allow_inf_nan=False)
    source: str = ""
    unsourced: str = ""

    @model_validator(mode="after")
    def _one_origin(self) -> Number:
        if bool(self.source) and bool(self.unsourced):
            raise ValueError("a number is either sourced or unsourced")
        return self


AnyNumber = Annotated[
    Number,
    BeforeValidator(lambda v: {"value": v} if isinstance(v, int | float) else v, json_schema_input_type=float | Number),
]
_ByAsset = dict[str, AnyNumber]


class StressEvent(Record):
    """One named scenario. Tables go by asset, with ``*`` for all others; units are at the top of models/data/stress.toml."""

    name: str = Field(min_length=1, description="its name in limits and reports")
    title: str = Field(default="", description="words for reports")
    spot: _ByAsset = Field(description="simple return")
    vol: _ByAsset = Field(default_factory=dict, description="30-day vol over the vol before")
    skew: _ByAsset = Field(default_factory=dict, description="change of vol per ln(strike/forward)/sqrt(years)")
    term: _ByAsset = Field(default_factory=dict, description="change of log vol per ln(30/days)")
    perpetual: _ByAsset = Field(default_factory=dict, description="change of ln(perpetual mark / index)")
    basis: _ByAsset = Field(default_factory=dict, description="change of the annualised log futures basis")
    funding: _ByAsset = Field(default_factory=dict, description="share of notional paid by longs")
    liquidity: _ByAsset = Field(default_factory=dict, description="spread and depth multipliers")
    events: tuple[AnyEvent, ...] = Field(default=(), description="what venues, oracles and bridges do in it")

    @model_validator(mode="after")
    def _possible(self) -> StressEvent:
        for asset, number in self.spot.items():
            if number.value <= -1:
                raise ValueError(f"spot of {asset} falls to zero or below")
        for asset, number in self.vol.items():
            if number.value <= 0:
                raise ValueError(f"vol ratio of {asset} must be positive")
        for name, number in self.liquidity.items():
            if name not in ("spread", "depth") or number.value < 0:
                raise ValueError(f"liquidity has spread and depth, 0 or more (found {name} = {number.value:g})")
        return self

    @property
    def sourced(self) -> bool:
        """Whether every number names a source."""
        return all(number.source for _, _, number in self.numbers())

    def numbers(self) -> list[tuple[str, str, Number]]:
        """Every number as (table, asset, number)."""
        tables = ("spot", "vol", "skew", "term", "perpetual", "basis", "funding", "liquidity")
        return [(name, asset, number) for name in tables for asset, number in getattr(self, name).items()]


class StressGrid(Record):
    """Every combination of a spot return and a vol ratio, all assets (or some) together."""

    name: str = Field(default="grid", min_length=1, description="first word of the names of its scenarios")
    spot: tuple[Annotated[float, Field(gt=-1, le=10)], ...] = Field(
        default=(-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3), min_length=1, description="simple returns"
    )
    vol: tuple[Annotated[float, Field(gt=0, le=20)], ...] = Field(
        default=(0.75, 1.0, 1.5), min_length=1, description="30-day vol over the vol before"
    )
    assets: tuple[str, ...] = Field(default=(), description="assets that move; empty: all but dollar assets")
    spread: float = Field(default=1.0, ge=0, description="half-spread multiplier in every cell")

    def cells(self) -> list[StressEvent]:
        """One scenario per cell, named such as ``grid -20% x1.5``."""
        still = {"*": Number(value=0.0)}
        moved = self.assets or ("*",)
        return [
            StressEvent(
                name=f"{self.name} {100 * move:+g}% x{ratio:g}",
                spot=still | dict.fromkeys(moved, Number(value=move)),
                vol=dict.fromkeys(moved, Number(value=ratio)),
                liquidity={"spread": Number(value=self.spread)},
            )
            for move in self.spot
            for ratio in self.vol
        ]


class StressSettings(Record):
    """Stress scenarios of a policy: by name those of the package and of the user's tables, grids, files, and events."""

    names: tuple[str, ...] | None = Field(
        default=None,
        description="scenarios of the package and of the user's tables; none: all of them, an empty list: none of them",
    )
    files: tuple[str, ...] = Field(
        default=(), description="TOML files with [[event]] tables such as models/data/stress.toml"
    )
    grids: tuple[StressGrid, ...] = Field(default=(), description="combinations of spot returns and vol ratios")
    scenarios: tuple[StressEvent, ...] = Field(default=(), description="scenarios written in the policy itself")

    def chosen(self) -> list[StressEvent]:
        """Every scenario asked for, in order: packaged, files, policy, grids; names must differ.

        Raises
        ------
        InputError
            For an unknown name, a name that occurs twice, or a file that cannot be read.
        """
        known = {event.name: event for event in known_events()}
        for name in self.names or ():
            if name not in known:
                raise InputError(
                    "unknown stress scenario",
                    file="policy",
                    field="stress.names",
                    value=name,
                    fix=advice(name, known),
                )
        found = list(known.values()) if self.names is None else [known[name] for name in self.names]
        for path in self.files:
            found += read_stress(path)
        found += self.scenarios
        for grid in self.grids:
            found += grid.cells()
        seen: set[str] = set()
        for event in found:
            if event.name in seen:
                raise InputError("occurs twice", file="policy", field="stress", value=event.name, fix="rename one of them")
            seen.add(event.name)
        return found


@lru_cache
def packaged_events() -> tuple[StressEvent, ...]:
    """The packaged events."""
    return tuple(StressEvent.model_validate(event) for event in table("stress")["event"])


def known_events() -> tuple[StressEvent, ...]:
    """The packaged events, and those of the user's tables (:mod:`hedgeopt.models.data.user_files`)."""
    return _known_events(tables_key())


@lru_cache
def _known_events(tables: str) -> tuple[StressEvent, ...]:
    found = {event.name: event for event in packaged_events()}
    for path in own_tables("stress").values():
        for event in read_stress(path):
            if event.name in found:
                raise InputError("occurs twice", file=path, field="event", value=event.name, fix="rename one of them")
            found[event.name] = event
    return tuple(found.values())


class StressTable(Record):
    """A file of stress scenarios."""

    as_of: date | None = Field(default=None, description="day on which the numbers were checked")
    event: tuple[StressEvent, ...] = Field(min_length=1)


def read_stress(path: str | Path) -> list[StressEvent]:
    """Stress scenarios from a TOML file with ``[[event]]`` tables; numbers may be bare or carry their source.

    Raises
    ------
    InputError
        Names the file, the event and the field that is wrong.
    """
    from hedgeopt.files.reading import parse_toml, validation_line

    data: Any = parse_toml(path, "stress")
    if set(data) - {"event", "as_of"} or not isinstance(data.get("event"), list):
        raise InputError("holds no [[event]] tables", file=path, fix="see hedgeopt schema stress")
    events = []
    for number, item in enumerate(data["event"], start=1):
        try:
            events.append(as_record(StressEvent, item))
        except ValidationError as error:
            where = item.get("name", f"event {number}") if isinstance(item, dict) else f"event {number}"
            raise validation_line(error, path, str(where)) from None
    return events
