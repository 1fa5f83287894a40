"""Instrument names of a venue from templates in its table, ``[[names]]``, one per form::

    [[names]]
    kind = "option"                             # a family (hedgeopt.models.pricing.families)
    form = "{base}-{expiry}-{strike}-{right}"   # ETH-20260327-3000-C
    expiry = "%Y%m%d"                           # of strptime; expiries are at `time`, UTC
    time = "08:00"
    settlement = "USDC"                         # an asset, or {base} or {quote}

    [[names]]
    kind = "power_perpetual"
    form = "{base}-SQUARED"
    settlement = "USDC"

Parts of a form are ``base`` (the underlying, or the asset of spot), ``quote``, ``expiry``, ``strike``, ``right`` (C or P, or
as ``rights = { CALL = "call", PUT = "put" }`` says), and any other field of the instrument that is a number or a word:
``{base}-P{power}`` reads a ``power`` of 2.5 in ``ETH-P2.5``. ``fields = { size = 2.0 }`` gives fields that are in no name.

Formats of dates take %Y %y %m %b %B %d %j, and %H %M %S where names give the hour. Of the forms that a name follows, those
with most fixed letters count; where several of these read it differently, the name is refused. A form that could read
no name is refused with the table, as ``names[1].expiry``, before any name is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.venues.form_checks import form_reader
from hedgeopt.venues.name_form import FormReader

__all__ = ["Forms"]


class Forms:
    """The names of one venue.

    Raises
    ------
    InputError
        For a form of an unknown family, one whose parts do not make an instrument of it, or one that could read no name.
    """

    def __init__(self, venue: str, forms: Sequence[dict[str, Any]], file: str) -> None:
        self.venue, self.file = venue, file
        readers = [form_reader(k, data, file) for k, data in enumerate(forms)]
        self.readers = tuple(sorted(readers, key=lambda reader: -reader.rule.letters))
        self.known = ", ".join(reader.rule.form for reader in self.readers)

    def __call__(self, name: str) -> Any:
        """The instrument that a name stands for.

        Raises
        ------
        InputError
            When the name follows none of the forms, or several with different readings, or names an impossible instrument.
        """
        fix = f"names of {self.venue} read {self.known}"
        problem: str | None = None
        for _, alike in groupby(self.readers, key=lambda reader: reader.rule.letters):
            found: list[tuple[FormReader, Any]] = []
            impossible = False
            for reader in alike:
                match = reader.pattern.fullmatch(name)
                if match is None:
                    continue
                try:
                    item = reader.read(match, name, self.venue)
                except InputError as error:
                    problem, impossible = problem or error.problem, True
                except ValueError:
                    problem = problem or "names no date"
                else:
                    if all(item != other for _, other in found):
                        found.append((reader, item))
            if len(found) > 1:
                forms = " and ".join(f"{reader.where} ({reader.rule.form})" for reader, _ in found)
                raise InputError(
                    f"is ambiguous: {forms} read it differently",
                    file=self.file,
                    field="names",
                    value=name,
                    fix="give one of the forms letters that the other lacks",
                )
            if found:
                return found[0][1]
            if impossible:
                break
        raise InputError(problem or "is not an instrument name", field="instrument_name", value=name, fix=fix)

    def written(self, item: Any) -> str:
        """The venue's name of an instrument: of the forms of its kind, the first that reads back as the same instrument.

        Raises
        ------
        InputError
            Where no form writes it.
        """
        base = getattr(item, "underlying", getattr(item, "asset", None))
        for reader in self.readers:
            rule = reader.rule
            if rule.kind != item.kind or "quote" in rule.parts:
                continue
            parts: dict[str, str] = {"base": str(base)}
            if "expiry" in rule.parts and rule.expiry is not None:
                day = item.expiry.strftime(rule.expiry.replace("%d%b", "{day}%b")).format(day=item.expiry.day)
                parts["expiry"] = day.upper()
            if "right" in rule.parts:
                parts["right"] = next((text for text, right in rule.rights.items() if right == item.right), "")
            for part in set(rule.parts) - set(parts):
                value = getattr(item, part, "")
                parts[part] = f"{value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            name = rule.form.format_map(parts)
            try:
                same = self(name).model_copy(update={"name": item.name}) == item
            except InputError:
                continue
            if same:
                return name
        raise InputError("is named by no form", file=self.file, field="names", value=item.name, fix=f"forms: {self.known}")

    def perpetual(self, asset: str) -> str:
        """The name of an asset's perpetual: of the first form of a linear contract without expiry."""
        for reader in self.readers:
            if reader.instrument.nature.perpetual and set(reader.rule.parts) == {"base"}:
                return reader.rule.form.format(base=asset)
        raise InputError("names no perpetuals", file=self.file, field="names", value=asset, fix="add a form of them")
