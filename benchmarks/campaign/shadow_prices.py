"""Shadow prices in money against optima that are solved again on both sides of the limit."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.campaign.registry import campaign

NEAR = 1e-4
"""Relative error that is allowed."""


@lru_cache
def _inputs() -> tuple[Any, Any]:
    import hedgeopt as ho

    files = ho.example_files()
    return ho.read_book(io.StringIO(files["book.json"])), ho.read_market(io.StringIO(files["market.csv"]))


@campaign(
    "shadow_prices",
    about="shadow prices of random problems against finite differences of certified optima, to 1e-4",
    full=300,
    sample=3,
    never=("wrong",),
    sources=("hedgeopt/program/explain", "constraints"),
)
def case(number: int) -> str:
    """One random policy; every limit with a price that holds over some room is compared."""
    import hedgeopt as ho
    from hedgeopt.exposures.expose import expose
    from hedgeopt.program.explain.case import Case
    from hedgeopt.program.explain.knobs import knobs_of
    from hedgeopt.program.explain.prices import limit_prices, value_at

    rng = np.random.default_rng([2026, number])
    book, market = _inputs()
    limits = [
        ho.Delta("BTC").within(-float(rng.uniform(1, 8)), float(rng.uniform(1, 8))),
        ho.Gamma("BTC") >= -float(rng.uniform(2e-4, 2e-3)),
        ho.Vega("BTC") >= -float(rng.uniform(2_000, 6_000)),
        ho.StressLoss(scenario="2020-03-12") <= float(rng.uniform(1.8e6, 4e6)),
        ho.CVaR(0.99) <= float(rng.uniform(1.5e5, 4e5)),
        ho.MarginUtilisation(limit=float(rng.uniform(0.5, 0.8))),
        ho.OrderLimit(notional=float(rng.uniform(1e6, 5e6)), only=("option",)),
    ]
    keep = [limit for limit in limits if rng.uniform() < 0.8] or limits[:2]
    policy = ho.Policy(
        ho.TransactionCost() + ho.Carry() + float(rng.uniform(0.0, 0.05)) * ho.CVaR(0.99), keep,
        candidates=ho.Candidates(underlyings=("BTC",), min_days=2.0, max_days=12.0),
        scenarios=ho.ParametricScenarios(count=200, seed=number), lots="ideal", tolerance=1e-9,
    )  # fmt: skip
    e = expose(book, market, policy)
    found = Case(book, market, policy, e, np.zeros(e.n_candidates))
    try:
        prices = limit_prices(found, lots=False)
    except (ho.InfeasibleError, ho.CertificateError):
        return "no answer"
    compared, again = 0, Case(book, market, policy, e, found.x)
    knobs = {knob.name: knob for knob in knobs_of(policy)}
    for row in prices.to_dict("records"):
        low, high = row["valid_from"], row["valid_to"]
        room = min(high - low, 0.2 * abs(row["bound"]))
        if row["degenerate"] or room < 1e-4 * abs(row["bound"]) or row["price"] * room < 1e-5 * abs(found.ideal.objective):
            continue  # too narrow for a difference of optima to show anything
        ends = [value_at(again, knobs[row["limit"]], float(np.clip(b, row["bound"] - room, row["bound"] + room)))
                for b in (low, high)]  # fmt: skip
        if ends[0] is None or ends[1] is None:
            continue
        at = [float(np.clip(b, row["bound"] - room, row["bound"] + room)) for b in (low, high)]
        slope = abs(ends[1][0] - ends[0][0]) / (at[1] - at[0])
        compared += 1
        if abs(slope - row["price"]) > NEAR * max(row["price"], 1e-12):
            return "wrong"
    return "compared" if compared else "nothing to compare"
