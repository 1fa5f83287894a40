"""Small programs in whole lots, from book and market to proposal and verifier, against every list there is."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.campaign.registry import campaign

__all__ = ["WRONG", "against_every_list"]

WRONG = (
    "worse than another list", "better than possible", "bound above the best list", "no list though there is one",
    "a list though there is none", "called infeasible though there is a list",
)  # fmt: skip
_NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
_COINS = {"BTC": 80_000.0, "ETH": 3_000.0, "SOL": 150.0}
_HELD = {"BTC": 0.6, "ETH": 12.0, "SOL": 280.0}
_MOST, _SCENARIOS = 60_000.0, 60


def _market(r: np.random.Generator) -> tuple[Any, np.ndarray]:
    """Three perpetuals with drawn spreads, and their lots in USD."""
    import hedgeopt as ho
    from hedgeopt.inputs.columns import QUOTE_FIELDS

    lots = r.choice([14_000.0, 19_000.0, 27_000.0], 3)
    rows, items = {}, {}
    for (coin, price), lot in zip(_COINS.items(), lots, strict=True):
        item = ho.Perpetual(name=f"{coin}_USDC-PERPETUAL", venue="deribit", underlying=coin, settlement="USDC")
        half = float(r.choice([1e-4, 1e-3, 5e-3]))
        items[item.id] = item
        rows[item.id] = {"mark_price": price, "bid_price": price * (1 - half), "ask_price": price * (1 + half),
                         "funding_8h": 0.0, "lot": lot / price}  # fmt: skip
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=[*QUOTE_FIELDS, "lot"])
    quotes["timestamp"] = pd.Timestamp(_NOW)
    return ho.Market(_NOW, {**_COINS, "USDC": 1.0}, items, quotes), lots


def against_every_list(seed: int) -> str:
    """The verdict on one program."""
    import hedgeopt as ho
    from hedgeopt.exposures.expose import expose
    from hedgeopt.verify import claim_of, judge

    r = np.random.default_rng((500, seed))
    market, lots = _market(r)
    cold = [{"asset": coin, "amount": amount} for coin, amount in _HELD.items()]
    book = ho.Book.model_validate({"name": "small", "accounts": [
        {"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 1e6}]},
        {"name": "cold", "venue": "custody", "tradable": False, "margin": "none", "collateral": cold},
    ]})  # fmt: skip
    ticket = [None, None, 15.0, 90.0, 1e5][int(r.integers(5))]
    weight = float(r.choice([0.02, 0.05, 0.2]))
    common: dict[str, Any] = {
        "minimize": ho.TransactionCost() + weight * ho.CVaR(0.9),
        "scenarios": ho.ParametricScenarios(count=_SCENARIOS, vol=dict.fromkeys(_COINS, 0.7), seed=int(r.integers(99))),
        "candidates": ho.Candidates(kinds=("perpetual",), ticket=ticket, max_order_notional=_MOST),
    }
    e = expose(book, market, ho.Policy(**common))
    coins = [e.rows.instruments[row].underlying for row in e.candidate.tolist()]
    lot = np.array([dict(zip(_COINS, lots, strict=True))[c] / _COINS[c] for c in coins])
    price = np.array([_COINS[c] for c in coins])
    most = np.floor(_MOST / (lot * price) + 1e-9).astype(int)
    lists = np.array(list(itertools.product(*(range(-k, k + 1) for k in most)))) * lot
    losses = np.sort(-(e.base_pnl + lists @ e.pnl.T), axis=1)[:, ::-1]
    tail = losses[:, : _SCENARIOS // 10].mean(axis=1)
    count = (lists != 0.0).sum(axis=1)
    value = np.maximum(lists, 0) @ e.cost_buy + np.maximum(-lists, 0) @ e.cost_sell + weight * tail + (ticket or 0.0) * count
    good = np.ones(len(lists), bool)
    limits: list[Any] = []
    if r.random() < 0.5:
        limits.append(ho.MaxTrades(most=int(r.integers(0, 3))))
        good &= count <= limits[-1].most
    if r.random() < 0.2:
        limits.append(ho.MaxNewInstruments(most=int(r.integers(0, 3))))
        good &= count <= limits[-1].most
    if r.random() < 0.3:
        limits.append(ho.MinTrade(usd=30_000.0))
        good &= ((lists == 0.0) | (np.abs(lists) * price >= 30_000.0 * (1 - 1e-9))).all(axis=1)
    if r.random() < 0.5:
        coin = int(r.integers(3))
        delta = _HELD[coins[coin]] + lists[:, coin]
        middle = float(r.uniform(delta.min(), delta.max()))
        width = float(r.choice([0.2, 0.7, 1.5])) * float(lot[coin])
        limits.append(ho.Delta(coins[coin]).within(middle - width / 2, middle + width / 2))
        good &= np.abs(delta - middle) <= width / 2
    if r.random() < 0.4:
        limits.append(ho.CVaR(0.9) <= float(np.quantile(tail, r.choice([0.02, 0.2, 0.6]))))
        good &= tail <= limits[-1].upper
    rules = ho.Policy(subject_to=limits, **common)
    best = float(value[good].min()) if good.any() else np.inf
    try:
        told = ho.propose(book, market, rules)
    except ho.InfeasibleError:
        return "none, as said" if not good.any() else WRONG[5]
    except ho.CertificateError:
        return "none, as said" if not good.any() else WRONG[3]
    if not good.any():
        return WRONG[4]
    found, close = told.certificate, 1e-7 * abs(best)
    if found.objective > best + rules.lot_gap * abs(best) + close:
        return WRONG[0]
    if found.objective < best - close:
        return WRONG[1]
    if found.lower_bound > best + close:
        return WRONG[2]
    if not found.valid:
        return "the best, not proven"
    verdict = judge(claim_of(told.to_dict()), expose(book, market, rules), market, rules.model_dump(mode="json"))
    if verdict.broken or verdict.wrong:
        return f"raised by the verifier: {[*verdict.broken, *verdict.wrong][0]}"
    return "the best, proven twice" if verdict.valid else "the best, not proven again"


@campaign(
    "lots_enumerated",
    about="small programs in whole lots, with tickets and limits that count trades, against every list there is",
    full=500,
    sample=20,
    never=WRONG,
    sources=("hedgeopt/program", "hedgeopt/constraints", "hedgeopt/verify"),
    repeatable=False,
)
def case(number: int) -> str:
    """One program."""
    return against_every_list(number)
