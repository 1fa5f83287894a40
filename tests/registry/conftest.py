"""One book of options, and one whose collateral moves between two accounts, for whatever is registered."""

from __future__ import annotations

import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures


@pytest.fixture(scope="session")
def exposures(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


@pytest.fixture(scope="session")
def linked(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    """A portfolio margin account, and coins elsewhere that may be sent to it."""
    main = toy_book.accounts[0].model_copy(update={"margin": "portfolio"})
    spare = ho.Account(name="spare", venue="deribit", collateral=(ho.Collateral(asset="BTC", amount=50.0),))
    link = ho.Link(source="spare", target="main", asset="BTC", cost_rate=1e-4)
    book = toy_book.model_copy(update={"accounts": (main, spare), "links": (link,)})
    return expose(book, toy_market, ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20)))
