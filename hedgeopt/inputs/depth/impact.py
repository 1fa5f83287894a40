"""Impact laws as they stand in files: TOML (or JSON) of ``hedgeopt costs fit`` or of your own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
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
    """The market with a law of impact.

    Fitted instruments that the market has not (expired ones) are left out and counted by a note, names of your own by one
    with the nearest known name; a law whose every name is unknown, and that has no other rule, is refused.
    """
    law, file = read_impact(source), str(named(source, "impact"))
    unknown = [key for key in law.instruments if key not in market.instruments]
    fitted = [key for key in unknown if law.instruments[key].books is not None]
    own = [key for key in unknown if key not in fitted]
    if unknown and len(unknown) == len(law.instruments) and not (law.volume or law.spread):
        fix = advice(own[0], market.instruments) if own else "fit books of what this market has, or give [spread]"
        raise InputError(
            "names no instrument of the market", file=file, field="instruments", value=(own or fitted)[0], fix=fix
        )
    notes = [f"{file}: {key} is no instrument of the market, its parameters count for nothing: "
             f"{advice(key, market.instruments)}" for key in own]  # fmt: skip
    if fitted:
        some = ", ".join(fitted[:5]) + (", ..." if len(fitted) > 5 else "")
        told = f"{many(len(fitted), 'fitted instrument')} of {len(law.instruments)} left out, not in the market"
        notes.append(f"{file}: {told} (expired?): {some}")
    return replace(market, impact=law, notes=(*market.notes, *notes))
