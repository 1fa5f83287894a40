"""A list of trades as a table: CSV, workbook, DataFrame or rows; odd rows are refused by number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.given import named, read_frame
from hedgeopt.files.table_parts import meant_headers

__all__ = ["GivenTrade", "given_trades"]

_COLUMNS = ("account", "instrument", "side", "quantity")
_SIDES = {"buy": 1.0, "sell": -1.0, "b": 1.0, "s": -1.0}
_LARGEST = 1e15


@dataclass(frozen=True)
class GivenTrade:
    """One row: ``quantity`` is signed, positive buys; ``account`` None where the row leaves it out."""

    file: Path
    row: int
    account: str | None
    instrument: str
    quantity: float

    def refused(self, problem: str, field: str, value: object, fix: str) -> InputError:
        """The error that names this row."""
        return InputError(problem, file=self.file, field=f"{field}, row {self.row}", value=value, fix=fix)


def given_trades(source: Any) -> list[GivenTrade]:
    """The rows of a list of trades; an empty list is one: nothing is traded.

    Raises
    ------
    InputError
        Missing columns, empty names, sides that are none, quantities that are no numbers.
    """
    file = named(source, "trades")
    if (isinstance(source, pd.DataFrame) and source.empty) or (isinstance(source, list | tuple) and not source):
        return []
    table = read_frame(source, "trades", text=("account", "instrument", "side"))
    table = table.rename(columns=meant_headers(list(table.columns), _COLUMNS))
    for name in ("instrument", "quantity"):
        if name not in table.columns:
            fix = f"a list of trades has the columns {', '.join(_COLUMNS)} (account and side are optional)"
            raise InputError("is missing", file=file, field=f"column {name}", fix=fix)
    return [_row(row, number, file) for number, row in enumerate(table.to_dict("records"), start=1)]


def _row(row: dict[Any, Any], number: int, file: Path) -> GivenTrade:
    def text(name: str) -> str | None:
        value = row.get(name)
        if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) or not str(value).strip():
            return None
        return str(value).strip()

    one = GivenTrade(file, number, text("account"), text("instrument") or "", 0.0)
    if not one.instrument:
        raise one.refused("is empty", "instrument", None, "fill it in")
    try:
        size = float(str(text("quantity")))
    except ValueError:
        raise one.refused("is no number", "quantity", row.get("quantity"), "write it plainly: 1234.5") from None
    if not abs(size) <= _LARGEST:
        raise one.refused("is not finite or absurdly large", "quantity", size, "write it plainly: 1234.5")
    side = text("side")
    if side is None:
        return GivenTrade(file, number, one.account, one.instrument, size)
    if side.lower() not in _SIDES:
        raise one.refused("is no side", "side", side, "buy or sell")
    if size < 0.0:
        raise one.refused("must not be negative beside a side", "quantity", size, "the side says which way it is")
    return GivenTrade(file, number, one.account, one.instrument, _SIDES[side.lower()] * size)
