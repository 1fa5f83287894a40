"""Sources read to their contents: JSON, JSON lines and tables, each by the reader of its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.given import given_text, is_table, named, read_frame
from hedgeopt.files.parsing import from_json
from hedgeopt.inputs.payloads.form import Found
from hedgeopt.inputs.payloads.recognise import looks_like_payload, read_payload
from hedgeopt.inputs.payloads.tables import read_table_payload

__all__ = ["json_of", "read_documents"]


def read_documents(sources: Sequence[Any], venue: str = "") -> tuple[Found, str]:
    """Everything in the sources, and their names.

    Raises
    ------
    InputError
        For what is neither JSON nor a table, or of no known form.
    """
    found, names = Found(), []
    for source in sources:
        name = str(named(source).name)
        names.append(name)
        values = json_of(source)
        if values is None:
            read_table_payload(read_frame(source, "payload"), name, found, venue)
            continue
        for value in values:
            if not looks_like_payload(value):
                fix = "import reads what venues send; a book or a policy of ours is ready as it is"
                raise InputError("is no payload of a venue", file=name, fix=fix)
            read_payload(value, name, found, venue)
    return found, ", ".join(dict.fromkeys(names))


def json_of(source: Any) -> list[Any] | None:
    """JSON values of a source (several of JSON lines); None for a table."""
    if is_table(source) or isinstance(source, pd.DataFrame):
        return None
    if isinstance(source, Mapping | list):
        return [dict(source) if isinstance(source, Mapping) else source]
    text = given_text(source, "payload") if not _is_binary_table(source) else None
    if text is None or text.lstrip()[:1] not in ("{", "["):
        if hasattr(source, "seek"):
            source.seek(0)
        return None
    file = named(source).name
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[:1] in ("{", "[") and line.rstrip()[-1:] in ("}", "]") for line in lines):
        try:
            return [from_json(line, file) for line in lines]
        except InputError:
            pass  # one value over several lines
    return [from_json(text, file)]


def _is_binary_table(source: Any) -> bool:
    name = str(named(source)).lower()
    return name.endswith((".parquet", ".xlsx", ".xls"))
