"""A proposal checked from its inputs: trades, limits, objective, and the lower bound that its multipliers prove."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.verify.accounts import account
from hedgeopt.verify.bound import Priced, leaving, proven, same_tails
from hedgeopt.verify.claim import Claim, ClaimedMultipliers, ClaimedTail
from hedgeopt.verify.convex import Convex
from hedgeopt.verify.limits import CheckedLimit, checked_limits
from hedgeopt.verify.margins import asked, below_asked
from hedgeopt.verify.measures import Measure, measure
from hedgeopt.verify.sizes import TradeRange, trade_range
from hedgeopt.verify.told import told_otherwise
from hedgeopt.verify.trades import differs, listed_trades

if TYPE_CHECKING:
    from hedgeopt.inputs.market import Market
    from hedgeopt.models.arrays import Exposures

__all__ = ["Verdict", "judge"]

_HOLDS = 1e-9
_TOLD = 1e-7
_BINDING = 1e-6


@dataclass(frozen=True)
class Verdict:
    """What the verifier found.

    Attributes
    ----------
    objective, lower_bound, gap, tolerance
        Recomputed; the gap is relative, and proven when it is within the policy's tolerance.
    broken
        Limits that the trades break.
    wrong
        Numbers of the proposal that are not so.
    unproven
        What keeps the optimum from being proven.
    limits
        How many sides were recomputed.
    """

    objective: float
    lower_bound: float
    gap: float
    tolerance: float
    broken: tuple[str, ...]
    wrong: tuple[str, ...]
    unproven: tuple[str, ...]
    limits: int

    @property
    def valid(self) -> bool:
        """Nothing broken, wrong or unproven."""
        return not (self.broken or self.wrong or self.unproven)

    @property
    def exit_code(self) -> int:
        """0 valid; 3 a limit is broken; 4 something is wrong or not proven."""
        return 3 if self.broken else 0 if self.valid else 4

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"valid": self.valid, **asdict(self)}


def judge(claim: Claim, e: Exposures, market: Market, policy: dict[str, Any]) -> Verdict:
    """Check a claim against exposures of the same book, market and policy (as plain data).

    Raises
    ------
    InputError
        When the claim belongs to other inputs.
    """
    _same_inputs(claim, market, policy)
    x, wrong = listed_trades(claim, e, market, policy)
    box = trade_range(policy, e)
    broken = _outside(e, x, box)
    sides = checked_limits(policy, e, x, box, claim.tails)
    before = checked_limits(policy, e, np.zeros_like(x), box, claim.tails)
    left = leaving(e, x)
    asked_for = [side for side in sides if side.asked(left)]
    broken += [f"{s.name}: {s.value:,.10g} against {s.limit:,.10g} {s.unit}" for s in asked_for if not s.holds]
    prices, unproven = _told_limits(claim, sides, before, left, wrong)
    terms = [(float(part["weight"]), _term(part["term"], e, x, box, claim.tails)) for part in policy["minimize"]]
    objective = sum(weight * term.value for weight, term in terms)
    size = sum(abs(weight) * term.size for weight, term in terms)
    if not (np.isfinite(box[0]).all() and np.isfinite(box[1]).all()):
        raise InputError("has trades without any limit", file="policy", field="candidates.max_order_notional")
    tolerance, unit = float(policy["tolerance"]), _unit(objective, policy)
    first = Priced(_straight(terms, e), [pair for pair in zip(sides, prices, strict=True) if pair[1] > 0.0])

    def other(number: int) -> Priced:
        """The proof with a number, of its own scenario weights."""
        proof = claim.multipliers[number]
        mine, parts = sides, terms
        if not same_tails(proof.tails, claim.tails):
            mine = checked_limits(policy, e, x, box, proof.tails)
            parts = [
                (weight, _term(part["term"], e, x, box, proof.tails))
                for (weight, _), part in zip(terms, policy["minimize"], strict=True)
            ]
        found = zip(mine, _prices(claim, proof, mine), strict=True)
        return Priced(_straight(parts, e), [pair for pair in found if pair[1] > 0.0])

    bound, missing = proven(claim, e, box, x, objective - tolerance * unit, first, other)
    unproven += missing
    gap = float((objective - bound) / unit)
    if claim.added:
        unproven.insert(0, f"not verifiable: customised by {claim.added} constraints that no file tells of")
    if not abs(gap) <= tolerance:
        unproven.append(f"the multipliers prove no more than {bound:,.10g}, a gap of {gap:.2e}; allowed {tolerance:.0e}")
    else:
        unproven = [line for line in unproven if line.startswith("not verifiable")]  # proven without what is missing
    _told_numbers(claim, wrong, objective, size, policy)
    _told_costs(claim, wrong, e, x)
    _told_terms(claim, wrong, terms)
    nothing = np.zeros_like(x)
    for row, (_, term), part in zip(claim.objective, terms, policy["minimize"], strict=False):
        start = _term(part["term"], e, nothing, box, claim.tails)
        if term.name == row.get("term") and differs(
            claim.number(row, "before", "objective"), start.value, max(start.size, term.size)
        ):
            wrong.append(f"{term.name}: {row['before']} is told before, it is {start.value:,.10g}")
    wrong += told_otherwise(claim, e, x)
    return Verdict(objective, bound, gap, tolerance, tuple(broken), tuple(wrong), tuple(unproven), len(sides))


def _straight(terms: Sequence[tuple[float, Measure]], e: Exposures) -> Convex:
    """What is nowhere above the objective."""
    return sum((term.below.times(weight) for weight, term in terms), Convex.number(e.n_candidates, 0.0))


def _prices(claim: Claim, proof: ClaimedMultipliers, sides: Sequence[CheckedLimit]) -> list[float]:
    """The price of each side by the rows of a proof; a row that is no side's, or a negative price, proves nothing."""
    rows = _by_name(proof.limits)
    found = []
    for side in sides:
        row = _nearest(claim, rows, side, "proof.multipliers")
        found.append(0.0 if row is None else max(claim.number(row, "shadow_price", "proof.multipliers"), 0.0))
    return found


def _same_inputs(claim: Claim, market: Market, policy: dict[str, Any]) -> None:
    if claim.created != market.timestamp.isoformat():
        raise InputError("is not the moment of this market", file=claim.file, field="created", value=claim.created,
                         fix=f"the market is of {market.timestamp.isoformat()}: give the same files and --at")  # fmt: skip
    told, given = ({k: v for k, v in rules.items() if k != "solver"} for rules in (claim.policy, policy))
    found = _difference(told, given, "policy")
    if found:
        raise InputError("is not what the policy given says", file=claim.file, field=found,
                         fix="give the policy it was made under, with the same --scenarios and --seed")  # fmt: skip


def _difference(a: Any, b: Any, where: str) -> str | None:
    """The first place where two plain values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            if key not in a or key not in b:
                return f"{where}.{key}"
            found = _difference(a[key], b[key], f"{where}.{key}")
            if found:
                return found
        return None
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return where
        return next((d for k, (p, q) in enumerate(zip(a, b, strict=True)) if (d := _difference(p, q, f"{where}.{k}"))), None)
    return None if a == b and isinstance(a, bool) == isinstance(b, bool) else where


def _outside(e: Exposures, x: np.ndarray, box: TradeRange) -> list[str]:
    found = []
    for i in np.flatnonzero((x < box[0]) | (x > box[1])).tolist():
        over = max(float(box[0][i] - x[i]), float(x[i] - box[1][i]))
        if over > _HOLDS * max(abs(float(box[0][i])), abs(float(box[1][i]))):
            name = e.rows.instruments[e.candidate[i]].name
            found.append(f"{name}: a trade of {x[i]:,.10g} outside {box[0][i]:,.10g} to {box[1][i]:,.10g}")
    return found


def _told_limits(
    claim: Claim,
    sides: Sequence[CheckedLimit],
    before: Sequence[CheckedLimit],
    left: frozenset[tuple[int, int]],
    wrong: list[str],
) -> tuple[list[float], list[str]]:
    """Each side's shadow price from the proposal's table, after comparing the table's numbers."""
    rows = _by_name(claim.limits)
    prices: list[float] = []
    unproven: list[str] = []
    for side, old in zip(sides, before, strict=True):
        where = f"limits ({side.name})"
        row = _nearest(claim, rows, side, where)
        if row is None:
            if side.asked(left) and not (side.sizing and side.value < side.limit * (1.0 - _BINDING)):
                wrong.append(f"the limit on {side.name} is missing from the proposal")
            prices.append(0.0)
            continue
        for name, found, size in (("after", side.value, side.size), ("before", old.value, max(side.size, old.size))):
            value = claim.number(row, name, where)
            if abs(value - found) > _TOLD * max(abs(found), size):
                wrong.append(f"{side.name}: {name} {value:,.10g} is told, it is {found:,.10g}")
        over = old.sign * (old.value - old.limit)
        if (
            not old.sizing
            and abs(over) > _BINDING * max(old.size, abs(old.limit))
            and row.get("breached_before") is not (over > 0)
        ):
            wrong.append(f"{side.name}: breached before is told as {row.get('breached_before')}")
        bound = claim.number(row, "bound", where)
        if differs(bound, side.limit, side.size):
            wrong.append(f"{side.name}: a bound of {bound:,.10g} is told, it is {side.limit:,.10g}")
        price = claim.number(row, "shadow_price", where)
        if price < 0.0:
            wrong.append(f"{side.name}: the shadow price {price:,.10g} is negative")
            price = 0.0
        prices.append(price)
    for (name, _), more in rows.items():
        for row in more:
            if " cap " not in name:
                wrong.append(f"{name} is no limit of the policy")
            elif claim.number(row, "shadow_price", f"limits ({name})") > 0.0:
                unproven.append(f"{name}: the program stays inside it, which no file asks for, and it has a shadow price")
    return prices, unproven


def _by_name(table: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in table:
        rows.setdefault((_base(row.get("limit")), str(row.get("sense"))), []).append(row)
    return rows


def _nearest(
    claim: Claim, rows: dict[tuple[str, str], list[dict[str, Any]]], side: CheckedLimit, where: str
) -> dict[str, Any] | None:
    """The row of a side, taken out of the rows: of several on one term the one with the nearest bound."""
    mine = rows.get((_base(side.name), "<=" if side.sign > 0 else ">="))
    if not mine:
        return None
    told = [claim.number(row, "bound", where) for row in mine]
    return mine.pop(int(np.argmin(np.abs(np.array(told) - side.limit))))


def _base(name: object) -> str:
    """A limit's name without the words that tell several on one term apart."""
    return re.sub(r" (lower|upper)$", "", re.sub(r" \(\d+\)$", "", str(name)))


def _term(term: dict[str, Any], e: Exposures, x: np.ndarray, box: TradeRange, tails: Sequence[ClaimedTail]) -> Measure:
    if term["kind"] != "margin":
        return measure(term, e, x, tails)
    kind, found = term["requirement"], []
    for c, (venue, name) in enumerate(zip(e.venues, e.accounts, strict=True)):
        if venue == term["venue"] and term["account"] in (None, name):
            a = account(e, c)
            found.append((asked(e, a, kind, x) / a.start, a))
    if not found:
        raise InputError("names an account that the book does not hold", file="policy", field="margin")
    value, worst = max(found, key=lambda pair: pair[0])
    below = below_asked(e, worst, kind, x, box)
    lower = Convex.number(e.n_candidates, 0.0) if below is None else below.times(1.0 / worst.start)
    words = "margin" if kind == "initial" else "maintenance margin"
    name = f"{words} {term['venue']}" + (f" {term['account']}" if term["account"] else "")
    return Measure(name, "share of equity", value, max(value, 1.0), lower, exact=False)


def _unit(objective: float, policy: dict[str, Any]) -> float:
    """What a gap is relative to: the objective, or where that is near zero one unit of its terms, weighted; at most 1."""
    weights = sum(abs(float(part["weight"])) for part in policy["minimize"])
    return float(max(abs(objective), min(1.0, weights), 1e-300))


def _told_numbers(claim: Claim, wrong: list[str], objective: float, size: float, policy: dict[str, Any]) -> None:
    told = {name: claim.number(claim.certificate, name, "certificate") for name in
            ("objective", "lower_bound", "gap", "tolerance", "worst_violation")}  # fmt: skip
    if differs(told["objective"], objective, size):
        wrong.append(f"an objective of {told['objective']:,.10g} is told, it is {objective:,.10g}")
    unit = _unit(objective, policy)
    room = float(policy["tolerance"]) * unit
    if told["lower_bound"] > objective + room:
        wrong.append(f"a lower bound of {told['lower_bound']:,.10g} is told, above the objective of {objective:,.10g}")
    gap = (told["objective"] - told["lower_bound"]) / unit
    if abs(gap - told["gap"]) > 1e-9 + 1e-6 * abs(gap) or not abs(gap) <= float(policy["tolerance"]):
        wrong.append(f"a gap of {told['gap']:.3e} is told, the numbers beside it give {gap:.3e}")
    if told["tolerance"] != policy["tolerance"]:
        wrong.append(f"a tolerance of {told['tolerance']:g} is told, the policy has {policy['tolerance']:g}")
    if told["worst_violation"] > _HOLDS:
        wrong.append(f"an excess of {told['worst_violation']:.2e} is told")
    for name in ("feasible", "optimal"):
        if claim.certificate.get(name) is not True:
            wrong.append(f"the certificate does not say that the trades are {name}")


def _told_costs(claim: Claim, wrong: list[str], e: Exposures, x: np.ndarray) -> None:
    paid = float(np.sum(np.where(x > 0, e.cost_buy * x, -e.cost_sell * x)))
    fees = float(np.sum(e.fee * np.abs(x)))
    for name, found in (("transaction", paid), ("fees", fees), ("half_spread", paid - fees)):
        told = claim.number(claim.costs, name, "costs")
        if differs(told, found, paid):
            wrong.append(f"costs: {name} {told:,.10g} is told, it is {found:,.10g}")
    listed = sum(claim.number(row, "cost", "trades") for row in [*claim.trades, *claim.transfers])
    if differs(listed, paid, paid):
        wrong.append(f"the listed trades cost {listed:,.10g}, the exposures say {paid:,.10g}")


def _told_terms(claim: Claim, wrong: list[str], terms: Sequence[tuple[float, Measure]]) -> None:
    if len(claim.objective) != len(terms):
        wrong.append(f"{len(claim.objective)} terms of the objective are told, the policy has {len(terms)}")
        return
    for k, (row, (weight, term)) in enumerate(zip(claim.objective, terms, strict=True)):
        where = f"objective.{k}"
        if row.get("term") != term.name or claim.number(row, "weight", where) != weight:
            wrong.append(f"term {k} of the objective is told as {row.get('weight')} {row.get('term')}")
        told = claim.number(row, "after", where)
        if differs(told, term.value, term.size):
            wrong.append(f"{term.name}: {told:,.10g} is told in the objective, it is {term.value:,.10g}")
