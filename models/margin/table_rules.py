"""Margin tables: the records of each type, and the checks of a table."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.names import advice
from hedgeopt.files.record import Record, as_record
from hedgeopt.models.margin.table_numbers import Moves, both_ways
from hedgeopt.models.margin.tiers import Tiers
from hedgeopt.models.pricing.families import natures

__all__ = [
    "SECTIONS",
    "TABLE_KINDS",
    "LiquidationRule",
    "MarginTable",
    "ShortOptionRules",
    "check_table",
    "liquidation_rule",
]

TABLE_KINDS = {
    "tiers": ("perpetual", "future", "spot"),
    "short_option": ("perpetual", "future", "option", "spot"),
    "grid": ("perpetual", "future", "option", "spot"),
}
"""Margin classes that each type of table takes."""


_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0, le=100)]
_Step = tuple[Annotated[float, Field(ge=0)], _Share]


def _rising(steps: tuple[_Step, ...]) -> tuple[_Step, ...]:
    if steps[0][0] != 0 or any(later[0] <= step[0] for step, later in pairwise(steps)):
        raise ValueError("steps must begin at 0 USD and rise")
    if any(later[1] < step[1] for step, later in pairwise(steps)):
        raise ValueError("rates must not fall, as the requirement would not be convex; give a larger step no smaller rate")
    return steps


_Steps = Annotated[tuple[_Step, ...], Field(min_length=1), AfterValidator(_rising)]


def _refuse_maintenance_above(initial: dict[str, _Steps], maintenance: dict[str, _Steps]) -> None:
    """Maintenance margin is at most initial margin, at every notional: linear in between, so asked where either bends."""
    for asset in {**initial, **maintenance}:
        first, second = (steps.get(asset, steps.get("*")) for steps in (initial, maintenance))
        if first is None or second is None:
            continue
        one, two = (
            Tiers(*(tuple(float(v) for v in part) for part in zip(*steps, strict=True))) for steps in (first, second)
        )
        last = max(one.lower[-1], two.lower[-1], 1.0)
        for notional in (*one.lower, *two.lower, 2.0 * last, 1e3 * last):
            if two.margin(notional + 1.0) > one.margin(notional + 1.0) + 1e-9 * (notional + 1.0):
                raise ValueError(
                    f"maintenance of {asset} is above initial margin at {notional + 1.0:,.0f} USD "
                    f"({two.margin(notional + 1.0):,.6g} against {one.margin(notional + 1.0):,.6g}); exchange the two, or "
                    "raise the initial rates"
                )


class _TierInstrument(Record):
    """Rates by notional of one class of margined contracts."""

    initial: dict[str, _Steps]
    maintenance: dict[str, _Steps]

    @model_validator(mode="after")
    def _in_order(self) -> _TierInstrument:
        _refuse_maintenance_above(self.initial, self.maintenance)
        return self


class _TierRules(Record):
    """Rates by notional, per position."""

    type: Literal["tiers"]
    initial: dict[str, _Steps]
    maintenance: dict[str, _Steps]
    instrument: dict[str, _TierInstrument] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> _TierRules:
        _refuse_maintenance_above(self.initial, self.maintenance)
        return self


class _ShortRule(Record):
    """A short option of one right, per contract: shares of the index S and the mark M; O is how far out of the money."""

    initial_out: _Share = Field(description="initial max(initial_out S - O, initial_floor S) + M, at least maintenance")
    initial_floor: _Share
    maintenance: _Share = Field(description="maintenance max(maintenance S, maintenance_mark M) + M + fee S")
    maintenance_mark: _Share
    fee: float = Field(ge=0, le=0.05, description="of the index, charged with maintenance; 0.002 is 0.2 %")


class ShortOptionRules(_TierRules):
    """Short options one by one, nothing offsets; perpetuals and futures by tiers."""

    type: Literal["short_option"]  # type: ignore[assignment]
    option: dict[Literal["call", "put"], _ShortRule]

    @model_validator(mode="after")
    def _both_rights(self) -> ShortOptionRules:
        missing = [right for right in ("call", "put") if right not in self.option]
        if missing:
            raise ValueError(f"option.{missing[0]} is missing; a rate that the venue does not charge is 0")
        return self


def _shocks_both_ways(shocks: tuple[float, ...]) -> tuple[float, ...]:
    return both_ways(shocks) if any(shocks) else shocks


class _GridInstrument(Record):
    """A class of margined contracts that the table takes; ``power`` where all of them must have the same."""

    power: float | None = None


class _GridRules(Record):
    """The worst of a grid of moves and vol shocks."""

    type: Literal["grid"]
    moves: Moves = Field(min_length=1, max_length=1_000)
    vols: Annotated[tuple[Annotated[float, Field(ge=-1, le=10)], ...], AfterValidator(_shocks_both_ways)] = Field(
        min_length=1, max_length=1_000
    )
    initial_factor: _Positive
    maintenance_factor: _Positive
    power: float = Field(ge=0, le=10)
    futures_rate: _Share
    short_option_rate: _Share
    instrument: dict[str, _GridInstrument] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> _GridRules:
        if self.maintenance_factor > self.initial_factor:
            raise ValueError(
                f"maintenance_factor {self.maintenance_factor:g} is above initial_factor {self.initial_factor:g}; exchange "
                "the two, or raise initial_factor"
            )
        if any(self.vols) and 0.0 not in self.moves:
            raise ValueError("moves hold no 0, so no vol shock counts where the index stands; add 0 to moves")
        return self


class LiquidationRule(Record):
    """Liquidation rule below maintenance margin, and ``penalty_KEY`` of any fee key; read by backtests alone."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, _Share]]

    part: float = Field(gt=0, le=1)
    no_quote: float = Field(ge=0, lt=1)
    target: float = Field(default=1.0, ge=1, le=10)
    whole_below: float = Field(default=0.0, ge=0)
    backstop: float | None = Field(default=None, gt=0, lt=1)


MarginTable = Annotated[_TierRules | ShortOptionRules | _GridRules, Field(discriminator="type")]
"""``[margin]`` of a table."""
_MODELS: dict[str, type[Record]] = {"tiers": _TierRules, "short_option": ShortOptionRules, "grid": _GridRules}
SECTIONS = ("haircut", "liquidation", "margin", "source")


def check_table(data: dict[str, Any], name: str) -> None:
    """Refuse a table whose numbers are none, or none of a margin rule, and sections that nothing reads."""
    for section in data:
        if section not in SECTIONS:
            fix = advice(section, SECTIONS)
            raise InputError("is no section of a margin table", file=name, field=section, fix=fix)
    rules = data.get("margin")
    if not isinstance(rules, dict) or rules.get("type") not in _MODELS:
        raise InputError("needs [margin] with type = tiers, short_option or grid", file=name, field="margin.type")
    try:
        as_record(_MODELS[rules["type"]], rules)
    except ValidationError as error:
        raise validation_line(error, name, "[margin]") from None
    known = sorted({nature.margin_class for nature in natures().values() if nature.margined})
    for own in rules.get("instrument", {}):
        if own not in known:
            field, fix = f"margin.instrument.{own}", advice(own, known)
            raise InputError("is no margin class of a margined family", file=name, field=field, fix=fix)
    if "liquidation" in data:
        liquidation_rule(data["liquidation"], name)
    haircuts = data.get("haircut", {})
    if not isinstance(haircuts, dict):
        raise InputError("must be a table of assets and shares", file=name, field="haircut", value=haircuts)
    for asset, share in haircuts.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError("must be a share from 0 to 1", file=name, field=f"haircut.{asset}", value=share)


def liquidation_rule(data: Any, name: str) -> dict[str, Any]:
    """The section as backtests read it, ``penalty_KEY`` for any fee key."""
    if not isinstance(data, dict):
        raise InputError("must be a section", file=name, field="liquidation", value=data)
    known = [*LiquidationRule.model_fields, *(f"penalty_{nature.fee}" for nature in natures().values() if nature.fee)]
    for key in data:
        if key not in known:
            raise InputError("is not used by anything", file=name, field=f"liquidation.{key}", fix=advice(key, known))
    try:
        return as_record(LiquidationRule, data).model_dump(exclude_none=True)
    except ValidationError as error:
        raise validation_line(error, name, "[liquidation]") from None
