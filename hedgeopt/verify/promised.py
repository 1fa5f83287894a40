"""The promise of the tail again: the sample's CVaR, the stress floor, and draws of the seed that the file tells.

Coverage over a record is compared with nothing: the record is no input of a proposal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.verify.claim import Claim
from hedgeopt.verify.counted import price_of_unit, stress_parts
from hedgeopt.verify.measures import expected_shortfall, scenario_weights
from hedgeopt.verify.trades import listed_trades

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Policy

__all__ = ["drawn_otherwise", "promise_facts"]

_SAME = 1e-7


def promise_facts(claim: Claim, e: Exposures, x: np.ndarray) -> Iterator[tuple[str, Any, float, float]]:
    """Place, reported number, recomputed number and size of those that book and trades x (N,) decide; claim in dollars."""
    told = claim.promise
    if told is None:
        return
    losses, level = -(e.base_pnl + e.pnl @ x), claim.number(told, "level", "promise")
    size = float(np.abs(losses).max(initial=0.0)) + float(np.abs(e.base_pnl).max(initial=0.0))
    found = expected_shortfall(losses, level, scenario_weights(e))
    yield "promise in the sample", told.get("in_sample"), found, size
    worst, parts = 0.0, 0.0
    for k in range(len(e.stress)):
        accounts, per_trade, _ = stress_parts(e, k)
        each = [*accounts.tolist(), *(per_trade * x).tolist()]
        worst, parts = max(worst, -float(np.sum(each))), max(parts, float(np.abs(each).sum()))
    yield "promise stress floor", told.get("stress"), worst, parts


def drawn_otherwise(claim: Claim, e: Exposures, book: Book, market: Market, policy: Policy) -> list[str]:
    """The reported CVaR on fresh draws where the same trades lose something else on draws of that seed."""
    told = claim.promise
    if told is None or not told.get("fresh_count"):
        return []
    from hedgeopt.exposures.expose import expose

    seed, count = told.get("fresh_seed"), told.get("fresh_count")
    if type(seed) is not int or seed < 0 or seed == policy.scenarios.seed:
        return [f"promise: fresh draws of seed {seed} are none: the sample is of seed {policy.scenarios.seed}"]
    plain = policy.model_dump(mode="json")
    x, _ = listed_trades(claim, e, market, plain)
    links = set(e.links.candidate.tolist())
    rows = [int(row) for i, row in enumerate(e.candidate.tolist()) if x[i] != 0.0 and i not in links]
    items = {e.rows.instruments[row].id: e.rows.instruments[row] for row in rows}
    settings = policy.scenarios.model_copy(update={"seed": seed})
    again = policy.model_copy(update={"scenarios": settings})
    other = expose(
        book, market, again, candidates=[items[name] for name in sorted(items)], stressed=False, check_names=False
    )
    losses = -other.base_pnl
    if other.n_candidates:
        key = [(e.rows.account[row], e.rows.instruments[row].name) for row in e.candidate.tolist()]
        amount = dict(zip(key, x.tolist(), strict=True))
        mine = [(other.rows.account[row], other.rows.instruments[row].name) for row in other.candidate.tolist()]
        losses = losses - other.pnl @ np.array([amount.get(one, 0.0) for one in mine])
    level, price = claim.number(told, "level", "promise"), price_of_unit(e, plain)
    found = expected_shortfall(losses, level, scenario_weights(other)) / price
    size = float(np.abs(losses).max(initial=0.0)) / price
    wrong = [] if count == len(losses) else [f"promise: {count} fresh draws are reported, the policy draws {len(losses)}"]
    value = told.get("fresh")
    if not isinstance(value, int | float) or not math.isfinite(value) or abs(value - found) > _SAME * max(size, abs(found)):
        wrong.append(f"promise on fresh draws: {value} is reported, it is {found:,.10g}")
    return wrong
