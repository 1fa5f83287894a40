"""More freedom is never worse: links, candidates, looser limits."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.branches import best_branch
from hedgeopt.program.certified import _solve_inside, solve_program
from hedgeopt.program.program import Program
from hedgeopt.program.search import Deadline
from hedgeopt.program.solution import Solution, Stages

_spec = importlib.util.spec_from_file_location(
    "constraints_conftest", Path(__file__).parents[1] / "constraints" / "conftest.py"
)
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy, venues_market, BTC = _support.account, _support.policy, _support.venues_market, _support.BTC

pytestmark = pytest.mark.filterwarnings("ignore:The tail solver stopped")

EXAMPLES = int(os.environ.get("HEDGEOPT_EXAMPLES", "6"))
INFEASIBLE = float("inf")


def optimum(book: ho.Book, market: ho.Market, rules: ho.Policy) -> float:
    try:
        answer = rules.propose(book, market)
    except ho.InfeasibleError:
        return INFEASIBLE
    assert answer.certificate.valid
    return answer.certificate.objective


def no_worse(free: float, tied: float) -> bool:
    return free <= tied or free <= tied + 3e-6 * max(1.0, abs(tied))


def wants_long(dollars: float, *limits: Any, **more: Any) -> ho.Policy:
    """Every coin of delta is worth ``dollars``: it trades as far as limits let it."""
    return policy(*limits, ho.OrderLimit(quantity=500.0), minimize=ho.TransactionCost() - dollars * ho.Delta("BTC"), **more)


LINK = {"source": "bn", "target": "hl", "asset": "USDC", "cost_rate": 1e-4}


def two(cash: float, short: float, *links: dict[str, Any]) -> ho.Book:
    """Binance with ``cash``, and a short on Hyperliquid that may want some of it."""
    return ho.Book(
        accounts=[
            account("bn", "binance", cash, margin="binance:20"),
            account("hl", "hyperliquid", 50_000.0, [("BTC-hyperliquid", -short)]),
        ],
        links=list(links),
    )


def test_a_link_that_nothing_uses_caps_no_trade(venues_market: ho.Market) -> None:
    """With 10,000 USD Binance lets go of nothing once 2.5 BTC are bought there; but nothing asks for it."""
    rules = wants_long(300.0)
    without = rules.propose(two(10_000.0, 0.0), venues_market)
    linked = rules.propose(two(10_000.0, 0.0, LINK), venues_market)
    switched_off = wants_long(300.0, transfers=False).propose(two(10_000.0, 0.0, LINK), venues_market)
    assert linked.certificate.objective == pytest.approx(without.certificate.objective, rel=1e-9)
    assert linked.certificate.objective == pytest.approx(switched_off.certificate.objective, rel=1e-9)
    assert not len(linked.transfers)
    assert linked.trades["quantity"].max() == pytest.approx(25e6 / BTC)


@pytest.mark.parametrize("short", [30.0, 100.0])
@pytest.mark.parametrize("dollars", [0.0, 45.0, 60.0, 300.0])
def test_the_better_of_sending_and_of_trading_freely_is_found(
    venues_market: ho.Market, dollars: float, short: float
) -> None:
    """Either Binance sends and keeps its initial margin (a limit of the policy), or it trades freely and sends nothing."""
    book, save = two(200_000.0, short, LINK), ho.MarginUtilisation(account="hl")
    sends = optimum(book, venues_market, wants_long(dollars, save, ho.MarginUtilisation(account="bn")))
    trades = optimum(book, venues_market, wants_long(dollars, save, transfers=False))
    both = wants_long(dollars, save).propose(book, venues_market)
    assert both.certificate.objective == pytest.approx(min(sends, trades), rel=1e-5, abs=1e-3)
    assert both.certificate.lower_bound <= min(sends, trades) + 1e-6 * abs(min(sends, trades))


def test_premiums_paid_beyond_what_is_posted_are_no_matter_where_nothing_leaves(toy_market: ho.Market) -> None:
    accounts = [
        {"name": name, "venue": "deribit", "collateral": [{"asset": "BTC", "amount": amount}]}
        for name, amount in (("poor", 0.5), ("rich", 50.0))
    ]
    link = {"source": "poor", "target": "rich", "asset": "BTC"}
    rules = ho.Policy(
        minimize=ho.TransactionCost() - 500.0 * ho.Vega("BTC"),
        subject_to=[ho.OrderLimit(quantity=20.0)],
        scenarios=ho.ParametricScenarios(count=50),
        candidates=ho.Candidates(kinds=("option",), underlyings=("BTC",)),
        lots="ideal",
    )
    alone = rules.propose(ho.Book(accounts=accounts), toy_market)
    linked = rules.propose(ho.Book(accounts=accounts, links=[link]), toy_market)
    assert linked.certificate.objective == pytest.approx(alone.certificate.objective, rel=1e-6)


@st.composite
def desks(draw: st.DrawFn) -> dict[str, Any]:
    """Three accounts with positions, some links, some limits."""
    names = (("bn", "binance"), ("hl", "hyperliquid"), ("db", "deribit"))
    cash = [draw(st.sampled_from([5e3, 5e4, 3e5, 2e6])) for _ in names]
    coins = [draw(st.integers(-80, 80)) for _ in names]
    pairs = [(a, b) for a, _ in names for b, _ in names if a != b]
    links = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=4, unique=True))
    accounts = [
        account("bn", "binance", cash[0], [("BTC-binance", float(coins[0]))], margin="binance:20"),
        account("hl", "hyperliquid", cash[1], [("BTC-hyperliquid", float(coins[1]))]),
        account("db", "deribit", cash[2], [("BTC-PERPETUAL", 8e4 * coins[2])]),
    ]
    return {
        "accounts": accounts,
        "links": [{"source": a, "target": b, "asset": "USDC", "cost_rate": 1e-4} for a, b in links],
        "delta": float(draw(st.sampled_from([5.0, 40.0, 1_000.0]))),
        "saved": draw(st.sampled_from(["bn", "hl", None])),
        "dollars": float(draw(st.sampled_from([-100.0, 0.0, 30.0, 100.0]))),
    }


@settings(max_examples=EXAMPLES, deadline=None)
@given(desks())
def test_more_freedom_is_never_worse(venues_market: ho.Market, desk: dict[str, Any]) -> None:
    def solve(width: float = 1.0, links: int | None = None, **more: Any) -> float:
        limits: list[Any] = [ho.Delta("BTC").within(-desk["delta"] * width, desk["delta"] * width)]
        if desk["saved"]:
            limits.append(ho.MarginUtilisation(account=desk["saved"]))
        book = ho.Book(accounts=desk["accounts"], links=desk["links"][:links])
        return optimum(book, venues_market, wants_long(desk["dollars"], *limits, **more))

    free = solve()
    assert no_worse(free, solve(transfers=False))
    assert no_worse(free, solve(links=1))
    assert no_worse(free, solve(names=("BTC-binance", "BTC-PERPETUAL")))
    assert no_worse(solve(width=2.0), free)


@pytest.mark.parametrize("dollars", [0.0, 45.0, 300.0])
def test_a_choice_that_is_refused_leaves_the_others(venues_market: ho.Market, dollars: float) -> None:
    """The first choice is not certified: another one is the answer where it proves the optimum. With 0 there is no other."""
    book, rules = two(200_000.0, 30.0, LINK), wants_long(dollars, ho.MarginUtilisation(account="hl"))
    e = expose(book, venues_market, rules)
    program, calls = Program(rules, e), 0

    def solve(box: Box) -> Solution:
        nonlocal calls
        calls += 1
        found = _solve_inside(program, e, box, Stages(), Deadline(60.0))
        if calls == 1:
            raise ho.CertificateError("refused on purpose", found)
        return found

    if not dollars:
        with pytest.raises(ho.CertificateError, match="refused on purpose"):
            best_branch(program, e, trade_box(rules, e), solve)
        return
    found = best_branch(program, e, trade_box(rules, e), solve)
    whole = solve_program(Program(rules, e), e)
    assert calls > 1
    assert found.certificate.valid
    assert found.certificate.objective == pytest.approx(whole.certificate.objective, rel=1e-6)
