"""One template of instrument names as a venue's table gives it, and how the names that follow it are read.

The templates are described in :mod:`hedgeopt.venues.forms`, the checks of one in :mod:`hedgeopt.venues.form_checks`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from hedgeopt.files.record import Record
from hedgeopt.venues.dates import read_date

__all__ = ["PART", "FormReader", "NameForm", "base_field"]

PART = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
"""A part of a form, in braces."""


class NameForm(Record):
    """One form as in the table."""

    kind: str
    form: str = Field(min_length=1)
    expiry: str | None = None
    time: str = Field(default="08:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    settlement: str | None = None
    rights: dict[str, str] = Field(default_factory=lambda: {"C": "call", "P": "put"})
    fields: dict[str, Any] = Field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        """Names in braces."""
        return PART.findall(self.form)

    @property
    def letters(self) -> int:
        """Letters outside of braces: how particular the form is."""
        return len(PART.sub("", self.form))


@dataclass(frozen=True)
class FormReader:
    """A form with its pattern and family; ``numbers`` are the parts that are read as numbers, with their types."""

    where: str
    rule: NameForm
    pattern: re.Pattern[str]
    instrument: Any
    numbers: dict[str, type]

    def read(self, match: re.Match[str], name: str, venue: str) -> Any:
        """The instrument of a name that follows the form; ValueError where its date is none."""
        parts: dict[str, Any] = match.groupdict()
        given = {"base": parts.pop("base", None), "quote": parts.pop("quote", None)}
        fields: dict[str, Any] = {**self.rule.fields, **parts}
        if given["base"] is not None:
            fields[base_field(self.instrument)] = given["base"]
        if self.rule.settlement is not None and "settlement" in self.instrument.model_fields:
            fields["settlement"] = PART.sub(lambda part: str(given[part[1]]), self.rule.settlement)
        if "expiry" in parts and self.rule.expiry is not None:
            fields["expiry"] = read_date(parts["expiry"], self.rule.expiry, self.rule.time)
        if "right" in parts:
            fields["right"] = self.rule.rights[parts["right"]]
        for part, number in self.numbers.items():
            fields[part] = number(parts[part])
        return self.instrument(name=name, venue=venue, **fields)


def base_field(instrument: Any) -> str:
    """The field of an instrument that ``{base}`` fills."""
    return "underlying" if "underlying" in instrument.model_fields else "asset"
