"""The proposal shows margin by account and the transfers it asks for, on the terminal and on the page."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import hedgeopt as ho
from hedgeopt.reports.rows import margin_rows
from hedgeopt.reports.terminal import proposal_report


@pytest.fixture(scope="module")
def proposal(toy_market: ho.Market, toy_book: ho.Book) -> ho.Proposal:
    """The toy book with too little at the venue, and coins in a wallet that can be sent there."""
    account = toy_book.accounts[0].model_copy(update={"collateral": (ho.Collateral(asset="BTC", amount=30.0),)})
    wallet = ho.Account(name="cold", venue="wallet", collateral=(ho.Collateral(asset="BTC", amount=60.0),), margin="none")
    link = ho.Link(source="cold", target="main", asset="BTC", cost_rate=0.0002, delay_hours=2.0, capacity=50.0)
    book = ho.Book(accounts=(account, wallet), links=(link,))
    policy = ho.Policy(
        minimize=ho.TransactionCost() + 0.1 * ho.CVaR(0.95),
        subject_to=[
            ho.MarginUtilisation(venue="deribit", limit=0.5),
            ho.OrderLimit(notional=2e6, only=("option", "perpetual")),
        ],
        scenarios=ho.ParametricScenarios(count=200, seed=1),
        lots="ideal",
    )
    return policy.propose(book, toy_market)


def test_margin_rows_are_the_proposals_own_numbers(proposal: ho.Proposal) -> None:
    (main, _) = margin_rows(proposal)
    before, after = proposal.margins[0]
    assert main.account == "deribit/main"
    assert main.used == (f"{100 * before.now.utilisation:.0f} %", f"{100 * after.now.utilisation:.0f} %")
    assert after.worst.scenario in main.worst[1]


def test_every_stress_is_shown_before_and_after(proposal: ho.Proposal) -> None:
    page = proposal.to_html()
    for row, (_, after) in zip(margin_rows(proposal), proposal.margins, strict=True):
        assert [stress[0] for stress in row.stresses] == list(proposal.before.stress)
        for (_, before, now, covered), state in zip(row.stresses, after.stresses, strict=True):
            assert covered == (state.equity >= state.maintenance)
            assert f"{before} → {now}" in page
    assert "Left over after each stress" in page


def test_coins_are_sent_and_shown_in_both_forms(proposal: ho.Proposal) -> None:
    (sent,) = proposal.transfers.to_dict(orient="records")
    assert sent["source"] == "cold"
    assert sent["amount"] > 0
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(proposal_report(proposal))
    text = console.export_text()
    page = proposal.to_html()
    for shown in (text, page):
        assert "Transfers" in shown
        assert "cold" in shown
        assert "deribit/main" in shown
