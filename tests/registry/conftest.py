"""One book of options, and one whose collateral moves between two accounts, for whatever is registered."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures


@pytest.fixture(scope="session")
def exposures(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


@pytest.fixture(scope="session")
def later(toy_book: ho.Book, toy_policy: ho.Policy, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Exposures:
    """The book five days on, when one expiry and half of the strikes are gone: fewer rows, positions and candidates."""
    path = tmp_path_factory.mktemp("later") / "chain.csv"
    spec = importlib.util.spec_from_file_location("toy_chain", repository / "tests" / "conftest.py")
    assert spec
    assert spec.loader
    toys = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toys)
    chain = pd.read_csv(toys.write_toy_chain(path))
    gone = chain["instrument_name"].str.contains("27MAR26") | (chain["strike"] > chain["index_price"] * 1.21)
    chain["timestamp"] = "2026-03-07 08:00:00+00:00"
    chain[~gone].to_csv(path, index=False)
    (main,) = toy_book.accounts
    kept = tuple(item for item in main.positions if "27MAR26" not in str(item.instrument))
    book = toy_book.model_copy(update={"accounts": (main.model_copy(update={"positions": kept[::-1]}),)})
    return expose(book, ho.read_market(path), toy_policy)


@pytest.fixture(scope="session")
def linked(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    """A portfolio margin account, and coins elsewhere that may be sent to it."""
    main = toy_book.accounts[0].model_copy(update={"margin": "portfolio"})
    spare = ho.Account(name="spare", venue="deribit", collateral=(ho.Collateral(asset="BTC", amount=50.0),))
    link = ho.Link(source="spare", target="main", asset="BTC", cost_rate=1e-4)
    book = toy_book.model_copy(update={"accounts": (main, spare), "links": (link,)})
    return expose(
        book, toy_market, ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20), lots="ideal")
    )
