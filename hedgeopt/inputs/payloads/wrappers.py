"""Envelopes around payloads: JSON-RPC, OKX's code and data, Bybit's retCode and result, web sockets, subgraphs, lists.

What an envelope adds is put beside the rows under names that begin with ``@``: ``@time`` (when the venue answered, ms),
``@channel``, ``@category``, ``@key`` (the name under which a row was stored), ``@instrument``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.inputs.payloads.form import keys

__all__ = ["ENVELOPE", "ReplyRows", "unwrapped"]

ENVELOPE = keys(
    "jsonrpc id result params method channel data usIn usOut usDiff testnet code msg arg retCode "
    "retMsg retExtInfo time ts topic type cs list category nextPageCursor instrument_ticker timestamp "
    "tickers channel_id"
)
"""Keys of envelopes, all of them read or of no weight."""

CURSORS = keys(
    "nextPageCursor cursor nextCursor next_cursor nextPage next_page nextPageToken next_page_token hasMore has_more "
    "hasNext has_next hasNextPage continuation continuation_token"
)
"""Keys by which venues say that a list goes on."""

_DEEPEST = 6


@dataclass
class ReplyRows:
    """Rows of one reply, with notes on its envelope."""

    rows: list[dict[str, Any]]
    where: str
    notes: list[str] = field(default_factory=list)
    pages: list[tuple[str, str]] = field(default_factory=list)
    """Category of each list that comes in pages, and the key that says that more follow ("" on the last one)."""


def unwrapped(data: Any, file: str, where: str = "") -> Iterator[ReplyRows]:
    """Every reply in a file, without its envelope.

    Raises
    ------
    InputError
        For a venue's error message, an update that is no snapshot, and what holds no objects.
    """
    yield from _inside(data, file, where, {}, 0)


def _inside(data: Any, file: str, where: str, more: dict[str, Any], depth: int) -> Iterator[ReplyRows]:
    if depth > _DEEPEST:
        raise InputError("is wrapped too deep", file=file, field=where[:60])
    if isinstance(data, list):
        yield from _list(data, file, where, more, depth)
        return
    if not isinstance(data, dict):
        raise InputError("is no payload: it holds no objects", file=file, field=where or None, value=data)
    refuse_errors(data, file, where)
    notes = ["the reply is of the venue's test network"] if data.get("testnet") is True else []
    pages = _pages(data)
    inner, name = _envelope(data, file, where, more)
    if name is not None and isinstance(inner, list | dict):
        for rows in _inside(inner, file, f"{where}.{name}".lstrip("."), more, depth + 1):
            rows.notes[:0] = notes
            rows.pages[:0] = pages
            yield rows
        return
    yield ReplyRows([{**data, **more}], where, notes, pages)


def _pages(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What an envelope says of further pages."""
    found = []
    for one in (data, data.get("result") if "retCode" in data else None):
        if not isinstance(one, dict):
            continue
        category = str(one.get("category", ""))
        for key in sorted(CURSORS & set(one)):
            if not isinstance(one[key], dict | list):
                found.append((category, key if one[key] not in (None, "", False, 0, "0", "false") else ""))
        info, more = one.get("pagination"), one.get("pageInfo")
        if isinstance(info, dict) and isinstance(info.get("num_pages"), int):
            found += [(category, "pagination.num_pages")] * (info["num_pages"] > 1)
        if isinstance(more, dict) and "hasNextPage" in more:
            found.append((category, "pageInfo.hasNextPage" if more["hasNextPage"] else ""))
    return found


def _list(data: list[Any], file: str, where: str, more: dict[str, Any], depth: int) -> Iterator[ReplyRows]:
    if not data:
        yield ReplyRows([], where)
        return
    for k, row in enumerate(data):
        if not isinstance(row, dict | list):
            raise InputError("is no payload: it holds no objects", file=file, field=f"{where}[{k}]", value=row)
    wrapped = any(isinstance(row, list) or _envelope(row, file, where, {})[1] is not None for row in data)
    if not wrapped:
        yield ReplyRows([{**row, **more} for row in data], where)
        return
    for k, row in enumerate(data):
        yield from _inside(row, file, f"{where}[{k}]", dict(more), depth + 1)


def _envelope(data: dict[str, Any], file: str, where: str, more: dict[str, Any]) -> tuple[Any, str | None]:
    """The content and the key under which it lies; None for what is content itself."""
    if isinstance(data.get("params"), dict) and "data" in data["params"]:  # JSON-RPC subscriptions
        more["@channel"] = data["params"].get("channel", "")
        return data["params"]["data"], "params.data"
    if "channel" in data and "data" in data and isinstance(data["data"], dict | list):
        more["@channel"] = data["channel"]
        return data["data"], "data"
    if "retCode" in data and "result" in data:  # Bybit
        more["@time"] = data.get("time")
        result = data["result"]
        if isinstance(result, dict) and isinstance(result.get("list"), list):
            more["@category"] = result.get("category", "")
            return result["list"], "result.list"
        return result, "result"
    if "topic" in data and "data" in data:  # Bybit's web socket
        if data.get("type", "snapshot") != "snapshot":
            fix = "save a snapshot, not a change since one"
            raise InputError("is no snapshot", file=file, field=f"{where}.type".lstrip("."), value=data["type"], fix=fix)
        more["@time"] = data.get("ts")
        return data["data"], "data"
    if "data" in data and ("code" in data or "arg" in data):  # OKX
        if isinstance(data.get("arg"), dict):
            more["@instrument"] = data["arg"].get("instId", "")
        return data["data"], "data"
    if "result" in data and not {"instrument_name", "symbol"} & set(data):  # JSON-RPC
        more["@answered"] = data.get("usOut")
        return data["result"], "result"
    if set(data) == {"data"} and isinstance(data["data"], dict | list):  # subgraphs
        return data["data"], "data"
    if set(data) == {"tickers"} and isinstance(data["tickers"], dict):
        return data["tickers"], "tickers"
    return None, None


def refuse_errors(data: dict[str, Any], file: str, where: str) -> None:
    """Refuse a reply that is an error message."""
    fault: Any = None
    if isinstance(data.get("error"), dict) and "message" in data["error"]:
        fault = data["error"]["message"]
    elif "retCode" in data and str(data["retCode"]) != "0":
        fault = data.get("retMsg") or data["retCode"]
    elif "code" in data and "msg" in data and str(data["code"]) not in ("0", ""):
        fault = data["msg"] or data["code"]
    if fault is not None:
        fix = "ask the venue again, and save the reply"
        raise InputError("is an error message of the venue", file=file, field=where or None, value=fault, fix=fix)
