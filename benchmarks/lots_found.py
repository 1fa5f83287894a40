"""Programs in which a list in whole lots is known to meet every limit, because the limits were drawn around one.

``python -m benchmarks lots_found --json -``. A case is a recorded chain (calm or crash) or perpetuals of two venues, one to
three accounts under packaged margin rules, and a list near the ideal trades of a loose policy, in whole lots. Bands of
Greeks are drawn around it, down to equalities, CVaR, stress losses, leverage and margin just above what it has. Told are
whether a list is found, its certified gap, and CPU seconds; ``tight`` counts bands narrower than a tenth of a lot's effect.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.backtest_markets import DATA, synthetic
from benchmarks.registry import benchmark

SEED, CASES = 41, 60
OPTION_RULES = ("standard", "portfolio", "portfolio:legacy")
PERPETUAL_RULES = (
    "hyperliquid:8",
    "binance:10",
    "binance_portfolio",
    "dydx",
    "paradex",
    "derive",
    "bybit",
    "bybit_portfolio",
    "okx_portfolio",
)
_STAMP = datetime(2026, 3, 2, 8, tzinfo=UTC)
_PRICES = {"BTC": 80_000.0, "ETH": 2_500.0}


@dataclass(frozen=True)
class Drawn:
    """Book, market and policy; ``known`` (N,) is a list that meets every limit."""

    words: str
    book: Any
    market: Any
    policy: Any
    known: np.ndarray


@cache
def _chain(name: str) -> Any:
    import hedgeopt as ho

    path = DATA / "deribit-chains" / f"snapshot_{name}.csv"
    return ho.read_market(path) if path.is_file() else synthetic(1, 400)[0]


@cache
def _perpetuals() -> Any:
    import hedgeopt as ho
    from hedgeopt.inputs.columns import QUOTE_FIELDS

    instruments: dict[str, Any] = {}
    quotes: dict[str, dict[str, Any]] = {}
    for coin, price in _PRICES.items():
        for venue, name in (("binance", f"{coin}USDT"), ("hyperliquid", coin)):
            settlement = "USDC" if venue == "hyperliquid" else "USDT"
            item = ho.Perpetual(name=name, venue=venue, underlying=coin, settlement=settlement)
            instruments[item.id] = item
            row = dict.fromkeys(QUOTE_FIELDS, np.nan)
            row |= {"bid_price": price * 0.9998, "ask_price": price * 1.0003, "mark_price": price * 1.0001}
            row |= {"timestamp": pd.Timestamp(_STAMP), "open_interest": 4e7 / price, "funding_8h": 1e-4}
            quotes[item.id] = row
    prices = {**_PRICES, "USDT": 1.0, "USDC": 1.0}
    return ho.Market(_STAMP, prices, instruments, pd.DataFrame(quotes).T, "two venues")


def _options(r: np.random.Generator) -> tuple[Any, Any, Any, list[str], str]:
    """Book, market, candidates, coins, and words, of a recorded chain."""
    import hedgeopt as ho

    day = str(r.choice(["calm_20260115", "crash_20260205"]))
    market = _chain(day)
    coin = str(r.choice(["BTC", "ETH"])) if any(i.underlying == "ETH" for i in market.instruments.values()) else "BTC"
    q = market.quotes
    good = q[(q.bid_price > 0) & (q.ask_price > 0) & (q.mark_price > 1e-3) & (q.mark_iv > 0)]
    items = [market.instruments[name] for name in good.index]
    near = [i for i in items if i.nature.option and i.underlying == coin and 4 < i.years_from(market.timestamp) * 365 < 120
            and 0.7 < i.strike / market.prices[coin] < 1.4]  # fmt: skip
    unit = 1.0 if coin == "BTC" else 20.0
    accounts, rules = [], []
    for k in range(int(r.choice([1, 1, 2, 3]))):
        rules.append(str(r.choice(OPTION_RULES[:3] if r.random() < 0.6 else OPTION_RULES)))
        held = [
            {
                "instrument": near[j].name,
                "quantity": float(np.round(r.uniform(1, 9) * unit * (-1 if r.random() < 0.75 else 1), 0)),
            }
            for j in r.choice(len(near), 8, False).tolist()
        ]
        coins = [{"asset": coin, "amount": float(r.uniform(20, 80)) * unit}]
        accounts.append({"name": f"a{k}", "venue": "deribit", "margin": rules[-1], "collateral": coins, "positions": held})
    book = ho.Book.model_validate({"name": "drawn", "accounts": accounts})
    chosen = r.choice(len(near), min(int(r.choice([12, 30, 80])), len(near)), False)
    candidates = ho.Candidates(
        names=tuple(near[j].name for j in chosen.tolist()), held=False, min_days=0.0, max_days=4_000.0, min_delta=0.0,
        max_relative_spread=1e6, two_sided=False, mark_half_spread=0.0005,
    )  # fmt: skip
    return book, market, candidates, [coin], f"{coin} {day[:5]} {'+'.join(rules)} {len(chosen)} options"


def _venues(r: np.random.Generator) -> tuple[Any, Any, Any, list[str], str]:
    """The same of perpetuals."""
    import hedgeopt as ho

    accounts, rules = [], []
    for venue, asset in (("binance", "USDT"), ("hyperliquid", "USDC")):
        rules.append(str(r.choice(PERPETUAL_RULES)))
        held = [
            {"instrument": i.name, "quantity": float(np.round(r.uniform(-9, 9) * (1 if i.underlying == "BTC" else 30), 1))}
            for i in _perpetuals().instruments.values() if i.venue == venue
        ]  # fmt: skip
        cash = [{"asset": asset, "amount": float(r.uniform(3e5, 9e5))}]
        accounts.append({"name": venue, "venue": venue, "margin": rules[-1], "collateral": cash, "positions": held})
    book = ho.Book.model_validate({"name": "drawn", "accounts": accounts})
    return (
        book,
        _perpetuals(),
        ho.Candidates(kinds=("perpetual",), underlyings=tuple(_PRICES)),
        list(_PRICES),
        "+".join(rules),
    )


def drawn(number: int, scenarios: int = 500) -> Drawn:
    """Case ``number``."""
    import hedgeopt as ho
    from hedgeopt.exposures.expose import expose
    from hedgeopt.program.box import trade_box
    from hedgeopt.program.certified import solve_program
    from hedgeopt.program.lots.steps import facing, in_whole_lots, lots_of, rounded
    from hedgeopt.program.program import Program

    r = np.random.default_rng((SEED, number))
    book, market, candidates, coins, words = (_venues if r.random() < 0.25 else _options)(r)
    options = not words.startswith(PERPETUAL_RULES) or "options" in words
    vol = None if options else {"BTC": 0.6, "ETH": 0.8}
    model = {"count": scenarios, "seed": int(r.integers(1 << 30)), **({"vol": vol} if vol else {})}
    common: dict[str, Any] = {
        "minimize": ho.TransactionCost() + float(r.choice([0.1, 0.5, 1.0])) * ho.CVaR(0.95),
        "candidates": candidates, "scenarios": ho.ParametricScenarios(**model),
    }  # fmt: skip
    sizes = [ho.OrderLimit(notional=float(r.choice([1e6, 4e6])))]
    loose = ho.Policy(subject_to=[*sizes, *(ho.Delta(c).within(-5e3, 5e3) for c in coins)], lots="ideal", **common)
    e = expose(book, market, loose)
    x = solve_program(Program(loose, e), e).trades
    lot, box = lots_of(e), trade_box(loose, e)
    known = rounded(e, np.clip(x * r.uniform(0.3, 1.0, len(x)), box.lower, box.upper), np.trunc)
    more = (r.random(len(x)) < 2.0 / len(x)) & (known != 0.0)
    known = np.where(more, known - lot * np.sign(known), known)
    while facing(e, known):
        known[np.flatnonzero(known)[int(r.integers((known != 0.0).sum()))]] = 0.0
    known = np.where(in_whole_lots(e, known), known, 0.0)
    greeks: list[Any] = [ho.Delta(c) for c in coins]
    greeks += [t(coins[0]) for t in (ho.Vega, ho.Gamma) if options and r.random() < 0.6]
    above: list[Any] = [t for t in (ho.CVaR(0.99), ho.StressLoss("2020-03-12"), ho.GrossLeverage()) if r.random() < 0.5]
    probe = Program(ho.Policy(
        subject_to=[*sizes, *(g.within(-1e12, 1e12) for g in greeks), *(t <= 1e12 for t in above)], lots="ideal", **common
    ), e)  # fmt: skip
    values = {side.name: side.value for side in probe.sides(e, known)}
    limits: list[Any] = list(sizes)
    for g in greeks:
        value = values[f"{g.name} lower"]
        one = np.where(np.arange(len(known)) == int(r.integers(len(known))), lot, 0.0)
        moved = [{s.name: s.value for s in probe.sides(e, at)}[f"{g.name} lower"] for at in (one, np.zeros(len(known)))]
        unit = abs(moved[0] - moved[1])
        width = float(r.choice([0.0, 1e-3, 1e-1, 0.5, 3.0])) * max(unit, 1e-9 * max(abs(value), 1e-9))
        words += f", {g.name} within {width / max(unit, 1e-300):.0e} lots"
        limits.append(g.within(value - width * r.random(), value + width * r.random()))
    for t in above:
        limits.append(t <= values[t.name] + 1e-3 * float(r.choice([0.01, 1.0, 30.0])) * max(abs(values[t.name]), 1.0))
    if r.random() < 0.7:
        margin = ho.MarginUtilisation(limit=1.0)
        with_margin = margin.plain_sides(e, known)
        share = (
            max((p.side.value / p.side.limit if p.side.limit > 0 else np.inf) for p in with_margin)
            if with_margin
            else np.inf
        )
        if 0 < share < 3.0:
            limits.append(ho.MarginUtilisation(limit=float(share * (1.0 + r.choice([1e-4, 1e-2, 0.2])))))
            words += f", margin {limits[-1].limit:.3g}"
    return Drawn(words, book, market, ho.Policy(subject_to=limits, **common), known)


def measured(number: int, scenarios: int = 500) -> dict[str, Any]:
    """One case."""
    import hedgeopt as ho
    from hedgeopt.exposures.expose import expose
    from hedgeopt.program.box import trade_box
    from hedgeopt.program.certificate import certify
    from hedgeopt.program.program import Program

    d = drawn(number, scenarios)
    e = expose(d.book, d.market, d.policy)
    program, box = Program(d.policy, e), trade_box(d.policy, e)
    program.update(e, box)
    known, _ = certify(program, e, box, d.known, {}, whole=True)
    record: dict[str, Any] = {"case": f"found-{number:02d}", "words": d.words, "known_holds": known.feasible,
                              "tight": sum(d.words.count(f"within {w} lots") for w in ("0e+00", "1e-03")),
                              "known_objective": known.objective}  # fmt: skip
    began = time.process_time()
    try:
        found = ho.solve(d.book, d.market, d.policy)
        certificate = found.proposal.certificate
        record |= {"outcome": "found", "gap": certificate.gap, "objective": certificate.objective,
                   "seconds_ideal": sum(found.proposal.seconds.get(k, 0.0) for k in ("solve", "build"))}  # fmt: skip
    except (ho.CertificateError, ho.InfeasibleError, ho.InputError) as error:
        record |= {"outcome": type(error).__name__, "message": str(error)[:600], "gap": np.inf}
    return {**record, "seconds": time.process_time() - began}


@benchmark(
    "lots_found", "whether a list in whole lots is found where one is known to exist: tight bands, margin rules, accounts"
)
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record a case, then how many were found."""
    found = []
    for number in range(1 if smoke else CASES):
        found.append(measured(number, 100 if smoke else 500))
        yield found[-1]
    real = [r for r in found if r["known_holds"]]
    gaps = [r["gap"] for r in real if r["outcome"] == "found"]
    yield {
        "case": "distribution", "cases": len(found), "known": len(real), "found": len(gaps),
        "gap_median": float(np.median(gaps)) if gaps else np.inf, "gap_worst": max(gaps, default=np.inf),
        "within_goal": sum(g <= 0.005 for g in gaps), "seconds_median": float(np.median([r["seconds"] for r in found])),
        "seconds_worst": max(r["seconds"] for r in found),
    }  # fmt: skip
