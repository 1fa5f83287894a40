"""Versions of stored proposals: every older one opens, through one small function per version.

Version 1, which bears no number: ``created, book, market, scenarios, policy, trades, transfers, limits, margins,
certificate, before, after, costs, objective, binding_sizes, solver, seconds, notes, proof``. Numbers that are not finite
stand as null, and are read as NaN.

Version 2 adds ``schema``; ``not_finite`` (:mod:`hedgeopt.files.plain`), with which nothing is lost; ``figures`` (what the
page's plots show), ``inputs``, ``versions``, ``seed``, ``scenario_digest`` and ``book_after``, null where an older file does
not have them; and ``digest``, the SHA-256 of all the rest but ``seconds`` and ``solver``
(:func:`canonical_json`), by which an edited file is known and the same answer is seen to be the same.

Version 3 adds to ``before`` and ``after`` ``tags`` (risk of each strategy), ``unit`` and ``unit_price``: what amounts count
in (``USD``, or the policy's numeraire), and its price, USD. Certificate, costs, limits, objective, risk and figures are in
that unit; trades, transfers, margins and proof are in dollars.

Version 4 adds ``trade_costs``: the cost of each trade by component. Before it there were no ladders: depth and gas are 0,
and carry is not known.

Version 5 adds to ``certificate`` ``lot_gap``, ``ideal_objective``, ``ideal_lower_bound`` and ``ideal_trades`` (of a list in
whole lots its allowed gap, and the ideal trades, of any size, beside it; null where sizes are any), and ``missing``;
``tolerance`` is that of ideal trades. ``policy`` always says ``lots``; an older one that does not is of any size.

Version 6 adds ``cash_ahead`` and ``margin_ahead``: cash and margin of the next days, by account; empty before it.

Version 7 adds ``promise``: the tail after trading from several sides (:class:`hedgeopt.measures.promised.PromisedTail`), and
null in older ones.

A new version: raise :data:`SCHEMA`, add a function ``(data, file)`` to ``_TO_NEXT``, describe the form here, and store files
of the new one under tests/program/stored. Such a function sees only data whose tables are tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.plain import from_plain

__all__ = ["SCHEMA", "canonical_json", "check_seal", "migrated", "sealed"]

SCHEMA = 7

_NO_ANSWER = ("digest", "seconds", "solver")

_ASKED = "give the proposal.json that hedgeopt solve --out writes"
_FIRST = (
    "created", "book", "market", "scenarios", "policy", "trades", "transfers", "limits", "margins", "certificate", "before",
    "after", "costs", "objective", "binding_sizes", "solver", "seconds", "notes", "proof",
)  # fmt: skip

_Fields, _Rows = dict[str, Any], list[dict[str, Any]]
_FORM: dict[str, Any] = {
    **dict.fromkeys(("trades", "transfers", "limits", "objective"), _Rows),
    **dict.fromkeys(
        ("policy", "certificate", "before", "after", "costs", "binding_sizes", "solver", "seconds", "proof"), _Fields
    ),
    "margins": list[Any],
    "notes": list[str],
}
"""Types of the first version's fields in every version so far; text where none is given."""


def canonical_json(data: Any) -> bytes:
    """JSON of plain data that depends on nothing but its content: keys in order, no spaces, UTF-8."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """The data with its ``digest`` at the end."""
    return {**data, "digest": _digest(data)}


def _digest(data: dict[str, Any]) -> str:
    """SHA-256 of the content, but for how long it took and how the solver went: the same answer has the same digest."""
    return hashlib.sha256(
        canonical_json({name: value for name, value in data.items() if name not in _NO_ANSWER})
    ).hexdigest()


def migrated(data: Any, file: object) -> tuple[dict[str, Any], bool]:
    """Parsed JSON in the present form, and whether it was older: null may stand for a number there.

    Raises
    ------
    InputError
        For what is no proposal, and one of a newer version.
    """
    if not isinstance(data, dict) or not {"trades", "certificate"} & set(data):
        raise InputError("is not a proposal", file=file, fix=_ASKED)
    first = version = data.get("schema", 1)
    if type(version) is not int or version < 1:
        raise InputError("is no version of proposals", file=file, field="schema", value=version, fix=_ASKED)
    if version > SCHEMA:
        fix = f"read it with a newer hedgeopt; this one reads up to {SCHEMA}"
        raise InputError("is a newer version of proposals", file=file, field="schema", value=version, fix=fix)
    data = {name: value for name, value in data.items() if name not in ("schema", "digest") or version == 1}
    if version < SCHEMA:
        _check_form(data, file)
    while version < SCHEMA:
        try:
            data, version = _TO_NEXT[version](data, file), version + 1
        except InputError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # not what it was given for
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"is not of version {version}: {told}", file=file, fix=_ASKED) from error
    return data, first < SCHEMA


def _check_form(data: dict[str, Any], file: object) -> None:
    """Refuse an older proposal whose tables are not tables: the functions that migrate it rely on them."""
    for name in _FIRST:
        if name not in data:
            raise InputError("is missing", file=file, field=name, fix=_ASKED)
        from_plain(_FORM.get(name, str), data[name], file, name)


def check_seal(data: dict[str, Any], file: object) -> None:
    """Refuse parsed JSON that was changed after it was written; the first version has no seal.

    Raises
    ------
    InputError
        Where ``digest`` is missing, or that of another content.
    """
    if "schema" not in data:
        return
    told, found = data.get("digest"), _digest(data)
    if told != found:
        fix = "give the file as it was written; hedgeopt verify lists the numbers that differ"
        problem = "is missing" if told is None else f"is not that of the content, {found[:12]}: the file was changed"
        raise InputError(problem, file=file, field="digest", value=told, fix=fix)


def _second(data: dict[str, Any], file: object) -> dict[str, Any]:
    """Version 1 to 2: fields that were not recorded are null."""
    for name in data:
        if name not in _FIRST:
            raise InputError("unknown field of a proposal without a schema", file=file, field=name, fix=_ASKED)
    new = ("figures", "inputs", "versions", "seed", "scenario_digest", "book_after")
    return {**data, **dict.fromkeys(new), "not_finite": {}}


def _third(data: dict[str, Any], file: object) -> dict[str, Any]:
    """Version 2 to 3: everything was in dollars."""
    new = {"tags": [], "unit": "USD", "unit_price": 1.0}
    return {**data, **{word: {**data[word], **new} for word in ("before", "after")}}


def _fourth(data: dict[str, Any], file: object) -> dict[str, Any]:
    """Version 3 to 4: what a trade cost was half-spread and fee."""
    costs = []
    for row in data["trades"]:
        same = {name: row.get(name) for name in ("account", "instrument", "fee")}
        known = row.get("cost") is not None and row.get("fee") is not None
        spread = row["cost"] - row["fee"] if known else None
        costs.append({**same, "half_spread": spread, "depth": 0.0, "gas": 0.0, "carry": None})
    return {**data, "trade_costs": costs}


def _fifth(data: dict[str, Any], file: object) -> dict[str, Any]:
    """Version 4 to 5: a list in whole lots had its own gap as tolerance, and its ideal among the solver's numbers."""
    policy, told = data["policy"], data["certificate"]
    whole = policy.get("lots") == "whole" or any(rule.get("kind") in _COUNTS for rule in policy.get("subject_to", ()))
    ideal = data["solver"] if whole else {}
    certificate = {
        **told,
        "tolerance": policy.get("tolerance", told.get("tolerance")) if whole else told.get("tolerance"),
        "lot_gap": told.get("tolerance") if whole else None,
        "ideal_objective": ideal.get("ideal_objective"),
        "ideal_lower_bound": ideal.get("ideal_lower_bound"),
        "ideal_trades": None,
        "missing": "",
    }
    return {**data, "certificate": certificate}


def _sixth(data: dict[str, Any], file: object) -> dict[str, Any]:
    """Version 5 to 6: cash over the next days was not recorded."""
    return {**data, "cash_ahead": [], "margin_ahead": []}


def _seventh(data: dict[str, Any], file: object) -> dict[str, Any]:
    """Version 6 to 7: nothing was promised but the sample's CVaR."""
    return {**data, "promise": None}


_COUNTS = "max_trades", "max_new_instruments", "min_trade"
_TO_NEXT: dict[int, Callable[[dict[str, Any], object], dict[str, Any]]] = {
    1: _second,
    2: _third,
    3: _fourth,
    4: _fifth,
    5: _sixth,
    6: _seventh,
}
"""By version, the function of ``(data, file)`` that migrates its data to the next."""
