"""Impact laws as they stand in files: TOML (or JSON) of ``hedgeopt costs fit`` or of your own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.given import Given, named, read_data
from hedgeopt.files.names import advice
from hedgeopt.models.costs.impact import ImpactLaw

if TYPE_CHECKING:
    from hedgeopt.inputs.market import Market

__all__ = ["read_impact", "with_impact"]


def read_impact(source: Given) -> ImpactLaw:
    """The law in a file.

    Raises
    ------
    InputError
        Names file, field and value; also for a law that says nothing.
    """
    file = str(named(source, "impact"))
    data: Any = read_data(source, "impact", toml=True)
    if not isinstance(data, dict):
        raise InputError("is not a table of settings", file=file, fix="see docs/costs.md, section Impact")
    try:
        law = ImpactLaw(**{key: value for key, value in data.items() if key not in _SAID})
    except ValidationError as error:
        raise validation_line(error, file) from None
    except InputError as error:
        raise error.at(file) from None
    if not (law.instruments or law.volume or law.spread):
        raise InputError("says nothing", file=file, field="instruments",
                         fix="fit books by hedgeopt costs fit, or give [volume] or [spread]")  # fmt: skip
    return law


_SAID = ("as_of", "note")
"""What a fit says of itself beside the law."""


def with_impact(market: Market, source: Given) -> Market:
    """The market with a law of impact; instruments that it names and the market has not are refused, all or noted, some."""
    law = read_impact(source)
    unknown = [key for key in law.instruments if key not in market.instruments]
    if unknown and len(unknown) == len(law.instruments):
        raise InputError("is no instrument of the market", file=str(named(source, "impact")), field="instruments",
                         value=unknown[0], fix=advice(unknown[0], market.instruments))  # fmt: skip
    named_here = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    told = f"{named(source, 'impact')}: {named_here}: no instrument of the market, its parameters count for nothing"
    notes = [told] if unknown else []
    return replace(market, impact=law, notes=(*market.notes, *notes))
