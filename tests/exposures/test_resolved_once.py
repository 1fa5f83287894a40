"""One look-up per name, a constant number of market reads, and none once the exposures are built."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.backtest import valuation
from hedgeopt.backtest.snapshot import Snapshot
from hedgeopt.example import example_files
from hedgeopt.exposures import expose as exposing
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.market import Market
from hedgeopt.measures.price_profile import spot_profile

METHODS = {"price", "quoted", "quote", "instrument", "arrays", "atm_vol", "require_fresh"}
DATA = {"prices", "quotes", "instruments"}


class Watched(Market):
    """Counts what is asked of it from outside, and once closed answers nothing but its moment and source."""

    @classmethod
    def of(cls, market: Market) -> Watched:
        made = cls(**{field.name: getattr(market, field.name) for field in fields(Market)})
        for name, value in {"reads": Counter(), "names": Counter(), "closed": False, "busy": False}.items():
            object.__setattr__(made, name, value)
        return made

    def __getattribute__(self, name: str) -> Any:
        found, own = object.__getattribute__(self, name), object.__getattribute__(self, "__dict__")
        if name not in METHODS | DATA or own.get("busy", True):
            return found
        assert not own["closed"], f"{name} of the market was asked for after the exposures were built"
        own["reads"][name] += 1
        return self._counted(name, found) if name in METHODS else found

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        own = object.__getattribute__(self, "__dict__")

        def asked(*args: Any) -> Any:
            if name == "instrument":
                own["names"][args] += 1
            own["busy"] = True
            try:
                return method(*args)
            finally:
                own["busy"] = False

        return asked

    def close(self) -> None:
        object.__setattr__(self, "closed", True)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[ho.Book, Market, ho.Policy]:
    folder = tmp_path_factory.mktemp("example")
    for name, text in example_files().items():
        (folder / name).write_text(text)
    policy = ho.read_policy(folder / "policy.toml")
    few = policy.model_copy(update={"scenarios": policy.scenarios.model_copy(update={"count": 500})})
    return ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv"), few


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Market], Watched]:
    """Watch a market, and close it as soon as exposures have been built."""
    watched: list[Watched] = []

    def closing(build: Callable[..., Any]) -> Callable[..., Any]:
        def built(*args: Any, **more: Any) -> Any:
            exposures = build(*args, **more)
            for market in watched:
                market.close()
            return exposures

        return built

    for module in (exposing, valuation):
        monkeypatch.setattr(module, "build_exposures", closing(module.build_exposures))

    def start(market: Market) -> Watched:
        watched.append(Watched.of(market))
        return watched[-1]

    return start


def bigger(book: ho.Book, market: Market) -> ho.Book:
    """Twice the positions, in an account of its own that also holds some of the first one's."""
    held = {position.name for position in book.accounts[0].positions}
    free = [item.name for item in market.instruments.values() if item.name not in held and item.nature.option]
    shared = book.accounts[0].positions[:10]
    more = (*shared, *(ho.Position(instrument=name, quantity=0.01) for name in free[: len(held) - len(shared)]))
    other = book.accounts[0].model_copy(update={"name": "other", "positions": more})
    return book.model_copy(update={"accounts": (*book.accounts, other)})


def held_names(book: ho.Book) -> set[tuple[str, str]]:
    return {(account.venue, position.name) for account in book.accounts for position in account.positions}


def test_a_proposal_looks_up_each_name_once_and_reads_no_market_after_its_exposures(
    example: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fresh draws of the promise are exposures of their own, built after the list is found: they do read the market again.
    monkeypatch.setattr("hedgeopt.program.solve.promise_of", lambda *args: None)
    book, market, policy = example
    seen = watch(market)
    proposal = ho.propose(book, seen, policy)
    assert seen.closed
    assert set(seen.names) == held_names(book)
    assert set(seen.names.values()) == {1}
    reads = seen.reads - Counter(instrument=len(seen.names))
    hashed = Counter(prices=1, instruments=1, quotes=1)
    assert reads == hashed + Counter(arrays=1, instruments=1, require_fresh=1, atm_vol=2)  # vols of BTC and ETH
    assert len(proposal.trades) > 0
    proposal.to_html()
    proposal.to_json()


def test_reads_do_not_grow_with_positions_or_candidates(example: Any, watch: Any) -> None:
    book, market, policy = example
    large = bigger(book, market)
    assert large.n_positions >= 2 * book.n_positions
    few = policy.candidates.model_copy(update={"min_days": 20.0})
    counts, sizes = [], []
    for desk, rules in ((book, policy), (large, policy), (large, policy.model_copy(update={"candidates": few}))):
        seen = watch(market)
        exposures = exposing.expose(desk, seen, rules)
        assert set(seen.names) == held_names(desk)
        assert set(seen.names.values()) == {1}
        counts.append(seen.reads - Counter(instrument=len(seen.names)))
        sizes.append((len(exposures.rows), exposures.n_candidates))
    assert len(set(sizes)) == 3
    assert counts[0] == counts[1] == counts[2]


def test_risk_margin_and_profiles_need_no_market(example: Any, watch: Any) -> None:
    book, market, policy = example
    seen = watch(market)
    exposures = exposing.expose(book, seen, policy, trades=False)
    assert seen.closed
    assert set(seen.names.values()) == {1}
    ho.risk_report(exposures)
    spot_profile(exposures, np.zeros(0), "BTC")
    margins, held = exposures.margins, exposures.rows.quantity
    for stress in (None, *range(len(exposures.stress))):
        assert margins.requirement(0, held, exposures.collateral[0], stress).initial > 0
    assert np.isfinite(margins.revalue(margins.stress)).all()


def test_a_valuation_in_a_replay_does_the_same(example: Any, watch: Any) -> None:
    book, market, _ = example
    seen = watch(market)
    worth = valuation.value(book, seen)
    assert set(seen.names) == held_names(book)
    assert seen.reads - Counter(instrument=len(seen.names)) == Counter(arrays=1, instruments=1)
    again = valuation.value(book, seen, before=worth)  # of a closed market: only quantities and cash are new
    assert again.equity == pytest.approx(worth.equity, rel=1e-12)


def test_exposures_pickle_without_the_market_and_still_revalue(example: Any) -> None:
    book, market, policy = example
    exposures = exposing.expose(book, market, policy)
    text = pickle.dumps(exposures)
    assert Market.__module__.encode() not in text
    assert b"pandas" not in text
    back = pickle.loads(text)
    x = np.zeros(exposures.n_candidates)
    x[0] = 1.0
    np.testing.assert_array_equal(spot_profile(back, x, "BTC").after, spot_profile(exposures, x, "BTC").after)
    np.testing.assert_array_equal(back.margins.revalue(back.margins.stress), exposures.margins.unit_pnl)


def test_arrays_answer_as_their_market_does_and_stay_when_it_is_edited(example: Any) -> None:
    _, market, _ = example
    arrays, ids = market.arrays(), [*list(market.instruments)[::7], "nowhere:NOTHING"]
    for field in arrays.columns:
        np.testing.assert_array_equal(arrays.quoted(field, ids), market.quoted(field, ids))
        np.testing.assert_array_equal(arrays.quoted(field, ids), Snapshot.of(market).quoted(field, ids))
    for asset in (*market.prices, "USDC", "USD", "WETH", "stETH/ETH"):
        assert arrays.price(asset) == market.price(asset)
    with pytest.raises(ho.InputError, match="has no price for DOGE") as raised:
        arrays.price("DOGE")
    assert raised.value.file == market.source
    edited = replace(market, quotes=market.quotes.copy())
    kept = edited.arrays()
    edited.quotes["mark_price"] = 0.0
    np.testing.assert_array_equal(kept.quoted("mark_price", ids), arrays.quoted("mark_price", ids))


def test_holdings_keep_the_order_of_the_book_and_unfold_legs(example: Any) -> None:
    book, market, _ = example
    large = bigger(book, market)
    holdings = resolve(large, market)
    names = [position.name for account in large.accounts for position in account.positions]
    assert [item.name for item in holdings.positions] == names
    assert [leg.account for leg in holdings.legs] == [c for c, a in enumerate(large.accounts) for _ in a.positions]
    assert all(holdings.named)
    assert not holdings.whole
    gone = book.accounts[0].model_copy(update={"positions": (ho.Position(instrument="BTC-NONE", quantity=1.0),)})
    with pytest.raises(ho.InputError, match="unknown instrument"):
        resolve(book.model_copy(update={"accounts": (gone,)}), market)


def test_rows_hold_what_a_trade_list_needs(example: Any) -> None:
    book, market, policy = example
    rows = exposing.expose(book, market, policy).rows
    ids = [item.id for item in rows.instruments]
    np.testing.assert_array_equal(rows.bid, market.quoted("bid_price", ids))
    np.testing.assert_array_equal(rows.ask, market.quoted("ask_price", ids))
    assert rows.settlement_price.tolist() == [market.price(item.settlement) for item in rows.instruments]
