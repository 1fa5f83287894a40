"""Books with nothing in them, only cash, dust, or nothing that lives: a report, or one line that says what to do."""

from __future__ import annotations

import io
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.measures.margin_report import margin_report

MARKET = ho.read_market(io.StringIO(example_files()["market.csv"]))
OPTION = next(item.name for item in MARKET.instruments.values() if item.kind == "option")


def book(held: dict[str, float] | None = None, **posted: float) -> ho.Book:
    account = ho.Account(
        name="main",
        venue="deribit",
        positions=[ho.Position(instrument=name, quantity=amount) for name, amount in (held or {}).items()],
        collateral=[ho.Collateral(asset=asset, amount=amount) for asset, amount in posted.items()],
    )
    return ho.Book(accounts=[account])


def policy(**more: Any) -> ho.Policy:
    scenarios = ho.ParametricScenarios(count=40, vol={"BTC": 0.6, "ETH": 0.7})
    return ho.Policy(minimize=ho.TransactionCost(), scenarios=scenarios, **more, lots="ideal")


def test_an_empty_book_has_a_report() -> None:
    told = ho.risk_report(ho.expose(book(), MARKET, policy(), trades=False))
    assert (told.equity, told.greeks, set(told.cvar.values()), set(told.stress.values())) == (0.0, {}, {0.0}, {0.0})
    (account,) = margin_report(book(), MARKET, policy()).accounts
    assert (account.now.equity, account.now.initial, account.liquidation_down) == (0.0, 0.0, None)


@pytest.mark.parametrize("given", [book(), book(USDC=1e6), book(BTC=0.0)], ids=["empty", "cash", "zero"])
def test_nothing_to_hedge_says_so(given: ho.Book) -> None:
    with pytest.raises(ho.InputError, match=r"holds no coin and no position to hedge: name candidates.underlyings"):
        ho.propose(given, MARKET, policy())
    assert ho.propose(given, MARKET, policy(candidates={"underlyings": ["BTC"]})).certificate.valid


@pytest.mark.parametrize("given", [book({OPTION: 0.0}, BTC=0.0), book({OPTION: -1e-12}, BTC=1e-12)], ids=["zero", "dust"])
def test_next_to_nothing(given: ho.Book) -> None:
    proposal = ho.propose(given, MARKET, policy(subject_to=[ho.Delta("BTC").within(-1.0, 1.0)]))
    assert proposal.certificate.valid
    assert proposal.trades.empty


def test_a_size_that_cannot_be() -> None:
    with pytest.raises(ho.InputError, match=r"main: collateral: .*more than 1e\+15; check its unit"):
        ho.expose(book(BTC=1e12), MARKET, policy(), trades=False)


@pytest.mark.parametrize("name", ["BTC-28JUN24-70000-C", "ETH-28JUN24"])
def test_an_expired_name_is_refused_as_that(name: str) -> None:
    with pytest.raises(ho.InputError, match=r"expired 2024-06-28 08:00 UTC.*remove it, or set strictness = \"lenient\""):
        ho.propose(book({name: 5.0}, BTC=1.0), MARKET, policy())
    told = ho.propose(book({name: 5.0}, BTC=1.0), MARKET, policy(strictness="lenient"))
    assert any(name in note and "set aside" in note for note in told.notes)
