"""Books, markets and policies that together show every part of a proposal; made from nothing but what is public.

``python -m tests.program.proposal_cases FOLDER`` solves them and writes each proposal.json: so the files under stored/ were
written, each by the version of the code whose form they have.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import hedgeopt as ho
from hedgeopt.example import example_files

STAMP = datetime(2026, 3, 2, 8, tzinfo=UTC)
PRICES = {"BTC": 80_000.0, "ETH": 2_500.0}
_COLUMNS = (
    "bid_price", "ask_price", "mark_price", "mark_iv", "underlying_price", "open_interest", "volume", "funding_8h",
    "settlement_average", "timestamp",
)  # fmt: skip

Case = tuple[ho.Book, ho.Market, ho.Policy]


def venues() -> ho.Market:
    """Perpetuals on three venues, 2 bp wide, and no market besides."""
    instruments: dict[str, Any] = {}
    quotes: dict[str, dict[str, Any]] = {}
    for coin, price in PRICES.items():
        for venue, settlement in (("deribit", coin), ("binance", "USDC"), ("hyperliquid", "USDC")):
            item = ho.Perpetual(name=f"{coin}-{venue}", venue=venue, underlying=coin, settlement=settlement)
            instruments[item.id] = item
            row = dict.fromkeys(_COLUMNS, np.nan)
            row |= {"bid_price": price * 0.9998, "ask_price": price * 1.0003, "mark_price": price * 1.0001}
            row |= {"timestamp": pd.Timestamp(STAMP), "open_interest": 4e7, "funding_8h": 1e-4}
            quotes[item.id] = row
    return ho.Market(STAMP, dict(PRICES), instruments, pd.DataFrame(quotes).T, "three venues")


def account(name: str, venue: str, usdc: float, *positions: tuple[str, float], **more: Any) -> dict[str, Any]:
    """An account with cash and positions."""
    held = [{"instrument": name, "quantity": quantity} for name, quantity in positions]
    return {"name": name, "venue": venue, "collateral": [{"asset": "USDC", "amount": usdc}], "positions": held, **more}


def policy(*limits: Any, minimize: Any = None) -> ho.Policy:
    """Cheap to solve: perpetuals, few scenarios."""
    return ho.Policy(
        minimize=ho.TransactionCost() if minimize is None else minimize,
        subject_to=limits,
        scenarios=ho.ParametricScenarios(count=60, seed=5, vol={"BTC": 0.6, "ETH": 0.8}),
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("BTC", "ETH")),
        lots="ideal",
    )


def example() -> Case:
    """The packaged example over few scenarios: options, Greeks, tail."""
    with tempfile.TemporaryDirectory() as name:
        for file, text in example_files().items():
            (Path(name) / file).write_text(text, encoding="utf-8")
        book, market = ho.read_book(Path(name) / "book.json"), ho.read_market(Path(name) / "market.csv")
        rules = ho.read_policy(Path(name) / "policy.toml")
    few = rules.scenarios.model_copy(update={"count": 200})
    market = ho.Market(market.timestamp, market.prices, market.instruments, market.quotes, "market.csv")
    return book, market, rules.model_copy(update={"scenarios": few})


def network() -> Case:
    """Margin broken before, transfers with and without a bridge, trades on three venues."""
    accounts = [
        account("poor", "hyperliquid", 150_000.0, ("BTC-hyperliquid", 12.0), margin="hyperliquid:8"),
        account("rich", "binance", 900_000.0, ("ETH-binance", -150.0), counterparty="binance"),
        account("house", "deribit", 500_000.0, ("BTC-deribit", 300_000.0), margin="portfolio"),
    ]
    links = (
        ho.Link(source="rich", target="poor", asset="USDC", cost_rate=4e-4, bridge="across", delay_hours=1.0),
        ho.Link(source="house", target="poor", asset="USDC", cost_rate=9e-4, fixed_cost=20.0, delay_hours=2.0),
    )
    limits = (
        ho.MarginUtilisation(limit=0.6),
        ho.TransferLimit(usd=40_000.0, bridge="across"),
        ho.OrderLimit(notional=300_000.0),
        ho.Delta("BTC").within(-4.0, 12.0),
        ho.SurviveStress(scenarios=("2020-03-12",), account="poor"),
    )
    minimize = ho.TransactionCost() + 0.05 * ho.CVaR(0.9) + ho.Carry()
    return ho.Book(name="net/work ~", accounts=accounts, links=links), venues(), policy(*limits, minimize=minimize)


def loan() -> Case:
    """A debt at Aave that is repaid from an exchange."""
    borrowed = account("aave", "aave", -200_000.0)
    borrowed["collateral"].append({"asset": "ETH", "amount": 100.0})
    link = ho.Link(source="bn", target="aave", asset="USDC", cost_rate=1e-4)
    book = ho.Book(name="loan", accounts=[borrowed, account("bn", "binance", 500_000.0)], links=(link,))
    survive = ho.SurviveStress(scenarios=("2024-08-05",), account="aave", health_factor=1.2)
    return book, venues(), policy(survive)


def nothing() -> Case:
    """No limit is broken: no trade, no transfer, a term whose limit is far away."""
    book = ho.Book(name="still", accounts=[account("bn", "binance", 500_000.0, ("BTC-binance", 1.0))])
    return book, venues(), policy(ho.Delta("BTC") <= 5.0)


CASES = {"example": example, "network": network, "loan": loan, "nothing": nothing}


def main(folder: Path) -> None:
    """Write the proposals into a folder, which is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        book, market, rules = case()
        text = ho.propose(book, market, rules).to_json()
        json.loads(text)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
