"""Terms that are straight or bend at known places, from the arrays, by the formulas of their documentation.

Each gives its name, its unit, and the convex function that it is; nothing of ``models/term`` is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets, table
from hedgeopt.models.pegs import is_peg, moved_by
from hedgeopt.models.pricing.family import GREEK_UNITS, GREEKS
from hedgeopt.models.pricing.spot import price_slopes
from hedgeopt.verify.convex import Convex, absolute, two_sided
from hedgeopt.verify.counted import stress_parts

__all__ = ["STRAIGHT", "column", "counted_accounts", "entering", "with_accounts"]

Straight = Callable[[dict[str, Any], Exposures], tuple[str, str, Convex]]


def _carry(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    income = np.array(e.rows.carry, float)
    if term["include_theta"]:
        income = income + np.sum(e.rows.greeks[GREEKS.index("theta")], axis=1)
    return "carry", "USD", _by_row(-e.horizon_days * income, e)


def _delivery(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    """Of what expires within the horizon, at today's index: a share of notional, an option's at most one of its payoff."""
    charged = np.zeros(len(e.rows))
    for row, item in enumerate(e.rows.instruments):
        hours = (item.expiry - e.timestamp).total_seconds() / 3600.0 if item.nature.expires else np.inf
        if hours > 24.0 * e.horizon_days:
            continue
        rates, index = table(item.venue)["delivery"], float(e.rows.index[row])
        if item.nature.option:
            worth = max(index - item.strike, 0.0) if item.right == "call" else max(item.strike - index, 0.0)
            charged[row] = min(rates["option_rate"] * index, rates["option_cap"] * worth)
        else:
            charged[row] = rates["future_rate"] * (1.0 if item.inverse else index)
        charged[row] *= 1.0 if item.inverse else float(e.rows.settlement_price[row])
    still = np.setdiff1d(np.arange(len(e.rows)), e.candidate)
    held = e.rows.quantity
    stays = float(charged[still] @ np.abs(held[still]))
    return "delivery fees", "USD", absolute(charged[e.candidate], held[e.candidate]).plus(stays)


def _by_row(per_unit: np.ndarray, e: Exposures) -> Convex:
    """Positions after trading times an amount per unit of each row."""
    return Convex(per_unit[e.candidate], float(np.sum(per_unit * e.rows.quantity)))


def _greek(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    name, a, inside = term["kind"], column(e, term), counted_accounts(term, e)
    per_unit = e.rows.greeks[GREEKS.index(name), :, a] * inside[e.rows.account]
    slope, constant = per_unit[e.candidate].copy(), float(np.sum(e.rows.quantity * per_unit))
    if name == "delta":  # a premium is paid in coins: less of them is left
        for i, row in enumerate(e.candidate.tolist()):
            if e.paid_in[i] == a:
                slope[i] -= e.rows.premium[row] * inside[e.rows.account[row]]
        if term["include_collateral"]:
            constant += float(np.sum(e.coin_delta[:, a] * inside))
    if term.get("of"):
        posted = name == "delta" and term["include_collateral"]
        gain = [_of_one(e, b, a) if posted else 0.0 for b in e.links.asset.tolist()]
        slope[e.links.candidate] = entering(e, inside) * np.array(gain)
    return with_accounts(f"{name} {term['underlying']}", term), GREEK_UNITS[name], Convex(slope, constant)


def _of_one(e: Exposures, posted: int, a: int) -> float:
    """Delta to asset a of one unit of another, or the same."""
    name, on = e.assets[posted], e.assets[a]
    return float(posted == a) if moved_by(name) == (name,) else price_slopes(name, e.market).get(on, 0.0)


def counted_accounts(term: dict[str, Any], e: Exposures) -> np.ndarray:
    """(C,) 1 for accounts that a term counts: those whose name or tag it names, or all."""
    wanted = [re.compile(translate(word)) for word in term.get("of") or ["*"]]
    words = zip(e.accounts, e.tags or [()] * len(e.accounts), strict=True)
    inside = np.array([float(any(p.match(w) for p in wanted for w in (name, *tags))) for name, tags in words])
    if not inside.any():
        raise InputError("names no account and no tag", file="policy", field="of", value=str(term["of"]))
    return inside


def entering(e: Exposures, inside: np.ndarray) -> np.ndarray:
    """(T,) 1 for links that lead into the accounts from elsewhere, -1 out of them."""
    return np.array([inside[t] - inside[s] for s, t in zip(e.links.source.tolist(), e.links.target.tolist(), strict=True)])


def with_accounts(name: str, term: dict[str, Any]) -> str:
    """The name with the accounts that it is of."""
    return f"{name} of {', '.join(term['of'])}" if term.get("of") else name


def column(e: Exposures, term: dict[str, Any]) -> int:
    """Column of the asset that a term is on."""
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
    per_unit = share * e.rows.greeks[GREEKS.index(greek), :, column(e, term)] * counted_accounts(term, e)[e.rows.account]
    return with_accounts(f"{greek} {term['underlying']} {day:g}d", term), GREEK_UNITS[greek], _by_row(per_unit, e)


def _stress(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    if term["scenario"] not in e.stress:
        raise InputError("is no stress scenario", file="policy", field="scenario", value=term["scenario"])
    k = e.stress.index(term["scenario"])
    accounts, per_trade, factor = stress_parts(e, k)
    inside = counted_accounts(term, e)
    if term.get("of"):
        per_trade = per_trade * inside[e.rows.account[e.candidate]]
        moved = e.stress_prices[k, e.links.asset] * factor - e.prices[e.links.asset]
        per_trade[e.links.candidate] = entering(e, inside) * moved
        factor = factor * inside[e.rows.account]
    loss = Convex(-per_trade, -float(np.sum(accounts * inside)))
    if not term["include_unwind"]:
        return with_accounts(f"stress {term['scenario']}", term), "USD", loss
    if e.stress_unwind_sell is None or e.stress_unwind_buy is None:
        raise InputError("needs unwind costs, which the exposures lack", file="policy", field="include_unwind")
    sell, buy, q = factor * e.stress_unwind_sell[k], factor * e.stress_unwind_buy[k], e.rows.quantity
    still = np.setdiff1d(np.arange(len(e.rows)), e.candidate)
    left = sum(float(sell[r] * q[r]) if q[r] > 0 else float(-buy[r] * q[r]) for r in still.tolist())
    leaving = two_sided(sell[e.candidate], buy[e.candidate], q[e.candidate])
    return with_accounts(f"stress {term['scenario']} with unwind", term), "USD", (loss + leaving).plus(left)


def _equity(e: Exposures, inside: np.ndarray | float = 1.0) -> float:
    total = float(np.sum(e.equity * inside))
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
    inside = counted_accounts(term, e)
    return _leverage_name(term), "times equity", _held_exposure(unit * inside[e.rows.account] / _equity(e, inside), e)


def _leverage_name(term: dict[str, Any]) -> str:
    words = "gross leverage" if term["basis"] == "delta" else "gross notional leverage"
    return with_accounts(words + (f" {term['underlying']}" if term.get("underlying") else ""), term)


def _sent(e: Exposures) -> set[str]:
    return {e.rows.instruments[row].id for row in e.candidate[e.links.candidate].tolist()}


def _coins(e: Exposures, underlying: str | None) -> list[int]:
    return [a for a, name in enumerate(e.assets) if (name == underlying if underlying else name not in dollar_assets())]


def _true_leverage(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    columns, inside = _coins(e, term["underlying"]), counted_accounts(term, e)
    total, crossing = _equity(e, inside), entering(e, inside)
    if any(sign and a in columns for sign, a in zip(crossing.tolist(), e.links.asset.tolist(), strict=True)):
        raise InputError("counts accounts that coins may be sent into or out of", file="policy", field="true_leverage.of")
    unit = sum(np.abs(e.rows.greeks[GREEKS.index("delta"), :, a]) * e.prices[a] for a in columns) + np.zeros(len(e.rows))
    supplied = sum(float(np.sum(np.maximum(e.collateral[:, a], 0.0) * inside) * e.prices[a]) for a in columns)
    name = with_accounts("true leverage" + (f" {term['underlying']}" if term["underlying"] else ""), term)
    return name, "times equity", _held_exposure(unit * inside[e.rows.account] / total, e).plus(supplied / total)


def _net_leverage(term: dict[str, Any], e: Exposures) -> tuple[str, str, Convex]:
    inside, sum_of = counted_accounts(term, e), Convex.number(e.n_candidates, 0.0)
    total = _equity(e, inside)
    for a in _coins(e, term["underlying"]):
        asked = {"kind": "delta", "underlying": e.assets[a], "include_collateral": False, "of": term.get("of")}
        _, _, delta = _greek(asked, e)
        slope = delta.slope.copy()
        if term.get("of"):
            slope[e.links.candidate] = entering(e, inside) * (e.links.asset == a)
        held = delta.constant + float(np.sum(e.collateral[:, a] * inside))
        sum_of = sum_of + Convex(slope, held).times(float(e.prices[a]) / total)
    name = with_accounts("net leverage" + (f" {term['underlying']}" if term["underlying"] else ""), term)
    return name, "times equity", sum_of


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


STRAIGHT: dict[str, Straight] = {
    "carry": _carry,
    "delivery_fee": _delivery,
    "stress_loss": _stress,
    "vega_bucket": _bucket,
    "gamma_bucket": _bucket,
    "gross_leverage": _gross_leverage,
    "true_leverage": _true_leverage,
    "net_leverage": _net_leverage,
    "concentration": _concentration,
    **dict.fromkeys(("delta", "gamma", "vega", "theta", "rho", "vanna", "volga"), _greek),
}
