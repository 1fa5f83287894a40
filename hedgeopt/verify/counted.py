"""Policies and claims that count in another asset than the dollar, in dollars: worked out apart from program and proposal.

An amount of ``b`` in units that count money p times is ``b N^p`` dollars, N the asset's price today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.verify.claim import Claim

__all__ = ["claim_in_dollars", "objective_unit", "policy_in_dollars", "price_of_unit", "stress_parts", "times_money"]

_IN_MONEY = (
    "transaction_cost",
    "carry",
    "delivery_fee",
    "cvar",
    "robust_cvar",
    "stress_loss",
    "vega",
    "theta",
    "rho",
    "volga",
    "vega_bucket",
)
_OF_CERTIFICATE = ("objective", "lower_bound", "ideal_objective", "ideal_lower_bound")
_OF_PROMISE = ("in_sample", "error", "low", "high", "fresh", "fresh_error", "stress")
_PLAIN = ("equity", "expected_pnl", "carry")
_BY_NAME = ("value_at_risk", "cvar", "stress")


def price_of_unit(e: Exposures, policy: dict[str, Any]) -> float:
    """USD for one unit of what the policy counts in."""
    asset = policy.get("numeraire")
    if asset in (None, "USD"):
        return 1.0
    return float(e.prices[e.assets.index(asset)]) if asset in e.assets else float(e.market.price(asset))


def times_money(unit: str) -> int:
    """How often a unit in dollars counts money."""
    return 2 if unit == "USD^2" else 1 if unit.split(" ")[0] == "USD" else 0


def _of_term(term: dict[str, Any]) -> int:
    if term["kind"] == "sum":
        return _of_term(term["parts"][0]["term"])
    return 2 if term["kind"] == "variance" else int(term["kind"] in _IN_MONEY)


def objective_unit(policy: dict[str, Any]) -> str:
    """USD, or USD^2, where every term of the objective counts so; else nothing, for weights make up its unit."""
    powers = [*{_of_term(part["term"]) for part in policy["minimize"]}]
    return {1: "USD", 2: "USD^2"}.get(powers[0], "") if len(powers) == 1 else ""


def policy_in_dollars(policy: dict[str, Any], price: float) -> dict[str, Any]:
    """The policy's plain data with bounds of terms and weights in dollars."""
    if policy.get("numeraire") in (None, "USD"):
        return policy
    parts = [{**part, "weight": part["weight"] * price ** (1 - _of_term(part["term"]))} for part in policy["minimize"]]
    limits = []
    for rule in policy["subject_to"]:
        if rule["kind"] == "limit":
            scale = price ** _of_term(rule["term"])
            rule = {**rule, **{n: None if rule[n] is None else rule[n] * scale for n in ("lower", "upper")}}
        limits.append(rule)
    return {**policy, "minimize": parts, "subject_to": limits}


def claim_in_dollars(claim: Claim, policy: dict[str, Any], price: float) -> tuple[Claim, list[str]]:
    """Certificate, costs, objective and risk of a claim in dollars, and what it says of its unit that is not so.

    ``policy`` is the one given, in its own units. The table of limits is compared row by row, where units are known.
    """
    asset = policy.get("numeraire") or "USD"
    wrong = []
    for word, told in (("before", claim.before), ("after", claim.after)):
        unit, at = told.get("unit", "USD"), told.get("unit_price", 1.0)
        if unit != asset or not isinstance(at, int | float) or abs(at - price) > 1e-9 * price:
            wrong.append(
                f"{word}: numbers in {unit} at {at} USD are reported, the policy counts in {asset} at {price:,.10g}"
            )
    if asset == "USD":
        return claim, wrong
    powers = [_of_term(part["term"]) for part in policy["minimize"]]
    rows = [
        {**row, **_scaled(row, ("before", "after"), price**p), **_scaled(row, ("weight",), price ** (1 - p))}
        for row, p in zip(claim.objective, powers, strict=False)
    ]
    found = replace(
        claim,
        objective=rows if len(rows) == len(claim.objective) else claim.objective,
        certificate={**claim.certificate, **_scaled(claim.certificate, _OF_CERTIFICATE, price)},
        costs=_scaled(claim.costs, tuple(claim.costs), price),
        before=_risk(claim.before, price),
        after=_risk(claim.after, price),
        promise=None if claim.promise is None else {**claim.promise, **_scaled(claim.promise, _OF_PROMISE, price)},
    )
    return found, wrong


def _risk(told: dict[str, Any], price: float) -> dict[str, Any]:
    found = {**told, **_scaled(told, _PLAIN, price)}
    for name in _BY_NAME:
        if isinstance(told.get(name), dict):
            found[name] = _scaled(told[name], tuple(told[name]), price)
    found["greeks"] = _greeks(told.get("greeks"), price)
    if isinstance(told.get("tags"), list):
        found["tags"] = [_tag(row, price) if isinstance(row, dict) else row for row in told["tags"]]
    if isinstance(told.get("accounts"), list):
        money = ("equity", "initial_margin", "maintenance_margin")
        found["accounts"] = [
            {**row, **_scaled(row, money, price)} if isinstance(row, dict) else row for row in told["accounts"]
        ]
    return found


def _tag(row: dict[str, Any], price: float) -> dict[str, Any]:
    return {**row, **_scaled(row, ("equity", "cvar", "stress"), price), "greeks": _greeks(row.get("greeks"), price)}


def _greeks(told: Any, price: float) -> Any:
    """Greeks by asset; anything else stays, to be refused where it is read."""
    if not isinstance(told, dict) or not all(isinstance(greeks, dict) for greeks in told.values()):
        return told
    scale = {name: price ** times_money(unit) for name, unit in GREEK_UNITS.items()}
    return {asset: {n: _times(x, scale.get(n, 1.0)) for n, x in own.items()} for asset, own in told.items()}


def _scaled(row: dict[str, Any], names: Sequence[str], by: float) -> dict[str, Any]:
    return {name: _times(row[name], by) for name in names if name in row}


def _times(value: Any, by: float) -> Any:
    """Numbers times ``by``; anything else stays, to be refused where it is read."""
    return value * by if isinstance(value, int | float) and not isinstance(value, bool) else value


def stress_parts(e: Exposures, k: int) -> tuple[np.ndarray, np.ndarray, float]:
    """P&L of each account and per unit traded in stress k as the policy counts it, and today's price over the scenario's."""
    accounts, per_trade = e.stress_account_pnl[k], e.stress_pnl[k]
    if e.numeraire is None:
        return accounts, per_trade, 1.0
    asset = e.numeraire.asset
    if asset in e.assets:
        a = e.assets.index(asset)
        factor = float(e.prices[a] / e.stress_prices[k, a])
    else:
        factor = 1.0 / float(e.margins.stress.price_factor(asset)[k])
    return (e.equity + accounts) * factor - e.equity, per_trade * factor, factor
