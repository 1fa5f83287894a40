"""Fills as a table: what was traded or sent, at which price, with which fee; every odd row is refused by its number.

==================  ==============================================================================================
column
==================  ==============================================================================================
fill_id             the venue's identity of the fill: the same one twice in one account is one fill
client_id           client order id of the plan; optional
account             where; optional with a client_id, or where the proposal trades the instrument in one account
instrument          our name of it, as in the proposal; a transfer's is its link's (``rich to poor USDC``)
side                buy, sell or send
quantity            above 0, in the instrument's unit (coins; USD of inverse contracts); units of an asset that is sent
price               quote unit; empty for transfers
fee                 in ``fee_asset``, negative is a rebate; empty: 0 (of a transfer: what its link costs)
fee_asset           any asset; empty: what the instrument settles in; with one, the fee is given, too
time                optional
==================  ==============================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given, named, read_frame
from hedgeopt.files.names import require_known
from hedgeopt.files.regular import parse_moment
from hedgeopt.files.table_parts import meant_headers

__all__ = ["FILL_COLUMNS", "ListedFill", "read_fills"]

FILL_COLUMNS = ("fill_id", "client_id", "account", "instrument", "side", "quantity", "price", "fee", "fee_asset", "time")
"""Columns of a table of fills."""
_NEEDED = ("fill_id", "instrument", "side", "quantity", "price")
_TEXT = ("fill_id", "client_id", "account", "instrument", "side", "fee_asset", "time")
_SIDES = ("buy", "sell", "send")
_LARGEST = 1e15


@dataclass(frozen=True)
class ListedFill:
    """One fill; ``fee`` is None where the row leaves it out. ``row`` is its line among the table's, from 1."""

    row: int
    fill_id: str
    client_id: str | None
    account: str | None
    instrument: str
    side: str
    quantity: float
    price: float
    fee: float | None
    fee_asset: str | None
    time: datetime | None

    @property
    def sign(self) -> int:
        """1 of purchases and what is sent, -1 of sales."""
        return -1 if self.side == "sell" else 1


def read_fills(source: Given) -> tuple[list[ListedFill], list[str]]:
    """The fills of a CSV file, workbook or table, each once, and notes on what was there twice.

    Raises
    ------
    InputError
        One line that names file, column, row and value: unknown and missing columns, cells that are no numbers, sides
        that are none, one identity of two different fills.
    """
    file = named(source, "fills")
    table = read_frame(source, "fills", text=_TEXT) if not _is_empty(source) else pd.DataFrame(columns=list(FILL_COLUMNS))
    table = table.rename(columns=meant_headers(list(table.columns), FILL_COLUMNS))
    require_known(table.columns, FILL_COLUMNS, "column", file=file)
    for name in _NEEDED:
        if name not in table.columns:
            fix = f"fills have the columns {', '.join(FILL_COLUMNS)}"
            raise InputError("is missing", file=file, field=f"column {name}", fix=fix)
    found: dict[tuple[str | None, str], ListedFill] = {}
    again = 0
    for number, row in enumerate(table.to_dict("records"), start=1):
        fill = _fill(row, number, file)
        other = found.get((fill.account, fill.fill_id))
        if other is None:
            found[fill.account, fill.fill_id] = fill
        elif {**vars(other), "row": 0} == {**vars(fill), "row": 0}:
            again += 1
        else:
            problem = f"is that of another fill in row {other.row}"
            raise InputError(problem, file=file, field=f"fill_id, row {number}", value=fill.fill_id,
                             fix="which of the two is so? keep one, or fill in the column account of both")  # fmt: skip
    notes = [f"{many(again, 'row')} of a fill that is listed already, left out"] if again else []
    return list(found.values()), notes


def _is_empty(source: Given) -> bool:
    """Whether it is a table without rows: nothing was filled."""
    if isinstance(source, pd.DataFrame):
        return source.empty
    if isinstance(source, list):
        return not source
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".csv" and Path(source).is_file():
        lines = Path(source).read_bytes()[:4_096].split(b"\n")
        return len([line for line in lines if line.strip()]) == 1 and lines[0].lstrip(b"\xef\xbb\xbf").startswith(b"fill_id")
    return False


def _fill(row: Mapping[str, Any], number: int, file: Path) -> ListedFill:
    def refused(problem: str, field: str, value: object, fix: str) -> InputError:
        return InputError(problem, file=file, field=f"{field}, row {number}", value=value, fix=fix)

    def text(name: str) -> str | None:
        value = row.get(name)
        if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT or str(value).strip() == "":
            return None
        return str(value).strip()

    def amount(name: str) -> float | None:
        told = text(name)
        if told is None:
            return None
        try:
            value = float(told)
        except ValueError:
            raise refused("is no number", name, told, "write it plainly: 1234.5") from None
        if not abs(value) <= _LARGEST:
            raise refused("is not finite or absurdly large", name, told, "write it plainly: 1234.5")
        return value

    needed = {name: text(name) for name in ("fill_id", "instrument", "side")}
    for name, value in needed.items():
        if value is None:
            raise refused("is empty", name, None, "fill it in")
    side = str(needed["side"]).lower()
    if side not in _SIDES:
        raise refused("is no side", "side", needed["side"], f"one of {', '.join(_SIDES)}")
    quantity, price, fee = amount("quantity"), amount("price"), amount("fee")
    if quantity is None or not quantity > 0.0:
        raise refused("must be above 0", "quantity", quantity, "the side says whether it was bought or sold")
    if side != "send" and (price is None or not price > 0.0):
        raise refused("must be above 0", "price", price, "give the price it was filled at, in the quote's unit")
    if fee is None and text("fee_asset") is not None:
        fix = "write the fee, 0 where there was none"
        raise refused("is empty or no number, though its asset is named", "fee", None, fix)
    told = text("time")
    return ListedFill(
        number, str(needed["fill_id"]), text("client_id"), text("account"), str(needed["instrument"]), side, quantity,
        float("nan") if price is None else price, fee, text("fee_asset"),
        None if told is None else parse_moment(told, f"{file}: time, row {number}"),
    )  # fmt: skip
