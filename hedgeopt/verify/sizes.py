"""Size limits: the largest trade and position of each instrument, per account and over all accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures

__all__ = ["SIZES", "Shared", "TradeRange", "shared_sizes", "trade_range"]

TradeRange = tuple[np.ndarray, np.ndarray]


def trade_range(policy: dict[str, Any], e: Exposures) -> TradeRange:
    """Smallest and largest trade (N,): quotes, size limits of the policy, and its largest order."""
    n = e.n_candidates
    lower, upper = np.array(e.lower, float), np.array(e.upper, float)
    sent = np.isin(np.arange(n), e.links.candidate)
    times = Counter(e.rows.instruments[row].id for row in e.candidate.tolist())
    for i, row in enumerate(e.candidate.tolist()):
        unit, held, item = float(e.rows.notional[row]), float(e.rows.quantity[row]), e.rows.instruments[row]
        if not sent[i]:
            most = float(policy["candidates"]["max_order_notional"]) / unit
            lower[i], upper[i] = max(lower[i], -most), min(upper[i], most)
        for rule in policy["subject_to"]:
            if rule["kind"] not in SIZES or not _concerns(rule["only"], item, bool(sent[i])):
                continue
            sizes = _market_sizes(rule, e, i)
            if rule.get("of") in ("quoted", "depth"):  # several accounts have equal parts of a side
                sizes = sizes[0] / times[item.id], sizes[1] / times[item.id]
            least = SIZES[rule["kind"]](rule, unit, held, sizes[0])[0]
            most = SIZES[rule["kind"]](rule, unit, held, sizes[1])[1]
            lower[i], upper[i] = max(lower[i], least), min(upper[i], most)
    return lower, upper


def _concerns(only: Sequence[str], item: Any, sent: bool) -> bool:
    if not only:
        return not sent
    return any(pattern == item.kind or fnmatchcase(item.name, pattern) for pattern in only)


def _order(rule: dict[str, Any], unit: float, held: float, interest: float) -> tuple[float, float]:
    sizes = [] if rule["notional"] is None else [rule["notional"] / unit]
    sizes += [] if rule["quantity"] is None else [rule["quantity"]]
    return -min(sizes), min(sizes)


def _participation(rule: dict[str, Any], unit: float, held: float, interest: float) -> tuple[float, float]:
    if np.isnan(interest):
        return (0.0, 0.0) if rule["missing"] == "exclude" else (-np.inf, np.inf)
    return -rule["share"] * interest, rule["share"] * interest


def _market_sizes(rule: dict[str, Any], e: Exposures, i: int) -> tuple[float, float]:
    """Units of the market that a share is taken of when candidate i is sold, and bought; NaN where it does not say."""
    key, of = e.rows.instruments[e.candidate[i]].id, rule.get("of", "open_interest")
    if of == "depth":
        ladder = e.market.depth.get(key)
        return (np.nan, np.nan) if ladder is None else (float(np.sum(ladder.bids.size)), float(np.sum(ladder.asks.size)))
    if of == "open_interest":
        return float(e.open_interest[i]), float(e.open_interest[i])
    columns = ("volume", "volume") if of == "volume" else ("bid_size", "ask_size")
    sold, bought = (float(e.market.quoted(column, [key])[0]) for column in columns)
    return sold, bought


def _position(rule: dict[str, Any], unit: float, held: float, interest: float) -> tuple[float, float]:
    """After trading within ``[-cap, cap]`` (from 0 for long only); a position beyond may only shrink."""
    sizes = [np.inf]
    sizes += [] if rule["notional"] is None else [rule["notional"] / unit]
    sizes += [] if rule["quantity"] is None else [rule["quantity"]]
    cap = min(sizes)
    return min((0.0 if rule["long_only"] else -cap) - held, 0.0), max(cap - held, 0.0)


SIZES = {"order_limit": _order, "participation": _participation, "position_limit": _position}


@dataclass(frozen=True, eq=False)
class Shared:
    """``fixed + sum over members |start + x| <= limit``: one instrument in several accounts, nothing netted."""

    name: str
    members: np.ndarray
    start: np.ndarray
    fixed: float
    limit: float


def shared_sizes(policy: dict[str, Any], e: Exposures) -> Iterator[Shared]:
    """Trades, then positions, of every instrument that several accounts trade (or hold)."""
    sent, traded = set(e.links.candidate.tolist()), set(e.candidate.tolist())
    members: dict[str, list[int]] = {}
    for i, row in enumerate(e.candidate.tolist()):
        if i not in sent:
            members.setdefault(e.rows.instruments[row].id, []).append(i)
    holders: dict[str, list[int]] = {}
    for row, other in enumerate(e.rows.instruments):
        if row not in traded and other.id in members:
            holders.setdefault(other.id, []).append(row)
    for position in (False, True):
        for key, mine in members.items():
            others = holders.get(key, []) if position else []
            item, row = e.rows.instruments[e.candidate[mine[0]]], int(e.candidate[mine[0]])
            if len(mine) + len(others) < 2:
                continue
            found = [(np.inf, "")]
            for rule in policy["subject_to"]:
                if rule["kind"] not in SIZES or position != (rule["kind"] == "position_limit"):
                    continue
                if not _concerns(rule["only"], item, sent=False):
                    continue
                plain = {**rule, "long_only": False} if position else rule
                unit = float(e.rows.notional[row])
                both = [float(SIZES[rule["kind"]](plain, unit, 0.0, size)[1]) for size in _market_sizes(rule, e, mine[0])]
                found.append((max(both), _called(rule)))
            if not position:
                most = float(policy["candidates"]["max_order_notional"]) / float(e.rows.notional[row])
                found.append((most, "candidates.max_order_notional"))
            cap, name = min(found, key=lambda pair: pair[0])
            if not np.isfinite(cap):
                continue
            start = e.rows.quantity[e.candidate[mine]] if position else np.zeros(len(mine))
            fixed = float(np.sum(np.abs(e.rows.quantity[others]))) if others else 0.0
            limit = max(cap, fixed + float(np.sum(np.abs(start)))) if position else cap  # a sum beyond it may not grow
            words = "position over accounts" if position else "over accounts"
            yield Shared(f"{name} {item.name} {words}", np.array(mine), start, fixed, limit)


def _called(rule: dict[str, Any]) -> str:
    of = {"volume": " of volume", "quoted": " of quoted sizes", "depth": " of depth"}.get(rule.get("of", ""), "")
    return rule["kind"].replace("_", " ") + of + (f" ({', '.join(rule['only'])})" if rule["only"] else "")
