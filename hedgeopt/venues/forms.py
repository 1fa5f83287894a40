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

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NoReturn, get_args

from pydantic import Field, TypeAdapter, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.names import advice
from hedgeopt.files.record import Record, as_record
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.venues.dates import date_pattern, fault_of, hours_of, read_date

__all__ = ["Forms", "NameForm"]

_PART = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_PATTERNS = {"base": r"[A-Za-z0-9]+", "quote": r"[A-Za-z]+"}
_TYPES: dict[type, str] = {float: r"\d+(?:\.\d+)?", int: r"\d+", str: r"[A-Za-z0-9.]+"}
"""Types of fields that a name can hold, and how their texts look; a number that may be whole or not is read as a float."""


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
        return _PART.findall(self.form)

    @property
    def letters(self) -> int:
        """Letters outside of braces: how particular the form is."""
        return len(_PART.sub("", self.form))


@dataclass(frozen=True)
class _Reader:
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
            fields[_base_field(self.instrument)] = given["base"]
        if self.rule.settlement is not None and "settlement" in self.instrument.model_fields:
            fields["settlement"] = _PART.sub(lambda part: str(given[part[1]]), self.rule.settlement)
        if "expiry" in parts and self.rule.expiry is not None:
            fields["expiry"] = read_date(parts["expiry"], self.rule.expiry, self.rule.time)
        if "right" in parts:
            fields["right"] = self.rule.rights[parts["right"]]
        for part, number in self.numbers.items():
            fields[part] = number(parts[part])
        return self.instrument(name=name, venue=venue, **fields)


class Forms:
    """The names of one venue.

    Raises
    ------
    InputError
        For a form of an unknown family, one whose parts do not make an instrument of it, or one that could read no name.
    """

    def __init__(self, venue: str, forms: Sequence[dict[str, Any]], file: str) -> None:
        self.venue, self.file = venue, file
        readers = [_Checked(k, data, file).reader for k, data in enumerate(forms)]
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
            found: list[tuple[_Reader, Any]] = []
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


def _base_field(instrument: Any) -> str:
    return "underlying" if "underlying" in instrument.model_fields else "asset"


def _types(annotation: Any) -> set[Any]:
    """The types that an annotation names, inside of unions and ``Annotated``; of a literal, those of its words."""
    inner = get_args(annotation)
    return set().union(*(_types(one) for one in inner)) if inner else {annotation if isinstance(annotation, type) else
                                                                      type(annotation)}  # fmt: skip


class _Checked:
    """One entry of ``[[names]]``, refused with its file and place where it could read no name."""

    def __init__(self, k: int, data: dict[str, Any], file: str) -> None:
        self.file, self.where = file, f"names[{k}]"
        try:
            self.rule = as_record(NameForm, data)
        except ValidationError as error:
            line = validation_line(error, None)
            self._refuse(line.field or "", line.problem, line.value, line.fix)
        if self.rule.kind not in FAMILIES:
            self._refuse("kind", "unknown family", self.rule.kind, advice(self.rule.kind, FAMILIES))
        self.instrument: Any = FAMILIES[self.rule.kind].instrument
        self._check_parts()
        self._check_expiry()
        self._check_settlement()
        self._check_rights()
        self._check_fields()
        self.reader = self._made()

    def _refuse(self, field: str, problem: str, value: Any, fix: str | None) -> NoReturn:
        place = f"{self.where}.{field}" if field else self.where
        raise InputError(problem, file=self.file, field=place, value=value, fix=fix) from None

    def _check_parts(self) -> None:
        rule, known = self.rule, self.instrument.model_fields
        if set("{}") & set(_PART.sub("", rule.form)):
            self._refuse("form", "has a brace that closes or opens no part", rule.form, "write parts as {base}")
        for part in rule.parts:
            if rule.parts.count(part) > 1:
                self._refuse("form", f"has {{{part}}} more than once", rule.form, "name each part once")
        said = {*rule.fields, *(set(rule.parts) - {"base", "quote"})}
        said |= {"settlement"} if rule.settlement is not None else set()
        said |= {_base_field(self.instrument)} if "base" in rule.parts else set()
        missing = [name for name, f in known.items() if f.is_required() and name not in {*said, "name", "venue"}]
        unknown = sorted(said - set(known) - ({"settlement"} if hasattr(self.instrument, "settlement") else set()))
        if missing or unknown:
            problem = f"gives no {missing[0]}" if missing else f"gives {unknown[0]}, which is no field"
            names = ", ".join(sorted(set(known) - {"kind", "name", "venue"}))
            fix = f"fields of a {rule.kind}: {names}; base and quote are parts"
            self._refuse("form", f"{problem} of a {rule.kind}", rule.form, fix)

    def _check_expiry(self) -> None:
        rule = self.rule
        if "expiry" not in rule.parts:
            if rule.expiry is not None:
                self._refuse("expiry", "is not used", rule.expiry, "put {expiry} into the form, or leave it out")
            return
        if rule.expiry is None:
            self._refuse("form", "needs expiry = the format of its dates, such as '%Y%m%d'", rule.form, None)
        fault = fault_of(rule.expiry)
        if fault is not None:
            self._refuse("expiry", fault, rule.expiry, "write it as strptime does, such as '%Y%m%d' or '%d%b%y'")
        if hours_of(rule.expiry) and "time" in rule.model_fields_set:
            self._refuse("time", "is not used: the names give the hour", rule.time, "leave it out")

    def _check_settlement(self) -> None:
        text = self.rule.settlement
        if text is None:
            return
        if set("{}") & set(_PART.sub("", text)):
            self._refuse("settlement", "has a brace that closes or opens no part", text, "an asset, {base} or {quote}")
        for part in _PART.findall(text):
            if part not in ("base", "quote"):
                fix = advice(part, ("base", "quote"))
                self._refuse("settlement", f"has {{{part}}}, which is neither {{base}} nor {{quote}}", text, fix)
            if part not in self.rule.parts:
                self._refuse("settlement", f"has {{{part}}}, which the form lacks", text, f"put {{{part}}} into the form")

    def _check_rights(self) -> None:
        rights = self.rule.rights
        if "right" not in self.rule.parts:
            if "rights" in self.rule.model_fields_set:
                self._refuse("rights", "is not used", rights, "put {right} into the form, or leave it out")
            return
        words = [str(word) for word in get_args(self.instrument.model_fields["right"].annotation)]
        if not rights:
            self._refuse("rights", "names no right", None, 'such as { C = "call", P = "put" }')
        for text, right in rights.items():
            if right not in words:
                self._refuse(f"rights.{text}", "is no right", right, advice(right, words))

    def _check_fields(self) -> None:
        for name, value in self.rule.fields.items():
            field = self.instrument.model_fields[name]
            if name in self.rule.parts:
                self._refuse(f"fields.{name}", "is in the form already", value, "give it once")
            try:
                adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
                adapter.validate_python(value)
            except ValidationError as error:
                line = validation_line(error, None)
                self._refuse(f"fields.{name}", line.problem, value, line.fix)

    def _made(self) -> _Reader:
        own = {**_PATTERNS, "right": "|".join(re.escape(word) for word in self.rule.rights)}
        own["expiry"] = date_pattern(self.rule.expiry or "")
        numbers: dict[str, type] = {}
        for part in self.rule.parts:
            if part in own:
                continue
            types = _types(self.instrument.model_fields[part].annotation)
            chosen = next((one for one in _TYPES if one in types), None)
            if chosen is None:
                fix = "names hold numbers and words; give it in fields = { ... }"
                self._refuse("form", f"has {{{part}}}, whose type no name can hold", self.rule.form, fix)
            own[part] = _TYPES[chosen]
            if chosen is not str:
                numbers[part] = chosen
        pieces: Iterable[tuple[int, str]] = enumerate(_PART.split(self.rule.form))
        text = "".join(f"(?P<{piece}>{own[piece]})" if odd % 2 else re.escape(piece) for odd, piece in pieces)
        return _Reader(self.where, self.rule, re.compile(text), self.instrument, numbers)
