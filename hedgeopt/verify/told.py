"""Recompute the numbers that a proposal only reports: risk, margins now and in stresses, Greeks of trades.

Compared to ``1e-7`` of what is added up. A number that is infinite here must be null there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.accounts import account
from hedgeopt.verify.claim import Claim
from hedgeopt.verify.counted import stress_parts
from hedgeopt.verify.ladders import walked
from hedgeopt.verify.margins import asked, not_counted
from hedgeopt.verify.measures import Measure, expected_shortfall, measure, scenario_weights
from hedgeopt.verify.promised import promise_facts

__all__ = ["told_otherwise"]

_SAME = 1e-7

Fact = tuple[str, Any, float, float]
"""Place, reported number, recomputed number, and the sum of magnitudes in it."""


def told_otherwise(claim: Claim, e: Exposures, x: np.ndarray) -> list[str]:
    """Every reported number that differs."""
    found = [f"the note is missing: {note}" for note in e.notes if note not in claim.notes]
    proven = claim.certificate.get("notes")
    found += [f"the certificate lacks the note: {n}" for n in e.caveats if not isinstance(proven, list) or n not in proven]
    for word, table, at in (("before", claim.before, np.zeros_like(x)), ("after", claim.after, x)):
        margins = [row.get(word) for row in claim.margins]
        if len(margins) != len(e.accounts):
            found.append(f"margins of {many(len(margins), 'account')} are reported, the book has {len(e.accounts)}")
            continue
        for where, told, value, size in (*_risk(claim, table, e, at), *_margins(claim, margins, e, at)):
            if not _same(told, value, size):
                found.append(f"{word}: {where} {told} is reported, it is {value:,.10g}")
    for where, told, value, size in (*_trade_greeks(claim, e, x), *promise_facts(claim, e, x)):
        if not _same(told, value, size):
            found.append(f"{where} {told} is reported, it is {value:,.10g}")
    return found


def _same(told: Any, value: float, size: float) -> bool:
    if told is None or not math.isfinite(value):
        return told is None and not math.isfinite(value)
    if isinstance(told, bool) or not isinstance(told, int | float):
        return False
    return abs(told - value) <= _SAME * max(abs(value), size)


def _table(claim: Claim, row: Any, name: str, where: str) -> dict[str, Any]:
    found = row.get(name) if isinstance(row, dict) else None
    if not isinstance(found, dict):
        raise InputError("is missing or no table", file=claim.file, field=f"{where}.{name}")
    return found


def _rows(claim: Claim, row: Any, name: str, where: str, count: int) -> list[dict[str, Any]]:
    found = row.get(name) if isinstance(row, dict) else None
    if not isinstance(found, list) or len(found) != count or not all(isinstance(r, dict) for r in found):
        raise InputError(f"is no list of {many(count, 'row')}", file=claim.file, field=f"{where}.{name}")
    return found


def _risk(claim: Claim, told: dict[str, Any], e: Exposures, x: np.ndarray) -> Iterator[Fact]:
    cost = float(np.sum(walked(e, x)[0]))
    start = float(np.sum(e.equity))
    equity = start - cost
    yield "equity", told.get("equity"), equity, abs(start) + cost
    for asset, greeks in _table(claim, told, "greeks", "risk").items():
        for name in _table(claim, {"row": greeks}, "row", f"risk.greeks.{asset}"):
            found = _greek(name, asset, e, x, posted=True)
            yield f"{name} {asset}", greeks[name], found.value, found.size
    p, losses = scenario_weights(e), -(e.base_pnl + e.pnl @ x)
    size = float(np.abs(losses).max(initial=0.0)) + float(np.abs(e.base_pnl).max(initial=0.0))
    for level, value in _table(claim, told, "cvar", "risk").items():
        yield f"cvar {level}", value, expected_shortfall(losses, float(level), p), size
    for level, value in _table(claim, told, "value_at_risk", "risk").items():
        order = np.argsort(losses, kind="stable")
        reached = int(np.sum(np.cumsum(p[order]) < float(level) - 1e-12))
        yield f"value at risk {level}", value, float(losses[order[min(reached, len(p) - 1)]]), size
    yield "expected P&L", told.get("expected_pnl"), -float(np.sum(p * losses)), size
    stress = _table(claim, told, "stress", "risk")
    for k, name in enumerate(e.stress):
        accounts, per_trade, _ = stress_parts(e, k)
        parts = [*accounts.tolist(), *(per_trade * x).tolist()]
        yield f"stress {name}", stress.get(name), float(np.sum(parts)), float(np.abs(parts).sum())
    carry = measure({"kind": "carry", "include_theta": False}, e, x, ())
    yield "carry", told.get("carry"), -carry.value, carry.size
    if start > 0.0 and equity > 0.0:
        gross = measure({"kind": "gross_leverage", "basis": "delta", "underlying": None}, e, x, ())
        yield "gross leverage", told.get("gross_leverage"), gross.value * start / equity, gross.size
    yield from _tags(claim, told, e, x)
    rows = _rows(claim, told, "accounts", "risk", len(e.accounts))
    for c, row in enumerate(rows):
        a = account(e, c)
        yield f"equity of {e.accounts[c]}", row.get("equity"), a.equity(x), a.size(x)
        for kind in ("initial", "maintenance"):
            need = asked(e, a, kind, x)
            yield f"{kind} margin of {e.accounts[c]}", row.get(f"{kind}_margin"), need, abs(need)


def _tags(claim: Claim, told: dict[str, Any], e: Exposures, x: np.ndarray) -> Iterator[Fact]:
    """Equity, Greeks, tail and worst stress by strategy."""
    tags = [*dict.fromkeys(tag for mine in e.tags for tag in mine)]
    for tag, row in zip([*tags, "all"], _rows(claim, told, "tags", "risk", len(tags) + 1), strict=True) if tags else ():
        mine = [c for c, own in enumerate(e.tags) if tag == "all" or tag in own]
        named = {"of": [re.sub(r"([*?[])", r"[\1]", e.accounts[c]) for c in mine]}
        parts = [account(e, c) for c in mine]
        yield f"equity of {tag}", row.get("equity"), sum(a.equity(x) for a in parts), sum(a.size(x) for a in parts)
        for asset, greeks in _table(claim, row, "greeks", f"risk.tags.{tag}").items():
            for name in _table(claim, {"row": greeks}, "row", f"risk.tags.{tag}.{asset}"):
                found = measure({"kind": name, "underlying": asset, "include_collateral": True, **named}, e, x, ())
                yield f"{name} {asset} of {tag}", greeks[name], found.value, found.size
        tail = measure({"kind": "cvar", "beta": 0.99, **named}, e, x, ())
        yield f"cvar of {tag}", row.get("cvar"), tail.value, tail.size
        if e.stress:
            rules = ({"kind": "stress_loss", "scenario": name, "include_unwind": False, **named} for name in e.stress)
            worst = max((measure(rule, e, x, ()) for rule in rules), key=lambda one: one.value)
            yield f"stress of {tag}", row.get("stress"), -worst.value, worst.size


def _margins(claim: Claim, margins: list[Any], e: Exposures, x: np.ndarray) -> Iterator[Fact]:
    for c, row in enumerate(margins):
        for name, place in (("account", e.accounts[c]), ("venue", e.venues[c])):
            if not isinstance(row, dict) or row.get(name) != place:
                raise InputError(f"is not the book's, {place}", file=claim.file, field=f"margins.{c}.{name}")
        now = _table(claim, row, "now", f"margins.{c}")
        stresses = _rows(claim, row, "stresses", f"margins.{c}", len(e.stress))
        for stress, told in ((None, now), *enumerate(stresses)):
            a = account(e, c, stress)
            where = f"{e.accounts[c]} {'now' if stress is None else e.stress[stress]}"
            size = a.size(x)
            yield f"{where}: equity", told.get("equity"), a.equity(x), size
            yield f"{where}: haircut", told.get("haircut"), not_counted(e, a, "initial", x)[0], size
            for kind in ("initial", "maintenance"):
                need = asked(e, a, kind, x)
                yield f"{where}: {kind} margin", told.get(kind), need, abs(need)


def _trade_greeks(claim: Claim, e: Exposures, x: np.ndarray) -> Iterator[Fact]:
    told = {(row.get("account"), row.get("instrument")): row for row in claim.trades}
    sent, slopes = set(e.links.candidate.tolist()), dict[tuple[str, str], np.ndarray]()
    for i in np.flatnonzero(x).tolist():
        if i in sent:
            continue
        row = int(e.candidate[i])
        item = e.rows.instruments[row]
        for name in ("delta", "gamma", "vega"):
            key = name, item.assets[0]
            if key not in slopes:
                slopes[key] = _greek(*key, e, x, posted=False).below.slope
            value = float(slopes[key][i] * x[i])
            mine = told[e.accounts[e.rows.account[row]], item.name]
            yield f"{item.name}: {name}", mine.get(name), value, abs(float(x[i])) * 1e-6


def _greek(name: str, asset: str, e: Exposures, x: np.ndarray, *, posted: bool) -> Measure:
    if asset not in e.assets:
        raise InputError("is no asset of the book or its candidates", file="proposal", field="greeks", value=asset)
    return measure({"kind": name, "underlying": asset, "include_collateral": posted}, e, x, ())
