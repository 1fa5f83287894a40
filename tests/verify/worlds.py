"""Small worlds in which proposals are made and verified: a desk on one venue, and a network of accounts with links."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.arrays import Exposures
from hedgeopt.verify import Verdict, claim_of, judge

STAMP = datetime(2026, 3, 2, 8, tzinfo=UTC)
PRICES = {"BTC": 80_000.0, "ETH": 2_500.0}


@dataclass(frozen=True)
class World:
    """Inputs of a proposal, and what they price to."""

    book: ho.Book
    market: ho.Market
    policy: ho.Policy

    def exposures(self) -> Exposures:
        """Priced afresh: nothing that a test has spoiled before is kept."""
        return expose(self.book, self.market, self.policy)

    def told(self) -> dict[str, Any]:
        """The proposal as another process would read it."""
        return json.loads(self.policy.propose(self.book, self.market).to_json())

    def verdict(self, told: dict[str, Any], e: Exposures | None = None) -> Verdict:
        """What the verifier says about a proposal's JSON."""
        return judge(claim_of(told), e or self.exposures(), self.market, self.policy.model_dump(mode="json"))


def network_market() -> ho.Market:
    """Perpetuals on three venues, spot nowhere; 2 bp wide, but for one market of a known open interest."""
    instruments: dict[str, Any] = {}
    quotes: dict[str, dict[str, Any]] = {}
    for coin, price in PRICES.items():
        for venue, settlement in (("deribit", coin), ("binance", "USDC"), ("hyperliquid", "USDC")):
            item = ho.Perpetual(name=f"{coin}-{venue}", venue=venue, underlying=coin, settlement=settlement)
            instruments[item.id] = item
            row = dict.fromkeys(QUOTE_FIELDS, np.nan)
            row |= {"bid_price": price * 0.9998, "ask_price": price * 1.0003, "mark_price": price * 1.0001}
            row |= {"timestamp": pd.Timestamp(STAMP), "open_interest": 4e7 if venue == "deribit" else 4e7 / price}
            row |= {"funding_8h": 2e-4 if venue == "binance" else -1e-4}
            quotes[item.id] = row
    return ho.Market(STAMP, dict(PRICES), instruments, pd.DataFrame(quotes).T, "three venues")


def network_book() -> ho.Book:
    """Short of margin at Hyperliquid, cash at Binance, a wallet behind a bridge; long BTC, short ETH."""

    def account(name: str, venue: str, usdc: float, positions: list[tuple[str, float]], **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "venue": venue,
            "collateral": [{"asset": "USDC", "amount": usdc}],
            "positions": [{"instrument": i, "quantity": q} for i, q in positions],
            **more,
        }

    accounts = [
        account("poor", "hyperliquid", 150_000.0, [("BTC-hyperliquid", 12.0)], margin="hyperliquid:8"),
        account("rich", "binance", 900_000.0, [("ETH-binance", -150.0)], counterparty="binance"),
        account("house", "deribit", 500_000.0, [("BTC-deribit", 300_000.0)], margin="portfolio"),
    ]
    links = (
        ho.Link(source="rich", target="poor", asset="USDC", cost_rate=4e-4, bridge="across", delay_hours=1.0),
        ho.Link(source="house", target="poor", asset="USDC", cost_rate=9e-4, bridge="slow", delay_hours=2.0),
        ho.Link(source="house", target="rich", asset="USDC", cost_rate=1e-4, delay_hours=1.0),
    )
    return ho.Book(name="network", accounts=accounts, links=links)


def network_policy(**more: Any) -> ho.Policy:
    """Margin, stress, transfers, sizes and exposure, several of them binding."""
    settings: dict[str, Any] = {
        "minimize": ho.TransactionCost() + 0.05 * ho.CVaR(0.9) + 1.0 * ho.Carry(),
        "subject_to": [
            ho.MarginUtilisation(limit=0.6),
            ho.SurviveStress(scenarios=("2020-03-12",), account="poor"),
            ho.TransferLimit(usd=60_000.0, bridge="across"),
            ho.Participation(share=0.02),
            ho.OrderLimit(notional=700_000.0),
            ho.PositionLimit(notional=2e6),
            ho.Delta("BTC").within(-4.0, 4.0),
            ho.NetLeverage() <= 1.0,
            ho.Concentration(by="venue", of="binance") <= 0.60,
        ],
        "scenarios": ho.ParametricScenarios(count=200, seed=5, vol={"BTC": 0.6, "ETH": 0.8}),
        "candidates": ho.Candidates(kinds=("perpetual",), underlyings=("BTC", "ETH")),
    }
    return ho.Policy(**{**settings, **more}, lots="ideal")


def desk_policy(**more: Any) -> ho.Policy:
    """Options on one venue: Greeks, tail, stress, leverage and margin, several of them binding."""
    settings: dict[str, Any] = {
        "minimize": ho.TransactionCost() + 0.1 * ho.CVaR(0.95) + 1.0 * ho.Carry(),
        "subject_to": [
            ho.Delta("BTC").within(-2.0, 2.0),
            ho.Delta("ETH").within(-20.0, 20.0),
            ho.Gamma("BTC") >= -0.0004,
            ho.Vega("BTC").within(-3_000.0, 3_000.0),
            ho.CVaR(0.9) <= 150_000.0,
            ho.StressLoss("2020-03-12") <= 350_000.0,
            ho.GrossLeverage() <= 3.0,
            ho.MarginUtilisation(limit=0.37),
            ho.OrderLimit(notional=3_000_000.0, only=("option",)),
            ho.Participation(share=0.1),
        ],
        "scenarios": ho.ParametricScenarios(count=200, seed=5, vol={"BTC": 0.6, "ETH": 0.8}),
    }
    return ho.Policy(**{**settings, **more}, lots="ideal")


Spoil = Callable[[Any], None]
