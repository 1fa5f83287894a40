"""Costs of trades, level by level, from the raw books and pools of the market; nothing of ``models/costs/depth`` is used."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import table
from hedgeopt.verify.convex import Convex, two_sided
from hedgeopt.verify.impact import impact

if TYPE_CHECKING:
    from hedgeopt.models.costs.ladder import Ladder

__all__ = ["cost_below", "cost_parts", "fee_of", "fixed", "ticket_of", "walked"]


@dataclass(frozen=True)
class _Step:
    """A level: units, USD per unit at its start with the fee, the fee, and ``steep d^2 / (reserve + turn d)`` besides."""

    size: float
    rate: float
    fee: float
    steep: float = 0.0
    reserve: float = np.inf
    turn: float = 0.0

    def cost(self, d: float) -> float:
        """USD for d units of it."""
        return self.rate * d + (self.steep * d * d / (self.reserve + self.turn * d) if self.steep else 0.0)

    def slope(self, d: float) -> float:
        """USD per unit at d."""
        if not self.steep:
            return self.rate
        whole = self.reserve + self.turn * d
        return self.rate + self.steep * d * (2.0 * self.reserve + self.turn * d) / whole**2


def walked(e: Exposures, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) USD that each trade costs, and the fee in it; infinite beyond the last level."""
    cost = np.where(x > 0, e.cost_buy * x, -e.cost_sell * x)
    fee = e.fee * np.abs(x)
    for i in _with_ladder(e):
        left, paid, charged = abs(float(x[i])), 0.0, 0.0
        for step in _steps(e, i, 1 if x[i] > 0 else -1):
            if left <= 0.0:
                break
            d = min(left, step.size)
            paid, charged, left = paid + step.cost(d), charged + step.fee * d, left - d
        cost[i], fee[i] = (paid, charged) if left <= 1e-9 * abs(float(x[i])) else (np.inf, charged)
    beyond = impact(e)
    return cost if beyond is None else cost + beyond.paid(x), fee


def cost_parts(e: Exposures, x: np.ndarray) -> dict[str, np.ndarray]:
    """(N,) USD of each trade: ``cost``, and in it ``fee`` and ``depth``; ``gas`` and ``carry`` over the horizon besides."""
    cost, fee = walked(e, x)
    depth, gas = np.zeros(e.n_candidates), np.zeros(e.n_candidates)
    for i in np.flatnonzero(np.isin(np.arange(e.n_candidates), _with_ladder(e)) & (x != 0.0)).tolist():
        best = _steps(e, i, 1 if x[i] > 0 else -1)[0]
        depth[i] = (cost[i] - fee[i]) - (best.rate - best.fee) * abs(float(x[i]))
        gas[i] = e.market.depth[e.rows.instruments[e.candidate[i]].id].gas
    beyond = impact(e)
    depth = depth if beyond is None else depth + beyond.paid(x)
    carry = -np.array([e.rows.carry[row] for row in e.candidate]) * e.horizon_days * x
    return {"cost": cost, "fee": fee, "depth": depth, "gas": gas, "carry": carry}


def fixed(policy: dict[str, Any], e: Exposures, x: np.ndarray) -> float | None:
    """USD of trades whatever their size: a ticket an order, gas, and what transfers pay; None if it is not counted."""
    ticket = policy.get("candidates", {}).get("ticket")
    if ticket is None:
        return None
    sent, total = set(e.links.candidate.tolist()), 0.0
    for i in np.flatnonzero(x).tolist():
        item = e.rows.instruments[e.candidate[i]]
        ladder = e.market.depth.get(item.id) if i not in sent else None
        if i in sent:
            total += float(item.fixed_cost)
        else:
            total += float(ticket) + _charged(e, i).get("ticket", 0.0) + (0.0 if ladder is None else ladder.gas)
    return total


def _charged(e: Exposures, i: int) -> dict[str, float]:
    """Fees of the venue's table that the account of candidate i pays, those of its tier in place of the table's own."""
    c = int(e.rows.account[e.candidate[i]])
    rules, whose = table(e.venues[c]), e.fee_terms[c] if e.fee_terms else None
    return dict(rules["fees"] if whose is None or whose.tier is None else rules["fees"] | rules["fee_tiers"][whose.tier])


def ticket_of(policy: dict[str, Any], e: Exposures) -> np.ndarray:
    """(N,) what each candidate adds to the objective whatever its size, as :func:`fixed` counts it."""
    weight = sum(float(part["weight"]) for part in policy["minimize"] if part["term"]["kind"] == "transaction_cost")
    at = np.eye(e.n_candidates)
    return np.array([weight * (fixed(policy, e, row) or 0.0) for row in at])


def cost_below(e: Exposures, x: np.ndarray, mine: np.ndarray | None = None) -> Convex:
    """A convex function nowhere above the cost of trades (of candidates ``mine`` (N,) bool), and equal to it at x."""
    n = e.n_candidates
    mine = np.ones(n, bool) if mine is None else mine
    walkers = [i for i in _with_ladder(e) if mine[i]]
    plain = mine & ~np.isin(np.arange(n), walkers)
    total = two_sided(np.where(plain, e.cost_buy, 0.0), np.where(plain, e.cost_sell, 0.0), np.zeros(n))
    bends = {i: _bends(e, i, float(x[i])) for i in walkers}
    deepest = max((len(turns) for _, turns in bends.values()), default=0)
    at, weight, slope, constant = np.zeros((deepest, n)), np.zeros((deepest, n)), np.zeros(n), 0.0
    for i, (least, turns) in bends.items():
        slope[i] = least
        for k, (where, more) in enumerate(turns):
            at[k, i], weight[k, i] = where, 0.5 * more
            slope[i] += 0.5 * more
            constant -= 0.5 * more * abs(where)
    total += Convex(slope, constant, tuple(zip(at, weight, strict=True)))
    beyond = impact(e)
    return total if beyond is None else total + beyond.below(x, mine)


def _with_ladder(e: Exposures) -> list[int]:
    if not e.market.depth:
        return []
    return [i for i, row in enumerate(e.candidate.tolist()) if e.rows.instruments[row].id in e.market.depth]


def _steps(e: Exposures, i: int, sign: int) -> list[_Step]:
    """Levels that candidate i buys from (1) or sells to (-1), best first."""
    item: Any = e.rows.instruments[e.candidate[i]]
    ladder: Ladder = e.market.depth[item.id]
    sharing = Counter(e.rows.instruments[row].id for row in e.candidate.tolist())[item.id]
    bid = float(ladder.bids.price[0]) if len(ladder.bids) else np.nan
    ask = float(ladder.asks.price[0]) if len(ladder.asks) else np.nan
    mark = float(e.market.quoted("mark_price", [item.id])[0])
    middle = mark if np.isnan(bid) or np.isnan(ask) else (bid + ask) / 2.0
    start = min(middle, mark) if sign > 0 else max(middle, mark)
    side = ladder.asks if sign > 0 else ladder.bids
    found: list[_Step] = []
    for price, size, reserve in zip(side.price.tolist(), side.size.tolist(), side.reserve.tolist(), strict=True):
        worse = max(sign * (price - start), 0.0)
        per_price = _usd(e, item, price, start)
        fee = 0.0 if ladder.kind == "pool" else fee_of(e, i, price * per_price)
        rate = worse * per_price + fee
        if found and rate < found[-1].rate:
            rate = found[-1].rate
        curve = (price * per_price, reserve / sharing, -float(sign)) if np.isfinite(reserve) else (0.0, np.inf, 0.0)
        found.append(_Step(size / sharing, rate, fee, *curve))
    return found


def fee_of(e: Exposures, i: int, worth: float) -> float:
    """USD per unit of candidate i that a venue charges; an option's cap is a share of its price, ``worth`` in USD."""
    item: Any = e.rows.instruments[e.candidate[i]]
    whose = e.fee_terms[int(e.rows.account[e.candidate[i]])] if e.fee_terms else None
    charged, name = _charged(e, i), item.nature.fee
    as_maker = whose is not None and whose.maker
    if item.nature.option:
        share = charged[f"{name}_maker" if as_maker else f"{name}_rate"]
        return float(min(share * e.market.price(item.underlying), charged[f"{name}_cap"] * worth))
    return float(charged[f"{name}_maker" if as_maker else f"{name}_taker"]) * float(e.rows.notional[e.candidate[i]])


def _usd(e: Exposures, item: Any, price: float, start: float) -> float:
    """USD per unit of quantity and of price; of an inverse future ``S (1/start - 1/price) / (price - start)``, exactly."""
    market = e.market
    if hasattr(item, "strike"):
        return market.price(item.underlying if item.inverse else item.settlement)
    if getattr(item, "inverse", False):
        return market.price(item.underlying) / (price * start) if item.nature.payoff == "linear" else 1.0
    return market.price(item.settlement) if hasattr(item, "underlying") else 1.0


def _bends(e: Exposures, i: int, x: float) -> tuple[float, list[tuple[float, float]]]:
    """Slope far to the left, and where it rises by how much: lines through points of the cost, nowhere above it."""
    lines: list[tuple[float, float, float]] = []  # point, cost, slope
    for sign in (-1, 1):
        before, at, mine = 0.0, 0.0, []
        steps = _steps(e, i, sign)
        for step in steps or [_Step(np.inf, 0.0, 0.0)]:
            inside = min(max(sign * x - at, 0.0), step.size)
            for d in dict.fromkeys([0.0, inside, step.size] if np.isfinite(step.size) else [0.0]):
                mine.append((sign * (at + d), before + step.cost(d), sign * step.slope(d)))
            before, at = before + (step.cost(step.size) if np.isfinite(step.size) else 0.0), at + step.size
        lines += mine if sign > 0 else mine[::-1]
    turns = []
    for (p, value, slope), (q, worth, rise) in itertools.pairwise(lines):
        more = rise - slope
        if more > 0.0:
            meet = (value - slope * p - worth + rise * q) / more
            turns.append((min(max(meet, p), q), more))
    return lines[0][2], turns
