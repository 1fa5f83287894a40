"""Transfers beside trades: cases small enough to check by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.constraints.transfer_limit import TransferLimit
from hedgeopt.errors import InfeasibleError, InputError
from hedgeopt.models.risk.concentration import Concentration

_spec = importlib.util.spec_from_file_location("constraints_conftest", Path(__file__).with_name("conftest.py"))
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy, BTC = _support.account, _support.policy, _support.BTC


def moved(solved: ho.Solved) -> dict[str, float]:
    """Amount per link."""
    e, x = solved.exposures, solved.x
    return {e.rows.instruments[e.candidate[i]].name: float(x[i]) for i in e.links.candidate if x[i] > 1e-6}


def traded(solved: ho.Solved) -> float:
    e = solved.exposures
    rest = np.setdiff1d(np.arange(e.n_candidates), e.links.candidate)
    return float(np.abs(solved.x[rest]).sum())


def short_of_cash(**links: object) -> ho.Book:
    """100 BTC short on Hyperliquid (8m, initial 200,000 at 40x) with 50,000; the cash stands on Binance and Deribit."""
    return ho.Book(
        accounts=[
            account("hl", "hyperliquid", 50_000.0, [("BTC-hyperliquid", -100.0)]),
            account("bn", "binance", 500_000.0),
            account("db", "deribit", 500_000.0),
        ],
        **links,
    )


def test_the_cheapest_route_fills_first_and_the_bottleneck_sends_the_rest_elsewhere(venues_market: ho.Market) -> None:
    links = [
        {"source": "bn", "target": "hl", "asset": "USDC", "cost_rate": 0.0001, "capacity": 60_000.0},
        {"source": "db", "target": "hl", "asset": "USDC", "cost_rate": 0.0005},
    ]
    rules = policy(MarginUtilisation(limit=1.0), max_order_notional=1e-3)  # as good as no trades
    answer = ho.solve(short_of_cash(links=links), venues_market, rules)
    # 150,000 are missing; the sources pay the cost
    assert moved(answer) == pytest.approx({"bn to hl USDC": 60_000.0, "db to hl USDC": 90_000.0}, abs=1.0)
    assert answer.proposal.certificate.valid
    cost = 60_000 * 0.0001 + 90_000 * 0.0005
    assert answer.proposal.certificate.objective == pytest.approx(cost, rel=1e-5)
    (price,) = (s for s in answer.proposal.limits.itertuples() if s.limit == "initial margin hl")
    assert price.shadow_price == pytest.approx(0.0005, rel=1e-3)  # one more dollar of room saves the dearer route's fee
    assert price.binding


def test_three_venues_in_a_row_with_one_bottleneck(venues_market: ho.Market) -> None:
    links = [
        {"source": "db", "target": "bn", "asset": "USDC", "cost_rate": 0.0001},
        {"source": "bn", "target": "hl", "asset": "USDC", "cost_rate": 0.0001, "capacity": 120_000.0},
    ]
    book = ho.Book(
        accounts=[
            account("hl", "hyperliquid", 50_000.0, [("BTC-hyperliquid", -60.0)]),
            account("bn", "binance", 10_000.0),
            account("db", "deribit", 500_000.0),
        ],
        links=links,
    )  # needs 120,000: 70,000 must come, of which 60,000 pass through Binance from Deribit
    answer = ho.solve(book, venues_market, policy(MarginUtilisation(limit=1.0), max_order_notional=1e-3))
    need = 60 * BTC / 40 - 50_000
    got = moved(answer)
    assert got["bn to hl USDC"] == pytest.approx(need, abs=1.0)
    # Binance keeps nothing but must pay its own fee of 0.01 %
    assert got["db to bn USDC"] == pytest.approx(need - 10_000 + 1e-4 * need, abs=1.0)
    wider = ho.Book(**{**book.model_dump(), "links": [links[0], {**links[1], "capacity": 50_000.0}]})
    with pytest.raises(InfeasibleError, match="initial margin hl"):
        policy(MarginUtilisation(limit=1.0), max_order_notional=1e-3).propose(wider, venues_market)


def test_when_transfers_cost_more_than_trades_positions_are_cut(venues_market: ho.Market) -> None:
    links = [{"source": "bn", "target": "hl", "asset": "USDC", "cost_rate": 0.2}]
    answer = ho.solve(short_of_cash(links=links), venues_market, policy(MarginUtilisation(limit=1.0)))
    assert moved(answer) == {}
    # buy back until 1/40 of what is left is covered by what is left of 50,000 after costs per coin c:
    # (100 - q) 80,000 / 40 = 50,000 - c q
    per_coin = BTC * (1e-4 + 0.00045)
    assert traded(answer) == pytest.approx((200_000 - 50_000) / (BTC / 40 - per_coin), rel=1e-6)


def test_what_arrives_after_the_horizon_does_not_count(venues_market: ho.Market) -> None:
    slow = [{"source": "bn", "target": "hl", "asset": "USDC", "delay_hours": 25.0}]
    answer = ho.solve(short_of_cash(links=slow), venues_market, policy(MarginUtilisation(limit=1.0)))
    assert moved(answer) == {}
    assert traded(answer) > 50
    fast = [{**slow[0], "delay_hours": 24.0}]
    answer = ho.solve(short_of_cash(links=fast), venues_market, policy(MarginUtilisation(limit=1.0)))
    assert moved(answer) == pytest.approx({"bn to hl USDC": 150_000.0}, abs=1.0)


def test_a_paused_venue_neither_trades_nor_sends(venues_market: ho.Market) -> None:
    links = [
        {"source": "bn", "target": "hl", "asset": "USDC"},
        {"source": "db", "target": "hl", "asset": "USDC", "cost_rate": 0.001},
    ]
    book = short_of_cash(links=links)
    stuck = book.model_copy(
        update={"accounts": tuple(a.model_copy(update={"paused": a.name == "bn"}) for a in book.accounts)}
    )
    assert moved(ho.solve(book, venues_market, policy(MarginUtilisation()))) == pytest.approx(
        {"bn to hl USDC": 150_000.0}, abs=1.0
    )
    answer = ho.solve(stuck, venues_market, policy(MarginUtilisation(), max_order_notional=1e-3))
    assert moved(answer) == pytest.approx({"db to hl USDC": 150_000.0}, abs=1.0)
    e = answer.exposures
    assert "bn" not in {e.accounts[e.rows.account[row]] for row in e.candidate}


def test_nothing_arrives_at_a_paused_venue(venues_market: ho.Market) -> None:
    """It cannot be saved, and the refusal names it; what stands there still counts against it."""
    book = short_of_cash(links=[{"source": "bn", "target": "hl", "asset": "USDC"}])
    accounts = tuple(a.model_copy(update={"paused": a.name == "hl"}) for a in book.accounts)
    halted = book.model_copy(update={"accounts": accounts})
    with pytest.raises(InfeasibleError, match="initial margin hl"):
        policy(MarginUtilisation(), max_order_notional=1e-3).propose(halted, venues_market)


def test_negative_equity_is_brought_back_or_named(venues_market: ho.Market) -> None:
    accounts = [
        account("hl", "hyperliquid", -30_000.0, [("BTC-hyperliquid", 10.0)]),
        account("bn", "binance", 500_000.0),
    ]
    link = {"source": "bn", "target": "hl", "asset": "USDC", "cost_rate": 1e-4}
    answer = ho.solve(
        ho.Book(accounts=accounts, links=[link]),
        venues_market,
        policy(MarginUtilisation(limit=0.5), max_order_notional=1e-3),
    )
    assert moved(answer) == pytest.approx({"bn to hl USDC": 30_000 + 2 * 20_000}, abs=1.0)
    with pytest.raises(InfeasibleError, match="initial margin hl") as caught:
        policy(MarginUtilisation(limit=0.5)).propose(ho.Book(accounts=accounts), venues_market)
    assert set(caught.value.violations) == {"initial margin hl"}  # Binance can be saved, Hyperliquid cannot


def test_a_withdrawal_never_leaves_its_source_short(venues_market: ho.Market) -> None:
    book = ho.Book(
        accounts=[
            account("hl", "hyperliquid", 50_000.0, [("BTC-hyperliquid", -100.0)]),
            account("bn", "binance", 100_000.0, [("BTC-binance", 10.0)], margin="binance:75"),
        ],
        links=[{"source": "bn", "target": "hl", "asset": "USDC"}],
    )
    # only Hyperliquid is limited by the policy, but Binance refuses to let its own initial margin go
    answer = ho.solve(book, venues_market, policy(MarginUtilisation(account="hl")))
    e = answer.exposures
    left = 100_000 - moved(answer).get("bn to hl USDC", 0.0)
    held = 10.0 + sum(answer.x[i] for i in range(e.n_candidates) if e.rows.instruments[e.candidate[i]].name == "BTC-binance")
    need = 800_000 / 75
    assert held == pytest.approx(10.0, abs=1e-6)
    assert left == pytest.approx(need, abs=1.0)


def test_bridge_limit_and_concentration(venues_market: ho.Market) -> None:
    links = [
        {"source": "bn", "target": "hl", "asset": "USDC", "bridge": "across"},
        {"source": "db", "target": "hl", "asset": "USDC", "cost_rate": 0.001},
    ]
    answer = ho.solve(
        short_of_cash(links=links),
        venues_market,
        policy(MarginUtilisation(), TransferLimit(bridge="across", usd=40_000.0), max_order_notional=1e-3),
    )
    assert moved(answer) == pytest.approx({"bn to hl USDC via across": 40_000.0, "db to hl USDC": 110_000.0}, abs=1.0)
    share = Concentration(by="venue", of="hyperliquid")
    tight = ho.solve(short_of_cash(links=links), venues_market, policy(MarginUtilisation(), share <= 0.1))
    total = 1_050_000.0
    sent = sum(moved(tight).values())
    assert sent == pytest.approx(0.1 * total - 50_000, abs=1.0)  # the rest is done by cutting the position
    assert traded(tight) > 1
    with pytest.raises(InputError, match="matches no link"):
        policy(TransferLimit(bridge="wormhole", usd=1.0)).propose(short_of_cash(links=links), venues_market)


def test_debt_is_repaid_where_the_account_owes(venues_market: ho.Market) -> None:
    loan = account("aave", "aave", coins=[{"asset": "ETH", "amount": 100.0}, {"asset": "USDC", "amount": -200_000.0}])
    book = ho.Book(
        accounts=[loan, account("bn", "binance", 500_000.0)],
        links=[{"source": "bn", "target": "aave", "asset": "USDC", "cost_rate": 1e-4}],
    )
    survive = ho.SurviveStress(scenarios=("2024-08-05",), account="aave", health_factor=1.2)
    answer = ho.solve(book, venues_market, policy(survive))
    e = answer.exposures
    after = e.stress_prices[e.stress.index("2024-08-05"), e.asset("ETH")]
    debt = 100.0 * after * 0.83 / 1.2
    assert moved(answer) == pytest.approx({"bn to aave USDC": 200_000 - debt}, rel=1e-6)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"source": "bn", "target": "nowhere", "asset": "USDC"}, "names the account 'nowhere'"),
        ({"source": "bn", "target": "bn", "asset": "USDC"}, "to itself"),
    ],
)
def test_bad_links_are_refused(link: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        short_of_cash(links=[link])
