"""The terminal's tables of positions, loans and tenors."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
from rich.console import Console

import hedgeopt as ho
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.expose import expose
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.scenarios.stress import stress_scenarios
from hedgeopt.reports.terminal import risk_report_table


def shown(report: ho.RiskReport) -> str:
    console = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(risk_report_table(report))
    console.file.close()
    return console.export_text()


def test_loans_liquidity_and_pegs_are_shown():
    pool = {"kind": "amm_concentrated", "name": "lp", "base": "ETH", "quote": "USDC", "liquidity": 100.0}
    pool |= {"lower_price": 1500.0, "upper_price": 2500.0, "entry_price": 1800.0, "venue": "chain"}
    supply = {"kind": "lending_supply", "name": "deposit", "asset": "stETH", "liquidation_threshold": 0.8, "venue": "chain"}
    debt = {"kind": "lending_borrow", "name": "debt", "asset": "USDC", "venue": "chain"}
    pool, supply, debt = ({"instrument": item, "quantity": n} for item, n in ((pool, 2), (supply, 10), (debt, 8_000)))
    loans = {"name": "loans", "venue": "chain", "margin": "aave", "positions": [supply, debt]}
    book = ho.Book(accounts=[{"name": "wallet", "venue": "chain", "positions": [pool]}, loans])
    prices = {"ETH": 2_000.0, "stETH": 1_990.0}
    market = ho.Market(datetime(2026, 1, 15, tzinfo=UTC), prices, {}, pd.DataFrame(columns=list(QUOTE_FIELDS)))
    moves = stress_scenarios(["ETH", "stETH"])
    text = shown(ho.risk_report(build_exposures(resolve(book, market), [], moves, moves, trades=False)))
    for words in ("stETH/ETH peg", "19,900", "1.990", "Loans", "deposit", "IL", "ETH 1,005"):
        assert words in text, words  # health .8 * 19,900 / 8,000; liquidated where ETH stands at 8,000 / (.8 * 9.95)


def test_an_option_book_shows_tenors_and_no_loans(toy_book, toy_market, toy_policy):
    text = shown(ho.risk_report(expose(toy_book, toy_market, toy_policy, trades=False)))
    assert "days to expiry" in text
    assert "Loans" not in text
