"""Where no list meets every limit: which limits conflict, the cheapest ways out, and the best list all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.constraints.limit import Limit
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.errors import HedgeoptError, InfeasibleError, InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.names import advice
from hedgeopt.files.notebook import plain_number
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.program.explain.case import with_fields
from hedgeopt.program.explain.conflict import Conflict, Elastic, LimitItem, conflicts_of, irreducible
from hedgeopt.program.explain.knobs import Knob, knobs_of, with_knob
from hedgeopt.program.loosen import rounded_outwards
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.solve import propose

__all__ = ["WaysOut", "relax"]

_STEPS = 30
_SPARE = 1e-6
_ROUNDS = 8
_SPARES = (0.0, 1e-3, 1e-2, 5e-2, 0.2)
"""Shares of a limit's size that soft limits get beyond the closest point, until a list in whole lots is found."""


@strict_class
@dataclass(frozen=True, eq=False)
class WaysOut:
    """Why no list meets every limit, and what to do.

    Attributes
    ----------
    conflicts
        Irreducible sets of limits, none in two of them; each proven by Farkas multipliers.
    ways : DataFrame
        Ways out, the cheapest first within each conflict: conflict (its number, from 1), limit, now, needed, unit, share
        (of the limit's size), weighted (share divided by the limit's priority), collateral and asset, account (what could
        be posted instead, where the limit is on margin). Each resolves its conflict alone, with everything else as it is.
    best_effort
        The best list when limits that are not ``hard`` may be missed, least first by share and priority; a proposal under
        the policy that the limits became. None where hard limits conflict.
    missed : DataFrame
        What that list misses: limit, asked, reached, unit, share.
    hard
        Limits that were kept.
    solves
        How often the closest point was solved for to find the conflicts.
    """

    conflicts: tuple[Conflict, ...]
    ways: pd.DataFrame
    best_effort: Proposal | None = field(repr=False)
    missed: pd.DataFrame
    hard: tuple[str, ...] = ()
    note: str = ""
    solves: int = 0

    def summary(self) -> list[str]:
        """At most ten lines."""
        lines = []
        for number, one in enumerate(self.conflicts, start=1):
            names = ", ".join(one.limits) or "rules that always hold, and the sizes of trades"
            together = (
                "can't be met" if len(one.limits) == 1 else "can't be met together; without any one of them the rest can"
            )
            lines.append(f"{names}: {together}")
            mine = self.ways[self.ways["conflict"] == number]
            if len(mine):
                lines.append(f"  {', or '.join(way_words(row) for row in mine.head(3).to_dict('records'))}")
        lines = lines[:7]
        if self.best_effort is not None:
            told = [f"{r['limit']} at {plain_number(r['reached'])} instead of {plain_number(r['asked'])} {r['unit']}"
                    for r in self.missed.to_dict("records")]  # fmt: skip
            count = many(len(self.best_effort.trades), "trade")
            lines.append(f"best effort: {count} with {'; '.join(told[:4]) or 'nothing missed'}")
        if self.note:
            lines.append(self.note)
        return lines[:10]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "summary": self.summary(),
            "conflicts": [
                {"limits": list(c.limits), "multipliers": dict(c.multipliers), "margin": c.margin,
                 "witnesses": dict(c.witnesses)}
                for c in self.conflicts
            ],
            "ways": self.ways.to_dict("records"),
            "missed": self.missed.to_dict("records"),
            "hard": list(self.hard),
            "note": self.note,
            "best_effort": None if self.best_effort is None else self.best_effort.to_dict(),
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"WaysOut({many(len(self.conflicts), 'conflict')}, {many(len(self.ways), 'way')} out)"


def way_words(row: Mapping[Any, Any]) -> str:
    """Such as ``raise initial margin main from 0.6 to 0.714 of equity (or post 3.2 BTC at main)``."""
    if not np.isfinite(row["needed"]):
        return f"no number of {row['limit']} alone helps"
    verb = "raise" if row["needed"] > row["now"] else "lower"
    post = f" (or post {plain_number(row['collateral'])} {row['asset']} at {row['account']})" if row["asset"] else ""
    return f"{verb} {row['limit']} from {plain_number(row['now'])} to {plain_number(row['needed'])} {row['unit']}{post}"


@strict_call
def relax(
    book: Book,
    market: Market,
    policy: Policy,
    *,
    hard: Sequence[str] = (),
    priority: Mapping[str, float] | None = None,
) -> WaysOut:
    """Which limits conflict, what resolves that, and the best list that misses least.

    Parameters
    ----------
    hard
        Names of limits that must hold; the others may be missed.
    priority
        How dear a limit is to be missed, beside others' 1: at 10 a tenth as much of it is.

    Raises
    ------
    InputError
        Where every limit can be met, for names that are no limits.
    """
    e = expose(book, market, policy)
    elastic = Elastic(policy, e)
    known = [item.name for item in (*elastic.items, *elastic.boxes)]
    weights = dict(priority or {})
    for name in (*hard, *weights):
        if name not in known:
            raise InputError("is no limit of the policy", field="relax", value=name, fix=advice(name, known))
    for name, weight in weights.items():
        if not (np.isfinite(weight) and weight > 0.0):
            raise InputError("is no priority", field=f"relax: priority of {name}", value=weight, fix="give a number above 0")
    found = conflicts_of(elastic)
    solves = elastic.solves
    if not found:
        raise InputError("has nothing to relax: trades meet every limit, or nothing is proven", file="policy",
                         fix="solve it; use explain to see what each limit costs")  # fmt: skip
    ways = [way for number, one in enumerate(found, start=1) for way in _ways(elastic, book, market, number, one, weights)]
    columns = ["conflict", "limit", "now", "needed", "unit", "share", "weighted", "collateral", "asset", "account"]
    table = pd.DataFrame(ways, columns=columns).sort_values(["conflict", "weighted"], ignore_index=True)
    best, missed, note = _best_effort(book, market, policy, elastic, frozenset(hard), weights)
    return WaysOut(tuple(found), table, best, missed, tuple(hard), note, solves)


def _knob_of(policy: Policy, item: LimitItem) -> Knob | None:
    known = knobs_of(policy)
    named = [k for k in known if k.name == item.name]
    if not named and item.rule >= 0:
        named = [k for k in known if k.index == item.rule]
    return named[0] if named else None


def _ways(
    elastic: Elastic, book: Book, market: Market, number: int, conflict: Conflict, weights: Mapping[str, float]
) -> list[dict[str, Any]]:
    """How far each limit of a conflict alone has to move; by the value that Newton's method finds, then rounded outwards."""
    all_items = [*elastic.items, *elastic.boxes]
    kept = [item for item in all_items if item.name in conflict.limits]
    rows: list[dict[str, Any]] = []
    for item in kept:
        knob = _knob_of(elastic.policy, item)
        if knob is None:
            continue
        needed = _needed_size(elastic, kept, item, knob) if item.rule >= 0 else _needed(elastic, kept, item, knob)
        size = abs(knob.value) or 1.0
        share = abs(needed - knob.value) / size
        row = {"conflict": number, "limit": item.name, "now": knob.value, "needed": needed, "unit": knob.unit,
               "share": share, "weighted": share * weights.get(item.name, 1.0), "collateral": np.nan, "asset": "",
               "account": ""}  # fmt: skip
        rule = elastic.policy.subject_to[knob.index]
        margin = (
            rule if isinstance(rule, MarginUtilisation) else rule.margin_utilisation() if isinstance(rule, Limit) else None
        )
        if margin is not None:
            row |= _collateral(elastic, book, market, kept, item)
        rows.append(row)
    return rows


def _needed(elastic: Elastic, kept: Sequence[LimitItem], item: LimitItem, knob: Knob) -> float:
    """Newton on the least excess as a function of the room that the limit's sides get: convex and decreasing."""
    mine = [name for name, one in elastic.item_of.items() if one is item]
    share_of = dict.fromkeys(mine, 1.0)
    if knob.field not in ("lower", "upper", "amount", "usd"):
        share_of = _per_unit(elastic, mine, knob)
    elif elastic.e.numeraire is not None and knob.field in ("lower", "upper"):
        share_of = dict.fromkeys(mine, elastic.e.numeraire.dollars(1.0, knob.unit))
    room = 0.0
    for _ in range(_STEPS):
        got = elastic.solve(kept, {name: room * rate for name, rate in share_of.items()})
        if not got.infeasible:
            break
        price = sum(got.used.get(name, 0.0) * rate for name, rate in share_of.items())
        if not price > 0.0:
            return float("nan")
        room += got.margin / price * (1.0 + 1e-12)
    else:
        return float("nan")
    value = knob.value + knob.sign * room * (1.0 + _SPARE)
    return rounded_outwards(value, knob.value, knob.sign)


def _per_unit(elastic: Elastic, mine: Sequence[str], knob: Knob) -> dict[str, float]:
    """Room of each side per unit of the number, at no trades: such as USD per share of equity used."""
    step = 1e-3 * max(abs(knob.value), 1e-3)
    other = _evaluated(elastic, with_knob(elastic.policy, knob, knob.value + knob.sign * step))
    zero = np.zeros(elastic.e.n_candidates)
    elastic.program.update(elastic.e, elastic.box(frozenset()))
    before = {s.name: s for s in elastic.program.sides(elastic.e, zero)}
    after = {s.name: s for s in other.sides(elastic.e, zero)}
    return {name: (before[name].violation - after[name].violation) / step for name in mine if name in after}


def _evaluated(elastic: Elastic, policy: Policy) -> Any:
    """A program of another policy, evaluated and never solved."""
    from hedgeopt.program.program import Program

    found = Program(policy, elastic.e)
    found.update(elastic.e, elastic.box(frozenset()))
    return found


def _needed_size(elastic: Elastic, kept: Sequence[LimitItem], item: LimitItem, knob: Knob) -> float:
    """The size limit at which the others can be met: found by halving, since sizes are the box of every proof."""
    low, high = 1.0, 2.0
    for _ in range(_ROUNDS):
        if not _with_size(elastic, kept, item, knob, high):
            break
        low, high = high, 4.0 * high
    else:
        return float("nan")
    for _ in range(12):
        mid = float(np.sqrt(low * high))
        low, high = (mid, high) if _with_size(elastic, kept, item, knob, mid) else (low, mid)
    value = min(knob.value * high, knob.ceiling)
    return rounded_outwards(value, knob.value, knob.sign)


def _with_size(elastic: Elastic, kept: Sequence[LimitItem], item: LimitItem, knob: Knob, times: float) -> bool:
    """Whether the conflict is still proven with the size limit so many times as large."""
    value = min(knob.value * times, knob.ceiling)
    policy = with_knob(elastic.policy, knob, value)
    other = Elastic.__new__(Elastic)
    other.__dict__ |= {**elastic.__dict__, "policy": policy, "_box": {}}
    return other.solve(kept).infeasible


def _collateral(elastic: Elastic, book: Book, market: Market, kept: Sequence[LimitItem], item: LimitItem) -> dict[str, Any]:
    """Collateral that resolves the conflict with every limit as it is: of the coin that the account has most of."""
    e = elastic.e
    found = elastic.solve([one for one in kept if one is not item])
    short = [s for s in found.sides if elastic.item_of.get(s.name) is item]
    if not short:
        return {}
    account = next((c for c, name in enumerate(e.accounts) if short[0].name.endswith(name)), 0)
    usd = e.collateral[account] * e.prices
    a = int(np.argmax(usd))
    step = max(abs(short[0].violation), 1.0) / float(e.prices[a])

    def enough(amount: float) -> bool:
        posted = _posted(book, e.accounts[account], e.assets[a], amount)
        other = Elastic(elastic.policy, expose(posted, market, elastic.policy))
        names = {one.name for one in kept}
        return not other.solve([one for one in (*other.items, *other.boxes) if one.name in names]).infeasible

    low, high = 0.0, step
    for _ in range(6):
        if enough(high):
            break
        low, high = high, 3.0 * high
    else:
        return {}
    for _ in range(5):
        mid = 0.5 * (low + high)
        low, high = (low, mid) if enough(mid) else (mid, high)
    return {"collateral": rounded_outwards(high, 0.0, 1), "asset": e.assets[a], "account": e.accounts[account]}


def _posted(book: Book, account: str, asset: str, amount: float) -> Book:
    from hedgeopt.program.book_after import post_cash

    data = book.model_dump(mode="json")
    post_cash(next(one for one in data["accounts"] if one["name"] == account), asset, [amount])
    return Book(**data)


def _best_effort(
    book: Book, market: Market, policy: Policy, elastic: Elastic, hard: frozenset[str], weights: Mapping[str, float]
) -> tuple[Proposal | None, pd.DataFrame, str]:
    """Soft limits moved to what the least weighted excess reaches, hard ones kept; then the policy's own objective."""
    columns = ["limit", "asked", "reached", "unit", "share"]
    nothing = pd.DataFrame(columns=columns)
    items = [*elastic.items, *elastic.boxes]
    kept = [item for item in items if item.name in hard or item.rule >= 0]
    if elastic.solve(kept).infeasible:
        names = _hard_conflict(elastic, kept)
        return None, nothing, f"hard limits conflict by themselves: {', '.join(names)}"
    rules = policy
    soft = {item.name: item for item in elastic.items if item.name not in hard}
    program = _weighted(elastic, hard, weights)
    if program is None:
        return None, nothing, "no trades were found that meet the hard limits"
    asked: dict[str, tuple[Knob, float]] = {}
    for side in program.sides(elastic.e, program.x()):
        item = elastic.item_of.get(side.name)
        if item is None or item.name not in soft or side.violation <= 1e-7 * max(abs(side.limit), 1e-9):
            continue
        knob = _knob_of(policy, item)
        if knob is None:
            continue
        rate = 1.0
        if knob.field not in ("lower", "upper", "amount", "usd"):
            rate = _per_unit(elastic, [side.name], knob).get(side.name, 1.0)
        elif elastic.e.numeraire is not None and knob.field in ("lower", "upper"):
            rate = elastic.e.numeraire.dollars(1.0, knob.unit)
        value = rounded_outwards(knob.value + knob.sign * side.violation / rate, knob.value, knob.sign)
        if item.name not in asked or abs(value - knob.value) > abs(asked[item.name][1] - knob.value):
            asked[item.name] = knob, value
    error = ""
    for spare in _SPARES:
        rules = policy
        for knob, value in asked.values():
            rules = with_knob(rules, knob, value + knob.sign * spare * max(abs(value), 1e-3 * abs(knob.value)))
        name = f"{policy.name} (best effort, {many(len(asked), 'limit')} not met)"
        try:
            proposal = propose(book, market, with_fields(rules, name=name))
        except InfeasibleError as failed:
            error = str(failed)
            continue
        except HedgeoptError as failed:
            error = str(failed)
            continue
        return proposal, _missed(proposal, asked, columns), ""
    return None, nothing, error


def _missed(proposal: Proposal, asked: Mapping[str, tuple[Knob, float]], columns: list[str]) -> pd.DataFrame:
    rows = []
    for name, (knob, _) in asked.items():
        reached = knob_value(proposal.policy, knob)
        line = proposal.limits[proposal.limits["limit"] == name]
        if len(line) and knob.field in ("lower", "upper"):
            reached = float(line["after"].iloc[0])
        if knob.sign * (reached - knob.value) <= 0.0:
            continue
        share = abs(reached - knob.value) / (abs(knob.value) or 1.0)
        rows.append({"limit": name, "asked": knob.value, "reached": reached, "unit": knob.unit, "share": share})
    return pd.DataFrame(rows, columns=columns)


def knob_value(policy: Mapping[str, Any], knob: Knob) -> float:
    """The number as a proposal's policy has it."""
    return float(policy["subject_to"][knob.index][knob.field] if knob.index >= 0 else policy["candidates"][knob.field])


def _hard_conflict(elastic: Elastic, kept: Sequence[LimitItem]) -> tuple[str, ...]:
    """The limits of one irreducible conflict among these."""
    return irreducible(elastic, kept, elastic.solve(kept)).limits


def _weighted(elastic: Elastic, hard: frozenset[str], weights: Mapping[str, float]) -> Any:
    """Closest trades that hold the hard limits, by the weighted sum of relative excesses."""
    import cvxpy as cp

    from hedgeopt.program.program import Program

    slack: dict[int, float] = {}
    for item in elastic.items:
        if item.name not in hard:
            slack[item.spec] = max(slack.get(item.spec, 0.0), weights.get(item.name, 1.0))
    program = Program(elastic.policy, elastic.e, elastic=slack)
    program.update(elastic.e, elastic.box(frozenset()))
    try:
        program.problem.solve(method="tail", tolerance=1e-7, time_limit=elastic.policy.time_limit_seconds)
    except cp.SolverError:
        return None
    return None if program.variables.buy.value is None else program
