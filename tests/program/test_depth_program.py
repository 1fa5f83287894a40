"""Books, pools and perpetuals in one certified program, against closed forms and the verifier's own walk."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.pricing.spot import Spot
from hedgeopt.program.provenance import market_digest
from hedgeopt.verify import claim_of, judge

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
POOL, SPOT = Spot(name="ETH_USDC", venue="uniswap", asset="ETH"), Spot(name="ETH_USDC", venue="deribit", asset="ETH")
PERPETUAL = ho.Perpetual(name="ETH-PERPETUAL", venue="deribit", underlying="ETH", settlement="ETH")
FEE = 0.0005


def quoted() -> ho.Market:
    rows = {
        POOL.id: {"mark_price": 3_000.0, "bid_price": 2_999.0, "ask_price": 3_001.0},
        SPOT.id: {"mark_price": 3_000.0, "bid_price": 2_999.0, "ask_price": 3_001.0},
        PERPETUAL.id: {"mark_price": 3_000.0, "bid_price": 2_999.5, "ask_price": 3_000.5, "funding_8h": 0.0},
    }
    quotes = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    return ho.Market(NOW, {"ETH": 3_000.0, "USDC": 1.0}, {item.id: item for item in (POOL, SPOT, PERPETUAL)}, quotes)


def pool(seed: int = 1, ranges: int = 30) -> dict[str, Any]:
    rng, edges = np.random.default_rng(seed), 3_000.0 * 1.002 ** np.arange(-ranges // 2, ranges // 2 + 1)
    held = [{"lower": a, "upper": b, "liquidity": float(rng.uniform(2e5, 2e6))} for a, b in itertools.pairwise(edges)]
    return {"kind": "pool", "venue": "uniswap", "instrument": "ETH_USDC", "timestamp": NOW.isoformat(), "fee": FEE,
            "price": 3_000.1, "ranges": held}  # fmt: skip


def books(seed: int = 1) -> pd.DataFrame:
    rng, rows = np.random.default_rng(seed), []
    for name, first, step, unit, times in (
        ("ETH_USDC", 0.5, 0.7, "coins", 1.0),
        ("ETH-PERPETUAL", 0.25, 0.5, "USD", 3_000.0),
    ):
        for side, sign in (("bid", -1), ("ask", 1)):
            rows += [
                {"venue": "deribit", "instrument": name, "timestamp": NOW.isoformat(), "side": side, "unit": unit,
                 "price": 3_000 + sign * (first + step * k), "size": times * float(rng.uniform(5, 40))} for k in range(40)
            ]  # fmt: skip
    return pd.DataFrame(rows)


BOOK = ho.Book(
    accounts=[
        {"name": "dex", "venue": "uniswap", "margin": "none", "collateral": [{"asset": "USDC", "amount": 8e6}]},
        {"name": "main", "venue": "deribit", "collateral": [{"asset": "USDC", "amount": 8e6}]},
    ]
)


def policy(*limits: Any, **more: Any) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=limits,
        scenarios=ho.ParametricScenarios(count=50, vol={"ETH": 0.7}),
        candidates=ho.Candidates(kinds=("spot", "perpetual"), underlyings=("ETH",)),
        **more,
        lots="ideal",
    )


def cheapest(deep: ho.Market, delta: float) -> float:
    """USD of the cheapest way to buy ``delta`` ETH: levels and slivers of ranges of all three, cheapest per delta first."""
    slivers = []
    for item in (POOL, SPOT, PERPETUAL):
        ladder = deep.depth[item.id]
        middle = min(0.5 * (ladder.bids.price[0] + ladder.asks.price[0]), 3_000.0)
        for price, size, reserve in zip(ladder.asks.price, ladder.asks.size, ladder.asks.reserve, strict=True):
            cuts = np.linspace(0.0, size, 2_001 if np.isfinite(reserve) else 2)
            if item is PERPETUAL:  # USD at the mark's delta; coins lost, at the index
                usd = np.diff(cuts) * ((1 / middle - 1 / price) * 3_000.0 + FEE)
                slivers += [(c / d, d) for c, d in zip(usd, np.diff(cuts) / 3_000.0, strict=True)]
                continue
            paid = price * cuts * (reserve / (reserve - cuts) if np.isfinite(reserve) else 1.0) - middle * cuts
            slivers += [(c / d, d) for c, d in zip(np.diff(paid), np.diff(cuts), strict=True)]
    cost, left = 0.0, delta
    for rate, size in sorted(slivers):
        taken = min(left, size)
        cost, left = cost + rate * taken, left - taken
    assert left <= 1e-9
    return cost


@pytest.mark.parametrize("delta", [3.0, 1_000.0, 2_200.0])
def test_three_places_together_cost_the_least(delta: float) -> None:
    deep = quoted().with_depth(pool(), books())
    rules = policy(ho.Delta("ETH") >= delta)
    found = ho.propose(BOOK, deep, rules)
    assert found.certificate.valid
    assert found.certificate.objective == pytest.approx(cheapest(deep, delta), rel=1e-6)
    verdict = judge(claim_of(found.to_dict()), expose(BOOK, deep, rules), deep, rules.model_dump(mode="json"))
    assert verdict.valid, verdict
    assert verdict.objective == pytest.approx(found.certificate.objective, rel=1e-9)


def test_selling_walks_the_bids() -> None:
    deep = quoted().with_depth(books())
    rules = policy(ho.Delta("ETH") <= -300.0)
    found = ho.propose(BOOK, deep, rules)
    bids = deep.depth[PERPETUAL.id].bids
    usd, left = 0.0, 900_000.0
    for price, size in zip(bids.price, bids.size, strict=True):
        taken = min(left, size)
        usd, left = usd + taken * ((1 / price - 1 / 3_000.0) * 3_000.0 + FEE), left - taken
    assert found.trades["instrument"].tolist() == ["ETH-PERPETUAL"]  # nothing else may be sold: spot is not held
    assert found.costs["transaction"] == pytest.approx(usd, rel=1e-9)
    assert found.costs["fees"] == pytest.approx(450.0)


def test_beyond_the_last_level_nothing_is_traded() -> None:
    deep = quoted().with_depth(pool(), books())
    most = sum(
        deep.depth[item.id].asks.total * (1 / 3_000.0 if item is PERPETUAL else 1.0) for item in (POOL, SPOT, PERPETUAL)
    )
    with pytest.raises(ho.InfeasibleError):
        ho.propose(BOOK, deep, policy(ho.Delta("ETH") >= 1.001 * min(most, 6_000.0)))


def test_what_is_paid_for_counts_the_walk() -> None:
    """300,000 dollars at a book of 100-dollar steps buy what they walk, not what the best quote promises."""
    same = {"venue": "uniswap", "instrument": "ETH_USDC", "timestamp": NOW.isoformat(), "size": 40.0}
    rows = [{**same, "side": side, "price": price}
            for side, price in (("bid", 2_999.0), ("ask", 3_001.0), ("ask", 3_101.0), ("ask", 3_201.0))]  # fmt: skip
    wallet = ho.Book(
        accounts=[{"name": "dex", "venue": "uniswap", "margin": "none", "collateral": [{"asset": "USDC", "amount": 3e5}]}]
    )
    deep, most = quoted().with_depth(pd.DataFrame(rows)), 40 + 40 + (3e5 - 40 * 3_001 - 40 * 3_101) / 3_201
    rules = policy(ho.Delta("ETH") >= 0.999 * most)
    found = ho.propose(wallet, deep, rules)
    assert found.certificate.valid
    assert found.trades["quantity"].sum() == pytest.approx(0.999 * most, rel=1e-6)
    assert judge(claim_of(found.to_dict()), expose(wallet, deep, rules), deep, rules.model_dump(mode="json")).valid
    with pytest.raises(ho.InfeasibleError):
        ho.propose(wallet, deep, policy(ho.Delta("ETH") >= 1.001 * most))


def test_the_verifier_finds_a_cost_that_is_not_the_walk() -> None:
    deep, rules = quoted().with_depth(books()), policy(ho.Delta("ETH") >= 500.0)
    found = ho.propose(BOOK, deep, rules).to_dict()
    edited = json.loads(json.dumps(found))
    edited["trades"][0]["cost"] *= 1.0 + 1e-6
    verdict = judge(claim_of(edited), expose(BOOK, deep, rules), deep, rules.model_dump(mode="json"))
    assert any("cost" in line for line in verdict.wrong)
    with pytest.raises(InputError, match="give the same files with --depth"):
        judge(claim_of(found), expose(BOOK, quoted(), rules), quoted(), rules.model_dump(mode="json"))


def test_ladders_are_part_of_the_market_s_digest() -> None:
    deep, deeper = (
        quoted().with_depth(books(1)),
        quoted().with_depth(books(1).assign(size=lambda t: t["size"] * (1 + 1e-12))),
    )
    assert len({market_digest(m) for m in (quoted(), deep, deeper)}) == 3
    assert market_digest(deep) == market_digest(quoted().with_depth(books(1)))


def test_two_accounts_share_a_ladder_and_never_take_more_than_it_holds() -> None:
    twice = replace_accounts(BOOK)
    deep = quoted().with_depth(books())
    one, two = (ho.propose(book, deep, policy(ho.Delta("ETH") >= 800.0)) for book in (BOOK, twice))
    assert two.certificate.objective == pytest.approx(one.certificate.objective, rel=1e-6)
    taken = two.trades.groupby("instrument")["quantity"].sum()
    assert (taken <= [deep.depth[f"deribit:{name}"].asks.total * (1 + 1e-9) for name in taken.index]).all()
    assert any("equal part of the ladder" in note for note in two.notes)


def replace_accounts(book: ho.Book) -> ho.Book:
    main = next(account for account in book.accounts if account.name == "main")
    return book.model_copy(update={"accounts": (*book.accounts, main.model_copy(update={"name": "second"}))})


def test_without_ladders_nothing_changes(toy_market: ho.Market) -> None:
    book = ho.Book(accounts=[{"name": "main", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 10.0}]}])
    e = expose(
        book, toy_market, ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20), lots="ideal")
    )
    assert e.depth is None
    assert replace(e, depth=None).structure() == e.structure()
    x = np.linspace(-1.0, 1.0, e.n_candidates)
    assert e.trade_cost(x).sum() == pytest.approx(e.cost_buy @ np.maximum(x, 0) + e.cost_sell @ np.maximum(-x, 0))


def test_the_cost_of_each_trade_by_component() -> None:
    given = pool() | {"gas_usd": 12.5}
    deep, rules = quoted().with_depth(given, books()), policy(ho.Delta("ETH") >= 2_000.0)
    found = ho.propose(BOOK, deep, rules)
    told, trades = found.trade_costs, found.trades
    assert told["instrument"].tolist() == trades["instrument"].tolist()
    paid = told["half_spread"] + told["depth"] + told["fee"]
    assert paid.to_numpy() == pytest.approx(trades["cost"].to_numpy(), rel=1e-9)
    assert (told["depth"] > 0.0).all()
    at = trades["account"].tolist().index("dex")
    bought, best = float(trades["quantity"][at]), deep.depth[POOL.id].asks.price[0]
    middle = min(0.5 * (best + deep.depth[POOL.id].bids.price[0]), 3_000.0)
    assert told["half_spread"][at] == pytest.approx((best - middle) * bought, rel=1e-9)
    assert told["gas"].tolist() == [12.5 if k == at else 0.0 for k in range(len(told))]
    assert told["fee"][at] == 0.0
    assert found.costs["depth"] == pytest.approx(told["depth"].sum())
    assert found.costs["half_spread"] + found.costs["depth"] + found.costs["fees"] == pytest.approx(
        found.costs["transaction"]
    )
    assert told["carry"].sum() == pytest.approx(0.0, abs=1e-9)  # funding of 0
    assert ho.read_proposal(found.to_dict()) == found
    assert judge(claim_of(found.to_dict()), expose(BOOK, deep, rules), deep, rules.model_dump(mode="json")).valid
    for name in ("half_spread", "depth", "fee", "gas", "carry"):
        edited = json.loads(json.dumps(found.to_dict()))
        edited["trade_costs"][0][name] += 0.01
        verdict = judge(claim_of(edited), expose(BOOK, deep, rules), deep, rules.model_dump(mode="json"))
        assert any(name in line for line in verdict.wrong), name


def test_tables_and_page_show_the_components() -> None:
    from rich.console import Console

    from hedgeopt.reports.proposal_csv import proposal_csv
    from hedgeopt.reports.terminal import proposal_report

    found = ho.propose(BOOK, quoted().with_depth(pool(), books()), policy(ho.Delta("ETH") >= 900.0))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(proposal_report(found))
    text = console.export_text()
    assert "Costs by trade" in text
    assert "half-spread" in text
    assert "depth" in text
    assert "together" in text
    csv = proposal_csv(found)["costs.csv"]
    assert csv.splitlines()[0] == "account,instrument,half_spread,depth,fee,gas,carry"
    page = found.to_html()
    assert "Costs by trade" in page
    assert "costs.csv" in page


def test_shares_of_quotes_ladders_and_volume_are_bounds_of_their_side() -> None:
    deep = quoted().with_depth(books())
    ladder, rows = deep.depth[PERPETUAL.id], deep.quotes.copy()
    rows.loc[PERPETUAL.id, "volume"] = 500_000.0
    market = replace(deep, quotes=rows)
    only = ("ETH-PERPETUAL",)
    for of, bought, sold in (
        ("quoted", float(ladder.asks.size[0]), float(ladder.bids.size[0])),
        ("depth", ladder.asks.total, ladder.bids.total),
        ("volume", 500_000.0, 500_000.0),
    ):
        limit = ho.Participation(share=0.5, of=of, only=only)
        for sign, most in ((1.0, bought), (-1.0, sold)):
            wanted = sign * 0.499 * most / 3_000.0
            delta = ho.Delta("ETH") >= wanted if sign > 0 else ho.Delta("ETH") <= wanted
            small = policy(delta, limit, ho.OrderLimit(quantity=1e-6, only=("spot",)))
            found = ho.propose(BOOK, market, small)
            assert found.certificate.valid
            assert judge(claim_of(found.to_dict()), expose(BOOK, market, small), market, small.model_dump(mode="json")).valid
            wanted = sign * 0.501 * most / 3_000.0
            delta = ho.Delta("ETH") >= wanted if sign > 0 else ho.Delta("ETH") <= wanted
            with pytest.raises(ho.InfeasibleError):
                ho.propose(BOOK, market, policy(delta, limit, ho.OrderLimit(quantity=1e-6, only=("spot",))))
    closed = ho.Participation(share=1.0, of="quoted")
    with pytest.raises(ho.InfeasibleError):  # nobody says what is quoted
        ho.propose(BOOK, quoted(), policy(ho.Delta("ETH") >= 1.0, closed))


def test_two_accounts_share_what_is_quoted() -> None:
    deep, twice = quoted().with_depth(books()), replace_accounts(BOOK)
    limits = ho.Participation(share=1.0, of="quoted"), ho.OrderLimit(quantity=1e-6, only=("spot",))
    size = float(deep.depth[PERPETUAL.id].asks.size[0]) / 3_000.0
    inside = policy(ho.Delta("ETH") >= 0.999 * size, *limits)
    found = ho.propose(twice, deep, inside)
    assert judge(claim_of(found.to_dict()), expose(twice, deep, inside), deep, inside.model_dump(mode="json")).valid
    with pytest.raises(ho.InfeasibleError):
        ho.propose(twice, deep, policy(ho.Delta("ETH") >= 1.001 * size, *limits))
