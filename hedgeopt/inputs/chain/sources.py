"""What callers give as a market, turned into chains: tables of ours, neutral tables, vendors' tables, and venues' payloads.

All payloads of one call are joined first (bids of one reply, vols of another); each table stays by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.given import named, read_frame
from hedgeopt.files.ragged import LeftLine
from hedgeopt.files.table_parts import meant_headers
from hedgeopt.inputs.columns import CHAIN, MARK_FILES
from hedgeopt.inputs.payloads import deribit_book_summary, deribit_quotes, tardis
from hedgeopt.inputs.payloads.documents import held, json_of
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.join import quotes_of
from hedgeopt.inputs.payloads.recognise import form_of, forms_read, is_payload, read_payload
from hedgeopt.inputs.payloads.replies import all_pages
from hedgeopt.inputs.payloads.tables import read_table_payload
from hedgeopt.inputs.quotes import (
    QUOTE_COLUMNS,
    columns_ignored,
    columns_left,
    contracts_told,
    is_quote_table,
    quotes_as_chain,
)

__all__ = ["DEFAULT", "chains_of"]

DEFAULT = "deribit"
"""Venue of a chain that does not say its own."""
_CHAIN = {"instrument_name", "timestamp", "currency"}
_MARKS = {name for names in MARK_FILES.values() for name in names}
_KNOWN = {
    "venue", *CHAIN, *deribit_book_summary.COLUMNS, *_MARKS, *QUOTE_COLUMNS, *tardis.COLUMNS,
}  # fmt: skip


def chains_of(
    sources: Sequence[Any],
    venue: str | None,
    notes: list[str],
    prices: dict[str, float],
    instrument: str = "",
    left: dict[str, str] | None = None,
) -> list[tuple[Path, pd.DataFrame]]:
    """Each source with its name, as a chain or a table of marks; ``notes`` and ``prices`` gain those of payloads.

    ``left`` gains, by ``venue:name``, why a line of a table that was left out cannot be read, for every name in it.

    Raises
    ------
    InputError
        For what is neither a table nor a payload of a known form.
    """
    found, names, tables = Findings(instrument=instrument), [], []
    for source in map(held, sources):
        name = named(source, "market")
        values = _payloads(source)
        if values is not None:
            for value in values:
                read_payload(value, name.name, found, venue or "")
            names.append(name.name)
            continue
        given = _rows(source)
        frame = read_frame(given, "market", columns=_KNOWN, aside=True)
        gone = frame.attrs.pop("left_lines", [])
        said = frame.attrs.pop("notes", [])
        notes += said if given is source else [f"{name.name}: {note.partition(': ')[2]}" for note in said]
        unread = frame.attrs.pop("unread", [])
        whole = _table(frame, name, venue)
        if whole is None:
            other = read_frame(source, "market", aside=True)
            if form_of(dict.fromkeys(map(str, other.columns))) is not None:
                read_table_payload(other, name.name, found, venue or "")
                names.append(name.name)
                continue
            whole = frame
        else:
            notes += _left(unread, frame, name)
        if whole is not None and "multiplier" in frame.columns:
            notes += contracts_told(frame)
        if left is not None:
            places = frame["venue"].dropna().astype(str).unique() if "venue" in frame.columns else [venue or DEFAULT]
            left.update({f"{place}:{cell}": one.sentence for one in gone for cell in _words(one) for place in places})
        tables.append((name, whole))
    if names:
        joined = ", ".join(dict.fromkeys(names))
        if not found.quotes:
            held_there = "; ".join(found.forms) or "nothing"
            raise InputError(f"holds no quotes ({held_there})", file=joined, fix="give the venue's tickers or summaries")
        all_pages(found)
        quotes = quotes_of(found, joined)
        if quotes.empty:
            raise InputError("holds no quote that can be used: " + "; ".join(found.said()[:3]), file=joined)
        notes += [*forms_read(found), *found.said()]
        for (_, asset), price in found.prices.items():
            if asset not in set(quotes["underlying"]):
                prices.setdefault(asset, price)
        tables.insert(0, (Path(joined), quotes_as_chain(quotes, joined, venue)))
        notes += contracts_told(quotes)
    return tables


def _words(line: LeftLine) -> list[str]:
    """Cells that may name an instrument."""
    return [cell.strip() for cell in line.cells if re.search("[A-Za-z]", cell) and not re.match(r"\d{4}-\d\d-\d\d", cell)]


def _left(unread: list[str], frame: pd.DataFrame, name: Path) -> list[str]:
    """Notes on columns left unread; those that a vendor's form lists as ignored are not named."""
    columns = set(frame.columns)
    if columns >= tardis.OPTIONS_CHAIN or columns >= tardis.DERIVATIVE_TICKER:
        notes = [] if columns >= tardis.OPTIONS_CHAIN else [
            "form unverified: Tardis derivative ticker (read by the vendor's documentation)"
        ]  # fmt: skip
        return [*notes, *columns_ignored(unread, tardis.IGNORED, name)]
    if is_quote_table(columns):
        unread = [*unread, *(column for column in frame.columns if column not in QUOTE_COLUMNS)]
    elif columns >= _CHAIN:
        unread = [*unread, *(column for column in frame.columns if column not in (*CHAIN, "venue"))]
    else:
        return columns_ignored(unread, deribit_quotes.BOOK_SUMMARY.ignored, name)
    return columns_left(unread, columns, name) if unread else []


def _table(frame: pd.DataFrame, name: Path, venue: str | None) -> pd.DataFrame | None:
    """A chain or marks from a table's known columns; None where it is neither."""
    columns = set(frame.columns)
    if columns >= tardis.OPTIONS_CHAIN or columns >= tardis.DERIVATIVE_TICKER:
        kept = [column for column in frame.columns if column in tardis.COLUMNS]
        return quotes_as_chain(tardis.tardis_quotes(frame[kept], name), name, venue)
    if is_quote_table(columns):
        return quotes_as_chain(frame[[c for c in frame.columns if c in QUOTE_COLUMNS]], name, venue)
    if "instrument_name" in columns and ("timestamp" in columns or "creation_timestamp" in columns):
        return deribit_book_summary.as_chain(frame)
    return frame if columns & set(MARK_FILES) else None


def _payloads(source: Any) -> list[Any] | None:
    """JSON values of a venue; None for tables, of which a list of rows and a dict of columns may be one."""
    values = json_of(source, "market")
    if values is None or not isinstance(source, Mapping | list):
        return None if values is not None and all(_is_rows(value) for value in values) else values
    return values if is_payload(values[0]) and not _is_rows(values[0]) else None


def _rows(source: Any) -> Any:
    """The rows in a JSON file of a table; anything else as it is."""
    if isinstance(source, Mapping | list | pd.DataFrame):
        return source
    values = json_of(source, "market")
    if values is None:
        return source
    return values[0] if len(values) == 1 else values


def _is_rows(value: Any) -> bool:
    """Whether it is a row, or rows, of a table of ours."""
    rows = value if isinstance(value, list) else [value]
    return bool(rows) and all(isinstance(row, dict) and _is_row(row) for row in rows)


def _is_row(row: dict[str, Any]) -> bool:
    meant = meant_headers(list(row), _KNOWN)
    columns = {meant.get(name, name) for name in row} if meant else row.keys()
    return is_quote_table(columns) or columns >= _CHAIN or bool(columns & set(MARK_FILES))
