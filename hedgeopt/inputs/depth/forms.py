"""Depth as it stands in files: books of venues, pools, and tables of levels, before it is compared to a market."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from hedgeopt.errors import InputError
from hedgeopt.files.given import named, read_frame
from hedgeopt.files.regular import parse_moment
from hedgeopt.inputs.depth.pools import is_pool, read_pool
from hedgeopt.inputs.depth.sheets import Sheet, sheets
from hedgeopt.inputs.payloads.documents import json_of
from hedgeopt.inputs.payloads.wrappers import unwrapped
from hedgeopt.models.costs.ladder import Ladder, book_levels

__all__ = ["Unit", "read_ladders"]

Unit = Literal["ours", "coins", "USD", "contracts", "unknown"]
"""What sizes count."""


@dataclass(frozen=True)
class _Book:
    """A reply: venue, name, its moment and levels as they came, and what sizes count."""

    venue: str
    name: str
    moment: datetime | None
    bids: Any
    asks: Any
    unit: Unit = "ours"
    where: str = ""


def read_ladders(source: Any, venue: str | None, name: str = "") -> Iterator[tuple[Ladder, Unit]]:
    """Every ladder of a source, and what its sizes count; ``name`` is the instrument of a reply that names none.

    Raises
    ------
    InputError
        For what is no order book and no pool.
    """
    file = str(named(source))
    values = json_of(source, "depth")
    if values is None:
        frame = read_frame(source, "depth")
        yield from (_of_sheet(sheet, file, venue) for sheet in sheets(frame, file))
        return
    found = 0
    for value in values:
        for data in value if isinstance(value, list) else [value]:
            if isinstance(data, dict) and is_pool(data):
                yield read_pool(data, file), "ours"
                found += 1
                continue
            for reply in unwrapped(data, file):
                for k, row in enumerate(reply.rows):
                    book = _recognised(row, name, f"{reply.where}{k}")
                    if book is None:
                        raise InputError("is no order book and no pool", file=file, field=reply.where or None,
                                         value=", ".join(sorted(row)[:6]), fix=_FORMS)  # fmt: skip
                    yield _ladder(book, file, venue), book.unit
                    found += 1
    if not found:
        raise InputError("holds no order book and no pool", file=file, fix=_FORMS)


_FORMS = "give a reply of Deribit, Bybit, OKX or Hyperliquid with bids and asks, a pool, or a table; see docs/costs.md"


def _recognised(row: dict[str, Any], name: str, where: str) -> _Book | None:
    for has, read in _READERS:
        if has <= row.keys():
            return read(row, name, where)
    return None


def _deribit(row: dict[str, Any], name: str, where: str) -> _Book:
    return _Book("deribit", str(row["instrument_name"]), _ms(row["timestamp"], where), row["bids"], row["asks"], where=where)


def _bybit(row: dict[str, Any], name: str, where: str) -> _Book:
    return _Book("bybit", str(row["s"]), _ms(row.get("ts") or row.get("@time"), where), row["b"], row["a"], where=where)


def _okx(row: dict[str, Any], name: str, where: str) -> _Book:
    told = str(row.get("instId") or row.get("@instrument") or name)
    spot = told.count("-") == 1
    return _Book("okx", told, _ms(row["ts"], where), row["bids"], row["asks"], "coins" if spot else "contracts", where)


def _hyperliquid(row: dict[str, Any], name: str, where: str) -> _Book:
    pairs = [[(level["px"], level["sz"]) for level in side] for side in row["levels"]]
    return _Book("hyperliquid", str(row["coin"]), _ms(row["time"], where), pairs[0], pairs[1], "coins", where)


_READERS: Sequence[tuple[set[str], Callable[[dict[str, Any], str, str], _Book]]] = (
    ({"instrument_name", "bids", "asks", "timestamp"}, _deribit),
    ({"s", "b", "a"}, _bybit),
    ({"coin", "levels", "time"}, _hyperliquid),
    ({"bids", "asks", "ts"}, _okx),
)


def _ms(value: Any, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(int(value) / 1000.0, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise InputError("is no count of milliseconds", field=f"{where}.ts", value=value) from None


def _ladder(book: _Book, file: str, venue: str | None) -> Ladder:
    if not book.name:
        fix = f"write NAME={file}, with the venue's name of the instrument"
        raise InputError("names no instrument", file=file, field=book.where or None, fix=fix)
    if book.moment is None:
        raise InputError("gives no time", file=file, field=f"{book.name} timestamp", fix="save the venue's whole reply")
    sides = []
    for word, levels in (("bids", book.bids), ("asks", book.asks)):
        try:
            sides.append(book_levels([(float(level[0]), float(level[1])) for level in levels]))
        except (TypeError, ValueError, IndexError, KeyError):
            value = str(levels)[:60]
            raise InputError("is no list of prices and sizes", file=file, field=f"{book.name} {word}", value=value) from None
    return Ladder(f"{venue or book.venue}:{book.name}", book.moment, sides[0], sides[1], file)


def _of_sheet(sheet: Sheet, file: str, venue: str | None) -> tuple[Ladder, Unit]:
    moment = parse_moment(sheet.moment, "timestamp")
    place = sheet.venue or venue
    if not place:
        raise InputError("names no venue", file=file, field=sheet.instrument, fix="add a column venue, or give --venue")
    sides = [book_levels(pairs) for pairs in (sheet.bids, sheet.asks)]
    return Ladder(f"{place}:{sheet.instrument}", moment, sides[0], sides[1], file), sheet.unit
