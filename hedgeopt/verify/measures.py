"""Every term of a policy from the arrays, by the formulas of its documentation; nothing of ``models/term`` is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEK_UNITS, GREEKS
from hedgeopt.verify.claim import ClaimedTail
from hedgeopt.verify.convex import Convex, absolute, two_sided

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
    if kind == "variance":
        return _variance(e, x)
    if kind == "sum":
        return _sum(term, e, x, tails)
    rule = _STRAIGHT.get(kind)
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
    return float(np.abs(e.rows.quantity) @ np.abs(e.rows.greeks[GREEKS.index(term["kind"]), :, _column(e, term)]))


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
    losses = -(e.base_pnl + e.pnl @ x)
    q = None
    for tail in tails:
        if tail.term == term:
            q = np.zeros(len(p))
            inside = tail.scenarios < len(p)
            q[tail.scenarios[inside]] = tail.weights[inside]
    if q is None:
        q = np.zeros(len(p))
    q = _allowed(q, p / (1.0 - beta), losses)
    return Measure(
        f"cvar {beta:g}",
        "USD",
        expected_shortfall(losses, beta, p),
        float(np.abs(e.base_pnl).max(initial=0.0) + np.abs(losses).max(initial=0.0)),
        Convex(-(q @ e.pnl), -float(q @ e.base_pnl)),
    )


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


def _variance(e: Exposures, x: np.ndarray) -> Measure:
    p = scenario_weights(e)
    pnl = e.base_pnl + e.pnl @ x
    deviation = pnl - float(np.sum(p * pnl))
    value = float(np.sum(p * deviation * deviation))
    gradient = 2.0 * np.einsum("s,sn->n", p * deviation, e.pnl)  # the mean's own part vanishes: deviations sum to zero
    size = float(np.sum(p * pnl * pnl))
    return Measure("variance", "USD^2", value, size, Convex(gradient, value - float(gradient @ x)))


Straight = Callable[[dict[str, Any], Exposures], tuple[str, str, Convex]]


def _cost(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    return "transaction cost", "USD", two_sided(e.cost_buy, e.cost_sell, np.zeros(e.n_candidates))


def _carry(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    income = np.array(e.rows.carry, float)
    if term["include_theta"]:
        income = income + np.sum(e.rows.greeks[GREEKS.index("theta")], axis=1)
    return "carry", "USD", _by_row(-e.horizon_days * income, e)


def _by_row(per_unit: np.ndarray, e: Exposures) -> Convex:
    """Positions after trading times an amount per unit of each row."""
    return Convex(per_unit[e.candidate], float(np.sum(per_unit * e.rows.quantity)))


def _greek(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    name, a = term["kind"], _column(e, term)
    per_unit = e.rows.greeks[GREEKS.index(name), :, a]
    slope, constant = per_unit[e.candidate].copy(), float(np.sum(e.rows.quantity * per_unit))
    if name == "delta":  # a premium is paid in coins: less of them is left
        for i, row in enumerate(e.candidate.tolist()):
            if e.paid_in[i] == a:
                slope[i] -= e.rows.premium[row]
        if term["include_collateral"]:
            constant += float(np.sum(e.coin_delta[:, a]))
    return f"{name} {term['underlying']}", GREEK_UNITS[name], Convex(slope, constant)


def _column(e: Exposures, term: dict[str, Any]) -> int:
    asset = term["underlying"]
    if asset not in e.assets:
        raise InputError("is held by neither book nor market", file="policy", field="underlying", value=asset)
    return e.assets.index(asset)


def _bucket(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    greek = term["kind"].partition("_")[0]
    keys, day = [float(d) for d in term["key_days"]], float(term["days"])
    k = keys.index(day)
    share = np.zeros(len(e.rows))
    for row, item in enumerate(e.rows.instruments):
        if not hasattr(item, "years_from"):
            continue
        days = 365.0 * item.years_from(e.timestamp)
        if np.isnan(days):
            continue
        if days <= day:
            share[row] = 1.0 if k == 0 else max(0.0, (days - keys[k - 1]) / (day - keys[k - 1]))
        else:
            share[row] = 1.0 if k == len(keys) - 1 else max(0.0, (keys[k + 1] - days) / (keys[k + 1] - day))
    per_unit = share * e.rows.greeks[GREEKS.index(greek), :, _column(e, term)]
    return f"{greek} {term['underlying']} {day:g}d", GREEK_UNITS[greek], _by_row(per_unit, e)


def _stress(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    if term["scenario"] not in e.stress:
        raise InputError("is no stress scenario", file="policy", field="scenario", value=term["scenario"])
    k = e.stress.index(term["scenario"])
    loss = Convex(-e.stress_pnl[k], -float(np.sum(e.stress_account_pnl[k])))
    if not term["include_unwind"]:
        return f"stress {term['scenario']}", "USD", loss
    if e.stress_unwind_sell is None or e.stress_unwind_buy is None:
        raise InputError("needs unwind costs, which the exposures lack", file="policy", field="include_unwind")
    sell, buy, q = e.stress_unwind_sell[k], e.stress_unwind_buy[k], e.rows.quantity
    still = np.setdiff1d(np.arange(len(e.rows)), e.candidate)
    left = sum(float(sell[r] * q[r]) if q[r] > 0 else float(-buy[r] * q[r]) for r in still.tolist())
    leaving = two_sided(sell[e.candidate], buy[e.candidate], q[e.candidate])
    return f"stress {term['scenario']} with unwind", "USD", (loss + leaving).plus(left)


def _equity(e: Exposures) -> float:
    total = float(np.sum(e.equity))
    if total <= 0.0:
        raise InputError(
            "is not positive: shares of it mean nothing", file="book", field="equity", value=f"{total:,.0f} USD"
        )
    return total


def _held_exposure(unit: np.ndarray, e: Exposures) -> Convex:
    """``sum over rows of unit |position after trading|``."""
    still = np.setdiff1d(np.arange(len(e.rows)), e.candidate)
    rest = float(np.sum(unit[still] * np.abs(e.rows.quantity[still])))
    return absolute(unit[e.candidate], e.rows.quantity[e.candidate]).plus(rest)


def _gross_leverage(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    underlying = term.get("underlying")
    unit = np.zeros(len(e.rows))
    for row, item in enumerate(e.rows.instruments):
        if term["basis"] == "notional":
            own = getattr(item, "underlying", item.assets[0])
            counts = item.id not in _sent(e) and underlying in (None, own)
            unit[row] = float(e.rows.notional[row]) if counts else 0.0
        else:
            for a, asset in enumerate(e.assets):
                if not is_peg(asset) and underlying in (None, asset):
                    unit[row] += abs(float(e.rows.greeks[GREEKS.index("delta"), row, a])) * float(e.prices[a])
    return _leverage_name(term), "times equity", _held_exposure(unit / _equity(e), e)


def _leverage_name(term: dict[str, Any]) -> str:
    words = "gross leverage" if term["basis"] == "delta" else "gross notional leverage"
    return words + (f" {term['underlying']}" if term.get("underlying") else "")


def _sent(e: Exposures) -> set[str]:
    return {e.rows.instruments[row].id for row in e.candidate[e.links.candidate].tolist()}


def _coins(e: Exposures, underlying: str | None) -> list[int]:
    return [a for a, name in enumerate(e.assets) if (name == underlying if underlying else name not in dollar_assets())]


def _true_leverage(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    columns, total = _coins(e, term["underlying"]), _equity(e)
    unit = sum(np.abs(e.rows.greeks[GREEKS.index("delta"), :, a]) * e.prices[a] for a in columns) + np.zeros(len(e.rows))
    supplied = sum(float(np.maximum(e.collateral[:, a], 0.0).sum() * e.prices[a]) for a in columns)
    name = "true leverage" + (f" {term['underlying']}" if term["underlying"] else "")
    return name, "times equity", _held_exposure(unit / total, e).plus(supplied / total)


def _net_leverage(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    total, sum_of = _equity(e), Convex.number(e.n_candidates, 0.0)
    for a in _coins(e, term["underlying"]):
        _, _, delta = _greek({"kind": "delta", "underlying": e.assets[a], "include_collateral": False}, e)
        sum_of = sum_of + delta.plus(float(e.collateral[:, a].sum())).times(float(e.prices[a]) / total)
    return "net leverage" + (f" {term['underlying']}" if term["underlying"] else ""), "times equity", sum_of


def _concentration(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    by, of, total = term["by"], term["of"], _equity(e)
    slope, constant = np.zeros(e.n_candidates), 0.0
    places = {"venue": e.venues, "chain": e.chains, "counterparty": e.counterparties}
    for k, i in enumerate(e.links.candidate.tolist()):
        link, arrives = e.rows.instruments[e.candidate[i]], float(e.links.arrives[k])
        price = float(e.prices[e.links.asset[k]])
        if by == "bridge":
            slope[i] = price if link.bridge == of else 0.0
        elif by == "asset":
            slope[i] = price * (arrives - 1.0) if link.asset == of else 0.0
        else:
            here = places[by]
            slope[i] = price * (arrives * (here[e.links.target[k]] == of) - (here[e.links.source[k]] == of))
    if by == "asset":
        a = e.assets.index(of)
        constant = float(np.sum(e.collateral[:, a]) * e.prices[a])
        for i, row in enumerate(e.candidate.tolist()):
            if e.paid_in[i] == a and i not in set(e.links.candidate.tolist()):
                slope[i] -= float(e.rows.premium[row] * e.prices[a])
    elif by != "bridge":
        constant = sum(float(usd) for usd, place in zip(e.equity, places[by], strict=True) if place == of)
    return f"concentration {by} {of}", "share of equity", Convex(slope, constant).times(1.0 / total)


_STRAIGHT: dict[str, Straight] = {
    "transaction_cost": _cost,
    "carry": _carry,
    "stress_loss": _stress,
    "vega_bucket": _bucket,
    "gamma_bucket": _bucket,
    "gross_leverage": _gross_leverage,
    "true_leverage": _true_leverage,
    "net_leverage": _net_leverage,
    "concentration": _concentration,
    **dict.fromkeys(("delta", "gamma", "vega", "theta", "rho", "vanna", "volga"), _greek),
}


def known_term(term: dict[str, Any]) -> bool:
    """Whether the verifier has a formula for a term; a user's class has none here."""
    if term.get("kind") == "sum":
        return all(known_term(part["term"]) for part in term["parts"])
    return term.get("kind") in (*_STRAIGHT, "cvar", "variance", "margin")
