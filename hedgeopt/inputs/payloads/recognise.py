"""Payloads recognised by their keys, never by the name of their file, and read into one :class:`~.form.Findings`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads import (
    aave,
    binance,
    bybit_instruments,
    bybit_limits,
    bybit_positions,
    bybit_quotes,
    bybit_wallet,
    ccxt,
    deribit_account,
    deribit_combos,
    deribit_instruments,
    deribit_positions,
    deribit_quotes,
    derive_account,
    derive_quotes,
    hyperliquid,
    okx_balance,
    okx_instruments,
    okx_positions,
    okx_quotes,
    uniswap_v3,
)
from hedgeopt.inputs.payloads.comparisons import margin_note
from hedgeopt.inputs.payloads.form import PUBLISHED, Findings, Form
from hedgeopt.inputs.payloads.item import Item, Reading
from hedgeopt.inputs.payloads.taken import statements, taken_from
from hedgeopt.inputs.payloads.wrappers import ENVELOPE, ReplyRows, unwrapped

__all__ = ["FORMS", "form_of", "forms_read", "is_payload", "looks_like_payload", "read_payload"]

FORMS: tuple[Form, ...] = (
    deribit_quotes.BOOK_SUMMARY,
    deribit_quotes.TICKER,
    deribit_quotes.ORDER_BOOK,
    deribit_instruments.INSTRUMENTS,
    deribit_combos.COMBOS,
    deribit_positions.POSITIONS,
    deribit_account.SUMMARIES,
    deribit_account.PORTFOLIO,
    okx_quotes.OPTION_SUMMARY,
    okx_quotes.TICKERS,
    okx_quotes.MARK_PRICES,
    okx_quotes.INDEX_TICKERS,
    okx_quotes.FUNDING,
    okx_quotes.ORDER_BOOK,
    okx_instruments.INSTRUMENTS,
    okx_instruments.TIERS,
    okx_positions.POSITIONS,
    okx_balance.BALANCE,
    bybit_quotes.OPTION_TICKERS,
    bybit_quotes.LINEAR_TICKERS,
    bybit_quotes.ORDER_BOOK,
    bybit_instruments.INSTRUMENTS,
    bybit_instruments.INFO,
    bybit_limits.RISK_LIMITS,
    bybit_positions.POSITIONS,
    bybit_wallet.WALLET,
    derive_quotes.TICKER,
    derive_quotes.SLIM,
    derive_quotes.SLIM_BARE,
    derive_quotes.INSTRUMENTS,
    derive_account.POSITIONS,
    derive_account.SUBACCOUNT,
    hyperliquid.META,
    hyperliquid.STATE,
    hyperliquid.SPOT_STATE,
    hyperliquid.SPOT_META,
    binance.MARKS,
    binance.STREAM,
    binance.TICKERS,
    binance.INFO,
    binance.OPTION_POSITIONS,
    binance.PREMIUM_INDEX,
    binance.FUTURES_POSITIONS,
    binance.BALANCES,
    ccxt.TICKERS,
    ccxt.GREEKS,
    ccxt.CHAIN,
    ccxt.POSITIONS,
    ccxt.BALANCE,
    ccxt.MARKETS,
    uniswap_v3.POSITIONS,
    aave.USER_RESERVES,
    aave.RESERVES,
)
"""Every form, in the order of the documentation."""

_ENVELOPES = {"jsonrpc", "retCode", "retMsg", "error"}
_OWN = ("accounts", "minimize")
_KINDS = {"option", "future", "any", "spot", "future_combo", "option_combo"}


def looks_like_payload(data: Any) -> bool:
    """Whether a JSON value is somebody's payload and no book or policy of ours."""
    return isinstance(data, list | dict) and not (isinstance(data, dict) and any(key in data for key in _OWN))


def is_payload(value: Any) -> bool:
    """Whether one of its rows is of a known form, or it has a venue's envelope."""
    if not looks_like_payload(value):
        return False
    try:
        rows = [row for reply in unwrapped(_paired(value), "payload") for row in reply.rows[:1]]
    except InputError:
        return isinstance(value, dict) and bool(_ENVELOPES & value.keys())
    inner = [one for row in rows for one in row.values() if isinstance(one, dict)][:3]
    return any(form_of(row) is not None for row in (*rows, *inner))


def form_of(row: dict[str, Any]) -> Form | None:
    """The form with most keys among those whose keys the row has."""
    fits = [form for form in FORMS if form.keys <= row.keys() and not form.absent & row.keys()]
    return max(fits, key=lambda form: len(form.keys), default=None)


def read_payload(data: Any, file: str, found: Findings, venue: str = "") -> None:
    """Read one file's JSON value into ``found``.

    Raises
    ------
    InputError
        For a form that is not known, and for every value that cannot be trusted.
    """
    found.file = file
    for reply in unwrapped(_paired(data), file):
        if not reply.rows:
            for category, key in reply.pages:
                found.pages.setdefault(("", category), []).append((file, key))
            found.notes.append(f"{file}: a reply{' at ' + reply.where if reply.where else ''} is an empty list")
            continue
        _read(reply, file, found, venue)


def _read(reply: ReplyRows, file: str, found: Findings, venue: str) -> None:
    chosen: dict[str, tuple[Form, list[tuple[int, dict[str, Any]]]]] = {}
    for k, row in enumerate(reply.rows):
        form = form_of(row)
        if form is None:
            _named(reply, row, k, file, found, venue)
            continue
        chosen.setdefault(form.name, (form, []))[1].append((k, row))
    for form, rows in chosen.values():
        reading = Reading(file, form.ignored)
        single = len(reply.rows) == 1 and len(rows) == 1
        parts = statements(form, _different(form, rows, file, found))
        for part in parts:
            items = [Item(row, reading, reply.where if single else f"{reply.where}[{k}]") for k, row in part]
            with taken_from(form, found, items[0].where if len(parts) > 1 else reply.where, [row for _, row in part]):
                form.read(items, found, venue)
        for category, key in reply.pages:
            found.pages.setdefault((form.name, category), []).append((file, key))
        found.forms.append(f"{file}: {form.name}, {many(len(rows), 'row')}")
        if form.checked != "real payload":
            (found.published if form.checked == PUBLISHED else found.unverified).add(form.name)
        found.notes += [f"{file}: {note}" for note in reply.notes]
        margin = margin_note(form, reading.seen, file)
        if margin is not None:
            found.notes.append(margin)
        strange = [key for key in reading.unknown() if not key.startswith("@") and key.split(".")[0] not in ENVELOPE]
        if strange:
            some = ", ".join(strange[:6]) + (", …" if len(strange) > 6 else "")
            found.notes.append(f"{file}: {form.name} has keys that are not known, and not used: {some}")


def _different(
    form: Form, rows: list[tuple[int, dict[str, Any]]], file: str, found: Findings
) -> list[tuple[int, dict[str, Any]]]:
    """Rows without those of an account that repeat another, key by key."""
    if form.holds not in ("positions", "collateral") or len(rows) < 2:
        return rows
    seen: dict[str, int] = {}
    for k, row in rows:
        seen.setdefault(repr(row), k)
    kept = set(seen.values())
    if len(kept) < len(rows):
        some = ", ".join(str(k + 1) for k, _ in rows if k not in kept)[:40]
        found.notes.append(f"{file}: {form.name} repeat a row as it is, given twice and counted once: row {some}")
    return [(k, row) for k, row in rows if k in kept]


def _named(reply: ReplyRows, row: dict[str, Any], k: int, file: str, found: Findings, venue: str) -> None:
    """An object whose values are payloads, stored under names."""
    inner = {key: value for key, value in row.items() if not key.startswith("@")}
    if inner and all(set(v) <= _KINDS if isinstance(v, dict) else False for v in inner.values()):
        found.notes.append(f"{file}: Deribit expirations are not needed: names carry them")
        return
    if inner and all(isinstance(value, dict | list) for value in inner.values()):
        for key, value in inner.items():
            where = f"{reply.where}.{key}".lstrip(".")
            for rows in unwrapped(value, file, where):
                rows.rows = [{**one, "@key": key} if isinstance(value, dict) else one for one in rows.rows]
                if rows.rows:
                    _read(rows, file, found, venue)
        return
    shown = ", ".join(list(inner)[:8])
    names = sorted({form.name.split()[0] for form in FORMS})
    fix = f"docs/inputs.md lists every form that is read ({', '.join(names)})"
    place = reply.where if len(reply.rows) == 1 else f"{reply.where}[{k}]"
    raise InputError(f"is no form of payload that is known (keys: {shown})", file=file, field=place or None, fix=fix)


def _paired(data: Any) -> Any:
    """Hyperliquid's pair of meta and contexts as one object."""
    if isinstance(data, list) and len(data) == 2 and isinstance(data[0], dict) and "universe" in data[0]:
        return {**data[0], "@contexts": data[1]}
    return data


def forms_read(found: Findings) -> Sequence[str]:
    """One line per payload, and a word on forms that were never checked against a real one."""
    lines = list(found.forms)
    lines += [f"form unverified: {name} (read by the venue's documentation)" for name in sorted(found.unverified)]
    lines += [f"form of a published example, no real reply was at hand: {name}" for name in sorted(found.published)]
    return lines
