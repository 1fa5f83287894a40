"""Sources read to their contents: JSON, JSON lines and tables, each by the reader of its form."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.given import given_text, is_table, named, read_frame
from hedgeopt.files.parsing import from_json
from hedgeopt.files.regular import LARGEST_FILE
from hedgeopt.files.unpack import beginning
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.histories import candles, is_candles
from hedgeopt.inputs.payloads.recognise import looks_like_payload, read_payload
from hedgeopt.inputs.payloads.tables import add_history, read_table_payload

__all__ = ["held", "json_of", "read_documents"]

_START = 4096


def read_documents(
    sources: Sequence[Any], venue: str = "", asset: str | None = None, instrument: str = ""
) -> tuple[Findings, str]:
    """Everything in the sources, and their names; ``instrument`` is that of a reply that names none.

    Raises
    ------
    InputError
        For what is neither JSON nor a table, or of no known form.
    """
    found, names = Findings(instrument=instrument), []
    seen: dict[str, list[Any]] = {}
    for k, source in enumerate(map(held, sources)):
        name = str(named(source).name)
        names.append(name)
        values = json_of(source)
        if values is None:
            read_table_payload(read_frame(source, "payload"), name, found, venue, asset)
            continue
        _once(f"{name} ({k + 1})", values, seen)
        for value in values:
            if is_candles(value):
                if asset is None:
                    fix = "give --asset BTC: candles do not name theirs"
                    raise InputError("is a list of candles of an asset that is not named", file=name, fix=fix)
                add_history(found, candles(value, asset, name))
                found.forms.append(f"{name}: ccxt OHLCV, {many(len(value), 'row')}")
                found.unverified.add("ccxt OHLCV")
                continue
            if not looks_like_payload(value):
                fix = "import reads what venues send; a book or a policy of ours is ready as it is"
                raise InputError("is no payload of a venue", file=name, fix=fix)
            read_payload(value, name, found, venue)
    return found, ", ".join(dict.fromkeys(names))


def _once(name: str, values: list[Any], seen: dict[str, list[Any]]) -> None:
    """Refuse a reply that was given before: its positions would count twice."""
    for other, before in seen.items():
        if before == values and any(values):
            first, second = other.rpartition(" (")[0], name.rpartition(" (")[0]
            same = "is given twice" if first == second else f"holds the same reply as {first}"
            raise InputError(same, file=second, fix="give it once: what it holds would count twice")
    seen[name] = values


def json_of(source: Any, what: str = "payload") -> list[Any] | None:
    """JSON values of a source (several of JSON lines); None for a table, and for what cannot be read here."""
    if isinstance(source, Mapping):
        return [dict(source)]
    if isinstance(source, list):
        return [source]
    if is_table(source) or not (_is_json(source) or named(source).suffix.lower() == ".json"):
        return None
    text, file = given_text(source, what), named(source).name
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[:1] in ("{", "[") and line.rstrip()[-1:] in ("}", "]") for line in lines):
        try:
            return [from_json(line, file) for line in lines]
        except InputError:
            pass  # one value over several lines
    return [from_json(text, file)]


def held(source: Any) -> Any:
    """An open file as one that can be read again; anything else as it is."""
    if isinstance(source, str | os.PathLike) or not callable(getattr(source, "read", None)) or is_table(source):
        return source
    try:
        if source.seekable():
            return source
        data = source.read(LARGEST_FILE + 1)
    except (OSError, ValueError, AttributeError, TypeError):
        return source  # whoever reads it says what is wrong
    again: Any = io.StringIO(data) if isinstance(data, str) else io.BytesIO(data) if isinstance(data, bytes) else source
    if again is not source and isinstance(getattr(source, "name", None), str):
        again.name = source.name
    return again


def _is_json(source: Any) -> bool:
    """Whether it begins as JSON does; the source is as it was afterwards. UTF-16 is left to the reader of text to refuse."""
    if isinstance(source, str | os.PathLike):
        start = beginning(source)
    elif callable(getattr(source, "read", None)):
        try:
            place = source.tell()
            data = source.read(_START)
            source.seek(place)
        except (OSError, ValueError, AttributeError, TypeError, UnicodeError):
            return False
        start = data.encode("utf-8", "replace") if isinstance(data, str) else data
    else:
        return False
    if isinstance(start, bytes) and start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return isinstance(start, bytes) and start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
