"""Large deltas on portfolio margin: nobody healthy is made to trade, and what is asked is the venue's own charge."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.inputs.market import Market
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.program.proven import AROUND
from hedgeopt.reports.headline import headline

PUT = "BTC-27MAR26-72000-P"


def account(perpetual: float, cash: float, puts: float = 0.0) -> Book:
    held = [Position(instrument="BTC-PERPETUAL", quantity=perpetual)]
    held += [Position(instrument=PUT, quantity=puts)] if puts else []
    posted = (Collateral(asset="USDC", amount=cash),)
    return Book(
        accounts=(Account(name="main", venue="deribit", margin="portfolio", collateral=posted, positions=tuple(held)),)
    )


def policy(limit: float, **more: object) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Margin("deribit") <= limit],
        scenarios=ho.ParametricScenarios(count=50, seed=1),
        lots="ideal",
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("perpetual", "cash", "puts"),
    [(30e6, 50e6, 50.0), (-140e6, 400e6, -50.0), (250e6, 600e6, 0.0)],
)
def test_a_healthy_account_is_not_made_to_trade(toy_market: Market, perpetual: float, cash: float, puts: float) -> None:
    book = account(perpetual, cash, puts)
    now = margin_report(book, toy_market).accounts[0].now
    assert now.initial < 0.8 * (now.equity - now.haircut)
    proposal = ho.propose(book, toy_market, policy(0.9))
    assert proposal.certificate.valid
    assert proposal.trades.empty


@pytest.mark.parametrize(("perpetual", "cash"), [(-100e6, 20e6), (250e6, 50e6)])
def test_an_account_short_of_margin_trades_to_its_limit_and_no_further(
    toy_market: Market, perpetual: float, cash: float
) -> None:
    """Selling less than was sold would leave the plain rule above its limit: bisection, which knows no encoding."""
    book = account(perpetual, cash)
    rules = policy(
        0.6,
        candidates=Candidates(kinds=("perpetual",), underlyings=("BTC",), max_order_notional=1e9),
        tolerance=1e-7,
    )
    proposal = ho.propose(book, toy_market, rules)
    assert proposal.certificate.valid
    ((side, size),) = zip(proposal.trades["side"], proposal.trades["quantity"], strict=True)
    traded = size if side == "buy" else -size

    def excess(size: float) -> float:
        now = margin_report(account(size, cash - cost * abs(size - perpetual)), toy_market).accounts[0].now
        return now.initial - 0.6 * (now.equity - now.haircut)

    cost = proposal.certificate.objective / abs(traded)
    inside, outside = 0.0, perpetual
    for _ in range(40):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if excess(middle) <= 0 else (inside, middle)
    assert perpetual + traded == pytest.approx(inside, rel=1e-4)
    assert excess(perpetual + traded) <= 1e-6 * cash


def test_long_options_that_offset_leave_the_encoding_above_the_rule(toy_market: Market) -> None:
    """What is certified holds by the plain rule, whatever long options do to the shock."""
    book = account(120e6, 22e6, puts=400.0)
    proposal = ho.propose(book, toy_market, policy(0.6))
    ((_, after),) = proposal.margins
    assert proposal.certificate.valid
    assert np.isfinite(after.now.initial)
    assert after.now.initial <= 0.6 * (after.now.equity - after.now.haircut) * (1 + 1e-9)


def test_the_certificate_says_where_the_bound_is_of_the_encoding(toy_market: Market) -> None:
    """Where the delta shock binds, optimal means around this answer; where margin does not bind, among all lists."""
    few = Candidates(kinds=("perpetual",), underlyings=("BTC",), max_order_notional=1e9)
    tight = ho.propose(account(250e6, 50e6), toy_market, policy(0.6, candidates=few))
    (note,) = [note for note in tight.certificate.notes if note.startswith(AROUND)]
    assert "main (deribit_portfolio)" in note
    assert "no trade list near this one (see the notes) is better" in headline(tight).certificate
    loose = ho.propose(account(30e6, 500e6), toy_market, policy(0.9))
    assert not any(note.startswith(AROUND) for note in loose.certificate.notes)
    assert "no trade list is better" in headline(loose).certificate
    convex = account(250e6, 50e6).model_copy(
        update={"accounts": (account(250e6, 50e6).accounts[0].model_copy(update={"margin": "deribit_standard"}),)}
    )
    found = ho.propose(convex, toy_market, policy(0.6, candidates=few))
    assert not found.trades.empty
    assert not any(note.startswith(AROUND) for note in found.certificate.notes)
