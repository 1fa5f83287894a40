"""Sources read to their contents: JSON, JSON lines and tables, each by the reader of its form."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.given import given_text, is_table, named, read_frame
from hedgeopt.files.parsing import from_json
from hedgeopt.files.regular import LARGEST_FILE
from hedgeopt.files.unpack import beginning
from hedgeopt.inputs.payloads.deribit_combos import combos_as_legs
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.histories import candles, is_candles
from hedgeopt.inputs.payloads.recognise import looks_like_payload, read_payload
from hedgeopt.inputs.payloads.replies import check_replies
from hedgeopt.inputs.payloads.tables import add_history, read_table_payload

__all__ = ["held", "json_of", "read_documents"]

_START = 4096


def read_documents(
    sources: Sequence[Any],
    venue: str = "",
    asset: str | None = None,
    instrument: str = "",
    accounts: Mapping[str, str] | None = None,
    within: timedelta = timedelta(minutes=5),
) -> tuple[Findings, str]:
    """Everything in the sources, and their names; ``instrument`` is that of a reply that names none.

    ``accounts`` names the account of a file, or of all files in a folder; replies lie at most ``within`` apart.

    Raises
    ------
    InputError
        For what is neither JSON nor a table, or of no known form.
    """
    found, names = Findings(instrument=instrument, within=within), []
    seen: list[tuple[str, str, list[Any]]] = []
    sources = list(map(held, sources))
    _known(sources, accounts or {})
    for source in sources:
        name = str(named(source, "payload").name)
        found.path, found.account = str(named(source, "payload")), _account(named(source), accounts or {})
        names.append(name)
        values = json_of(source)
        if values is None:
            read_table_payload(read_frame(source, "payload"), name, found, venue, asset)
            continue
        if any(values) and (before := _before(values, found.account, seen)) is not None:
            found.notes.append(f"{name} holds the same reply as {before}: given twice, counted once")
            continue
        seen.append((name, found.account, values))
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
    check_replies(found)
    combos_as_legs(found)
    return found, ", ".join(dict.fromkeys(names))


def _before(values: list[Any], account: str, seen: list[tuple[str, str, list[Any]]]) -> str | None:
    """The file before that holds the same reply of the same account; None where there is none."""
    return next((name for name, other, earlier in seen if other == account and earlier == values), None)


def _account(path: Path, accounts: Mapping[str, str]) -> str:
    """The user's name for a file's account; "" where there is none."""
    for key, name in accounts.items():
        if path == Path(key) or Path(key) in path.parents or path.name == key:
            return name
    return ""


def _known(sources: Sequence[Any], accounts: Mapping[str, str]) -> None:
    """Refuse names of accounts for files that are not given."""
    for key, name in accounts.items():
        if not any(_account(named(source), {key: name}) for source in sources):
            fix = "write FILE=NAME with a file that is given, or a folder of some"
            raise InputError("names the account of a file that is not given", field="--account", value=key, fix=fix)
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            fix = "letters, digits, - and _"
            raise InputError("is no name of an account", field="--account", value=name, fix=fix)


def json_of(source: Any, what: str = "payload") -> list[Any] | None:
    """JSON values of a source (several of JSON lines); None for a table, and for what cannot be read here."""
    if isinstance(source, Mapping):
        return [dict(source)]
    if isinstance(source, list):
        return [source]
    if is_table(source) or not (_is_json(source) or named(source).suffix.lower() == ".json"):
        return None
    text, file = given_text(source, what), named(source, what).name
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
