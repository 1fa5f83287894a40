"""Proposals in whole lots to plan and send: the packaged example, and accounts with transfers on three venues."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest

import hedgeopt as ho
from tests.program.proposal_cases import CASES, policy, venues


class Sent(NamedTuple):
    """Inputs and the proposal made from them."""

    book: ho.Book
    market: ho.Market
    policy: ho.Policy
    proposal: ho.Proposal


@cache
def solved(name: str) -> Sent:
    """A case of ``proposal_cases``; ``whole``: the example in whole lots, ``example``: any size, ``band``: legs in need."""
    if name == "band":
        book, market, rules = band()
    else:
        book, market, rules = CASES["example" if name == "whole" else name]()
    if name in ("whole", "example"):
        rules = rules.model_copy(update={"lots": "whole" if name == "whole" else "ideal"})
    return Sent(book, market, rules, ho.propose(book, market, rules))


def band() -> tuple[ho.Book, ho.Market, ho.Policy]:
    """Two perpetuals of 10 coins against each other, in a book that may hold 4 coins net: no whole leg may come first."""
    held = [
        ho.Account(name="a", venue="binance", collateral=[ho.Collateral(asset="USDC", amount=3e6)],
                   positions=[ho.Position(instrument="BTC-binance", quantity=20.0)]),
        ho.Account(name="b", venue="hyperliquid", collateral=[ho.Collateral(asset="USDC", amount=3e6)],
                   positions=[ho.Position(instrument="BTC-hyperliquid", quantity=-20.0)]),
    ]  # fmt: skip
    each = ho.Delta("BTC", of=("a",)) <= 10.0, ho.Delta("BTC", of=("b",)) >= -10.0
    return ho.Book(name="band", accounts=held), venues(), policy(ho.Delta("BTC").within(-4.0, 4.0), *each)


@pytest.fixture(scope="session")
def case() -> Callable[[str], Any]:
    """Solved cases by name."""
    return solved
