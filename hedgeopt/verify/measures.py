"""Every term of a policy from the arrays, by the formulas of its documentation; nothing of ``models/term`` is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEKS
from hedgeopt.models.scenarios.effects import unwind_multiplier
from hedgeopt.verify.claim import ClaimedTail
from hedgeopt.verify.convex import Convex, absolute, two_sided
from hedgeopt.verify.ladders import cost_below, walked
from hedgeopt.verify.straight import STRAIGHT, column, counted_accounts, entering, with_accounts

__all__ = ["Measure", "expected_shortfall", "known_term", "measure", "scenario_weights"]


@dataclass(frozen=True, eq=False)
class Measure:
    """A term: its value at trades x, and a convex function nowhere above it: itself, or a tangent at x where it is curved.

    ``size`` is how much is added up in the value, without signs: rounding is relative to that.
    """

    name: str
    unit: str
    value: float
    size: float
    below: Convex


def measure(term: dict[str, Any], e: Exposures, x: np.ndarray, tails: Sequence[ClaimedTail]) -> Measure:
    """The term that a policy's table ``term`` means, at trades x (N,)."""
    kind = term["kind"]
    if kind == "cvar":
        return _cvar(term, e, x, tails)
    if kind == "robust_cvar":
        return _robust(term, e, x, tails)
    if kind == "variance":
        return _variance(term, e, x)
    if kind == "sum":
        return _sum(term, e, x, tails)
    if kind == "transaction_cost":
        paid = float(walked(e, x)[0].sum())
        return Measure("transaction cost", "USD", paid, paid, cost_below(e, x))
    rule = STRAIGHT.get(kind)
    if rule is None:
        raise InputError("is a term that the verifier does not know", file="policy", field="term", value=kind)
    name, unit, below = rule(term, e)
    size = float(np.abs(below.slope) @ np.abs(x)) + abs(below.constant)
    size += sum(float(np.sum(weight * (np.abs(x) + np.abs(at)))) for at, weight in below.corners)
    return Measure(name, unit, below(x), max(size, _gross(term, e)), below)


def _sum(term: dict[str, Any], e: Exposures, x: np.ndarray, tails: Sequence[ClaimedTail]) -> Measure:
    """Weights times terms of one unit."""
    parts = [(float(part["weight"]), measure(part["term"], e, x, tails)) for part in term["parts"]]
    units = {one.unit for _, one in parts}
    if len(units) != 1:
        raise InputError("adds up several units", file="policy", field="term.parts", value=", ".join(sorted(units)))
    words = [one.name if w == 1.0 else f"-{one.name}" if w == -1.0 else f"{w:g} {one.name}" for w, one in parts]
    below = sum((one.below.times(weight) for weight, one in parts), Convex.number(e.n_candidates, 0.0))
    value, size = sum(w * one.value for w, one in parts), sum(abs(w) * one.size for w, one in parts)
    return Measure(" + ".join(words).replace("+ -", "- "), units.pop(), float(value), float(size), below)


def _gross(term: dict[str, Any], e: Exposures) -> float:
    """Sum of the held positions' magnitudes, for Greeks."""
    if term["kind"] not in GREEKS:
        return 0.0
    return float(np.abs(e.rows.quantity) @ np.abs(e.rows.greeks[GREEKS.index(term["kind"]), :, column(e, term)]))


def expected_shortfall(losses: np.ndarray, beta: float, p: np.ndarray) -> float:
    """Mean loss of the worst ``1 - beta`` of probability, worst first until that mass is used up."""
    left, total = 1.0 - beta, 0.0
    for s in np.argsort(losses)[::-1].tolist():
        mass = min(float(p[s]), left)
        total += mass * float(losses[s])
        left -= mass
        if left <= 0.0:
            break
    return total / (1.0 - beta)


def scenario_weights(e: Exposures) -> np.ndarray:
    """(S,) probabilities."""
    count = len(e.base_pnl)
    return np.full(count, 1.0 / count) if e.probabilities is None else np.asarray(e.probabilities, float)


def _cvar(term: dict[str, Any], e: Exposures, x: np.ndarray, tails: Sequence[ClaimedTail]) -> Measure:
    beta, p = float(term["beta"]), scenario_weights(e)
    base, pnl = _pnl_of(term, e)
    leave = _leaving(term, e) if term.get("include_unwind") else None
    losses = -(base + pnl @ x)
    if leave is not None:
        z = np.array(e.rows.quantity, float)
        np.add.at(z, e.candidate, x)
        losses = losses + leave.scenarios @ (leave.sell @ np.maximum(z, 0.0) + leave.buy @ np.maximum(-z, 0.0))
    q = None
    for tail in tails:
        if tail.term == term:
            q = np.zeros(len(p))
            inside = tail.scenarios < len(p)
            q[tail.scenarios[inside]] = tail.weights[inside]
    if q is None:
        q = np.zeros(len(p))
    q = _allowed(q, p / (1.0 - beta), losses)
    below = Convex(-(q @ pnl), -float(q @ base))
    words = f"cvar {beta:g}"
    if leave is not None:
        sell, buy = (q @ leave.scenarios @ side for side in (leave.sell, leave.buy))
        held = e.rows.quantity
        still = np.setdiff1d(np.arange(len(e.rows)), e.candidate)
        stays = float(np.sum(np.where(held > 0.0, sell * held, -buy * held)[still]))
        below = (below + two_sided(sell[e.candidate], buy[e.candidate], held[e.candidate])).plus(stays)
        words += " with unwind"
    return Measure(
        with_accounts(words, term),
        "USD",
        expected_shortfall(losses, beta, p),
        float(np.abs(base).max(initial=0.0) + np.abs(losses).max(initial=0.0)),
        below,
    )


def _robust(term: dict[str, Any], e: Exposures, x: np.ndarray, tails: Sequence[ClaimedTail]) -> Measure:
    """CVaR, and what positions may lose to vols and prices that the sample has wrong, all of it in the tail."""
    plain, inside = _cvar(term, e, x, tails), counted_accounts(term, e)
    per_unit = np.zeros(len(e.rows))
    for a, asset in enumerate(e.assets):
        per_unit += float(term["radius"]) * np.abs(e.rows.greeks[GREEKS.index("vega"), :, a])
        if not is_peg(asset):
            moved = np.abs(e.rows.greeks[GREEKS.index("delta"), :, a]) * float(e.prices[a])
            per_unit += float(term["price_radius"]) / 10_000.0 * moved
    per_unit *= inside[e.rows.account] / (1.0 - float(term["beta"]))
    still = np.setdiff1d(np.arange(len(e.rows)), e.candidate)
    held = e.rows.quantity[e.candidate]
    apart = absolute(per_unit[e.candidate], held).plus(float(per_unit[still] @ np.abs(e.rows.quantity[still])))
    more = f" and {term['price_radius']:g} bp" if term["price_radius"] else ""
    name = with_accounts(f"robust cvar {term['beta']:g} within {term['radius']:g} vol points{more}", term)
    size = plain.size + apart.constant + float(per_unit[e.candidate] @ (np.abs(held) + np.abs(x)))
    return Measure(name, "USD", plain.value + apart(x), size, plain.below + apart)


@dataclass(frozen=True, eq=False)
class _Leave:
    """USD per unit of leaving longs (G, M) and shorts, in groups that scenarios (S, G) multiply."""

    scenarios: np.ndarray
    sell: np.ndarray
    buy: np.ndarray


def _leaving(term: dict[str, Any], e: Exposures) -> _Leave:
    """Half-spreads of each venue and its fees, times what the scenarios make of spreads there."""
    if e.scenarios is None:
        raise InputError("needs scenarios, which the exposures lack", file="policy", field="include_unwind")
    inside, columns, sell, buy = counted_accounts(term, e), [], [], []
    for venue in sorted(set(e.venues)):
        mine = np.array([inside[c] * (e.venues[c] == venue) for c in e.rows.account.tolist()], float)
        spread = unwind_multiplier(e.scenarios, venue)
        for times, long, short in (
            (spread, e.leaving.sell, e.leaving.buy),
            (np.where(spread == 0.0, 0.0, 1.0), e.leaving.fee, e.leaving.fee),
        ):
            columns.append(times)
            sell.append(mine * long)
            buy.append(mine * short)
    scenarios = np.column_stack(columns)
    if e.numeraire is not None:
        scenarios = scenarios / e.scenarios.price_factor(e.numeraire.asset)[:, None]
    return _Leave(scenarios, np.array(sell), np.array(buy))


def _pnl_of(term: dict[str, Any], e: Exposures) -> tuple[np.ndarray, np.ndarray]:
    """P&L (S,) of the accounts that a term counts, and (S, N) of trades and transfers in them."""
    if not term.get("of"):
        return e.base_pnl, e.pnl
    if e.account_pnl is None or e.scenarios is None:
        raise InputError("needs P&L by account, which the exposures lack", file="policy", field="of")
    inside = counted_accounts(term, e)
    pnl = e.pnl * inside[e.rows.account[e.candidate]]
    sign = entering(e, inside)
    for t, (i, a) in enumerate(zip(e.links.candidate.tolist(), e.links.asset.tolist(), strict=True)):
        then = e.scenarios.price_factor(e.assets[a])
        if e.numeraire is not None:
            then = then / e.scenarios.price_factor(e.numeraire.asset)
        pnl[:, i] = sign[t] * float(e.prices[a]) * (then - 1.0)
    return e.account_pnl @ inside, pnl


def _allowed(q: np.ndarray, cap: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Weights within ``0 <= q <= cap`` that sum to one: cut, and the rest given to the worst scenarios."""
    q = np.minimum(np.maximum(q, 0.0), cap)
    if q.sum() > 1.0:
        return np.asarray(q / q.sum())
    missing = 1.0 - q.sum()
    for s in np.argsort(losses)[::-1].tolist():
        more = min(missing, float(cap[s] - q[s]))
        q[s] += more
        missing -= more
        if missing <= 0.0:
            break
    return q


def _variance(term: dict[str, Any], e: Exposures, x: np.ndarray) -> Measure:
    p, (base, per_trade) = scenario_weights(e), _pnl_of(term, e)
    pnl = base + per_trade @ x
    deviation = pnl - float(np.sum(p * pnl))
    value = float(np.sum(p * deviation * deviation))
    gradient = 2.0 * np.einsum("s,sn->n", p * deviation, per_trade)  # the mean's own part vanishes: deviations sum to zero
    size = float(np.sum(p * pnl * pnl))
    return Measure(with_accounts("variance", term), "USD^2", value, size, Convex(gradient, value - float(gradient @ x)))


def known_term(term: dict[str, Any]) -> bool:
    """Whether the verifier has a formula for a term; a user's class has none here."""
    if term.get("kind") == "sum":
        return all(known_term(part["term"]) for part in term["parts"])
    return term.get("kind") in (*STRAIGHT, "transaction_cost", "cvar", "robust_cvar", "variance", "margin")
