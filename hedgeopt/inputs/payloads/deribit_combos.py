"""Deribit: ``public/get_combos`` and ``get_combo_details`` as legs of combos, and positions in combos booked as their legs.

The legs that a reply gives count before those that a combo's name tells; a combo of neither keeps its name, and is refused
where it is valued, or set aside in reports of risk.
"""

from __future__ import annotations

from dataclasses import replace

from hedgeopt.inputs.payloads.deribit_names import is_combo, legs_of
from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form, HeldLine, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["COMBOS", "combos_as_legs"]

_MOST = 10
"""Largest amount of a leg; ratio spreads have 3."""


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name, legs = item.text("id"), [(leg.text("instrument_name"), leg.needed("amount")) for leg in item.items("legs")]
        if len(legs) < 2 or any(is_combo(leg) for leg, _ in legs):
            raise item.fault("is no combo of two or more instruments", "legs", len(legs), "save it as the venue sends it")
        odd = [amount for _, amount in legs if amount != round(amount) or not 1.0 <= abs(amount) <= _MOST]
        if odd:
            fix = f"a leg's amount is a whole multiple of the combo's, at most {_MOST}, and not 0"
            raise item.fault(f"of {name} is no such amount", "legs.amount", odd[0], fix)
        told = legs_of(name)
        if told is not None and dict(told) != dict(legs):
            fix = "which legs are bought? save the reply as the venue sends it"
            raise item.fault(f"differ from those that the name {name} tells", "legs", dict(legs), fix)
        found.combos[name] = legs


def combos_as_legs(found: Findings) -> None:
    """Positions in combos, after all replies are read, as positions in their legs, with a note."""
    held: list[HeldLine] = []
    for line in found.holdings:
        legs = None
        if line.venue == "deribit" and is_combo(line.name):
            legs = found.combos.get(line.name) or legs_of(line.name)
            if legs is None:
                fix = "give the reply to public/get_combos, or to get_combo_details, too"
                found.notes.append(f"the name {line.name} does not tell the legs of the combo: {fix}")
        if legs is None:
            held.append(line)
            continue
        told = ", ".join(f"{amount:+g} {leg}" for leg, amount in legs)
        found.notes.append(f"the position in {line.name} is booked as its legs: {told}")
        bare = HeldLine("deribit", "", 0.0, line.where, account=line.account, reply=line.reply)
        held += [replace(bare, name=leg, quantity=amount * line.quantity) for leg, amount in legs]
    found.holdings = held


COMBOS = Form(
    name="Deribit combos",
    venue="deribit",
    holds="sizes",
    keys=frozenset({"id", "legs", "state"}),
    read=_read,
    ignored=keys("instrument_id state state_timestamp creation_timestamp"),
    source="docs.deribit.com, public/get_combos and get_combo_details",
    checked=PUBLISHED,
)
