"""Books as tables: one row per position or collateral."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.cells import numbers, wrong_numbers
from hedgeopt.files.given import Given, named, read_frame
from hedgeopt.files.names import require_known
from hedgeopt.files.parsing import from_json
from hedgeopt.files.reading import validated
from hedgeopt.files.table_parts import meant_headers
from hedgeopt.inputs.book import Account, Book

__all__ = ["BOOK_COLUMNS", "BOOK_TEXT", "book_from_frame", "book_to_frame"]

_OF_ACCOUNT = ("venue", "margin", "tradable", "paused", "chain", "counterparty", "tags")
BOOK_COLUMNS = {
    "account": "name of the account",
    "venue": "where it is",
    "instrument": "a position: the venue's name of it, or JSON of a whole instrument; empty for collateral",
    "asset": "collateral: the asset's code; empty for a position",
    "quantity": "of the instrument in its unit, or of the asset",
    "lot": "of a position, optional: its label where the account holds several lots of one instrument",
    "margin": "of the account, optional: its margin model",
    "tradable": "of the account, optional: true or false",
    "paused": "of the account, optional: true or false",
    "chain": "of the account, optional",
    "counterparty": "of the account, optional",
    "tags": "of the account, optional: JSON list of its strategies, desks or books, or one of them",
}
"""Columns of a book's table."""
BOOK_TEXT = tuple(name for name in BOOK_COLUMNS if name not in ("quantity", "tradable", "paused"))
"""Those that hold text: an account, lot or tag may be called 7."""


def book_to_frame(book: Book) -> pd.DataFrame:
    """See :meth:`Book.to_frame`."""
    rows = []
    for account in book.accounts:
        of = {"account": account.name, **{name: getattr(account, name) for name in _OF_ACCOUNT}}
        of["tags"] = json.dumps(account.tags, ensure_ascii=False) if account.tags else None
        held: list[tuple[str | None, str | None, float, str | None]] = [
            (_named(position.instrument), None, position.quantity, position.lot) for position in account.positions
        ]
        held += [(None, c.asset, c.amount, None) for c in account.collateral]
        for instrument, asset, quantity, lot in held or [(None, None, np.nan, None)]:
            rows.append(of | {"instrument": instrument, "asset": asset, "quantity": float(quantity), "lot": lot})
    frame = pd.DataFrame(rows, columns=list(BOOK_COLUMNS))
    links = [link.model_dump(mode="json", exclude_defaults=True) for link in book.links]
    kept: dict[str, Any] = {"name": book.name, "timestamp": book.timestamp and book.timestamp.isoformat(), "links": links}
    kept["notes"] = list(book.notes)
    kept["flows"] = [flow.model_dump(mode="json", exclude_defaults=True) for flow in book.flows]
    kept["booked"] = dict(book.booked)
    frame.attrs.update({name: value for name, value in kept.items() if value})
    return frame


def _named(instrument: Any) -> str:
    return instrument if isinstance(instrument, str) else json.dumps(instrument.model_dump(mode="json"))


def book_from_frame(
    frame: Given, *, name: str | None = None, timestamp: Any = None, links: Sequence[Any] | None = None, file: Any = None
) -> Book:
    """See :meth:`Book.from_frame`; ``file`` is what messages call the table."""
    file = file or named(frame, "book")
    table, kept = read_frame(frame, "book", text=BOOK_TEXT), getattr(frame, "attrs", None) or {}
    table = table.rename(columns=meant_headers(list(table.columns), BOOK_COLUMNS))
    require_known(table.columns, BOOK_COLUMNS, "column", file=file)
    for column in ("account", "venue", "quantity"):
        if column not in table.columns:
            fix = f"a book's table has the columns {', '.join(BOOK_COLUMNS)}"
            raise InputError("is missing", file=file, field=f"column {column}", fix=fix)
    for column in ("account", "venue"):
        missing = table[column].isna().to_numpy()
        if missing.any():
            raise InputError("is empty", file=file, field=f"{column}, row {int(missing.argmax()) + 1}")
    table["quantity"] = _quantities(table, file)
    accounts = [_account(str(_word(key)), rows, file) for key, rows in table.groupby("account", sort=False, observed=True)]
    data: dict[str, Any] = {"accounts": accounts}
    given_here = {"name": name, "timestamp": timestamp, "links": links}
    for field in ("name", "timestamp", "links", "notes", "flows", "booked"):
        given = given_here.get(field)
        value = kept.get(field) if given is None else given
        if value is not None:
            data[field] = value
    return validated(Book, data, file)


def _quantities(table: pd.DataFrame, file: Any) -> pd.Series:
    read = numbers(table["quantity"])
    wrong = wrong_numbers(table["quantity"], read).to_numpy() | np.isinf(read).to_numpy()
    if wrong.any():
        at = int(wrong.argmax())
        value = table["quantity"].iloc[at]
        raise InputError("is not a finite number", file=file, field=f"quantity, row {at + 1}", value=value)
    return read


def _account(name: str, rows: pd.DataFrame, file: Any) -> dict[str, Any]:
    """One account as a book file writes it."""
    found: dict[str, Any] = {"name": name, "positions": [], "collateral": []}
    for field in _OF_ACCOUNT:
        cell = _word if field in BOOK_TEXT else _plain
        values = list(dict.fromkeys(cell(v) for v in rows[field].dropna())) if field in rows.columns else []
        if len(values) > 1:
            fix = "give one account one value of it"
            raise InputError(f"differs within account {name!r}", file=file, field=field, value=values[1], fix=fix)
        if values:
            found[field] = _FROM_CELL.get(field, _plain)(values[0])
    for at, row in rows.iterrows():
        instrument, asset = (_cell(row, name) for name in ("instrument", "asset"))
        where = f"row {at + 1}"  # type: ignore[operator]  # rows are numbered from 0
        if instrument is not None and asset is not None:
            fix = "a position has an instrument, collateral an asset"
            raise InputError("holds an instrument and an asset", file=file, field=where, value=str(instrument), fix=fix)
        if instrument is None and asset is None:
            if not np.isnan(row["quantity"]):
                fix = "name the instrument of a position or the asset of collateral"
                raise InputError("is a quantity of nothing", file=file, field=where, value=row["quantity"], fix=fix)
            continue  # an account that holds nothing
        if np.isnan(row["quantity"]):
            raise InputError("is missing", file=file, field=f"quantity, {where}", fix="give a number")
        if asset is not None:
            found["collateral"].append({"asset": str(asset), "amount": row["quantity"]})
        else:
            whole = from_json(str(instrument), f"{file}: instrument, {where}") if str(instrument)[:1] == "{" else instrument
            found["positions"].append({"instrument": whole, "quantity": row["quantity"], "lot": _cell(row, "lot")})
    return found


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _word(value: Any) -> Any:
    """A cell of text; a table that took ``7`` for a number means that text."""
    value = _plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _cell(row: pd.Series, name: str) -> Any:
    """The text in a column; None where there is none."""
    return None if name not in row.index or pd.isna(row[name]) else _word(row[name])


def _truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _tags(value: Any) -> list[str]:
    return from_json(value, "tags") if str(value)[:1] == "[" else [str(value)]


_FROM_CELL: dict[str, Callable[[Any], Any]] = {"tradable": _truth, "paused": _truth, "tags": _tags}

assert set(_OF_ACCOUNT) <= set(Account.model_fields)
