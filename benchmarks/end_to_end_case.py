"""Inputs of the end-to-end benchmark: a short-gamma book on the recorded crash chain, or the packaged example."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tail_cases import SHARED, SNAPSHOTS

CHAIN = SHARED / "deribit-chains" / SNAPSHOTS["crash"]
PERPETUALS = CHAIN.with_name("perp_prices_6h_to_20260415.csv")


@dataclass(frozen=True)
class Inputs:
    """Files on disk, as a user would have them."""

    name: str
    book: Path
    market: tuple[Path, ...]
    policy: Path


def write_inputs(folder: Path, smoke: bool) -> Inputs:
    """The crash chain where the shared data is, else (and for smoke runs) the synthetic example."""
    if smoke or not CHAIN.is_file():
        from hedgeopt.example import example_files

        for name, text in example_files().items():
            (folder / name).write_text(text, encoding="utf-8")
        policy = folder / "policy.toml"
        if smoke:
            policy.write_text(policy.read_text(encoding="utf-8").replace("count = 2_000", "count = 200"), encoding="utf-8")
        return Inputs("packaged example", folder / "book.json", (folder / "market.csv",), policy)
    files = (CHAIN, PERPETUALS)
    (folder / "book.json").write_text(json.dumps(crash_book(files)), encoding="utf-8")
    (folder / "policy.toml").write_text(crash_policy().to_toml(), encoding="utf-8")
    return Inputs("crash chain 2026-02-05", folder / "book.json", files, folder / "policy.toml")


def crash_book(files: Sequence[Path], per_coin: int = 33) -> dict[str, Any]:
    """The positions of a market maker after customers bought options for days: four in five short, sizes from a seed."""
    from hedgeopt.inputs.chain.reader import read_market

    market = read_market(*files)
    rng = np.random.default_rng(1)
    positions: list[dict[str, Any]] = []
    for coin, unit in (("BTC", 1.0), ("ETH", 15.0)):
        listed = [
            item.name
            for item in market.instruments.values()
            if item.nature.option
            and item.underlying == coin
            and 3 < item.years_from(market.timestamp) * 365 < 200
            and 0.75 < item.strike / market.price(coin) < 1.35
        ]
        for name in rng.choice(listed, per_coin, replace=False).tolist():
            size = float(np.round(rng.uniform(2, 20) * unit, 1))
            positions.append({"instrument": name, "quantity": -size if rng.random() < 0.8 else size})
    positions += [
        {"instrument": "BTC-PERPETUAL", "quantity": 1_500_000.0},
        {"instrument": "ETH-PERPETUAL", "quantity": -300_000.0},
    ]
    collateral = [{"asset": "BTC", "amount": 120.0}, {"asset": "ETH", "amount": 1500.0}]
    account = {"name": "main", "venue": "deribit", "collateral": collateral, "positions": positions}
    return {"name": "short-gamma market maker", "accounts": [account]}


def crash_policy() -> Any:
    """Cost, carry and half the CVaR over 10,000 scenarios, within bands, margin, leverage, CVaR and a stress limit."""
    import hedgeopt as ho

    return ho.Policy(
        minimize=ho.TransactionCost() + ho.Carry() + 0.5 * ho.CVaR(0.99),
        subject_to=[
            ho.Delta("BTC").within(-1, 1),
            ho.Delta("ETH").within(-20, 20),
            ho.Vega("ETH").within(-5_000, 5_000),
            ho.Gamma("BTC") >= 0,
            ho.GrossLeverage() <= 3,
            ho.Margin("deribit") <= 0.6,
            ho.CVaR(0.99) <= 400_000,
            ho.StressLoss("2020-03-12") <= 1_500_000,
            ho.Participation(share=0.1, missing="skip"),
            ho.OrderLimit(notional=5e6),
        ],
        candidates=ho.Candidates(mark_half_spread=0.0002),
        scenarios=ho.ParametricScenarios(count=10_000, seed=7),
        lots="ideal",
    )


def next_market(market: Any, seed: int) -> Any:
    """The market a moment later: spot, forwards and dollar marks move together, vols a little."""
    rng = np.random.default_rng(seed)
    move = {asset: float(np.exp(0.0005 * rng.normal())) for asset in sorted(market.prices)}
    quotes = market.quotes.copy()
    factor = np.array([move.get(market.instruments[name].underlying, 1.0) for name in quotes.index])
    option = quotes["mark_iv"].notna().to_numpy()
    quotes["underlying_price"] *= factor
    quotes["mark_iv"] *= 1 + 0.002 * rng.normal()
    for column in ("bid_price", "ask_price", "mark_price"):
        quotes.loc[~option, column] *= factor[~option]  # futures are quoted in dollars, options in coins
    prices = {asset: price * move[asset] for asset, price in market.prices.items()}
    return replace(market, prices=prices, quotes=quotes)
