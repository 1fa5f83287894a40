"""Orders in venues' words: read back they are the proposal's trades; what is unfit is refused in one line."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.orders.export import export_orders, left_out, orders_csv, orders_excel
from hedgeopt.orders.fit_to_send import refuse_unfit
from hedgeopt.orders.plan import execution_plan
from hedgeopt.orders.send import FORMS_OF_ORDERS, SentOrder, decimal_text, order_line, read_order_line
from hedgeopt.program.provenance import market_digest
from hedgeopt.venues.known import parser

from .conftest import solved

NAMES = {
    "deribit": [
        "BTC-27MAR26-80000-C",
        "BTC_USDC-27MAR26-80000-P",
        "BTC-27MAR26",
        "BTC-PERPETUAL",
        "SOL_USDC-PERPETUAL",
        "BTC_USDC",
    ],
    "okx": ["BTC-USD-260327-80000-C", "BTC-USD-260327", "BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT"],
    "bybit": ["BTC-27MAR26-80000-C", "BTCUSDT", "BTCUSD"],
    "derive": ["ETH-20260327-3000-C", "ETH-PERP"],
    "hyperliquid": ["BTC", "PURR/USDC"],
}
PAIRS = [(venue, name) for venue, names in NAMES.items() for name in names]


def market_of(items: list[Any], size: float) -> ho.Market:
    columns = ("bid_price", "ask_price", "mark_price", "mark_iv", "underlying_price", "open_interest", "volume",
               "funding_8h", "settlement_average")  # fmt: skip
    row = dict.fromkeys(columns, float("nan")) | {"timestamp": pd.Timestamp("2026-03-01", tz="UTC"), "contract_size": size}
    quotes = pd.DataFrame({item.id: row for item in items}).T
    return ho.Market(datetime(2026, 3, 1, tzinfo=UTC), {"BTC": 8e4}, {item.id: item for item in items}, quotes)


@given(
    pair=st.sampled_from(PAIRS), lots=st.integers(1, 10**7), size=st.sampled_from([0.01, 0.1, 1.0, 10.0, 100.0]),
    price=st.integers(1, 10**7), side=st.sampled_from(["buy", "sell"]), unified=st.booleans(), closes=st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read_back_exactly(
    pair: tuple[str, str], lots: int, size: float, price: int, side: str, unified: bool, closes: bool
) -> None:
    venue, name = pair
    item = parser(venue)(name)
    quantity = float(Fraction(lots) * Fraction(str(size)))
    order = SentOrder("0123456789abcdef" * 2, "main", item, side, quantity, price * 0.0001, closes, size)
    form = "ccxt" if unified else venue
    line = order_line(order, form)
    assert "\n" not in line
    found = read_order_line(line, form, market_of([item], size))
    assert found == {"instrument": name, "side": side, "quantity": quantity, "limit_price": price * 0.0001,
                     "client_id": order.client_id}  # fmt: skip


def test_fields_are_the_venues() -> None:
    """Of the venues' API references; amounts in their units."""
    ident = "0123456789abcdef" * 2

    def line(venue: str, name: str, quantity: float, price: float, **more: Any) -> Any:
        return json.loads(order_line(SentOrder(ident, "a", parser(venue)(name), "buy", quantity, price, **more), venue))

    assert line("deribit", "BTC-PERPETUAL", 40_000.0, 70_000.5, reduce_only=True) == {
        "method": "private/buy",
        "params": {"instrument_name": "BTC-PERPETUAL", "amount": 40_000.0, "type": "limit", "price": 70_000.5,
                   "label": ident, "time_in_force": "immediate_or_cancel", "reduce_only": True},
    }  # fmt: skip
    assert line("okx", "BTC-USDT-SWAP", 1.23, 70_000.5, contract=0.01, reduce_only=True) == {
        "instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "ioc", "px": "70000.5", "sz": "123",
        "clOrdId": ident, "reduceOnly": True,
    }  # fmt: skip
    assert line("bybit", "BTCUSD", 500.0, 70_000.5, rests=True) == {
        "category": "inverse", "symbol": "BTCUSD", "side": "Buy", "orderType": "Limit", "qty": "500", "price": "70000.5",
        "timeInForce": "GTC", "orderLinkId": ident,
    }  # fmt: skip
    assert line("derive", "ETH-PERP", 0.5, 2_000.01) == {
        "instrument_name": "ETH-PERP", "direction": "buy", "order_type": "limit", "time_in_force": "ioc", "amount": "0.5",
        "limit_price": "2000.01", "label": ident, "reduce_only": False,
    }  # fmt: skip
    assert line("hyperliquid", "BTC", 0.00001, 70_001.0) == {
        "coin": "BTC", "is_buy": True, "sz": 1e-05, "limit_px": 70_001.0, "order_type": {"limit": {"tif": "Ioc"}},
        "reduce_only": False, "cloid": f"0x{ident}",
    }  # fmt: skip


@given(st.floats(1e-12, 1e15))
def test_decimals_are_plain_and_exact(value: float) -> None:
    text = decimal_text(value)
    assert float(text) == value
    assert "e" not in text.lower()


@pytest.mark.parametrize("form", ["deribit", "ccxt"])
def test_the_orders_of_a_proposal_are_its_trades(form: str) -> None:
    s = solved("whole")
    plan = execution_plan(s.proposal, s.book, s.market)
    lines = export_orders(s.proposal, plan, s.book, s.market, form, now=s.proposal.created)
    read = [read_order_line(line, form, s.market) for line in lines]
    told = sorted((o["instrument"], o["side"], o["quantity"]) for o in read)
    assert told == sorted(s.proposal.trades[["instrument", "side", "quantity"]].itertuples(index=False, name=None))
    again = execution_plan(s.proposal, s.book, s.market)
    assert export_orders(s.proposal, again, s.book, s.market, form, now=s.proposal.created) == lines
    rounds = execution_plan(s.proposal, s.book, s.market, rounds=3)
    parts = export_orders(s.proposal, rounds, s.book, s.market, form, now=s.proposal.created)
    total: dict[str, float] = {}
    for part in parts:
        one = read_order_line(part, form, s.market)
        total[one["instrument"]] = total.get(one["instrument"], 0.0) + one["quantity"]
    assert total == pytest.approx(
        dict(zip(s.proposal.trades["instrument"], s.proposal.trades["quantity"], strict=True)), rel=1e-12
    )
    ids = [{read_order_line(line, form, s.market)["client_id"] for line in some} for some in (parts, lines)]
    assert len(ids[0]) == len(parts)
    assert not ids[0] & ids[1]


def test_any_size_is_fine_where_the_lot_is_0_and_no_part_may_be_below_the_smallest_order() -> None:
    s = solved("whole")
    plan = execution_plan(s.proposal, s.book, s.market)
    free = replace(plan, legs=plan.legs.assign(lot=0.0, min_size=0.0))
    refuse_unfit(s.proposal, free, s.book, s.market, now=s.proposal.created)
    for legs, words in ((plan.legs.assign(lot=float("nan")), "its lot is not known"),
                        (plan.legs.assign(min_size=1e9), "is below the smallest order of 1e")):  # fmt: skip
        with pytest.raises(ho.InputError, match=words):
            refuse_unfit(s.proposal, replace(plan, legs=legs), s.book, s.market, now=s.proposal.created)


def test_another_impact_law_is_said_and_not_only_quotes() -> None:
    s = solved("whole")
    market = s.market.with_impact({"instruments": {"deribit:BTC-13MAR26-84000-P": {"k": 1e-4}}})
    plan = execution_plan(s.proposal, s.book, market)
    with pytest.raises(ho.InputError, match="here it has --impact: give those that it was solved with"):
        refuse_unfit(s.proposal, plan, s.book, market, now=s.proposal.created)
    told = re.compile("here it has neither --depth nor --impact")
    made_with = replace(s.proposal, inputs={**(s.proposal.inputs or {}), "market": market_digest(market)})
    with pytest.raises(ho.InputError, match=told):
        refuse_unfit(made_with, execution_plan(s.proposal, s.book, s.market), s.book, s.market, now=s.proposal.created)


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_the_market_of_solve_can_be_given_to_plan_and_apply(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert "--impact" in told
    assert "--depth" in told


def test_what_no_order_says_is_told() -> None:
    s = solved("network")
    plan = execution_plan(s.proposal, s.book, s.market)
    told = left_out(plan, "hyperliquid")
    assert told[0].startswith("2 transfers first, which no order says: ")
    assert told[1] == "2 trades at binance, deribit left out"
    assert len(left_out(plan, "ccxt")) == 1


def test_csv_and_workbook_have_the_same_bytes_each_time() -> None:
    s = solved("whole")
    first, second = (execution_plan(s.proposal, s.book, s.market) for _ in range(2))
    assert orders_csv(first) == orders_csv(second)
    assert orders_excel(first) == orders_excel(second)
    sheet = openpyxl.load_workbook(io.BytesIO(orders_excel(first)))["orders"]
    rows = list(sheet.iter_rows(values_only=True))
    table = pd.read_csv(io.StringIO(orders_csv(first)))
    assert list(rows[0]) == list(table.columns)
    for row, (_, line) in zip(rows[1:], table.iterrows(), strict=True):
        assert row[6] == line["quantity"]
        assert row[8] == line["limit_price"]


def doubled(proposal: ho.Proposal) -> ho.Proposal:
    """Twice the first trade, every number of its row with it: only the book after tells."""
    trades, costs = proposal.trades.copy(), proposal.trade_costs.copy()
    trades.loc[0, ["quantity", "notional", "premium", "cost", "fee"]] *= 2.0
    costs.loc[0, ["half_spread", "depth", "fee", "carry"]] *= 2.0
    return replace(proposal, trades=trades, trade_costs=costs)


def priced(proposal: ho.Proposal) -> ho.Proposal:
    trades = proposal.trades.copy()
    trades.loc[0, "price"] *= 1.5
    return replace(proposal, trades=trades)


def sent_more(proposal: ho.Proposal) -> ho.Proposal:
    transfers = proposal.transfers.copy()
    transfers.loc[0, ["amount", "usd", "cost"]] *= 0.5
    return replace(proposal, transfers=transfers)


def sent_for_less(proposal: ho.Proposal) -> ho.Proposal:
    transfers = proposal.transfers.copy()
    transfers.loc[0, "cost"] *= 0.5
    return replace(proposal, transfers=transfers)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("whole", doubled, r"the list leads to .* of \S+ in main, book_after holds "),
        ("whole", priced, r": price \S+ is listed, the market gives "),
        ("network", sent_more, r"the list leads to .* of USDC in \w+, book_after holds "),
        ("network", sent_for_less, r"transfer to poor: cost \S+ is listed, the book gives "),
    ],
)
def test_a_list_changed_after_its_certificate_is_refused(name: str, change: Any, words: str) -> None:
    s = solved(name)
    changed = change(s.proposal)
    plan = execution_plan(s.proposal, s.book, s.market)
    options = {"now": s.proposal.created, "allow": ["ideal", "breaks"]}
    refuse_unfit(s.proposal, plan, s.book, s.market, **options)
    with pytest.raises(ho.InputError, match=r"the plan is that of another list.*--allow uncertified"):
        refuse_unfit(changed, plan, s.book, s.market, **options)
    plan = execution_plan(changed, s.book, s.market)
    with pytest.raises(ho.InputError, match=words + ".*--allow uncertified"):
        refuse_unfit(changed, plan, s.book, s.market, **options)
    options["allow"].append("uncertified")
    refuse_unfit(changed, plan, s.book, s.market, **options)


UNFIT = {
    "stale": "is 86,400 s old at 2026-03-07 10:00:00 UTC, allowed are 600 s",
    "market": " quotes changed, most of all BTC-13MAR26-84000-P by +100.00%",
    "book": "was made for another book",
    "ideal": "is no whole number of lots of 0.1",
    "uncertified": "is not certified",
    "breaks": "exceeds a limit on the way: delta BTC",
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_is_unfit_is_refused_and_sent_when_asked(what: str) -> None:
    s = solved("band" if what == "breaks" else "example" if what == "ideal" else "whole")
    book, market, proposal, now = s.book, s.market, s.proposal, s.proposal.created
    if what == "stale":
        now = now + timedelta(days=1)
    elif what == "market":
        quotes = market.quotes.copy()
        quotes.loc["deribit:BTC-13MAR26-84000-P", "ask_price"] *= 2.0
        market = ho.Market(market.timestamp, market.prices, market.instruments, quotes, "market.csv")
    elif what == "book":
        book = book.model_copy(update={"name": "other"})
    elif what == "uncertified":
        proposal = replace(proposal, certificate=replace(proposal.certificate, feasible=False))
    plan = execution_plan(proposal, book, market)
    form = "hyperliquid" if what == "breaks" else "deribit"
    with pytest.raises(ho.InputError) as told:
        export_orders(proposal, plan, book, market, form, now=now, allow=["ideal"] if what == "breaks" else [])
    assert UNFIT[what] in str(told.value)
    assert "\n" not in str(told.value)
    word = {"market": "stale", "book": "stale"}.get(what, what)
    assert f"--allow {word}" in str(told.value)
    if what != "breaks":
        assert export_orders(proposal, plan, book, market, form, now=now, allow=[word])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"form": "kraken"}, "unknown form of orders"),
        ({"form": "okx"}, r"trades nothing there.*its trades are at deribit: --orders deribit"),
        ({"allow": ["anything"]}, "unknown permission"),
    ],
)
def test_unknown_words_are_refused(change: dict[str, Any], words: str) -> None:
    s = solved("whole")
    plan = execution_plan(s.proposal, s.book, s.market)
    with pytest.raises(ho.InputError, match=words):
        export_orders(s.proposal, plan, s.book, s.market, **{"form": "deribit", "now": s.proposal.created, **change})


def test_contracts_of_unknown_size_and_prices_that_are_not_known() -> None:
    item = parser("okx")("BTC-USDT-SWAP")
    with pytest.raises(ho.InputError, match="the size of its contract is not known"):
        order_line(SentOrder("0" * 32, "a", item, "buy", 1.0, 7e4), "okx")
    with pytest.raises(ho.InputError, match="is no number of contracts"):
        order_line(SentOrder("0" * 32, "a", item, "buy", 1.0, 7e4, contract=0.3), "okx")
    with pytest.raises(ho.InputError, match="has no limit price"):
        order_line(SentOrder("0" * 32, "a", item, "buy", 1.0, float("nan"), contract=0.01), "okx")
    with pytest.raises(ho.InputError, match="is at another venue"):
        order_line(SentOrder("0" * 32, "a", item, "buy", 1.0, 7e4, contract=0.01), "bybit")
    assert set(FORMS_OF_ORDERS) == {"deribit", "okx", "bybit", "derive", "hyperliquid", "ccxt"}


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, list[str]]:
    """A proposal on disk with its inputs, and the arguments of the command."""
    s = solved("whole")
    (tmp_path / "book.json").write_text(s.book.model_dump_json())
    s.market.to_frame().to_csv(tmp_path / "market.csv", index=False)
    proposal = ho.propose(ho.read_book(tmp_path / "book.json"), ho.read_market(tmp_path / "market.csv"), s.policy)
    proposal.write(tmp_path)
    return tmp_path, ["plan", f"{tmp_path}/proposal.json", f"--book={tmp_path}/book.json", f"--market={tmp_path}/market.csv"]


def test_the_command_prints_lines_writes_files_or_neither(
    written: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, given_ = written
    assert main([*given_, "--orders=deribit"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([*given_, "--orders=deribit", "--now=2026-03-06T10:01:00Z"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(json.loads(line)["method"].startswith("private/") for line in lines)
    files = [f"--csv={folder}/o.csv", f"--excel={folder}/o.xlsx", f"--out={folder}/o.jsonl"]
    assert main([*given_, "--orders=deribit", *files]) == 2
    assert not (folder / "o.csv").exists()
    assert main([*given_, "--orders=deribit", "--now=2026-03-06T10:01:00Z", *files, "--json"]) == 0
    assert (folder / "o.jsonl").read_text().splitlines() == lines
    assert len(pd.read_csv(folder / "o.csv")) == len(lines)
    told = capsys.readouterr()
    assert json.loads(told.out)["keeps_limits"] is True
    assert main([*given_, "--orders=deribit", "--json"]) == 2
    assert main([*given_, f"--out={folder}/x"]) == 2
    assert main(given_) == 0
    assert "No limit is exceeded on the way" in " ".join(capsys.readouterr().out.split())


def test_an_old_proposal_is_refused_before_any_other_file_is_read(
    written: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, given_ = written
    (folder / "market.csv").unlink()
    for wanted in ("--orders=deribit", f"--csv={folder}/o.csv"):
        assert main([*given_, wanted]) == 2
        told = capsys.readouterr().err
        assert "s old at" in told
        assert "--now 2026-03-06T10:00:00+00:00" in told
    for more in ("--now=2026-03-06T10:00:00+00:00", "--allow=stale"):
        assert main([*given_, "--orders=deribit", more]) == 2
        assert "market.csv" in capsys.readouterr().err
