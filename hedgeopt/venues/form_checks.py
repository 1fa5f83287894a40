"""Checks of a template of instrument names: one that could read no name is refused with its file and place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn, get_args

from pydantic import TypeAdapter, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.names import advice
from hedgeopt.files.record import as_record
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.venues.dates import date_pattern, fault_of, hours_of
from hedgeopt.venues.name_form import PART, FormReader, NameForm, base_field

__all__ = ["form_reader"]

_PATTERNS = {"base": r"[A-Za-z0-9]+", "quote": r"[A-Za-z]+"}
_TYPES: dict[type, str] = {float: r"\d+(?:\.\d+)?", int: r"\d+", str: r"[A-Za-z0-9.]+"}
"""Types of fields that a name can hold, and how their texts look; a number that may be whole or not is read as a float."""


def form_reader(k: int, data: dict[str, Any], file: str) -> FormReader:
    """The reader of entry ``k`` of ``[[names]]``.

    Raises
    ------
    InputError
        For a form of an unknown family, one whose parts do not make an instrument of it, or one that could read no name.
    """
    return _Checked(k, data, file).reader


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
        if set("{}") & set(PART.sub("", rule.form)):
            self._refuse("form", "has a brace that closes or opens no part", rule.form, "write parts as {base}")
        for part in rule.parts:
            if rule.parts.count(part) > 1:
                self._refuse("form", f"has {{{part}}} more than once", rule.form, "name each part once")
        said = {*rule.fields, *(set(rule.parts) - {"base", "quote"})}
        said |= {"settlement"} if rule.settlement is not None else set()
        said |= {base_field(self.instrument)} if "base" in rule.parts else set()
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
        if set("{}") & set(PART.sub("", text)):
            self._refuse("settlement", "has a brace that closes or opens no part", text, "an asset, {base} or {quote}")
        for part in PART.findall(text):
            if part not in ("base", "quote"):
                fix = advice(part, ("base", "quote"))
                self._refuse("settlement", f"has {{{part}}}, which is neither {{base}} nor {{quote}}", text, fix)
            if part not in self.rule.parts:
                self._refuse("settlement", f"has {{{part}}}, which the form lacks", text, f"put {{{part}}} into the form")
        own = {self.rule.fields.get("underlying")} if "base" not in self.rule.parts else set()
        if not PART.findall(text) and self.instrument.nature.derivative and text not in {*dollar_assets(), *own}:
            fix = (
                "write {base} for contracts that settle in their coin, {quote} for a dollar of the name's own, or a dollar "
                f"asset ({', '.join(sorted(dollar_assets()))}); a table of assets adds one (hedgeopt schema assets)"
            )
            self._refuse("settlement", "is no dollar asset", text, fix)

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

    def _made(self) -> FormReader:
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
        pieces: Iterable[tuple[int, str]] = enumerate(PART.split(self.rule.form))
        text = "".join(f"(?P<{piece}>{own[piece]})" if odd % 2 else re.escape(piece) for odd, piece in pieces)
        return FormReader(self.where, self.rule, re.compile(text), self.instrument, numbers)
