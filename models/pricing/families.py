"""The instrument families hedgeopt prices. A new family is a file, a line here, and a test file."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.own_kinds import OwnKinds
from hedgeopt.models.pricing.amm_concentrated import AMM_CONCENTRATED
from hedgeopt.models.pricing.amm_constant_product import AMM_CONSTANT_PRODUCT
from hedgeopt.models.pricing.family import Family
from hedgeopt.models.pricing.future import FUTURE
from hedgeopt.models.pricing.grid import GRID
from hedgeopt.models.pricing.instrument import Instrument
from hedgeopt.models.pricing.lending_borrow import LENDING_BORROW
from hedgeopt.models.pricing.lending_supply import LENDING_SUPPLY
from hedgeopt.models.pricing.loop import LOOP
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.option import OPTION
from hedgeopt.models.pricing.option_vault import OPTION_VAULT
from hedgeopt.models.pricing.pegged import PEGGED
from hedgeopt.models.pricing.perpetual import PERPETUAL
from hedgeopt.models.pricing.spot import SPOT
from hedgeopt.models.pricing.transfer import TRANSFER

__all__ = [
    "FAMILIES",
    "INSTRUMENT",
    "OWN_INSTRUMENTS",
    "AnyInstrument",
    "family_of",
    "hedge_kinds",
    "natures",
    "quoted_kinds",
    "register_family",
]

FAMILIES: dict[str, Family] = {
    family.kind: family
    for family in (
        SPOT,
        PERPETUAL,
        FUTURE,
        OPTION,
        AMM_CONSTANT_PRODUCT,
        AMM_CONCENTRATED,
        LENDING_SUPPLY,
        LENDING_BORROW,
        LOOP,
        PEGGED,
        OPTION_VAULT,
        GRID,
    )
}

OWN_INSTRUMENTS = OwnKinds("family")

AnyInstrument: Any = OWN_INSTRUMENTS.union(
    {kind: family.instrument for kind, family in FAMILIES.items()},
    Annotated[reduce(or_, (f.instrument for f in FAMILIES.values())), Field(discriminator="kind")],
)
"""Any instrument, told apart by its ``kind``; the user's own too."""

INSTRUMENT: TypeAdapter[Any] = TypeAdapter(AnyInstrument)


@strict_call
def register_family(family: Family) -> None:
    """Price the instruments of a family of yours in this process; a second one of its kind replaces the first.

    Raises
    ------
    InputError
        For what is no family, one without an instrument, and a kind of the package.
    """
    if not isinstance(family, Family):
        fix = "give an instance: register_family(PowerPerpetualFamily())"
        raise InputError("is no family of instruments", field="family", value=str(family), fix=fix)
    try:
        instrument, kind = family.instrument, family.kind
    except AttributeError as error:
        fix = 'set kind = "your_kind" and instrument = YourInstrument, a subclass of Derivative or Instrument'
        raise InputError(f"has no {error.name}", field=type(family).__name__, fix=fix) from None
    if not (isinstance(instrument, type) and issubclass(instrument, Instrument)):
        fix = "set instrument = YourInstrument, a subclass of Derivative or Instrument"
        raise InputError("has no instrument", field=type(family).__name__, value=str(instrument), fix=fix)
    if not isinstance(kind, str) or instrument.nature.kind != kind:
        fix = f"set kind = {instrument.nature.kind!r}"
        raise InputError("is not the kind of its instrument", field=f"{type(family).__name__}.kind", value=kind, fix=fix)
    for hook in ("unit_risk", "scenario_pnl"):
        if getattr(type(family), hook) is getattr(Family, hook):
            fix = "write it; docs/extend.md has an example"
            raise InputError(f"has no {hook}", field=type(family).__name__, fix=fix)
    OWN_INSTRUMENTS.define(instrument)
    FAMILIES[kind] = family


def family_of(instrument: Any) -> Family:
    """The family that prices ``instrument``, transfers of collateral included.

    Raises
    ------
    InputError
        When no family of its kind is registered.
    """
    kind = instrument.kind
    family = TRANSFER if kind == TRANSFER.kind else FAMILIES.get(kind)
    if family is None:
        known = f"known: {', '.join(FAMILIES)}; register it in FAMILIES of models/pricing/families.py"
        raise InputError("unknown kind of instrument", field=str(instrument.id), value=kind, fix=known)
    return family


def natures() -> dict[str, Nature]:
    """Nature of each registered family, by kind."""
    return {kind: family.instrument.nature for kind, family in FAMILIES.items()}


def hedge_kinds() -> tuple[str, ...]:
    """Kinds that policies may trade where they name none; options first."""
    found = {kind: nature for kind, nature in natures().items() if nature.hedge}
    return tuple(sorted(found, key=lambda kind: not found[kind].option))


def quoted_kinds() -> tuple[str, ...]:
    """Kinds that markets quote, so that they can be traded."""
    return tuple(kind for kind, nature in natures().items() if nature.quoted)
