"""Check a proposal from its inputs: trades, limits, objective, and the lower bound that its multipliers prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.pricing.families import OWN_INSTRUMENTS
from hedgeopt.verify.accounts import account
from hedgeopt.verify.bound import Priced, leaving, proven, same_tails
from hedgeopt.verify.claim import Claim, ClaimedTail
from hedgeopt.verify.convex import Convex
from hedgeopt.verify.counted import claim_in_dollars, objective_unit, policy_in_dollars, price_of_unit
from hedgeopt.verify.ladders import fixed
from hedgeopt.verify.limits import checked_limits, known_limit
from hedgeopt.verify.lists import Cut, no_list_below
from hedgeopt.verify.lots import in_lots, not_whole
from hedgeopt.verify.margins import asked, below_asked
from hedgeopt.verify.measures import Measure, known_term, measure
from hedgeopt.verify.sizes import TradeRange, trade_range
from hedgeopt.verify.straight import counted_accounts, with_accounts
from hedgeopt.verify.told import told_otherwise
from hedgeopt.verify.told_cash import told_cash
from hedgeopt.verify.told_limits import prices_of, told_limits
from hedgeopt.verify.told_numbers import (
    allowed_gap,
    told_costs,
    told_numbers,
    told_parts,
    told_terms,
    unit_of_gap,
)
from hedgeopt.verify.trades import differs, listed_trades

if TYPE_CHECKING:
    from hedgeopt.inputs.market import Market
    from hedgeopt.models.arrays import Exposures

__all__ = ["Verdict", "judge"]

_HOW_SOLVED = ("solver", "time_limit_seconds")
"""Fields of a policy that no answer is right or wrong by."""
_HOLDS = 1e-9
LISTS = "searched anew over whole lists (HiGHS found none that is better)"
_SECONDS = 300.0
"""Of a search over whole lists."""


@dataclass(frozen=True)
class Verdict:
    """The verifier's findings.

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
    unit
        Of objective and bound: USD, USD^2, or nothing where terms count in several units.
    numeraire, unit_price
        Asset that the policy counts in, and USD for one of it.
    lists
        How it was proven that no list in whole lots is better than the gap allows, where multipliers do not prove it; the
        bound is then what the gap allows.
    """

    objective: float
    lower_bound: float
    gap: float
    tolerance: float
    broken: tuple[str, ...]
    wrong: tuple[str, ...]
    unproven: tuple[str, ...]
    limits: int
    unit: str = ""
    numeraire: str = "USD"
    unit_price: float = 1.0
    lists: str = ""

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
    price = price_of_unit(e, policy)
    counted = objective_unit(policy), policy.get("numeraire") or "USD", price
    claim, odd_unit = claim_in_dollars(claim, policy, price)
    policy = policy_in_dollars(policy, price)
    own = _without_formula(policy, e)
    if own:
        return replace(_in_part(claim, e, market, policy, own), unit=counted[0], numeraire=counted[1], unit_price=price)
    x, wrong = listed_trades(claim, e, market, policy)
    wrong = [*odd_unit, *wrong]
    box = trade_range(policy, e)
    broken = [*_outside(e, x, box), *not_whole(policy, e, market, x)]
    sides = checked_limits(policy, e, x, box, claim.tails)
    before = checked_limits(policy, e, np.zeros_like(x), box, claim.tails)
    left = leaving(e, x)
    asked_for = [side for side in sides if side.asked(left)]
    broken += [f"{s.name}: {s.value:,.10g} against {s.limit:,.10g} {s.unit}" for s in asked_for if not s.holds]
    prices, unproven = told_limits(claim, sides, before, left, wrong, price)
    terms = [(float(part["weight"]), _term(part["term"], e, x, box, claim.tails)) for part in policy["minimize"]]
    whatever = fixed(policy, e, x)
    weighed = sum(float(p["weight"]) for p in policy["minimize"] if p["term"]["kind"] == "transaction_cost")
    objective = sum(weight * term.value for weight, term in terms) + weighed * (whatever or 0.0)
    size = sum(abs(weight) * term.size for weight, term in terms)
    if not (np.isfinite(box[0]).all() and np.isfinite(box[1]).all()):
        raise InputError("has trades without any limit", file="policy", field="candidates.max_order_notional")
    tolerance, unit = allowed_gap(policy), unit_of_gap(objective, policy)
    first = Priced(_straight(terms, e), [pair for pair in zip(sides, prices, strict=True) if pair[1] > 0.0])

    def other(number: int) -> Priced:
        """The numbered proof, with its scenario weights."""
        proof = claim.multipliers[number]
        mine, parts = sides, terms
        if not same_tails(proof.tails, claim.tails):
            mine = checked_limits(policy, e, x, box, proof.tails)
            parts = [
                (weight, _term(part["term"], e, x, box, proof.tails))
                for (weight, _), part in zip(terms, policy["minimize"], strict=True)
            ]
        found = zip(mine, prices_of(claim, proof, mine), strict=True)
        return Priced(_straight(parts, e), [pair for pair in found if pair[1] > 0.0])

    bound, missing = proven(claim, e, box, x, objective - tolerance * unit, first, other)
    unproven += missing
    gap = float((objective - bound) / unit)
    if claim.added:
        unproven.insert(0, f"not verifiable: customised by {many(claim.added, 'constraint')} that no file holds")
    lists = ""
    if gap > tolerance and in_lots(policy) and not broken and not claim.added:
        why = _by_lists(policy, e, market, box, x, objective - tolerance * unit, first, claim)
        lists = LISTS if not why else ""
        if why:
            unproven.append(why)
    if lists:
        bound, gap = objective - tolerance * unit, tolerance
        unproven = [line for line in unproven if line.startswith("not verifiable")]
    elif not abs(gap) <= tolerance:
        unproven.append(f"the multipliers prove no more than {bound:,.10g}, a gap of {gap:.2e}; allowed {tolerance:.0e}")
    else:
        unproven = [line for line in unproven if line.startswith("not verifiable")]  # proven without what is missing
    told_numbers(claim, wrong, objective, size, policy)
    told_costs(claim, wrong, e, x, whatever)
    told_parts(claim, wrong, e, x)
    told_cash(claim, wrong, e, x)
    told_terms(claim, wrong, terms)
    nothing = np.zeros_like(x)
    for row, (_, term), part in zip(claim.objective, terms, policy["minimize"], strict=False):
        start = _term(part["term"], e, nothing, box, claim.tails)
        if term.name == row.get("term") and differs(
            claim.number(row, "before", "objective"), start.value, max(start.size, term.size)
        ):
            wrong.append(f"{term.name}: {row['before']} is reported before, it is {start.value:,.10g}")
    wrong += told_otherwise(claim, e, x)
    told = tuple(broken), tuple(wrong), tuple(unproven)
    return Verdict(objective, bound, gap, tolerance, *told, len(sides), *counted, lists=lists)


def _by_lists(
    policy: dict[str, Any],
    e: Exposures,
    market: Market,
    box: TradeRange,
    x: np.ndarray,
    goal: float,
    first: Priced,
    claim: Claim,
) -> str:
    """Why it is not proven that no list in whole lots costs ``goal`` or less; empty where it is."""
    priced = first.straight
    for side, price in first.sides:
        below = side.below([]) if side.nodes is None else None
        if below is not None:
            priced = priced + below.times(price)

    def cut(at: np.ndarray, own: bool) -> Cut:
        tails = claim.tails if own else ()
        sides = [side for side in checked_limits(policy, e, at, box, tails) if side.nodes is None]
        terms = [(float(part["weight"]), _term(part["term"], e, at, box, tails)) for part in policy["minimize"]]
        limits = [below for side in sides if (below := side.below([at])) is not None]
        value = sum(weight * term.value for weight, term in terms)
        return Cut(_straight(terms, e), limits, value, all(side.holds for side in sides))

    return no_list_below(goal, policy, e, market, box, x, priced, cut, _SECONDS)


def _without_formula(policy: dict[str, Any], e: Exposures) -> list[str]:
    """What a user defined and no formula here checks: terms, limits, families."""
    terms = [part["term"]["kind"] for part in policy["minimize"] if not known_term(part["term"])]
    limits = [rule["term"]["kind"] if rule["kind"] == "limit" else rule["kind"]
              for rule in policy["subject_to"] if not known_limit(rule)]  # fmt: skip
    kinds = [item.kind for item in e.rows.instruments if OWN_INSTRUMENTS.is_own(item)]
    found = [f"the term {kind!r}" for kind in terms] + [f"the limit {kind!r}" for kind in limits]
    return list(dict.fromkeys(found + [f"the family {kind!r}" for kind in kinds]))


def _in_part(claim: Claim, e: Exposures, market: Market, policy: dict[str, Any], own: Sequence[str]) -> Verdict:
    """Trades and the limits that are known; nothing is said to be optimal where something has no formula here."""
    known = policy | {"subject_to": [rule for rule in policy["subject_to"] if known_limit(rule)]}
    x, wrong = listed_trades(claim, e, market, known)
    box = trade_range(known, e)
    sides = checked_limits(known, e, x, box, claim.tails)
    left = leaving(e, x)
    broken = [*_outside(e, x, box), *not_whole(policy, e, market, x)]
    broken += [f"{s.name}: {s.value:,.10g} against {s.limit:,.10g} {s.unit}" for s in sides if s.asked(left) and not s.holds]
    wrong += told_otherwise(claim, e, x)
    unproven = tuple(f"not verifiable: {one} is your own, and the verifier has no formula of it" for one in own)
    objective = claim.number(claim.certificate, "objective", "certificate")
    tolerance = allowed_gap(policy)
    return Verdict(objective, float("-inf"), float("inf"), tolerance, tuple(broken), tuple(wrong), unproven, len(sides))


def _straight(terms: Sequence[tuple[float, Measure]], e: Exposures) -> Convex:
    """A convex function nowhere above the objective."""
    return sum((term.below.times(weight) for weight, term in terms), Convex.number(e.n_candidates, 0.0))


def _same_inputs(claim: Claim, market: Market, policy: dict[str, Any]) -> None:
    if claim.created != market.timestamp.isoformat():
        raise InputError("is not the moment of this market", file=claim.file, field="created", value=claim.created,
                         fix=f"the market is of {market.timestamp.isoformat()}: give the same files and --at")  # fmt: skip
    if not market.depth and any(note.startswith("ladders of ") for note in claim.notes):
        raise InputError("was made with ladders", file=claim.file, field="notes", fix="give the same files with --depth")
    if market.impact is None and any(note.startswith("impact of ") for note in claim.notes):
        raise InputError("was made with impact", file=claim.file, field="notes", fix="give the same file with --impact")
    told, given = ({k: v for k, v in rules.items() if k not in _HOW_SOLVED} for rules in (claim.policy, policy))
    found = _difference(told, given, "policy")
    if found:
        raise InputError("differs from the policy given", file=claim.file, field=found,
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


def _term(term: dict[str, Any], e: Exposures, x: np.ndarray, box: TradeRange, tails: Sequence[ClaimedTail]) -> Measure:
    if term["kind"] != "margin":
        return measure(term, e, x, tails)
    kind, inside, found = term["requirement"], counted_accounts(term, e), []
    for c, (venue, name) in enumerate(zip(e.venues, e.accounts, strict=True)):
        if venue == term["venue"] and term["account"] in (None, name) and inside[c]:
            a = account(e, c)
            found.append((asked(e, a, kind, x) / a.start, a))
    if not found:
        raise InputError("names an account that the book does not hold", file="policy", field="margin")
    value, worst = max(found, key=lambda pair: pair[0])
    below = below_asked(e, worst, kind, x, box)
    lower = Convex.number(e.n_candidates, 0.0) if below is None else below.times(1.0 / worst.start)
    words = "margin" if kind == "initial" else "maintenance margin"
    name = with_accounts(f"{words} {term['venue']}" + (f" {term['account']}" if term["account"] else ""), term)
    return Measure(name, "share of equity", value, max(value, 1.0), lower)
