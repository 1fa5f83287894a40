"""Recompute a proposal's certificate, costs and objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.files.counted import many
from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.claim import Claim
from hedgeopt.verify.ladders import cost_parts
from hedgeopt.verify.lots import in_lots
from hedgeopt.verify.measures import Measure
from hedgeopt.verify.trades import differs

__all__ = ["allowed_gap", "told_costs", "told_numbers", "told_parts", "told_terms", "unit_of_gap"]

_HOLDS = 1e-9


def allowed_gap(policy: dict[str, Any]) -> float:
    """Largest relative gap: the tolerance, or ``lot_gap`` of lists in whole lots."""
    return float(policy.get("lot_gap", 0.005) if in_lots(policy) else policy["tolerance"])


def unit_of_gap(objective: float, policy: dict[str, Any]) -> float:
    """Denominator of the gap: the objective, or where that is near zero the sum of weights, at most 1."""
    weights = sum(abs(float(part["weight"])) for part in policy["minimize"])
    return float(max(abs(objective), min(1.0, weights), 1e-300))


def told_numbers(claim: Claim, wrong: list[str], objective: float, size: float, policy: dict[str, Any]) -> None:
    """Objective, bound, gap and tolerance of the certificate; differences are added to ``wrong``."""
    told = {name: claim.number(claim.certificate, name, "certificate") for name in
            ("objective", "lower_bound", "gap", "tolerance", "worst_violation")}  # fmt: skip
    if differs(told["objective"], objective, size):
        wrong.append(f"an objective of {told['objective']:,.10g} is reported, it is {objective:,.10g}")
    unit = unit_of_gap(objective, policy)
    room = allowed_gap(policy) * unit
    if told["lower_bound"] > objective + room:
        wrong.append(f"a lower bound of {told['lower_bound']:,.10g} is reported, above the objective of {objective:,.10g}")
    gap = (told["objective"] - told["lower_bound"]) / unit
    if not abs(gap - told["gap"]) <= 1e-9 + 1e-6 * abs(gap):
        wrong.append(f"a gap of {told['gap']:.3e} is reported, the numbers beside it give {gap:.3e}")
    elif not abs(gap) <= allowed_gap(policy):
        name = "lot_gap" if in_lots(policy) else "tolerance"
        wrong.append(f"the gap of {gap:.3e} is above the policy's {name} of {allowed_gap(policy):g}: the list is not valid")
    if told["tolerance"] != policy["tolerance"]:
        wrong.append(f"a tolerance of {told['tolerance']:g} is reported, the policy has {policy['tolerance']:g}")
    _told_lots(claim, wrong, told["objective"], size, policy)
    if told["worst_violation"] > _HOLDS:
        wrong.append(f"an excess of {told['worst_violation']:.2e} is reported")
    for name in ("feasible", "optimal"):
        if claim.certificate.get(name) is not True:
            wrong.append(f"the certificate does not claim that the trades are {name}")


def _told_lots(claim: Claim, wrong: list[str], objective: float, size: float, policy: dict[str, Any]) -> None:
    """What a certificate says of whole lots and of the ideal beside them; differences are added to ``wrong``."""
    asked = allowed_gap(policy) if in_lots(policy) else None
    if claim.certificate.get("lot_gap") != asked:
        wrong.append(f"a lot_gap of {claim.certificate.get('lot_gap')} is reported, the policy has {asked}")
    if asked is None or claim.certificate.get("ideal_objective") is None:
        return
    names = ("ideal_objective", "ideal_lower_bound", "lower_bound")
    ideal, bound, least = (claim.number(claim.certificate, name, "certificate") for name in names)
    room = policy["tolerance"] * unit_of_gap(ideal, policy) + 1e-9 * size
    if ideal < bound - room or bound > least + room or ideal > objective + room:
        beside = f"beside {objective:,.10g} and {least:,.10g} in whole lots"
        wrong.append(f"an ideal of {ideal:,.10g} with a bound of {bound:,.10g} is reported, {beside}: one of them is wrong")


def told_costs(claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray, whatever: float | None = None) -> None:
    """Trading costs in USD, in total and trade by trade; differences are added to ``wrong``."""
    parts = cost_parts(e, x)
    paid, fees, depth = (float(parts[name].sum()) for name in ("cost", "fee", "depth"))
    told_sums = {"transaction": paid, "fees": fees, "half_spread": paid - fees - depth}
    told_sums |= {"depth": depth, "gas": float(parts["gas"].sum())} if e.market.depth else {}
    told_sums |= {} if whatever is None else {"fixed": whatever}
    for name, found in told_sums.items():
        told = claim.number(claim.costs, name, "costs")
        if differs(told, found, paid):
            wrong.append(f"costs: {name} {told:,.10g} is reported, it is {found:,.10g}")
    listed = sum(claim.number(row, "cost", "trades") for row in [*claim.trades, *claim.transfers])
    if differs(listed, paid, paid):
        wrong.append(f"the listed trades cost {listed:,.10g}, the exposures give {paid:,.10g}")


def told_parts(claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray) -> None:
    """Cost of each trade by component, from the raw books; differences are added to ``wrong``."""
    if claim.trade_costs is None:  # an older file
        return
    parts = cost_parts(e, x)
    parts["half_spread"] = parts["cost"] - parts["fee"] - parts["depth"]
    where = {
        (e.accounts[e.rows.account[row]], e.rows.instruments[row].name): i for i, row in enumerate(e.candidate.tolist())
    }
    listed = [(row.get("account"), row.get("instrument")) for row in claim.trades]
    if [(row.get("account"), row.get("instrument")) for row in claim.trade_costs] != listed:
        wrong.append("trade_costs: its rows are not those of the trades")
        return
    for k, row in enumerate(claim.trade_costs):
        i = where.get((str(row.get("account")), str(row.get("instrument"))))
        if i is None:
            continue
        for name in ("half_spread", "depth", "fee", "gas", "carry"):
            found, told = float(parts[name][i]), row.get(name)
            if told is None and np.isnan(found):
                continue
            told = claim.number(row, name, f"trade_costs.{k}")
            if differs(told, found, float(parts["cost"][i])):
                wrong.append(
                    f"{row['instrument']}: {name} of {told:,.10g} is listed in its cost, the market gives {found:,.10g}"
                )


def told_terms(claim: Claim, wrong: list[str], terms: Sequence[tuple[float, Measure]]) -> None:
    """Name, weight and value of every term of the objective; differences are added to ``wrong``."""
    if len(claim.objective) != len(terms):
        wrong.append(
            f"of the objective {many(len(claim.objective), 'term is', 'terms are')} reported, the policy has {len(terms)}"
        )
        return
    for k, (row, (weight, term)) in enumerate(zip(claim.objective, terms, strict=True)):
        where = f"objective.{k}"
        if row.get("term") != term.name or claim.number(row, "weight", where) != weight:
            wrong.append(f"term {k} of the objective is reported as {row.get('weight')} {row.get('term')}")
        told = claim.number(row, "after", where)
        if differs(told, term.value, term.size):
            wrong.append(f"{term.name}: {told:,.10g} is reported in the objective, it is {term.value:,.10g}")
