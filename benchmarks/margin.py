"""Cost of margin limits: a hedge program on five portfolio-margin accounts, with and without its margin limits.

300 candidates (60 options, a perpetual in 5 accounts), 35 scenarios of portfolio margin per account, 8 stresses after
which every account must still cover its maintenance, and CVaR over 10,000 scenarios. Both programs are compiled once;
compared is CPU time of a re-solve on new scenarios, with its certificate, on one thread: best of three. Revaluing options,
for the scenarios of CVaR as for those of margin, comes before the solve and is not in it; the latter is shown apart.

Beside it, for every rule, how far its convex encoding lies above the venue's plain rule (benchmarks/margin_looseness.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.margin_looseness import records
from benchmarks.registry import benchmark

NAME = "margin"
_STAMP = datetime(2026, 3, 2, 8, tzinfo=UTC)
_DAYS = (11.0, 25.0, 60.0)


def _market(strikes: int) -> Any:
    """BTC options on three expiries with a smile, and a perpetual."""
    import pandas as pd

    import hedgeopt as ho
    from hedgeopt.inputs.columns import QUOTE_FIELDS
    from hedgeopt.models.pricing.black76 import black76_price as price

    index = 80_000.0
    instruments: dict[str, Any] = {}
    quotes: dict[str, dict[str, Any]] = {}

    def add(item: Any, mark: float, half: float, **more: float) -> None:
        row = dict.fromkeys(QUOTE_FIELDS, np.nan)
        row |= {"bid_price": mark - half, "ask_price": mark + half, "mark_price": mark, "timestamp": pd.Timestamp(_STAMP)}
        instruments[item.id], quotes[item.id] = item, {**row, **more}

    add(ho.Perpetual(name="BTC-PERPETUAL", venue="deribit", underlying="BTC", settlement="BTC"), index, 5.0)
    for days in _DAYS:
        forward = index * (1.0 + 0.0001 * days)
        for k, ratio in enumerate(np.linspace(0.75, 1.3, strikes)):
            right = "call" if k % 2 else "put"
            strike = round(index * ratio / 500) * 500.0
            vol = 0.6 + 0.3 * abs(np.log(strike / forward))
            coin = float(price(forward, strike, days / 365, vol, np.array(right == "call"))) / forward
            expiry = _STAMP + timedelta(days=days)
            name = f"BTC-{days:g}-{strike:g}-{right}"
            item = ho.Option(
                name=name, venue="deribit", underlying="BTC", settlement="BTC", expiry=expiry, strike=strike, right=right
            )
            add(item, coin, 0.01 * coin + 0.0002, mark_iv=vol, underlying_price=forward)
    return ho.Market(_STAMP, {"BTC": index}, instruments, pd.DataFrame(quotes).T, "synthetic chain")


def _book(market: Any, accounts: int) -> Any:
    """Each account is short a strangle and some wings."""
    import hedgeopt as ho

    rng = np.random.default_rng(5)
    names = [item.name for item in market.instruments.values() if item.nature.option]
    return ho.Book(
        accounts=[
            ho.Account(
                name=f"a{k}",
                venue="deribit",
                margin="portfolio",
                collateral=(ho.Collateral(asset="BTC", amount=40.0),),
                positions=tuple(
                    ho.Position(instrument=name, quantity=float(-rng.integers(5, 25)))
                    for name in rng.choice(names, 6, replace=False)
                ),
            )
            for k in range(accounts)
        ]
    )


def _value_margin(e: Any, stresses: int) -> None:
    """Price every margin scenario of every account, now and after each stress."""
    for c in range(len(e.accounts)):
        e.margins.encoding(c, "initial", counted=0.8)
        e.margins.encoding(c, "maintenance")
        for k in range(stresses):
            e.margins.encoding(c, "maintenance", k)


@benchmark(NAME, "a hedge program with portfolio margin against the same one without; how tight every rule's encoding is")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """CPU seconds of both programs and their ratio; then one record a rule of how far its encoding lies above it."""
    yield from _compared(smoke)
    yield from records(smoke)


def _compared(smoke: bool) -> Iterator[dict[str, Any]]:
    import hedgeopt as ho
    from hedgeopt.exposures.expose import expose
    from hedgeopt.models.risk.cvar import tail_loss
    from hedgeopt.program.certified import solve_program
    from hedgeopt.program.program import Program

    accounts, strikes, scenarios = (2, 4, 200) if smoke else (5, 20, 10_000)
    market = _market(strikes)
    book = _book(market, accounts)
    goal = ho.TransactionCost()
    common = {
        "scenarios": ho.ParametricScenarios(count=scenarios, vol={"BTC": 0.6}),
        "candidates": ho.Candidates(min_delta=0.0, max_relative_spread=5.0, max_order_notional=4e6),
    }
    start = expose(book, market, ho.Policy(goal, **common, lots="ideal"))
    limits = [ho.CVaR(0.99) <= 0.85 * tail_loss(-start.base_pnl, 0.99)]
    without = ho.Policy(goal, limits, **common, lots="ideal")
    draws = [
        expose(book, market, without.model_copy(update={"scenarios": without.scenarios.model_copy(update={"seed": seed})}))
        for seed in range(1 if smoke else 4)
    ]
    e = draws[0]
    stresses = e.stress[:8]
    margin = [ho.MarginUtilisation(limit=0.8), ho.SurviveStress(scenarios=stresses, utilisation=0.9)]
    with_margin = ho.Policy(goal, [*limits, *margin], **common, lots="ideal")
    build, seconds, answers = {}, {"without": [], "with": []}, {}
    programs = {}
    for name, policy in (("without", without), ("with", with_margin)):
        began = time.process_time()
        programs[name] = Program(policy, e)
        solve_program(programs[name], e)  # compiles
        build[name] = time.process_time() - began
    tables = []
    for fresh in draws[1:] or draws:
        began = time.process_time()
        _value_margin(fresh, len(stresses))
        tables.append(time.process_time() - began)
        for name, program in programs.items():
            began = time.process_time()
            answers[name] = solve_program(program, fresh)
            seconds[name].append(time.process_time() - began)
    best = {name: min(values) for name, values in seconds.items()}
    binding = [side.name for side in answers["with"].sides if side.dual > 0 and abs(side.violation) < 1e-6 * abs(side.limit)]
    yield {
        "case": "program",
        "candidates": e.n_candidates,
        "accounts": accounts,
        "stresses": len(stresses),
        "margin_scenarios": 35,
        "cvar_scenarios": scenarios,
        "seconds_without": best["without"],
        "seconds_with": best["with"],
        "ratio": best["with"] / best["without"],
        "seconds_margin_tables": min(tables),
        "first_solve_without": build["without"],
        "first_solve_with": build["with"],
        "binding": binding[:8],
        "objective_without": answers["without"].certificate.objective,
        "objective_with": answers["with"].certificate.objective,
        "gap_with": answers["with"].certificate.gap,
    }
