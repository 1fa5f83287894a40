"""Books and markets as tables and back: nothing is lost, whatever they hold."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.program.provenance import market_digest

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8)
SIZE = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda x: x == 0.0 or abs(x) > 1e-300)
NAMES = st.sampled_from(["BTC-PERPETUAL", "ETH-PERPETUAL", "BTC-27MAR26-80000-C", "BTC-27MAR26-70000-P"])
OTC = st.builds(
    lambda strike, vol: ho.Option(
        name=f"otc {strike:g}", venue="deribit", underlying="BTC", settlement="BTC", strike=strike, right="put", vol=vol,
        expiry="2026-06-26T08:00:00Z",
    ),
    st.floats(1.0, 1e6),
    st.none() | st.floats(0.01, 3.0),
)  # fmt: skip


@st.composite
def accounts(draw: Any) -> ho.Account:
    held = draw(st.lists(st.tuples(NAMES | OTC, st.none() | TEXT, SIZE), max_size=5))
    lots = {(item if isinstance(item, str) else item.name, lot): (item, size) for item, lot, size in held}
    posted = draw(st.dictionaries(st.sampled_from(["BTC", "ETH", "USDC", "USDT"]), SIZE, max_size=3))
    return ho.Account(
        name=draw(TEXT),
        venue="deribit",
        margin=draw(st.sampled_from(["standard", "portfolio"])),
        positions=[ho.Position(instrument=item, quantity=q, lot=lot) for (_, lot), (item, q) in lots.items()],
        collateral=[ho.Collateral(asset=asset, amount=amount) for asset, amount in posted.items()],
        tradable=draw(st.booleans()),
        paused=draw(st.booleans()),
        chain=draw(st.none() | TEXT),
        tags=tuple(draw(st.lists(TEXT, max_size=3, unique=True))),
        counterparty=draw(st.none() | TEXT),
    )


@st.composite
def books(draw: Any) -> ho.Book:
    found = draw(st.lists(accounts(), min_size=1, max_size=3, unique_by=lambda account: account.name))
    bridge = draw(st.none() | TEXT)
    links = [ho.Link(source=a.name, target=b.name, asset="USDC", bridge=bridge) for a, b in pairwise(found)]
    return ho.Book(
        name=draw(TEXT),
        timestamp=draw(st.none() | st.just("2026-03-06T10:00:00+00:00")),
        accounts=found,
        links=links,
        notes=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@settings(max_examples=25, deadline=None)
@given(books())
def test_a_book(book: ho.Book) -> None:
    frame = book.to_frame()
    assert ho.Book.from_frame(frame) == book
    assert ho.Book.from_frame(frame.astype(object).where(frame.notna(), None)) == book
    more = {"name": book.name, "timestamp": book.timestamp, "links": book.links}
    again = ho.Book.from_frame(frame.drop(columns=[c for c in frame if frame[c].isna().all() and c != "quantity"]), **more)
    assert again == book.model_copy(update={"notes": again.notes})


@settings(max_examples=8, deadline=None)
@given(books())
def test_a_book_in_json(book: ho.Book) -> None:
    assert ho.read_book(io.StringIO(book.model_dump_json())) == book


FRAME = ho.read_market(io.StringIO(example_files()["market.csv"])).to_frame()


@settings(max_examples=8, deadline=None)
@given(
    st.sets(st.integers(0, len(FRAME) - 1), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from(["SOL", "USDC", "stETH"]), st.floats(1e-6, 1e6), max_size=3),
    st.sets(st.sampled_from(["open_interest", "volume", "bid_price", "ask_price"]), max_size=2),
)
def test_a_market(rows: set[int], prices: dict[str, float], without: set[str]) -> None:
    part = FRAME.iloc[sorted(rows)].assign(**dict.fromkeys(without, np.nan))
    market = ho.Market.from_frame(part, prices=prices)
    again = ho.Market.from_frame(market.to_frame())
    assert again.instruments == market.instruments
    assert again.prices == market.prices
    assert market_digest(again) == market_digest(market)


def test_lots_and_tags_in_a_file(tmp_path: Any) -> None:
    held = [{"instrument": "BTC-PERPETUAL", "quantity": 10.0, "lot": lot} for lot in ("a", "b")]
    one = {"name": "main", "venue": "deribit", "positions": held, "tags": ["vol", "desk 2"]}
    book = ho.read_book({"accounts": [one, {**one, "name": "other", "tags": ["vol"]}]})
    path = tmp_path / "book.csv"
    book.to_frame().to_csv(path, index=False)
    assert ho.read_book(path).accounts == book.accounts
    path.write_text("account,venue,instrument,quantity,tags\nmain,deribit,BTC-PERPETUAL,1,vol\n", encoding="utf-8")
    assert ho.read_book(path).accounts[0].tags == ("vol",)
    path.write_text('account,venue,instrument,quantity,tags\nmain,deribit,BTC-PERPETUAL,1,"[vol"\n', encoding="utf-8")
    with pytest.raises(ho.InputError, match="tags"):
        ho.read_book(path)
