"""The margin report by hand: requirement, breakdown, stresses and the distance to liquidation."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.reports.margin import margin_tables
from hedgeopt.reports.words import number, per_cent


@pytest.fixture(scope="module")
def one_perpetual(toy_market: ho.Market) -> ho.Book:
    account = {"name": "main", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 10}]}
    return ho.Book(accounts=[{**account, "positions": [{"instrument": "BTC-PERPETUAL", "quantity": 2_000_000.0}]}])


def test_distance_to_liquidation_of_a_long_perpetual(one_perpetual: ho.Book, toy_market: ho.Market) -> None:
    (item,) = margin_report(one_perpetual, toy_market).accounts
    index, mark = toy_market.price("BTC"), 80_000 * 1.0002

    def room(move: float) -> float:
        price, then = index * (1 + move), mark * (1 + move)
        equity = (10 + 2e6 * (1 / mark - 1 / then)) * price
        size = 2e6 / then
        return equity - (0.01 + 0.00005 * size) * size * price

    assert item.now.maintenance == pytest.approx(10 * index - room(0.0), rel=1e-9)
    assert room(item.liquidation_down + 0.004) > 0 > room(item.liquidation_down - 0.004)
    assert item.liquidation_up is None  # a long inverse perpetual against coins only gains
    assert sum(item.breakdown.values()) == pytest.approx(item.now.initial)


def test_states_after_stress_and_json(toy_book: ho.Book, toy_market: ho.Market) -> None:
    report = margin_report(toy_book, toy_market)
    (item,) = report.accounts
    e = ho.expose(
        toy_book,
        toy_market,
        ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=5), lots="ideal"),
    )
    assert [state.scenario for state in item.stresses] == list(e.stress)
    for k, state in enumerate(item.stresses):
        assert state.equity == pytest.approx(e.equity[0] + e.stress_account_pnl[k, 0])
    text = json.dumps(report.to_dict())
    assert "liquidation_down" in text
    assert item.worst in item.stresses


def test_tables_fit_a_hundred_columns(toy_book: ho.Book, toy_market: ho.Market) -> None:
    """Long names fold and no number of a large account is cut."""
    import io

    from rich.console import Console

    main = toy_book.accounts[0]
    large = main.model_copy(
        update={
            "name": "market-making-subaccount-7",
            "margin": "portfolio",
            "collateral": (ho.Collateral(asset="BTC", amount=123_456.0),),
        }
    )
    report = margin_report(toy_book.model_copy(update={"accounts": (main, large)}), toy_market)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(margin_tables(report))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    for item in report.accounts:
        for amount in (item.now.equity, item.now.initial, item.now.maintenance, item.worst.equity - item.worst.maintenance):
            assert number(amount) in text
    assert "deribit/main" in text
    assert "2020-03-12" in text


def test_proposal_shows_transfers_and_margin_before_and_after(toy_book: ho.Book, toy_market: ho.Market) -> None:
    main = toy_book.accounts[0]
    spare = ho.Account(name="spare", venue="deribit", collateral=(ho.Collateral(asset="BTC", amount=400.0),), tradable=False)
    link = ho.Link(source="spare", target="main", asset="BTC", cost_rate=1e-4, fixed_cost=12.0, bridge="internal")
    book = toy_book.model_copy(update={"accounts": (main, spare), "links": (link,)})
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.SurviveStress(account="main")],
        scenarios=ho.ParametricScenarios(count=50),
        candidates=ho.Candidates(max_order_notional=1e-2),
        lots="ideal",
    )
    answer = policy.propose(book, toy_market)
    (row,) = answer.transfers.to_dict(orient="records")
    assert (row["source"], row["target"], row["asset"], row["bridge"]) == ("spare", "main", "BTC", "internal")
    assert row["cost"] == pytest.approx(1e-4 * row["usd"], rel=1e-9)
    before, after = answer.margins[0]
    assert after.worst.equity == pytest.approx(after.worst.maintenance, rel=1e-5)  # as much as needed and no more
    assert before.worst.equity < before.worst.maintenance
    assert after.now.equity - before.now.equity == pytest.approx(row["usd"], rel=1e-3)
    assert after.liquidation_up is None or after.liquidation_up >= (before.liquidation_up or 0.0)
    total = sum(item.equity for item in answer.after.accounts)
    assert total == pytest.approx(answer.after.equity, rel=1e-9)
    assert "internal" not in " ".join(answer.trades.instrument)
    json.loads(answer.to_json())
    assert np.isfinite(answer.certificate.objective)


def test_a_lending_account_under_water_shows_what_a_liquidator_would_take(toy_market: ho.Market) -> None:
    import io

    from rich.console import Console

    # 100 ETH at 2,500, LT .83: debt of 200,000 is HF 1.0375 now and below one after most stresses
    coins = [{"asset": "ETH", "amount": 100.0}, {"asset": "USDC", "amount": -200_000.0}]
    report = margin_report(ho.Book(accounts=[{"name": "loan", "venue": "aave", "collateral": coins}]), toy_market)
    (item,) = report.accounts
    assert item.now.liquidation is None
    for state in item.stresses:
        assert (state.liquidation is None) == (state.health_factor >= 1.0)
    called = [state.liquidation for state in item.stresses if state.liquidation is not None]
    assert called
    assert all(call.loss == pytest.approx(call.seized - call.repaid) and call.loss > 0 for call in called)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(margin_tables(report))
    text = console.export_text()
    assert "liquidator repays" in text
    assert f"{called[0].loss:,.0f}" in text
    json.dumps(report.to_dict())


@pytest.mark.parametrize(
    ("part", "text"),
    [(1.0, "100 %"), (1.0002, "100.02 %"), (0.9996, "99.96 %"), (1.000001, "above 100 %"), (0.999999, "below 100 %"),
     (0.994, "99 %"), (1.006, "101 %"), (None, "–")],
)  # fmt: skip
def test_nearly_all_is_not_all(part, text):
    """Maintenance at 100.02 % of equity is not covered: 100 % would read as if it were."""
    assert per_cent(part) == text
