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
as ``rights = { CALL = "call", PUT = "put" }`` says), and any other field of the instrument. ``fields = { size = 2.0 }``
gives fields that no name says. Of the forms that a name follows, the one with most letters of its own counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.names import advice
from hedgeopt.files.reading import validated
from hedgeopt.files.record import Record
from hedgeopt.models.pricing.families import FAMILIES

__all__ = ["Forms"]

_PART = re.compile(r"\{([a-z_]+)\}")
_PATTERNS = {"strike": r"\d+(?:\.\d+)?", "expiry": r"[0-9A-Za-z]+", "base": r"[A-Za-z0-9]+", "quote": r"[A-Za-z]+"}


class _Form(Record):
    """One form as in the table."""

    kind: str
    form: str = Field(min_length=1)
    expiry: str | None = None
    time: str = Field(default="08:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    settlement: str | None = None
    rights: dict[str, str] = Field(default_factory=lambda: {"C": "call", "P": "put"})
    fields: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Reader:
    """A form with its pattern and family."""

    rule: _Form
    pattern: re.Pattern[str]
    instrument: Any

    def read(self, match: re.Match[str], name: str, venue: str) -> Any:
        """The instrument of a name that follows the form."""
        parts: dict[str, Any] = match.groupdict()
        given = {"base": parts.pop("base", None), "quote": parts.pop("quote", None)}
        fields: dict[str, Any] = {**self.rule.fields, **parts}
        if given["base"] is not None:
            fields["underlying" if "underlying" in self.instrument.model_fields else "asset"] = given["base"]
        if self.rule.settlement is not None and "settlement" in self.instrument.model_fields:
            fields["settlement"] = self.rule.settlement.format(**given)
        if "expiry" in fields and self.rule.expiry is not None:
            day = datetime.strptime(fields["expiry"], self.rule.expiry)
            hours, minutes = map(int, self.rule.time.split(":"))
            fields["expiry"] = day.replace(hour=hours, minute=minutes, tzinfo=UTC)
        if "strike" in fields:
            fields["strike"] = float(fields["strike"])
        if "right" in fields:
            fields["right"] = self.rule.rights[fields["right"]]
        return self.instrument(name=name, venue=venue, **fields)


class Forms:
    """The names of one venue.

    Raises
    ------
    InputError
        For a form of an unknown family, or one whose parts do not make an instrument of it.
    """

    def __init__(self, venue: str, forms: Sequence[dict[str, Any]], file: str) -> None:
        self.venue, self.file = venue, file
        readers = (self._reader(k, data) for k, data in enumerate(forms))
        self.readers = tuple(sorted(readers, key=lambda reader: -len(_PART.sub("", reader.rule.form))))
        self.known = ", ".join(reader.rule.form for reader in self.readers)

    def __call__(self, name: str) -> Any:
        """The instrument that a name stands for.

        Raises
        ------
        InputError
            When the name follows none of the forms, or names what cannot be.
        """
        fix = f"names of {self.venue} read {self.known}"
        for reader in self.readers:
            match = reader.pattern.fullmatch(name)
            if match is None:
                continue
            try:
                return reader.read(match, name, self.venue)
            except ValidationError as error:
                problem = validation_line(error, None).problem
                raise InputError(problem, field="instrument_name", value=name, fix=fix) from None
            except ValueError:
                raise InputError("names no date", field="instrument_name", value=name, fix=fix) from None
        raise InputError("is not an instrument name", field="instrument_name", value=name, fix=fix)

    def perpetual(self, asset: str) -> str:
        """The name of an asset's perpetual: of the first form of a linear contract without expiry."""
        for reader in self.readers:
            if reader.instrument.nature.perpetual and set(_PART.findall(reader.rule.form)) == {"base"}:
                return reader.rule.form.format(base=asset)
        raise InputError("names no perpetuals", file=self.file, field="names", value=asset, fix="add a form of them")

    def _reader(self, k: int, data: dict[str, Any]) -> _Reader:
        where = f"names.{k}"
        rule = validated(_Form, data, self.file)
        if rule.kind not in FAMILIES:
            raise InputError(
                "unknown family", file=self.file, field=f"{where}.kind", value=rule.kind, fix=advice(rule.kind, FAMILIES)
            )
        instrument = FAMILIES[rule.kind].instrument
        fields = set(instrument.model_fields)
        parts = set(_PART.findall(rule.form))
        said = {*rule.fields, *(parts - {"base", "quote"}), *({"settlement"} if rule.settlement is not None else ())}
        said |= {"underlying" if "underlying" in fields else "asset"} if "base" in parts else set()
        missing = [
            name for name, field in instrument.model_fields.items()
            if field.is_required() and name not in {*said, "name", "venue"}
        ]  # fmt: skip
        unknown = sorted(said - fields - ({"settlement"} if hasattr(instrument, "settlement") else set()))
        problem = None
        if missing or unknown:
            problem = f"says no {missing[0]}" if missing else f"says {unknown[0]}, which is no field"
        elif "expiry" in parts and rule.expiry is None:
            problem = "needs expiry = the format of its dates, such as '%Y%m%d',"
        if problem is not None:
            fix = (
                f"fields of a {rule.kind}: {', '.join(sorted(fields - {'kind', 'name', 'venue'}))}; base and quote are parts"
            )
            raise InputError(f"{problem} of a {rule.kind}", file=self.file, field=f"{where}.form", value=rule.form, fix=fix)
        patterns = {**_PATTERNS, "right": "|".join(re.escape(word) for word in rule.rights)}
        pieces = _PART.split(rule.form)
        text = "".join(
            f"(?P<{piece}>{patterns.get(piece, '[A-Za-z0-9.]+')})" if odd % 2 else re.escape(piece)
            for odd, piece in enumerate(pieces)
        )
        try:
            return _Reader(rule, re.compile(text), instrument)
        except re.error as error:
            raise InputError(f"is no form: {error}", file=self.file, field=f"{where}.form", value=rule.form) from None
