"""Size limits of a market hold for all accounts together, and buying in one account what another sells counts twice."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

import hedgeopt as ho
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program
from hedgeopt.verify import claim_of, judge

_spec = importlib.util.spec_from_file_location("constraints_conftest", Path(__file__).with_name("conftest.py"))
_support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_support)
account, policy, BTC = _support.account, _support.policy, _support.BTC


@pytest.fixture
def market(venues_market: ho.Market) -> ho.Market:
    """Open interest of 1,000 units everywhere."""
    quotes = venues_market.quotes.copy()
    quotes["open_interest"] = 1_000.0
    return replace(venues_market, quotes=quotes)


def desk(*positions: float, **more: object) -> ho.Book:
    """As many Binance accounts as positions, and one more that only holds where ``fixed`` says so."""
    accounts = [account(f"a{k}", "binance", 1e8, [("BTC-binance", q)]) for k, q in enumerate(positions)]
    if "fixed" in more:
        accounts.append(account("vault", "binance", 1e8, [("BTC-binance", more["fixed"])], tradable=False))
    return ho.Book(accounts=accounts)


def gross(e: Exposures, x: np.ndarray) -> dict[str, float]:
    """Units traded per instrument, without netting."""
    found: dict[str, float] = {}
    for i, row in enumerate(e.candidate):
        item = e.rows.instruments[row]
        found[item.name] = found.get(item.name, 0.0) + abs(float(x[i]))
    return found


LIMITS = {
    "participation": (ho.Participation(share=0.02), {}, 20.0),
    "order limit in units": (ho.OrderLimit(quantity=20.0), {}, 20.0),
    "order limit in dollars": (ho.OrderLimit(notional=20.0 * BTC), {}, 20.0),
    "the candidates' own": (None, {"max_order_notional": 20.0 * BTC}, 20.0),
}


@pytest.mark.parametrize("name", list(LIMITS))
@pytest.mark.parametrize("accounts", [1, 2, 3])
def test_accounts_share_one_limit(market: ho.Market, name: str, accounts: int) -> None:
    """However many accounts there are, 20 BTC may be traded, and the proposal is the same."""
    limit, more, largest = LIMITS[name]
    book = desk(*([60.0 / accounts] * accounts))
    sell = [] if limit is None else [limit]
    fits = ho.solve(book, market, policy(ho.Delta("BTC") <= 40.0, *sell, names=("BTC-*",), **more))
    assert fits.proposal.certificate.valid
    assert gross(fits.exposures, fits.x)["BTC-binance"] == pytest.approx(largest, rel=1e-6)
    with pytest.raises(ho.InfeasibleError) as caught:
        policy(ho.Delta("BTC") <= 39.0, *sell, names=("BTC-*",), **more).propose(book, market)
    assert caught.value.violations["delta BTC"][0] == pytest.approx(40.0, rel=1e-5)


def test_opposite_trades_in_two_accounts_do_not_net(market: ho.Market) -> None:
    """One account is long too much and one short too much: each must close 25, which is 50 and not 0."""
    book = ho.Book(
        accounts=[
            account("l", "binance", 2e5, [("BTC-binance", 30.0)], margin="binance:20"),
            account("s", "binance", 2e5, [("BTC-binance", -30.0)], margin="binance:20"),
        ]
    )
    rules = [ho.MarginUtilisation(limit=0.1), ho.OrderLimit(quantity=1e4)]
    free = ho.solve(book, market, policy(*rules))
    needed = gross(free.exposures, free.x)["BTC-binance"]
    assert needed > 1.0
    assert free.exposures.n_candidates > 2
    enough = policy(*rules, ho.Participation(share=needed * 1.001 / 1_000.0)).propose(book, market)
    assert enough.certificate.objective == pytest.approx(free.proposal.certificate.objective, rel=1e-5)
    with pytest.raises(ho.InfeasibleError, match="initial margin"):
        policy(*rules, ho.Participation(share=needed * 0.9 / 1_000.0)).propose(book, market)


@pytest.mark.parametrize("seed", range(4))
def test_optimum_and_bound_are_those_of_the_whole_linear_program(market: ho.Market, seed: int) -> None:
    rng = np.random.default_rng(seed)
    book = desk(*rng.uniform(-40, 40, 3))
    share = float(rng.uniform(0.005, 0.03))
    rules = policy(
        ho.Participation(share=share),
        ho.OrderLimit(quantity=15.0, only=("ETH-*",)),
        minimize=ho.TransactionCost() + _lean(rng),
    )
    e = expose(book, market, rules)
    program = Program(rules, e)
    solution = solve_program(program, e)
    assert solution.certificate.valid
    cost = np.array([part.weight for part in rules.minimize])
    slope = cost[1] * e.trade_greeks[0][:, e.asset("BTC")] + cost[2] * e.trade_greeks[0][:, e.asset("ETH")]
    names = [e.rows.instruments[row].name for row in e.candidate]
    rows = np.array([[float(a == b) for b in names] for a in dict.fromkeys(names)])
    caps = [min(share * 1_000.0, 15.0 if name.startswith("ETH") else np.inf) for name in dict.fromkeys(names)]
    found = linprog(
        np.concatenate([e.cost_buy + slope, e.cost_sell - slope]),
        A_ub=np.hstack([rows, rows]), b_ub=caps, bounds=[(0, None)] * (2 * len(names)), method="highs",
    )  # fmt: skip
    start = cost[1] * _delta(e, "BTC") + cost[2] * _delta(e, "ETH")
    assert solution.certificate.objective == pytest.approx(found.fun + start, rel=1e-6)
    assert solution.certificate.lower_bound <= found.fun + start + 1e-6 * abs(found.fun + start)
    box = trade_box(rules, e)
    both, full = solution.trades.copy(), rows @ np.abs(solution.trades) >= np.array(caps) * (1 - 1e-9)
    room = np.where(both > 0, box.lower, box.upper)  # the other way than what is traded, or any way
    twins = [i for i in range(len(both)) if full @ rows[:, i] and abs(room[i]) > 1e-3 and both[i] == 0.0]
    assert twins
    both[twins[0]] = 0.5 * room[twins[0]]  # nets to less or not, takes more
    certificate, _ = certify(program, e, box, both, {})
    assert not certificate.feasible
    assert "over accounts" in certificate.worst_limit


def _lean(rng: np.random.Generator) -> ho.Objective:
    """Dollars per coin of delta that make trading worth its cost."""
    return float(rng.uniform(100, 500)) * ho.Delta("BTC") - float(rng.uniform(10, 50)) * ho.Delta("ETH")


def _delta(e: Exposures, coin: str) -> float:
    return float(e.rows.quantity @ e.rows.greeks[0, :, e.asset(coin)] + e.collateral[:, e.asset(coin)].sum())


def test_position_limits_count_every_account_that_holds(market: ho.Market) -> None:
    cheap = 300.0 * ho.Delta("BTC")  # sells as far as limits go
    for book, limit, least in (
        (desk(0.0, 0.0), 10.0, -10.0),
        (desk(4.0, 0.0), 10.0, -10.0),
        (desk(0.0, fixed=-4.0), 10.0, -10.0),
        (
            desk(5.0, -5.0, fixed=7.0),
            10.0,
            -3.0,
        ),  # gross 17 is beyond 10 and may stay; long 7 stays, 10 are left to go short
    ):
        rules = policy(ho.PositionLimit(quantity=limit), minimize=ho.TransactionCost() + cheap, names=("BTC-binance",))
        answer = ho.solve(book, market, rules)
        e = answer.exposures
        after = e.positions(answer.x)
        mine = np.array([item.name == "BTC-binance" for item in e.rows.instruments])
        held = np.abs(e.rows.quantity[mine]).sum()
        assert np.abs(after[mine]).sum() <= max(limit, held) * (1 + 1e-9)
        assert after[mine].sum() == pytest.approx(least, rel=1e-6), book


def test_a_limit_that_binds_is_listed_and_others_are_not(market: ho.Market) -> None:
    answer = policy(ho.Delta("BTC") <= 55.0, ho.Participation(share=0.01)).propose(desk(30.0, 30.0), market)
    over = [row for row in answer.limits.itertuples() if "over accounts" in row.limit]
    assert all(row.binding or row.shadow_price > 0 for row in over)
    tight = policy(ho.Delta("BTC") <= 50.0, ho.Participation(share=0.01), names=("BTC-*",)).propose(desk(30.0, 30.0), market)
    (row,) = (row for row in tight.limits.itertuples() if "over accounts" in row.limit)
    assert row.limit == "participation BTC-binance over accounts"
    assert (row.after, row.bound) == (pytest.approx(10.0), pytest.approx(10.0))


def test_the_docs_say_of_every_limit_what_it_is_per(repository: Path) -> None:
    lines = (repository / "docs" / "limits.md").read_text().splitlines()
    rows = {line.split("|")[1].strip(" `"): line.split("|")[2].strip() for line in lines if line.startswith("| `")}
    assert set(CONSTRAINTS) <= set(rows)
    assert {"candidates.max_order_notional", "over_accounts", "delta_caps", "link.capacity"} <= set(rows)
    scopes = {"account", "venue", "instrument", "book", "link", "as the term says"}
    assert all(any(word in text for word in scopes) for text in rows.values())


def test_sizes_are_no_money_in_another_numeraire(tmp_path: Path) -> None:
    """An inverse contract is counted in USD: a size of 25m of it stays 25m where money counts in BTC, and verify agrees."""
    for name, text in example_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    quotes = ho.read_market(tmp_path / "market.csv")
    posted = (ho.Collateral(asset="BTC", amount=1_000.0),)
    held = (ho.Position(instrument="BTC-PERPETUAL", quantity=20e6),)
    book = ho.Book(accounts=[ho.Account(name=n, venue="deribit", collateral=posted, positions=held) for n in ("one", "two")])
    rules = ho.Policy(
        minimize=ho.TransactionCost() + 10.0 * ho.CVaR(0.9),
        candidates=ho.Candidates(names=("BTC-PERPETUAL",), max_order_notional=5e6),
        scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6}),
        numeraire="BTC",
        lots="ideal",
    )
    solved = ho.solve(book, quotes, rules)
    told = json.loads(solved.proposal.to_json())
    (row,) = [row for row in told["limits"] if "BTC-PERPETUAL" in row["limit"]]
    assert row["unit"].startswith("USD")
    assert [row["bound"], row["after"]] == pytest.approx([5e6, 5e6], rel=0.02)
    verdict = judge(claim_of(told), solved.exposures, quotes, rules.model_dump(mode="json"))
    assert verdict.valid, verdict.broken
    start = risk_report(solved.exposures).greeks["BTC"]["delta"]
    most = 5e6 / quotes.prices["BTC"]
    with pytest.raises(ho.InfeasibleError) as caught:
        rules.model_copy(update={"subject_to": (ho.Delta("BTC") <= start - 1.5 * most,)}).propose(book, quotes)
    units = {name: unit for name, (_, _, unit) in caught.value.violations.items()}
    assert not any(unit.startswith("BTC") for unit in units.values())
