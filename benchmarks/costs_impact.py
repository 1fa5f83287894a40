"""Impact in the program against the exact answer: dated futures that cost ``r x + c x^1.5`` each, drawn at random.

The exact answer is worked out here by bisection on the marginal cost per ETH of delta; it shares no code with the program.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

__all__ = ["impact_case"]

_NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
_INDEX, _LARGEST = 3_000.0, 40.0


def impact_case(rng: np.random.Generator, futures: int, folder: Any) -> dict[str, Any]:
    """``objective``, ``cost_error`` and ``gap`` of one drawn case; ``folder`` takes its law."""
    import pandas as pd

    import hedgeopt as ho
    from hedgeopt.inputs.columns import QUOTE_FIELDS
    from hedgeopt.models.pricing.future import Future

    items, rows, law = [], {}, ["power = 1.5"]
    for k in range(futures):
        expiry = _NOW + timedelta(days=7 * (k + 1))
        item = Future(name=f"ETH_USDC-{k}", venue="deribit", underlying="ETH", settlement="USDC", expiry=expiry)
        mark, half = _INDEX * (1.0 + 0.0001 * k), float(rng.uniform(0.2, 5.0))
        rows[item.id] = {"mark_price": mark, "bid_price": mark - half, "ask_price": mark + half}
        law += [f'[instruments."{item.id}"]', f"k = {rng.uniform(2e-5, 2e-3)!r}"]
        items.append(item)
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(_NOW)
    (folder / "impact.toml").write_text("\n".join(law) + "\n", encoding="utf-8")
    market = ho.Market(_NOW, {"ETH": _INDEX, "USDC": 1.0}, {item.id: item for item in items}, quotes)
    market = market.with_impact(folder / "impact.toml")
    book = ho.Book(accounts=[{"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 1e9}]}])
    wanted = float(rng.uniform(0.02, 0.9)) * futures * _LARGEST
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("ETH") >= wanted, ho.OrderLimit(quantity=_LARGEST, only=("future",))],
        scenarios=ho.ParametricScenarios(count=20, vol={"ETH": 0.7}),
        candidates=ho.Candidates(kinds=("future",), underlyings=("ETH",), max_order_notional=1e10),
        lots="ideal",
    )
    solved = ho.solve(book, market, policy)
    e, x = solved.exposures, solved.x
    names = [e.rows.instruments[row].id for row in e.candidate.tolist()]
    assert market.impact is not None
    curve = np.array([market.impact.instruments[name].k * _INDEX for name in names])
    rate, delta = e.cost_buy, e.trade_greeks[0, :, e.asset("ETH")]

    def sizes(m: float) -> np.ndarray:
        return np.minimum((np.maximum(m * delta - rate, 0.0) / (1.5 * curve)) ** 2, _LARGEST)

    low, high = 0.0, 1e4
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if float(delta @ sizes(middle)) < wanted else (low, middle)
    best, paid = sizes(high), float(rate @ x + curve @ np.maximum(x, 0.0) ** 1.5)
    exact, certificate = float(rate @ best + curve @ best**1.5), solved.proposal.certificate
    return {
        "law": "impact", "instruments": futures, "eth": wanted, "objective": certificate.objective,
        "cost_error": certificate.objective / exact - 1.0, "told_error": certificate.objective / paid - 1.0,
        "gap": certificate.gap, "solver": str(solved.proposal.statistics["attempts"][-1]["solver"]),
    }  # fmt: skip
