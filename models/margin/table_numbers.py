"""Numbers of a portfolio margin that a venue's table gives: checked when read, and refused by name where one is missing."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.record import Record, as_record
from hedgeopt.models.data import lacking, where
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["BorrowRates", "ByDays", "Moves", "Numbers", "Share", "Steps", "both_ways", "checked_numbers", "needed", "steps"]

Share = Annotated[float, Field(ge=0, le=1)]
_Days = Annotated[float, Field(ge=0, le=10_000)]
_Size = Annotated[float, Field(ge=0, le=100)]


def _begin_and_rise(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if rows[0][0] != 0 or any(later[0] <= row[0] for row, later in pairwise(rows)):
        raise ValueError("rows must begin at 0 and rise in their first number")
    return rows


def _no_smaller(rows: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    if any(later[1] < row[1] for row, later in pairwise(rows)):
        raise ValueError("rates must not fall, as the requirement would not be convex; give a larger step no smaller rate")
    return rows


def both_ways(shocks: tuple[float, ...]) -> tuple[float, ...]:
    """Shocks, refused where they go one way only: positions that lose the other way would need no margin."""
    if not min(shocks) < 0 < max(shocks):
        missing = "down (below 0)" if min(shocks) >= 0 else "up (above 0)"
        told = ", ".join(f"{shock:g}" for shock in shocks[:6]) + (", …" if len(shocks) > 6 else "")
        raise ValueError(
            f"hold none that goes {missing} (found [{told}]), and what loses there would need no margin; give shocks both "
            "ways, such as [-0.2, -0.1, 0, 0.1, 0.2]; vols that the venue leaves are [0.0]"
        )
    return shocks


Moves = Annotated[tuple[Annotated[float, Field(gt=-1, le=10)], ...], AfterValidator(both_ways)]
"""Moves of the index as shares, both ways."""
Steps = Annotated[
    tuple[tuple[Annotated[float, Field(ge=0)], _Size], ...],
    Field(min_length=1),
    AfterValidator(_begin_and_rise),
    AfterValidator(_no_smaller),
]
"""``[[USD from, rate], ...]``: each rate applies to the amount inside its step."""
ByDays = Annotated[
    tuple[tuple[_Days, _Size], ...] | tuple[tuple[_Days, _Size, _Size], ...],
    Field(min_length=1),
    AfterValidator(_begin_and_rise),
]
"""``[[days to expiry, number, ...], ...]``: straight lines between the rows, constant after the last."""


class Numbers(Record):
    """Numbers of one coin or group of coins; what was not obtained is None."""


class BorrowRates(Record):
    """Shares of a loan's value that the venue asks for."""

    initial: Share
    maintenance: Share


_Numbers = TypeVar("_Numbers", bound=Record)


def checked_numbers(model: type[_Numbers], data: Any, table: str, section: str) -> _Numbers:
    """A section of a table, checked.

    Raises
    ------
    InputError
        For names that nothing reads, and numbers that cannot be.
    """
    if not isinstance(data, dict):
        raise InputError("must be a section", file=where(table), field=section, value=data)
    try:
        return as_record(model, data)
    except ValidationError as error:
        raise validation_line(error, where(table), f"[{section}]") from None


def needed(value: Any, table: str, section: str, name: str, shape: str, what: str) -> Any:
    """A number, or an error that says who needs it and what to write."""
    if value is None:
        problem = f"{what} needs [{section}] {name}, which the venue's public pages did not give"
        raise lacking(table, problem, field=f"{section}.{name}", line=f"[{section}] {name} = {shape}")
    return value


def steps(rows: Any) -> Tiers:
    """Tiers of ``[[USD from, rate], ...]``."""
    return Tiers(tuple(float(row[0]) for row in rows), tuple(float(row[1]) for row in rows))
