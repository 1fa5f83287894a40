"""Toy markets with known answers."""

from __future__ import annotations

import gc
import warnings
import weakref
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import hedgeopt as ho
from hedgeopt.backtest.assumptions import Halt, Settings
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.optimizer import Optimizer
from hedgeopt.backtest.policies.protocol import Decision, Order, TransferOrder
from hedgeopt.backtest.policies.simple import DeltaBand, DoNothing
from hedgeopt.errors import InfeasibleError, InputError
from hedgeopt.inputs.book import Account, Collateral
from hedgeopt.inputs.links import Link
from hedgeopt.models.pricing.future import Future
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

FEW = Settings(scenarios=ParametricScenarios(count=64, vol={"BTC": 0.6}))
CALL, PUT, PERPETUAL = "BTC-27MAR26-80000-C", "BTC-27MAR26-80000-P", "BTC-PERPETUAL"


def total(result: object, side: str) -> float:
    ledger = result.ledger
    return float(ledger.loc[ledger["side"] == side, "amount"].sum())


def test_doing_nothing_with_coins_follows_the_price(toys: object) -> None:
    result = simulate(toys.path([80_000.0, 88_000.0, 70_000.0]), toys.Given(collateral={"BTC": 2.0}), DoNothing(), FEW)
    assert result.steps["equity"].tolist() == pytest.approx([160_000.0, 176_000.0, 140_000.0])
    assert result.steps["pnl"].tolist() == pytest.approx([0.0, 16_000.0, -36_000.0])
    assert result.attribution["delta"].tolist() == pytest.approx([0.0, 16_000.0, -36_000.0])
    assert result.trades.empty


def test_funding_by_hand(toys: object) -> None:
    """Short 160,000 USD of an inverse perpetual at 80,000: 2e-4 per 8 h for 24 h receives 3 * 2e-4 * 2 coins."""
    book = toys.Given(positions={PERPETUAL: -160_000.0})
    result = simulate(toys.path([80_000.0, 80_000.0], funding=2e-4), book, DoNothing(), FEW)
    assert -total(result, "funding") == pytest.approx(3 * 2e-4 * 2.0)
    assert result.steps["funding"].iloc[-1] == pytest.approx(3 * 2e-4 * 160_000.0)
    assert result.attribution["carry"].iloc[-1] == pytest.approx(96.0)


def test_linear_funding_is_paid_in_dollars(toys: object) -> None:
    book = toys.Given(collateral={"USDC": 50_000.0}, positions={PERPETUAL: 2.0}, venue="hyperliquid")
    markets = toys.path([80_000.0, 80_000.0], hours=8.0, funding=1e-4, venue="hyperliquid", settlement="USDC", expiries=())
    result = simulate(markets, book, DoNothing(), FEW)
    assert result.steps["funding"].iloc[-1] == pytest.approx(-1e-4 * 160_000.0)


def test_inverse_perpetual_vector(toys: object) -> None:
    """N = 10,000 USD long from 50,000 to 40,000 loses .05 BTC."""
    book = toys.Given(positions={PERPETUAL: 10_000.0})
    result = simulate(toys.path([50_000.0, 40_000.0]), book, DoNothing(), FEW)
    assert -total(result, "trading") == pytest.approx(-0.05)


def test_a_jump_costs_a_short_straddle_exactly_what_black_says(toys: object) -> None:
    """No time but a minute passes; the loss is the difference of prices, nearly all of it gamma."""
    book = toys.Given(collateral={"BTC": 20.0, "USDC": 1.0}, positions={CALL: -1.0, PUT: -1.0, PERPETUAL: 0.0})
    before, after = 80_000.0, 81_500.0
    result = simulate(toys.path([before, after], hours=1 / 60), book, DoNothing(), FEW)
    years = [(toys.EXPIRY - toys.START).total_seconds() / (365 * 86_400) - minutes / (365 * 1440) for minutes in (0, 1)]
    worth = [
        sum(toys.black(s, 80_000.0, t, 0.6, r) for r in ("call", "put")) for s, t in zip((before, after), years, strict=True)
    ]
    assert result.steps["pnl"].iloc[1] == pytest.approx(20.0 * (after - before) - (worth[1] - worth[0]), abs=1e-4)
    gamma = -2.0 * norm.pdf(0.3 * np.sqrt(years[0])) / (before * 0.6 * np.sqrt(years[0]))
    assert result.attribution["gamma"].iloc[1] == pytest.approx(0.5 * gamma * (after - before) ** 2, rel=1e-3)
    assert abs(result.attribution["residual"].iloc[1]) < 0.02 * abs(result.attribution["gamma"].iloc[1])


def hedged(toys: object, steps: int, seed: int) -> float:
    """Error of hedging a short linear call at the implied vol: final P&L, where theory says 0 as steps grow."""
    rng = np.random.default_rng(seed)
    days, vol = 24.0, 0.6
    dt = days / 365 / steps
    moves = -0.5 * vol**2 * dt + vol * np.sqrt(dt) * rng.standard_normal(steps)
    prices = 80_000.0 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    markets = toys.path(prices, hours=24.0 * days / steps, half=0.0, settlement="USDC")
    book = toys.Given(collateral={"USDC": 1_000_000.0}, positions={CALL: -1.0})
    result = simulate(markets, book, DeltaBand({"BTC": 0.0}), FEW)
    costs = result.steps[["cost", "fees"]].sum().sum()
    return float(result.steps["pnl"].sum() + costs)


def test_replication_error_shrinks_with_the_root_of_the_step(toys: object) -> None:
    coarse = np.std([hedged(toys, 4, seed) for seed in range(10)])
    fine = np.std([hedged(toys, 36, seed) for seed in range(10)])
    assert 1.7 < coarse / fine < 5.3  # 3 in theory
    premium = toys.black(80_000.0, 80_000.0, 25 / 365, 0.6, "call")
    # Derman and Kamal: standard deviation sqrt(pi / 4n) vega vol
    vega = 80_000.0 * np.sqrt(25 / 365) * norm.pdf(0.3 * np.sqrt(25 / 365))
    assert coarse == pytest.approx(np.sqrt(np.pi / 16) * vega * 0.6, rel=0.5)
    assert fine < 0.25 * premium


def test_expiry_settles_on_the_nearest_index_and_charges_delivery(toys: object) -> None:
    """Expiry at 08:00, snapshots at 02:00 (82,000) and 12:00 (90,000): the later is nearer; payoff 10,000 / 90,000 coin."""
    moments = [toys.EXPIRY - timedelta(hours=6), toys.EXPIRY + timedelta(hours=4)]
    markets = [
        toys.market(m, p, expiries=(toys.EXPIRY, toys.EXPIRY + timedelta(days=7)))
        for m, p in zip(moments, (82_000.0, 90_000.0), strict=True)
    ]
    result = simulate(markets, toys.Given(positions={CALL: 2.0, PUT: -1.0}), DoNothing(), FEW)
    settled = {event["instrument"]: event for event in result.events if event["kind"] == "settlement"}
    assert settled[CALL]["received"] == pytest.approx(2.0 * 10_000.0)
    assert settled[PUT]["received"] == 0.0
    fees = total(result, "fees")
    assert fees == pytest.approx(2.0 * min(0.00015, 0.125 * 10_000.0 / 90_000.0))
    cash = result.ledger[(result.ledger["side"] == "cash") & result.ledger["memo"].str.startswith("expiry")]
    assert cash["amount"].sum() == pytest.approx(2.0 * 10_000.0 / 90_000.0)


def test_linear_options_and_futures_settle_in_dollars(toys: object) -> None:
    """A dollar-settled call pays 90,000 - 80,000 a contract, the put nothing; delivery .015 % of the index, the put none."""
    moments = [toys.EXPIRY - timedelta(hours=6), toys.EXPIRY + timedelta(hours=1)]
    later = toys.EXPIRY + timedelta(days=7)
    markets = [
        toys.market(m, p, settlement="USDC", expiries=(toys.EXPIRY, later))
        for m, p in zip(moments, (82_000.0, 90_000.0), strict=True)
    ]
    book = toys.Given(collateral={"USDC": 200_000.0}, positions={CALL: -2.0, PUT: 3.0})
    result = simulate(markets, book, DoNothing(), FEW)
    cash = result.ledger[(result.ledger["side"] == "cash") & result.ledger["memo"].str.startswith("expiry")]
    assert cash["amount"].sum() == pytest.approx(-2.0 * 10_000.0)
    assert set(cash["currency"]) == {"USDC"}
    assert total(result, "fees") == pytest.approx(2.0 * 0.00015 * 90_000.0)
    assert result.steps["equity"].iloc[1] == pytest.approx(200_000.0 - 20_000.0 - 27.0)


def test_a_future_settles_its_last_move_into_cash(toys: object) -> None:
    """Inverse, 82,000 USD bought at 82,000, settled on 90,000: 82,000 (1/82,000 - 1/90,000) coins less .025 %."""
    item = Future(name="BTC-27MAR26", venue="deribit", underlying="BTC", settlement="BTC", expiry=toys.EXPIRY)
    markets = []
    for moment, price in ((toys.EXPIRY - timedelta(hours=6), 82_000.0), (toys.EXPIRY + timedelta(hours=1), 90_000.0)):
        now = toys.market(moment, price, expiries=(toys.EXPIRY + timedelta(days=7),))
        if moment < toys.EXPIRY:
            row = pd.DataFrame({"mark_price": price, "timestamp": pd.Timestamp(moment)}, index=[item.id])
            quotes = pd.concat([now.quotes, row.reindex(columns=now.quotes.columns)])
            now = replace(now, instruments={**now.instruments, item.id: item}, quotes=quotes)
        markets.append(now)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pandas, about the empty columns above
        result = simulate(markets, toys.Given(positions={item.name: 82_000.0}), DoNothing(), FEW)
    gain = 82_000.0 * (1 / 82_000.0 - 1 / 90_000.0)
    fee = 0.00025 * 82_000.0 / 90_000.0
    assert result.steps["equity"].iloc[1] == pytest.approx((20.0 + gain - fee) * 90_000.0)


def test_a_recorded_index_nearer_to_expiry_decides(toys: object) -> None:
    moments = [toys.EXPIRY - timedelta(hours=6), toys.EXPIRY + timedelta(hours=4)]
    markets = [toys.market(m, 82_000.0, expiries=(toys.EXPIRY, toys.EXPIRY + timedelta(days=7))) for m in moments]
    index = pd.DataFrame({"BTC": [85_000.0, 1.0]}, index=pd.DatetimeIndex([toys.EXPIRY, moments[1] + timedelta(hours=1)]))
    settings = Settings(scenarios=FEW.scenarios, index=index)
    result = simulate(markets, toys.Given(positions={CALL: 1.0}), DoNothing(), settings)
    assert next(e for e in result.events if e["kind"] == "settlement")["price"] == 85_000.0


def test_a_held_option_without_quotes_is_revalued_at_its_last_vol(toys: object) -> None:
    quoted = toys.market(toys.START, 80_000.0, vol=0.7)
    gone = toys.market(toys.START + timedelta(days=1), 84_000.0, vol=0.3, strikes=(90_000.0,))
    result = simulate([quoted, gone], toys.Given(positions={CALL: -3.0}), Scripted(toys, CALL), FEW)
    years = 24 / 365
    value = -3.0 * toys.black(84_000.0, 80_000.0, years, 0.7, "call")
    assert result.steps["equity"].iloc[1] == pytest.approx(20.0 * 84_000.0 + value, abs=1e-4)
    stale = [event for event in result.events if event["kind"] == "stale_mark"]
    assert [(e["instrument"], e["age_hours"]) for e in stale] == [(CALL, 24.0)]
    assert any(e["kind"] == "missing_quote" for e in result.events)  # the order in it was not filled
    assert result.trades.empty


def test_a_perpetual_without_a_mark_keeps_its_ratio_to_the_index(toys: object) -> None:
    """Marked 1 % above the index, then not at all while the index rises to 88,000: carried at 88,880, with its age."""
    first = toys.market(toys.START, 80_000.0, perpetual=80_800.0)
    bare = toys.market(toys.START + timedelta(hours=6), 88_000.0)
    key = f"deribit:{PERPETUAL}"
    bare = replace(
        bare, instruments={k: i for k, i in bare.instruments.items() if k != key}, quotes=bare.quotes.drop(index=key)
    )
    result = simulate([first, bare], toys.Given(positions={PERPETUAL: 80_000.0}), DoNothing(), FEW)
    gain = 80_000.0 * (1 / 80_800.0 - 1 / 88_880.0)
    assert result.steps["equity"].iloc[1] == pytest.approx((20.0 + gain) * 88_000.0)
    (event,) = (e for e in result.events if e["kind"] == "stale_mark")
    assert (event["instrument"], event["age_hours"]) == (PERPETUAL, 6.0)


def Scripted(toys: object, name: str) -> object:  # noqa: N802
    return toys.Scripted({1: [Order("main", name, 1.0)]})


def test_the_missing_side_of_a_quote_cannot_be_hit(toys: object) -> None:
    now = toys.market(toys.START, 80_000.0)
    now.quotes.loc[f"deribit:{CALL}", "bid_price"] = np.nan
    orders = {0: [Order("main", CALL, -1.0), Order("main", PUT, -1.0)]}
    result = simulate([now], toys.Given(), toys.Scripted(orders), FEW)
    assert result.trades["instrument"].tolist() == [PUT]
    assert [e["instrument"] for e in result.events if e["kind"] == "missing_quote"] == [CALL]


def test_fills_hit_the_quote_and_pay_the_fee(toys: object) -> None:
    result = simulate(toys.path([80_000.0]), toys.Given(), toys.Scripted({0: [Order("main", CALL, 2.0)]}), FEW)
    fill = result.trades.iloc[0]
    mark = toys.black(80_000.0, 80_000.0, 25 / 365, 0.6, "call") / 80_000.0
    assert fill["price"] == pytest.approx(mark + 0.0005)
    assert fill["cost"] == pytest.approx(2.0 * 0.0005 * 80_000.0)
    assert fill["fee"] == pytest.approx(2.0 * 0.0003 * 80_000.0)
    assert result.steps["pnl"].iloc[0] == pytest.approx(-(fill["cost"] + fill["fee"]))


def test_an_order_without_margin_is_refused_whole(toys: object) -> None:
    orders = {0: [Order("main", CALL, -100.0)]}
    result = simulate(toys.path([80_000.0]), toys.Given(collateral={"BTC": 1.0}), toys.Scripted(orders), FEW)
    assert result.trades.empty
    event = next(e for e in result.events if e["kind"] == "order_refused")
    assert event["reason"] == "initial margin"
    assert result.steps["equity"].iloc[0] == pytest.approx(80_000.0)


class Watcher:
    """A policy of one method, without even a name."""

    def __init__(self) -> None:
        self.seen: list = []

    def decide(self, state: object) -> list:
        self.seen.append((state.market.timestamp, state.history.index.max()))
        return []


def test_the_next_snapshot_is_asked_for_after_the_decision_and_few_are_kept(toys: object) -> None:
    """Streaming: when a snapshot is made, the policy has decided on the one before, and only two older ones are alive."""
    alive: list = []
    policy, counts = Watcher(), []

    def stream() -> object:
        for k in range(6):
            assert len(policy.seen) == k
            gc.collect()
            counts.append(sum(ref() is not None for ref in alive))
            market = toys.market(toys.START + timedelta(days=k), 80_000.0 + k)
            alive.append(weakref.ref(market))
            yield market
            del market

    simulate(stream(), toys.Given(positions={CALL: -1.0}), policy, FEW)
    assert max(counts) <= 2
    assert all(now == last for now, last in policy.seen)


def test_the_policy_object_of_live_use_is_a_policy(toys: object) -> None:
    rules = ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.95),
        scenarios=ParametricScenarios(count=100, vol={"BTC": 0.6}),
        lots="ideal",
    )
    direct = simulate(toys.path([80_000.0, 82_000.0]), toys.Given(positions={CALL: -3.0}), rules, FEW)
    wrapped = simulate(toys.path([80_000.0, 82_000.0]), toys.Given(positions={CALL: -3.0}), Optimizer(rules), FEW)
    assert not direct.trades.empty
    pd.testing.assert_frame_equal(direct.ledger, wrapped.ledger)


class Infeasible:
    name = "infeasible"

    def decide(self, state: object) -> list:
        raise InfeasibleError("no trade list meets every limit")


def test_an_infeasible_decision_is_recorded_and_held(toys: object) -> None:
    result = simulate(toys.path([80_000.0, 81_000.0]), toys.Given(), Infeasible(), FEW)
    assert [(e["kind"], e["action"]) for e in result.events] == [("infeasible", "hold")] * 2
    assert result.trades.empty


def test_withdrawals_are_frozen_while_the_venue_is_paused(toys: object) -> None:
    """Paused on day 1: neither the order nor the transfer happens; on day 2 both do, and the coins arrive a day later."""
    wallet = Account(
        name="wallet", venue="cold", margin="none", tradable=False, collateral=(Collateral(asset="BTC", amount=1.0),)
    )
    link = Link(source="main", target="wallet", asset="BTC", cost_rate=0.01, delay_hours=24.0)
    book = toys.Given(extra=(wallet,), links=(link,))
    act = Decision(orders=[Order("main", PERPETUAL, 1_000.0)], transfers=[TransferOrder("main", "wallet", "BTC", 2.0)])
    halt = Halt("deribit", toys.START + timedelta(hours=12), toys.START + timedelta(hours=36))
    settings = Settings(scenarios=FEW.scenarios, halts=(halt,))
    result = simulate(toys.path([80_000.0] * 4), book, toys.Scripted({1: act, 2: act}), settings)
    kinds = [e["kind"] for e in result.events]
    assert kinds == ["halt", "order_refused", "order_refused", "resume"]
    ledger = result.ledger
    arrived = ledger[(ledger["account"] == "wallet") & (ledger["memo"] == "arrived") & (ledger["side"] == "cash")]
    assert arrived["amount"].tolist() == pytest.approx([1.98])
    assert arrived["timestamp"].iloc[0] == toys.START + timedelta(days=3)
    # under way the coins still belong to the book: only fee, transfer cost and spread are gone
    lost = 0.02 * 80_000.0 + result.trades["fee"].sum() + result.trades["cost"].sum()
    assert result.steps["equity"].iloc[2] == pytest.approx(21.0 * 80_000.0 - lost)


@pytest.mark.parametrize("change", [lambda m: [m[1], m[0]], lambda m: [m[0], m[0]], lambda m: []])
def test_snapshots_out_of_order_twice_or_absent_are_refused(change: object, toys: object) -> None:
    with pytest.raises(InputError, match=r"lies before|appears more than once|no snapshot"):
        simulate(change(toys.path([80_000.0, 81_000.0])), toys.Given(), DoNothing(), FEW)


def test_a_book_that_its_collateral_does_not_carry_is_refused(toys: object) -> None:
    with pytest.raises(InputError, match=r"account main: the book is larger than its collateral"):
        simulate(toys.path([80_000.0]), toys.Given(collateral={"BTC": 1.0}, positions={CALL: -50.0}), DoNothing(), FEW)


def test_an_instrument_that_was_never_quoted_is_refused(toys: object) -> None:
    with pytest.raises(InputError, match="BTC-27MAR26-99000-C"):
        simulate(toys.path([80_000.0]), toys.Given(positions={"BTC-27MAR26-99000-C": 1.0}), DoNothing(), FEW)


def test_the_same_run_gives_the_same_tables(toys: object) -> None:
    runs = []
    for _ in range(2):
        book = toys.Given(positions={CALL: -2.0, PUT: -2.0})
        runs.append(simulate(toys.path([80_000.0, 83_000.0, 78_000.0]), book, DeltaBand({"BTC": 0.1}), FEW))
    first, second = runs
    drop = ["solve_seconds"]
    pd.testing.assert_frame_equal(first.steps.drop(columns=drop), second.steps.drop(columns=drop))
    pd.testing.assert_frame_equal(first.ledger, second.ledger)
    pd.testing.assert_frame_equal(first.trades, second.trades)


def test_attribution_adds_up_to_pnl(toys: object) -> None:
    markets = [m for k, p in enumerate([80_000.0, 83_000.0, 78_000.0]) for m in [toys.market(
        toys.START + timedelta(days=k), p, vol=0.6 + 0.05 * k, funding=1e-4)]]  # fmt: skip
    result = simulate(markets, toys.Given(positions={CALL: -2.0, PERPETUAL: 50_000.0}), DeltaBand({"BTC": 0.1}), FEW)
    assert np.allclose(result.attribution.sum(axis=1), result.steps["pnl"], atol=1e-6)
    assert (result.attribution["vega"].iloc[1:] < 0).all()
