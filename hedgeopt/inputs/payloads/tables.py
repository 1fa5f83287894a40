"""Payloads that come as tables: vendors' files, price histories, and rows of replies saved as tables."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads import tardis
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.histories import history_of
from hedgeopt.inputs.payloads.recognise import form_of, read_payload

__all__ = ["TABLE_FORMS", "add_history", "read_table_payload"]

TABLE_FORMS = (
    ("Tardis options chain", "quotes", tardis.OPTIONS_CHAIN, "real payload", "docs.tardis.dev, downloadable CSV files"),
    ("Tardis derivative ticker", "quotes", tardis.DERIVATIVE_TICKER, "form unverified", "docs.tardis.dev, downloadable CSV"),
    ("CryptoDataDownload", "prices", {"unix", "date", "symbol", "close"}, "form unverified", "cryptodatadownload.com"),
    ("yfinance", "prices", {"Date", "Open", "Close"}, "form unverified", "ranaroussi.github.io/yfinance, download"),
    ("ccxt OHLCV", "prices", {"timestamp", "open", "close"}, "form unverified", "docs.ccxt.com, manual, fetchOHLCV"),
)
"""Name, contents, columns, whether checked, and source of each form of table."""


def read_table_payload(frame: pd.DataFrame, file: str, found: Findings, venue: str, asset: str | None = None) -> None:
    """Read a table into ``found``: a vendor's quotes, a price history, or rows of a reply.

    Raises
    ------
    InputError
        For columns of no known form.
    """
    columns = {str(column): None for column in frame.columns}
    if columns.keys() >= tardis.OPTIONS_CHAIN or columns.keys() >= tardis.DERIVATIVE_TICKER:
        _add_quotes(tardis.tardis_quotes(frame, file), file, found)
        found.forms.append(f"{file}: Tardis, {many(len(frame), 'row')}")
        if not columns.keys() >= tardis.OPTIONS_CHAIN:
            found.unverified.add("Tardis derivative ticker")
        return
    if form_of(columns) is None:
        history = history_of(frame, file, asset)
        if history is not None:
            add_history(found, history)
            found.forms.append(f"{file}: price history, {many(len(history), 'row')}")
            found.unverified.add(_history_form(columns))
            return
        shown = ", ".join(list(columns)[:8])
        fix = "docs/inputs.md lists every form that is read"
        raise InputError(f"is no form of table that is known (columns: {shown})", file=file, fix=fix)
    rows = frame.astype("object").where(frame.notna(), None).to_dict("records")
    read_payload([{str(key): value for key, value in row.items()} for row in rows], file, found, venue)


def _history_form(columns: Collection[str]) -> str:
    """Whose candles they are, by their columns."""
    if {"unix", "symbol"} <= {name.strip().lower() for name in columns}:
        return "CryptoDataDownload"
    return "yfinance" if {"Date", "Datetime"} & set(columns) else "ccxt OHLCV"


def add_history(found: Findings, history: pd.DataFrame) -> None:
    """Join a history to those read before, by time."""
    if found.history is None:
        found.history = history
        return
    twice = (set(found.history.columns) & set(history.columns)) - {"timestamp"}
    if twice:
        raise InputError("is in two histories", field=sorted(twice)[0], fix="give one history per asset")
    found.history = found.history.merge(history, on="timestamp", how="outer").sort_values("timestamp").reset_index(drop=True)


def _add_quotes(quotes: pd.DataFrame, file: str, found: Findings) -> None:
    """The last row of each instrument; a day of rows is read by ``read_market`` with ``at``."""
    last = quotes.sort_values("timestamp", kind="stable").drop_duplicates(["venue", "instrument"], keep="last")
    if len(last) < len(quotes):
        found.notes.append(f"{file}: the last of {many(len(quotes), 'row')} per instrument is taken ({len(last):,})")
    found.file = file
    numbers = [name for name in last.columns if last[name].dtype.kind == "f"]
    for k, row in enumerate(last.to_dict("records")):
        moment = row["timestamp"].to_pydatetime(warn=False)
        found.quote(row["venue"], row["instrument"], moment, f"row {k}", **{name: row[name] for name in numbers})
