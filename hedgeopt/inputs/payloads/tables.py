"""Payloads that come as tables: recognised by their columns, read as a whole."""

from __future__ import annotations

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.inputs.payloads.form import Found

__all__ = ["read_table_payload"]


def read_table_payload(frame: pd.DataFrame, file: str, found: Found, venue: str) -> None:
    """Read a table into ``found``.

    Raises
    ------
    InputError
        For columns of no known form.
    """
    from hedgeopt.inputs.payloads.recognise import form_of, read_payload

    columns = {str(column): None for column in frame.columns}
    if form_of(columns) is None:
        shown = ", ".join(list(columns)[:8])
        fix = "docs/inputs.md lists every form that is read"
        raise InputError(f"is no form of table that is known (columns: {shown})", file=file, fix=fix)
    rows = frame.astype("object").where(frame.notna(), None).to_dict("records")
    read_payload([{str(key): value for key, value in row.items()} for row in rows], file, found, venue)
