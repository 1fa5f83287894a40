"""Several replies about one account: taken from one, never added up; of one moment, whole, and met by their own totals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.inputs.payloads.form import Total

from .replies import MS, save

EXAMPLES = Path(__file__).parent / "examples"
SNAPSHOTS = {
    "deribit-account-summaries": "/result/summaries/0/equity",
    "deribit-positions": "/result/0/size",
    "okx-balance": "/data/0/details/0/eq",
    "okx-positions": "/data/1/pos",
    "bybit-wallet": "/result/list/0/coin/0/walletBalance",
    "bybit-positions": "/result/list/1/size",
    "hyperliquid-clearinghouse-state": "/marginSummary/accountValue",
    "derive-positions": "/result/positions/0/amount",
    "derive-subaccount": "/result/collaterals/0/amount",
    "binance-option-positions": "/0/quantity",
    "binance-futures-balances": "/0/balance",
    "ccxt-balance": "",
}
"""Examples, and the place of an amount in them."""
MOVED = {
    "equity", "mark_value", "notionalUsd", "optVal", "positionValue", "markValue", "unrealisedPnl", "usdValue", "delta",
    "options_value", "eqUsd", "size_currency",
}  # fmt: skip


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def changed(name: str, factor: float) -> Any:
    """The example with its amount (and what is checked against it) times a factor."""
    value = example(name)
    if name == "ccxt-balance":
        return {
            key: {part: factor * float(x) for part, x in one.items()} if isinstance(one, dict) and key != "info" else one
            for key, one in value.items()
        }
    if name == "hyperliquid-clearinghouse-state":
        sums = {key: str(factor * float(one)) for key, one in value["marginSummary"].items()}
        row = value["assetPositions"][0]["position"]
        row |= {key: str(factor * float(row[key])) for key in ("szi", "positionValue", "unrealizedPnl", "marginUsed")}
        return value | {"marginSummary": sums, "crossMarginSummary": sums}
    *parents, last = SNAPSHOTS[name].strip("/").split("/")
    row = value
    for part in parents:
        row = row[int(part) if isinstance(row, list) else part]
    kept = {"mark_price", "markPx", "markPrice", "avgPrice", "idxPx", "index_price", "average_price", "entryPrice"}
    for key, one in row.items():
        if key in kept or key == last:
            continue
        if key in MOVED:
            row[key] = type(one)(factor * float(one))
    row[last] = type(row[last])(round(factor * float(row[last]), 9))
    return value


def amounts(found: Any) -> dict[str, float]:
    """Everything in the book, by account."""
    return {
        f"{account.name} {thing.asset if hasattr(thing, 'asset') else thing.name}": getattr(
            thing, "amount", getattr(thing, "quantity", 0.0)
        )
        for account in found.book.accounts
        for thing in (*account.collateral, *account.positions)
    }


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_two_snapshots_of_one_account_are_never_summed(name: str, tmp_path: Path) -> None:
    """Equal ones count once; different ones are refused; accounts that are named apart are two."""
    venue = "binance" if name.startswith("ccxt") else None
    first, sizes = save(tmp_path, "first.json", example(name)), list[Path]()
    if name == "okx-positions":
        sizes = [EXAMPLES / "okx-instruments.json"]
    again = example(name)
    if isinstance(again, dict) and "jsonrpc" in again:
        again["id"] = 99
    else:
        again = [again] if not isinstance(again, list) else [*again, again[0]][:-1]
    once = ho.import_payloads(first, *sizes, venue=venue)
    twice = ho.import_payloads(first, save(tmp_path, "second.json", again), *sizes, venue=venue)
    assert amounts(twice) == amounts(once)
    assert any("given twice" in note and "counted once" in note for note in twice.notes)
    later = save(tmp_path, "later.json", changed(name, 1.01))
    with pytest.raises(ho.InputError, match=r"is in two replies that differ: first.json.*, later.json") as caught:
        ho.import_payloads(first, later, *sizes, venue=venue)
    assert "--account FILE=NAME" in str(caught.value)
    assert "\n" not in str(caught.value)
    named = ho.import_payloads(first, later, *sizes, accounts={str(first): "desk1", "later.json": "desk2"}, venue=venue)
    assert named.book is not None
    assert len(named.book.accounts) == 2 * len(once.book.accounts)  # type: ignore[union-attr]
    assert {one.margin for one in named.book.accounts} == {one.margin for one in once.book.accounts}  # type: ignore[union-attr]
    assert sorted(x for key, x in amounts(named).items() if "desk1" in key) == sorted(amounts(once).values())


def test_summary_and_portfolio_of_one_currency(tmp_path: Path) -> None:
    """Deribit states an account's equity in two forms: equal counts once, else it is refused."""
    summary, portfolio = EXAMPLES / "deribit-account-summaries.json", example("deribit-portfolio")
    found = ho.import_payloads(summary, save(tmp_path, "same.json", portfolio))
    assert found.book is not None
    assert [one.amount for one in found.book.accounts[0].collateral] == [2.0]
    portfolio["params"]["data"] |= {"equity": 5.0, "balance": 5.1}
    with pytest.raises(ho.InputError, match=r"BTC of the unnamed account at deribit .* says 2, other.json .* says 5.118"):
        ho.import_payloads(summary, save(tmp_path, "other.json", portfolio))


def test_replies_that_complete_each_other_add_up(tmp_path: Path) -> None:
    """Summaries of two currencies, positions and balance, pages of a list."""
    one, two = example("deribit-account-summaries"), example("deribit-account-summaries")
    two["result"]["summaries"][0]["currency"] = "ETH"
    book = ho.read_book(
        save(tmp_path, "btc.json", one), save(tmp_path, "eth.json", two), EXAMPLES / "deribit-positions.json"
    )
    (account,) = book.accounts
    assert [coin.asset for coin in account.collateral] == ["BTC", "ETH"]
    assert len(account.positions) == 2
    pages = [example("bybit-positions"), example("bybit-positions")]
    for k, page in enumerate(pages):
        page["result"]["list"] = [page["result"]["list"][k]]
        page["result"]["nextPageCursor"] = "BTC%2C1" if k == 0 else ""
    paths = [save(tmp_path, f"page{k}.json", page) for k, page in enumerate(pages)]
    assert len(ho.read_book(*paths).accounts[0].positions) == 2


@pytest.mark.parametrize(
    ("name", "place", "key", "value"),
    [
        ("bybit-positions", "result", "nextPageCursor", "BTCUSDT%3A1,0"),
        ("bybit-instruments", "result", "nextPageCursor", "first%3DX"),
        ("derive-positions", "result", "pagination", {"num_pages": 3, "count": 201}),
        ("deribit-positions", "", "has_more", True),
        ("okx-positions", "", "hasMore", True),
        ("okx-balance", "", "cursor", "123"),
    ],
)
def test_a_page_of_a_list_is_not_taken_for_the_list(name: str, place: str, key: str, value: Any, tmp_path: Path) -> None:
    reply = example(name)
    (reply[place] if place else reply)[key] = value
    with pytest.raises(ho.InputError, match=rf"reply.json: {key}.*: says that the list goes on \(1 page given\)"):
        ho.import_payloads(save(tmp_path, "reply.json", reply))
    if key == "nextPageCursor":
        last = {"retCode": 0, "retMsg": "OK", "result": {"category": reply["result"].get("category", ""), "list": [],
                "nextPageCursor": ""}, "time": MS}  # fmt: skip
        assert ho.import_payloads(tmp_path / "reply.json", save(tmp_path, "last.json", last)).notes


@pytest.mark.parametrize("left", ["none", "size"])
def test_totals_that_the_positions_contradict(left: str, tmp_path: Path) -> None:
    reply = example("hyperliquid-clearinghouse-state")
    if left == "none":
        reply["assetPositions"] = []
    else:
        row = reply["assetPositions"][0]["position"]
        row |= {"szi": "0.1", "positionValue": "10001", "unrealizedPnl": "101", "marginUsed": "250"}
    path = save(tmp_path, "state.json", reply)
    with pytest.raises(ho.InputError, match="positions are missing, or of another moment"):
        ho.import_payloads(path)
    assert main(["import", str(path), "--out", str(tmp_path / "out")]) != 0
    assert not (tmp_path / "out" / "book.json").exists()


def test_long_less_short_is_of_the_positions(tmp_path: Path) -> None:
    """Positions of the right notional and the wrong side are refused."""
    reply = example("hyperliquid-clearinghouse-state")
    row = reply["assetPositions"][0]["position"]
    row |= {"szi": "-0.2", "unrealizedPnl": "-202"}
    with pytest.raises(ho.InputError, match="long less short at Hyperliquid is -20,002"):
        ho.import_payloads(save(tmp_path, "state.json", reply))


def test_an_explanation_is_printed_only_where_it_can_be_true(tmp_path: Path) -> None:
    for theirs, words in ((6_000.0, ": orders"), (0.0, ": not explained, check before use")):
        assert words in Total("margin", 5_500.0, theirs, 0.01, why="orders", side=1).line()
    for theirs, words in ((101.0, ": two moments"), (3.31, ": not explained")):
        assert words in Total("equity", 100.0, theirs, 0.001, why="two moments", room=0.02).line()
    wallet = example("bybit-wallet")
    wallet["result"]["list"][0] |= {"totalEquity": "3.31", "totalInitialMargin": "0"}
    paths = [save(tmp_path, "wallet.json", wallet), EXAMPLES / "bybit-positions.json"]
    notes = ho.import_payloads(*paths).notes
    (equity,) = [note for note in notes if note.startswith("equity at Bybit")]
    assert equity.endswith("not explained, check before use")
    assert not any("orders and loans" in note for note in notes)


DAY = 86_400_000


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("bybit-positions", ("time",)),
        ("bybit-wallet", ("time",)),
        ("hyperliquid-clearinghouse-state", ("time",)),
        ("okx-balance", ("data", 0, "uTime")),
        ("okx-positions", ("data", 0, "uTime")),
        ("deribit-positions", ("usOut",)),
    ],
)
def test_replies_of_different_moments_make_no_book(name: str, place: tuple[Any, ...], tmp_path: Path) -> None:
    reply = example(name)
    row = reply
    for part in place[:-1]:
        row = row[part]
    row[place[-1]] = (MS + DAY) * (1000 if place[-1] == "usOut" else 1)
    held, market = save(tmp_path, "held.json", reply), EXAMPLES / "bybit-option-tickers.json"
    with pytest.raises(
        ho.InputError, match=r"held.json: time.*is of another moment than bybit-option-tickers.json"
    ) as caught:
        ho.import_payloads(held, market)
    assert "2026-03-07T10:00:00" in str(caught.value)
    assert "2026-03-06T10:00:00" in str(caught.value)
    far = ["import", str(held), str(market), "--window", "100000", "--out", str(tmp_path / "out")]
    assert main(far) == 0
    assert "count as one moment" in (tmp_path / "out" / "book.json").read_text()
    stamp = json.loads((tmp_path / "out" / "book.json").read_text()).get("timestamp")
    assert stamp is not None
    assert name == "okx-positions" or stamp.startswith("2026-03-07")


def test_two_replies_of_a_book_of_different_moments(tmp_path: Path) -> None:
    wallet = example("bybit-wallet")
    wallet["time"] = MS + DAY
    paths = [save(tmp_path, "wallet.json", wallet), EXAMPLES / "bybit-positions.json"]
    with pytest.raises(ho.InputError, match=r"1,440\.0 minutes apart"):
        ho.read_book(*paths)
    assert ho.read_book(*paths, any_moment=True).accounts


def test_names_of_accounts_by_file(tmp_path: Path) -> None:
    for folder, factor in (("one", 1.0), ("two", 3.0)):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder, "okx.json", changed("okx-balance", factor))
    paths = [str(tmp_path / folder / "okx.json") for folder in ("one", "two")]
    names = [f"--account={tmp_path / folder}=desk-{folder}" for folder in ("one", "two")]
    with pytest.raises(ho.InputError, match=r"one/okx.json .* says 2, .*two/okx.json .* says 6"):
        ho.import_payloads(*paths)
    assert main(["import", *paths, *names, "--out", str(tmp_path / "out")]) == 0
    book = ho.read_book(tmp_path / "out" / "book.json")
    assert [(one.name, one.collateral[0].amount) for one in book.accounts] == [("okx-desk-one", 2.0), ("okx-desk-two", 6.0)]
    for accounts, words in (({"no.json": "a"}, "not given"), ({"okx.json": "a b"}, "no name")):
        with pytest.raises(ho.InputError, match=words):
            ho.import_payloads(*paths, accounts=accounts)


def test_several_books_of_ours_are_rolled_up(tmp_path: Path) -> None:
    paths = []
    for name in ("vol", "basis"):
        book = {
            "name": name,
            "accounts": [{"name": "a", "venue": "deribit", "collateral": [{"asset": "BTC", "amount": 1.0}]}],
        }
        paths.append(save(tmp_path, f"{name}.json", book))
    assert ho.read_book(*paths) == ho.roll_up([ho.read_book(path) for path in paths])
    with pytest.raises(
        ho.InputError, match=r"vol.json: book: is a book of ours, and not all of the others are.*hedgeopt import"
    ):
        ho.read_book(paths[0], EXAMPLES / "okx-balance.json")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("okx-balance", ("data", 0)),
        ("bybit-wallet", ("result", "list", 0)),
        ("hyperliquid-clearinghouse-state", ()),
        ("hyperliquid-spot-state", ()),
        ("derive-positions", ("result",)),
        ("derive-subaccount", ("result",)),
        ("deribit-account-summaries", ("result",)),
        ("deribit-portfolio", ("params", "data")),
    ],
)
def test_two_statements_in_one_list_are_two_replies(name: str, place: tuple[Any, ...], tmp_path: Path) -> None:
    row = example(name)
    for part in place:
        row = row[part]
    once = ho.read_book(EXAMPLES / f"{name}.json")
    twice = ho.read_book(save(tmp_path, "list.json", [row, {**row, "label": "again"}]))
    assert [one.model_dump() for one in twice.accounts] == [one.model_dump() for one in once.accounts]
    assert any("counted once" in note for note in twice.notes)


def test_a_market_of_some_pages_is_refused(tmp_path: Path) -> None:
    reply = example("bybit-instruments")
    reply["result"]["nextPageCursor"] = "more"
    with pytest.raises(ho.InputError, match="says that the list goes on"):
        ho.read_market(EXAMPLES / "bybit-option-tickers.json", save(tmp_path, "instruments.json", reply))


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("deribit-positions", ("result",)),
        ("okx-positions", ("data",)),
        ("bybit-positions", ("result", "list")),
        ("binance-option-positions", ()),
        ("binance-futures-balances", ()),
    ],
)
def test_a_list_put_together_twice_counts_once(name: str, place: tuple[Any, ...], tmp_path: Path) -> None:
    reply = example(name)
    rows = reply
    for part in place:
        rows = rows[part]
    rows += [dict(row) for row in rows]
    once = ho.read_book(EXAMPLES / f"{name}.json")
    twice = ho.read_book(save(tmp_path, "list.json", reply))
    assert [one.model_dump() for one in twice.accounts] == [one.model_dump() for one in once.accounts]
    assert any("given twice and counted once" in note for note in twice.notes)


LISTS: dict[str, tuple[tuple[Any, ...], int, dict[str, float]]] = {
    "deribit-positions": (("result",), 0, {"size": 1.5, "delta": 1.5}),
    "okx-positions": (("data",), 0, {"pos": 1.5, "optVal": 1.5, "notionalUsd": 1.5, "deltaBS": 1.5}),
    "bybit-positions": (("result", "list"), 1, {"size": 1.5, "positionValue": 1.5}),
    "binance-option-positions": ((), 0, {"quantity": 1.5, "markValue": 1.5}),
    "binance-futures-positions": ((), 0, {"positionAmt": 1.5, "notional": 1.5}),
    "ccxt-positions": ((), 0, {"contracts": 1.5, "notional": 1.5}),
    "okx-balance": (("data", 0, "details"), 0, {"eq": 1.5, "cashBal": 1.5}),
    "bybit-wallet": (("result", "list", 0, "coin"), 0, {"walletBalance": 1.5, "equity": 1.5}),
    "binance-futures-balances": ((), 0, {"balance": 1.5}),
}
"""Lists of an account by form: their place, a row, and the numbers of it that another moment changes."""


def _list_of(name: str) -> tuple[Any, list[dict[str, Any]], dict[str, Any]]:
    """The reply, its list, and one of its rows a moment later."""
    place, at, moved = LISTS[name]
    reply = rows = example(name)
    for part in place:
        rows = rows[part]
    later = dict(rows[at])
    for key, factor in moved.items():
        if key in later:
            later[key] = type(later[key])(round(factor * float(later[key]), 9))
    return reply, rows, later


_LONG = {"positionAmt": "0.5", "notional": "50005.0", "unRealizedProfit": "505.0"}


def _venue(name: str) -> dict[str, str]:
    return {"venue": "bybit"} if name.startswith("ccxt") else {}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_put_together_of_two_moments_is_refused(name: str, tmp_path: Path) -> None:
    """No venue lists an instrument (or a coin) twice, in a list or on its pages: two sizes are two moments."""
    reply, rows, later = _list_of(name)
    rows.append(later)
    with pytest.raises(
        ho.InputError, match=r"lists \S+ as \S+ and as \S+, and \w+ has one line for it.*two moments or accounts"
    ):
        ho.read_book(save(tmp_path, "list.json", reply), **_venue(name))


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("okx-positions", ({"posSide": "long", "pos": "30"}, {"posSide": "short", "pos": "30"})),
        ("okx-positions", ({"mgnMode": "cross"}, {"mgnMode": "isolated"})),
        ("bybit-positions", ({"positionIdx": "1"}, {"positionIdx": "2"})),
        ("binance-futures-positions", ({"positionSide": "SHORT"}, {"positionSide": "LONG", **_LONG})),
        ("ccxt-positions", ({"hedged": True}, {"hedged": True, "side": "long", "unrealizedPnl": 2020.0})),
        ("ccxt-positions", ({"marginMode": "cross"}, {"marginMode": "isolated"})),
    ],
)
def test_both_sides_of_hedge_mode_are_two_lots(name: str, sides: Any, tmp_path: Path) -> None:
    """The key by which each venue tells two positions of one instrument apart, by its documentation."""
    reply, rows, _ = _list_of(name)
    at = 1 if name == "okx-positions" else LISTS[name][1]
    one, other = dict(rows[at]) | sides[0], dict(rows[at]) | sides[1]
    rows[:] = [one, other]
    found = ho.read_book(save(tmp_path, "hedge.json", reply), **_venue(name))
    held = found.accounts[0].positions
    assert any("is held in several lots, which are added up" in note for note in found.notes)
    alone = 0.0
    for row in (one, other):
        rows[:] = [row]
        alone += ho.read_book(save(tmp_path, "one.json", reply), **_venue(name)).accounts[0].positions[0].quantity
    assert sum(position.quantity for position in held) == pytest.approx(alone)


def test_a_net_position_that_turned_is_no_hedge(tmp_path: Path) -> None:
    """Without hedge mode, long in one snapshot and short in the next are not two sides that cancel."""
    reply, rows, later = _list_of("ccxt-positions")
    rows.append(later | {"side": "long", "unrealizedPnl": 2020.0})
    with pytest.raises(ho.InputError, match="has one line for it"):
        ho.read_book(save(tmp_path, "list.json", reply), venue="bybit")
