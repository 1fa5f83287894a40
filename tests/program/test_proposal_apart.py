"""What a proposal was made from, told and checked apart from the code that wrote it; and its way through processes."""

from __future__ import annotations

import hashlib
import inspect
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt import errors
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.exposures.expose import expose
from hedgeopt.models.margin.effects import equity_after
from hedgeopt.models.scenarios.noise import measured_noise
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.terms import TERMS
from hedgeopt.program.infeasible import NoAnswerError
from hedgeopt.program.provenance import input_hashes, market_digest, scenario_digest
from tests.registry.examples import constraint_example, term_example

from .proposal_cases import CASES, policy, venues

CHANGED: dict[str, dict[str, Any]] = {
    "margin": {"venue": "binance"},
    "limit": {"term": {"kind": "margin", "venue": "binance"}, "upper": 0.9},
    "order_limit": {"notional": 3e5},
    "position_limit": {"notional": 1.5e6},
    "transfer_limit": {"usd": 5e4},
    "survive_stress": {"scenarios": ("2020-03-12",)},
}
"""What the venues and sizes of this book ask for in place of the common examples."""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[tuple[ho.Book, ho.Market, ho.Policy], ho.Solved]]:
    """Inputs and answer of every case."""
    made = {name: case() for name, case in CASES.items()}
    return {name: (inputs, ho.solve(*inputs)) for name, inputs in made.items()}


# ------------------------------------------------------------------------------------------------------------ book after


@pytest.mark.parametrize("name", CASES)
def test_the_book_after_is_worth_what_the_report_says(name: str, answers: Any, tmp_path: Path) -> None:
    """Written, read as any book, priced afresh: positions are before plus trades, each account's equity is the report's."""
    (book, market, rules), solved = answers[name]
    path = tmp_path / "after.json"
    path.write_text(json.dumps(solved.proposal.book_after))
    after = ho.read_book(path)
    e, x = solved.exposures, solved.x
    fresh = expose(after, market, rules, trades=False)
    held = {
        (fresh.accounts[a], item.name): q
        for a, item, q in zip(fresh.rows.account, fresh.rows.instruments, fresh.rows.quantity, strict=True)
        if q
    }
    sent = {e.rows.instruments[e.candidate[i]].name for i in e.links.candidate}
    wanted = {
        (e.accounts[a], item.name): q
        for a, item, q in zip(e.rows.account, e.rows.instruments, e.positions(x), strict=True)
        if abs(q) > 1e-12 and item.name not in sent  # closed to the last rounding
    }
    assert held == pytest.approx(wanted, rel=1e-12)
    for c, account in enumerate(e.accounts):
        assert fresh.equity[c] == pytest.approx(equity_after(e, c, x), rel=1e-9, abs=1e-6), account
    assert (after.name, after.links, after.timestamp) == (book.name, book.links, book.timestamp)
    assert fresh.equity.sum() == pytest.approx(solved.proposal.after.equity, rel=1e-9)


def test_money_leaves_where_the_text_says(answers: Any) -> None:
    """By hand: a transfer with its share of cost leaves one account and arrives whole at the other; fees in settlement."""
    solved = answers["loan"][1]
    (row,) = solved.proposal.transfers.to_dict(orient="records")
    after = {a["name"]: {c["asset"]: c["amount"] for c in a["collateral"]} for a in solved.proposal.book_after["accounts"]}
    assert after["aave"] == pytest.approx({"USDC": -200_000.0 + row["amount"], "ETH": 100.0})
    assert after["bn"]["USDC"] == pytest.approx(500_000.0 - row["amount"] * (1 + 1e-4))
    network = answers["network"][1]
    trades, transfers = network.proposal.trades, network.proposal.transfers
    moved = dict.fromkeys(("poor", "rich", "house"), 0.0)
    for trade in trades.itertuples():
        if trade.instrument != "BTC-deribit":  # settled in coin
            moved[trade.account] -= trade.cost
    for t in transfers.itertuples():
        moved[t.source] -= t.amount + t.cost
        moved[t.target] += t.amount
    for account in network.proposal.book_after["accounts"]:
        posted = {c["asset"]: c["amount"] for c in account["collateral"]}
        start = {"poor": 150_000.0, "rich": 900_000.0, "house": 500_000.0}[account["name"]]
        assert posted["USDC"] == pytest.approx(start + moved[account["name"]], rel=1e-12)


# --------------------------------------------------------------------------------------------------------------- digests


def test_digests_tell_inputs_apart() -> None:
    book, market, rules = CASES["network"]()
    first = input_hashes(book, market, rules)
    assert input_hashes(*CASES["network"]()) == first  # made anew
    assert all(len(digest) == 64 for digest in first.values())
    assert input_hashes(book, replace(market, source="elsewhere", notes=("x",)), rules)["market"] == first["market"]
    assert input_hashes(book.model_copy(update={"name": "other"}), market, rules)["book"] != first["book"]
    assert input_hashes(book, market, rules.model_copy(update={"tolerance": 1e-5}))["policy"] != first["policy"]


def test_tables_of_the_users_own_are_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, market, rules = CASES["network"]()
    table, margin, other = (tmp_path / f"{name}.toml" for name in ("nova", "ladder", "unused"))
    for path in (table, margin, other):
        path.write_text("as_of = 2026-03-01\nshelf_life_days = 9\nunverified = []\n[fees]\nspot_taker = 0.0\n")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
    first, *rest = book.accounts
    first = first.model_copy(update={"venue": "nova", "margin": f"table:{margin}"})
    told = input_hashes(book.model_copy(update={"accounts": (first, *rest)}), market, rules)
    assert set(told) == {"book", "market", "policy", "table nova", f"table {margin}"}
    assert told["table nova"] == hashlib.sha256(table.read_bytes()).hexdigest()


def test_every_part_of_a_market_counts_and_its_order_does_not() -> None:
    market = venues()
    found = {market_digest(market)}
    quotes = market.quotes.copy()
    quotes.iloc[1, quotes.columns.get_loc("bid_price")] += 1e-9
    later = market.quotes.copy()
    later["timestamp"] = later["timestamp"] - np.timedelta64(1, "us")
    item = market.instruments["binance:BTC-binance"]
    variants = [
        replace(market, prices={**market.prices, "BTC": 80_000.000001}),
        replace(market, timestamp=market.timestamp + timedelta(microseconds=1)),
        replace(market, quotes=quotes),
        replace(market, quotes=later),
        replace(market, instruments={**market.instruments, item.id: item.model_copy(update={"settlement": "USDT"})}),
        replace(market, doubtful={item.id: "its mark"}),
    ]
    for k, variant in enumerate(variants):
        found.add(market_digest(variant))
        assert len(found) == k + 2
    backwards = replace(
        market,
        prices=dict(reversed(market.prices.items())),
        instruments=dict(reversed(market.instruments.items())),
        quotes=market.quotes.iloc[::-1],
        timestamp=market.timestamp.astimezone(timezone(timedelta(hours=2))),
    )
    assert market_digest(backwards) == market_digest(market)


def test_every_array_of_a_scenario_set_counts() -> None:
    def made(**more: Any) -> ScenarioSet:
        return ScenarioSet(**{"name": "a", "assets": ("BTC",), "spot_factor": np.array([[0.9], [1.1]]),
                              "log_vol_shift": np.zeros((2, 1)), "horizon_days": 1.0, **more})  # fmt: skip

    still = made(horizon_days=0.0)
    variants = [
        made(), made(name="b"), made(assets=("ETH",)), made(spot_factor=np.array([[0.9], [1.2]])),
        made(log_vol_shift=np.ones((2, 1))), made(horizon_days=2.0), made(probabilities=np.array([0.4, 0.6])),
        made(labels=("a", "b")), made(basis_shift=np.zeros((2, 1))), made(skew_shift=np.zeros((2, 1))),
        made(term_shift=np.zeros((2, 1))), made(perpetual_shift=np.zeros((2, 1))), made(funding=np.zeros((2, 1))),
        made(liquidity={"spread": np.ones(2)}), made(recovery={"deribit": np.ones(2)}), made(path_seed=1),
        made(expiry_noise=0.1), made(noise=measured_noise()),
        made(skew_tenor=0.5),
    ]  # fmt: skip
    found = [scenario_digest(variant, still) for variant in variants]
    assert found[0] == found[1]  # what it is called is no content
    assert len(set(found)) == len(variants) - 1
    assert scenario_digest(made(), made()) != found[0]


def test_the_digest_of_scenarios_follows_the_seed(answers: Any) -> None:
    (book, market, rules), solved = answers["nothing"]
    other = rules.model_copy(update={"scenarios": rules.scenarios.model_copy(update={"seed": 6})})
    again, moved = ho.propose(book, market, rules), ho.propose(book, market, other)
    assert again.scenario_digest == solved.proposal.scenario_digest
    assert moved.scenario_digest != solved.proposal.scenario_digest
    assert (solved.proposal.seed, moved.seed) == (5, 6)
    assert solved.proposal.created == market.timestamp.astimezone(UTC)


# ------------------------------------------------------------------------------------------------------------- processes


@pytest.mark.parametrize("name", CASES)
def test_everything_goes_through_a_pickle(name: str, answers: Any) -> None:
    (book, market, rules), solved = answers[name]
    assert pickle.loads(pickle.dumps(solved.proposal)) == solved.proposal
    assert pickle.loads(pickle.dumps(book)) == book
    assert pickle.loads(pickle.dumps(rules)) == rules
    again = pickle.loads(pickle.dumps(market))
    assert market_digest(again) == market_digest(market)
    assert (again.source, again.notes, again.prices) == (market.source, market.notes, market.prices)
    sample = pickle.loads(pickle.dumps(solved.exposures.scenarios))
    stress = solved.exposures.margins.stress
    assert scenario_digest(sample, pickle.loads(pickle.dumps(stress))) == solved.proposal.scenario_digest


def asked(kind: str) -> ho.Policy:
    """A policy that minimises the term or sets the limit of this kind, beside something that must be traded."""
    need = ho.Delta("BTC").within(-4.0, 12.0), ho.MarginUtilisation(limit=0.9)
    changed = CHANGED.get(kind, {})
    if kind in CONSTRAINTS:
        return policy(*need, constraint_example(kind, **changed))
    term = term_example(kind, **changed)
    return policy(*need, term <= 1e9 if kind != "margin" else term <= 0.9, minimize=ho.TransactionCost() + 1e-3 * term)


@pytest.fixture(scope="module")
def pool() -> Any:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*TERMS, *CONSTRAINTS])
def test_another_process_proposes_the_same(kind: str, pool: Any) -> None:
    book, market, _ = CASES["network"]()
    if kind in ("max_trades", "max_new_instruments", "min_trade"):
        market = replace(market, quotes=market.quotes.assign(lot=0.1))  # lists in whole lots
    rules = asked(kind)
    there = pool.submit(ho.propose, book, market, rules)
    here = ho.propose(book, market, rules)
    found = there.result(timeout=300)
    same = {"seconds": {}, "statistics": {}}
    assert replace(found, **same) == replace(here, **same)


def test_an_error_comes_back_from_another_process_as_it_was(pool: Any) -> None:
    book, market, _ = CASES["network"]()
    rules = policy(ho.Delta("BTC") <= -1e4, ho.OrderLimit(notional=10.0))
    with pytest.raises(ho.InfeasibleError) as here:
        ho.propose(book, market, rules)
    with pytest.raises(ho.InfeasibleError) as there:
        pool.submit(ho.propose, book, market, rules).result(timeout=300)
    assert str(there.value) == str(here.value)
    assert there.value.violations == here.value.violations != {}


ERRORS = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]


@pytest.mark.parametrize("kind", [*ERRORS, NoAnswerError], ids=lambda kind: kind.__name__)
def test_every_error_goes_through_a_pickle(kind: type[Exception]) -> None:
    if issubclass(kind, errors.InputError):
        made: Exception = kind("is wrong", file="a.csv", field="x", value=float("inf"), fix="mend it")
    elif kind is errors.InfeasibleError:
        made = kind("nothing meets: a", {"a": (1.0, 0.5, "USD")})
    else:
        made = kind("words")
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is kind
    assert str(again) == str(made)
    assert vars(again) == vars(made)
