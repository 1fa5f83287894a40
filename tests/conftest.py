"""Shared fixtures: where the recorded market data is, and how tests that need it skip without it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import hedgeopt as ho
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.inputs.market import Market

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("HEDGEOPT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))

os.environ.setdefault("HEDGEOPT_PROGRESS", "0")  # lines that depend on how busy the machine is

# A shell's job in the background ignores Ctrl-C, and so would every command that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = (
    "tests/backtest/sweep/",
    "tests/benchmarks/",
    "tests/tail/test_cluster.py",
    "tests/tail/test_random_problems.py",
    "tests/test_notebooks.py",
    "tests/test_packaging.py",
    "tests/test_readme.py",
    "tests/cli/test_stdout.py",
)
"""Files whose tests take more than some 5 s each (pytest --durations=40), besides what carries the marker itself."""


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(REPOSITORY).as_posix().startswith(SLOW):
            item.add_marker("slow")
    if SHARED_DATA.is_dir():
        return
    skip = pytest.mark.skip(reason=f"recorded market data not found at {SHARED_DATA}")
    for item in items:
        if "realdata" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of recorded market data; use only in tests marked ``realdata``."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def toy_market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """Fifty BTC and ETH options on two expiries, two perpetuals and one future, priced here by scipy and not by hedgeopt."""
    return read_market(write_toy_chain(tmp_path_factory.mktemp("market") / "chain.csv"))


def write_toy_chain(path: Path) -> Path:
    """Write the toy chain: flat-ish smiles, coin-settled, 08:00 UTC expiries."""
    stamp = pd.Timestamp("2026-03-02 08:00:00", tz="UTC")
    rows = []
    for currency, index, vol in (("BTC", 80_000.0, 0.6), ("ETH", 2_500.0, 0.8)):
        for expiry, basis in (
            (pd.Timestamp("2026-03-27 08:00", tz="UTC"), 1.003),
            (pd.Timestamp("2026-06-26 08:00", tz="UTC"), 1.012),
        ):
            forward, years = index * basis, (expiry - stamp).total_seconds() / (365 * 86_400)
            for ratio in (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3):
                strike = round(index * ratio)
                sigma = vol + 0.2 * abs(np.log(strike / forward))
                d1 = np.log(forward / strike) / (sigma * np.sqrt(years)) + 0.5 * sigma * np.sqrt(years)
                call = norm.cdf(d1) - strike / forward * norm.cdf(d1 - sigma * np.sqrt(years))
                for right, price in (("C", call), ("P", call - 1 + strike / forward)):
                    half = max(0.0005, 0.02 * price)
                    rows.append(
                        {
                            "timestamp": stamp,
                            "currency": currency,
                            "instrument_name": f"{currency}-{expiry:%d%b%y}-{strike}-{right}".upper(),
                            "option_type": "call" if right == "C" else "put",
                            "strike": strike,
                            "expiry": expiry,
                            "bid_price": price - half if price > half else np.nan,
                            "ask_price": price + half,
                            "mark_price": price,
                            "mark_iv": sigma,
                            "underlying_price": forward,
                            "index_price": index,
                            "open_interest": 1_000.0,
                            "funding_8h": np.nan,
                        }
                    )
        for name, mark, funding in (
            (f"{currency}-PERPETUAL", index * 1.0002, 1e-4),
            (f"{currency}-26JUN26", index * 1.012, np.nan),
        ):
            rows.append(
                {
                    "timestamp": stamp,
                    "currency": currency,
                    "instrument_name": name,
                    "bid_price": mark * 0.9999,
                    "ask_price": mark * 1.0001,
                    "mark_price": mark,
                    "index_price": index,
                    "open_interest": 1e9,
                    "funding_8h": funding,
                }
            )
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def toy_book() -> Book:
    """See :func:`toy_desk`."""
    return toy_desk()


def toy_desk() -> Book:
    """Short strangles in BTC and ETH, with coins posted."""
    return Book(
        name="toy",
        accounts=(
            Account(
                name="main",
                venue="deribit",
                collateral=(Collateral(asset="BTC", amount=40.0), Collateral(asset="ETH", amount=300.0)),
                positions=(
                    Position(instrument="BTC-27MAR26-88000-C", quantity=-60.0),
                    Position(instrument="BTC-27MAR26-72000-P", quantity=-80.0),
                    Position(instrument="ETH-26JUN26-3000-C", quantity=-700.0),
                    Position(instrument="ETH-26JUN26-2000-P", quantity=-500.0),
                    Position(instrument="BTC-PERPETUAL", quantity=-1_000_000.0),
                ),
            ),
        ),
    )


@pytest.fixture(scope="session")
def toy_policy() -> ho.Policy:
    """The README's policy at a size that solves in well under a second."""
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.Carry() + 0.5 * ho.CVaR(0.99),
        subject_to=[
            ho.Delta("BTC").within(-1, 1),
            ho.Vega("ETH").within(-2_000, 2_000),
            ho.Gamma("BTC") >= 0,
            ho.GrossLeverage() <= 3,
            ho.Margin("deribit") <= 0.6,
            ho.CVaR(0.99) <= 250_000,
            ho.StressLoss("2020-03-12") <= 400_000,
            ho.OrderLimit(notional=8_000_000),
        ],
        scenarios=ho.ParametricScenarios(count=800, seed=3),
        lots="ideal",
    )
