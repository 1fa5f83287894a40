"""Fills booked: full ones give the proposal's own book; hostile ones are refused; a killed run leaves the old file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.orders.apply import apply_fills
from hedgeopt.orders.as_proposed import fills_as_proposed
from hedgeopt.orders.fills import read_fills
from hedgeopt.orders.identity import MOST_ROUNDS, client_id, leg_of_id, legs_by_id
from hedgeopt.orders.plan import execution_plan

from .conftest import solved


def amounts(book: ho.Book) -> dict[tuple[str, str], float]:
    found = {(a.name, c.asset): c.amount for a in book.accounts for c in a.collateral}
    for account in book.accounts:
        for position in account.positions:
            key = account.name, position.name
            found[key] = found.get(key, 0.0) + position.quantity
    return found


@pytest.mark.parametrize("name", ["whole", "example", "network", "loan", "nothing"])
def test_full_fills_give_the_proposals_own_book(name: str) -> None:
    s = solved(name)
    made = apply_fills(fills_as_proposed(s.proposal, s.market), s.book, s.proposal, s.market)
    assert s.proposal.book_after is not None
    assert amounts(made.book) == pytest.approx(amounts(ho.read_book(s.proposal.book_after)), rel=1e-11, abs=1e-11)
    assert made.complete
    assert made.notes == ()
    assert (made.book.name, made.book.links) == (s.book.name, s.book.links)


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4), min_size=5, max_size=5), seed=st.integers(0, 99)
)
def test_fills_in_any_parts_and_order_give_the_same_book(cuts: list[list[float]], seed: int) -> None:
    s = solved("network")
    whole = fills_as_proposed(s.proposal, s.market)
    parts = []
    for row, cut in zip(whole.to_dict("records"), cuts, strict=True):
        parts += [{**row, "fill_id": f"{row['fill_id']}.{k}", "quantity": row["quantity"] * c / sum(cut),
                   "fee": row["fee"] * c / sum(cut)} for k, c in enumerate(cut)]  # fmt: skip
    table = pd.DataFrame(parts).sample(frac=1.0, random_state=seed).reset_index(drop=True)
    made = apply_fills(table, s.book, s.proposal, s.market)
    assert made.complete
    other = apply_fills(whole, s.book, s.proposal, s.market)
    assert amounts(made.book) == pytest.approx(amounts(other.book), rel=1e-9, abs=1e-9)
    assert made.differences["fee_usd"].tolist() == pytest.approx(other.differences["fee_usd"].tolist())


def some(s: Any, **change: Any) -> pd.DataFrame:
    """The first trade of the whole-lot example, changed."""
    return fills_as_proposed(s.proposal, s.market).head(1).assign(**change)


def test_what_differs_is_told_in_words_and_dollars() -> None:
    s = solved("whole")
    name, amount = (s.proposal.trades[column].iloc[0] for column in ("instrument", "quantity"))
    price, index = s.proposal.trades["price"].iloc[0], s.market.price(name[:3])
    half = apply_fills(some(s, quantity=amount / 2, price=price * 1.1), s.book, s.proposal, s.market).differences.iloc[0]
    assert (half["state"], half["filled"], half["open"]) == ("partly filled", amount / 2, amount / 2)
    assert half["slippage_usd"] == pytest.approx(0.1 * price * index * amount / 2)
    more = apply_fills(some(s, quantity=amount + 1.0), s.book, s.proposal, s.market)
    assert (more.differences["state"].iloc[0], more.differences["over"].iloc[0]) == ("over-filled", pytest.approx(1.0))
    assert "is over-filled" in more.notes[0]
    back = apply_fills(some(s, side="sell"), s.book, s.proposal, s.market)
    assert back.differences["state"].iloc[0] == "wrong way"
    assert (back.differences["state"].iloc[1:] == "open").all()
    assert not back.holds
    other = "BTC-PERPETUAL"
    stray = apply_fills(
        some(s, instrument=other, price=92_000.0, quantity=100.0), s.book, s.proposal, s.market, allow=("fee",)
    )
    assert stray.differences["state"].iloc[-1] == "not proposed"
    before, after = amounts(s.book), amounts(stray.book)
    assert after["main", other] == before.get(("main", other), 0.0) + 100.0
    mark = s.market.quote("mark_price", f"deribit:{other}")
    fee = fills_as_proposed(s.proposal, s.market)["fee"].iloc[0]
    assert after["main", "BTC"] == pytest.approx(before["main", "BTC"] + 100.0 * (1 / 92_000.0 - 1 / mark) - fee, rel=1e-12)


def test_fees_in_another_coin_and_rebates() -> None:
    s = solved("whole")
    plain = apply_fills(some(s, fee=0.0), s.book, s.proposal, s.market)
    usdc = apply_fills(some(s, fee=12.5, fee_asset="USDC"), s.book, s.proposal, s.market)
    assert amounts(usdc.book)["main", "USDC"] == amounts(plain.book)["main", "USDC"] - 12.5
    assert usdc.differences["fee_usd"].iloc[0] == pytest.approx(12.5)
    rebate = apply_fills(some(s, fee=-0.01, fee_asset="BTC"), s.book, s.proposal, s.market)
    assert amounts(rebate.book)["main", "BTC"] == pytest.approx(amounts(plain.book)["main", "BTC"] + 0.01, rel=1e-12)


def test_the_account_is_found_by_the_order_and_the_same_fill_counts_once() -> None:
    s = solved("network")
    plan = execution_plan(s.proposal, s.book, s.market, rounds=2)
    at = plan.legs.index[plan.legs["instrument"] == "BTC-hyperliquid"][0]
    part = plan.pieces[plan.pieces["leg"] == plan.legs["leg"][at]].iloc[0]
    row = {"fill_id": 7, "client_id": part["client_id"], "instrument": "BTC-hyperliquid", "side": "sell",
           "quantity": part["quantity"], "price": 79_984.0}  # fmt: skip
    made = apply_fills([row, row], s.book, s.proposal, s.market)
    told = made.differences.set_index("instrument").loc["BTC-hyperliquid"]
    assert (told["account"], told["filled"]) == ("poor", -part["quantity"])
    assert made.notes == ("1 row of a fill that is listed already, left out",)


def of_order(s: Any, client_id: str, **change: Any) -> pd.DataFrame:
    """Full fills of the whole-lot example, each with this client id."""
    return fills_as_proposed(s.proposal, s.market).assign(client_id=client_id, **change)


def test_a_fill_of_a_strange_order_is_never_taken_for_ours_in_silence() -> None:
    """Another proposal's id: refused where nothing else tells the account, noted where the account is told."""
    s = solved("whole")
    strange = of_order(s, "deadbeef" * 4)
    with pytest.raises(ho.InputError, match="client_id, row 1: is of no order of this proposal"):
        apply_fills(strange.drop(columns="account"), s.book, s.proposal, s.market)
    made = apply_fills(strange, s.book, s.proposal, s.market)
    assert made.complete
    assert made.notes[0].startswith(
        f"{len(strange)} fills bear client ids of no order of this proposal, booked all the same"
    )
    legs = execution_plan(s.proposal, s.book, s.market).legs.set_index("instrument")["client_id"]
    two = fills_as_proposed(s.proposal, s.market).head(2)
    swapped = two.assign(client_id=[legs[name] for name in reversed(two["instrument"].tolist())])
    with pytest.raises(ho.InputError, match="client_id, row 1: is that of the order of"):
        apply_fills(swapped, s.book, s.proposal, s.market)


@pytest.mark.parametrize("rounds", [2, 61, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, MOST_ROUNDS))])
def test_the_ids_of_every_plan_are_known(rounds: int) -> None:
    s = solved("network")
    plan = execution_plan(s.proposal, s.book, s.market, rounds=rounds)
    of_leg = plan.legs.set_index("leg")
    rows = [{"fill_id": k, "client_id": one.client_id, "instrument": of_leg.loc[one.leg, "instrument"], "side": one.side,
             "quantity": one.quantity, "price": of_leg.loc[one.leg, "quote"]}
            for k, one in enumerate(plan.pieces.itertuples()) if one.side != "send"]  # fmt: skip
    made = apply_fills(rows, s.book, s.proposal, s.market)
    assert made.notes == ()
    states = made.differences.set_index("instrument")["state"]
    assert {states[row["instrument"]] for row in rows} == {"filled"}


def test_an_id_names_its_leg_and_nothing_else_does() -> None:
    known = legs_by_id("digest", [("a", "X"), ("b", "X")])
    for place, rounds in ((0, 0), (1, 2), (1_000, 1_000)):
        told = client_id("digest", "b", "X", place, rounds)
        assert re.fullmatch("[0-9a-f]{32}", told)
        assert leg_of_id(told, known) == leg_of_id(f"0x{told.upper()}", known) == ("b", "X")
    whole = client_id("digest", "b", "X")
    leg = whole[:24]
    for other in ("", "zz", whole[:-1], whole + "0", f"{leg}00020001", f"{leg}00010001", f"{leg}+001 002",
                  client_id("other", "b", "X"), f"{leg}000103e9"):  # fmt: skip
        assert leg_of_id(other, known) is None, other


def test_the_same_fills_are_not_booked_twice_in_silence(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first.json"
    assert main([*files, f"--out={first}"]) == 0
    again = [word.replace("book.json", "first.json") for word in files]
    assert main([*again, f"--out={tmp_path}/twice.json"]) == 2
    assert "is not the book that the proposal was made for" in capsys.readouterr().err
    assert not (tmp_path / "twice.json").exists()
    assert main([*again, f"--out={tmp_path}/twice.json", "--allow=other-book"]) == 2
    assert "all booked in this book already" in capsys.readouterr().err
    assert not (tmp_path / "twice.json").exists()
    assert main([*files, f"--out={first}", "--allow=other"]) == 2


@pytest.mark.parametrize(
    ("out", "report", "words"),
    [
        ("x.csv", "x.csv", "--report: is the file of --out"),
        ("market.csv", "y.csv", "--out: is the file of --market"),
        ("x.csv", "book.json", "--report: is the file of --book"),
    ],
)
def test_no_file_is_written_over_another(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, report: str, words: str
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([*files, f"--out={tmp_path}/{out}", f"--report={tmp_path}/{report}"]) == 2
    assert words in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_fills_that_come_in_parts_are_each_booked_once() -> None:
    """A file of the first fills, then one of all so far; kept in a file and in a table, and told per firm."""
    s = solved("whole")
    whole = fills_as_proposed(s.proposal, s.market)
    first = apply_fills(whole.head(5), s.book, s.proposal, s.market).book
    assert set(first.booked) == set((whole["account"] + "/" + whole["fill_id"]).head(5))
    for kept in (ho.read_book(first.model_dump(mode="json")), ho.Book.from_frame(first.to_frame())):
        assert kept.booked == first.booked
    later = apply_fills(whole, first, s.proposal, s.market, allow=["other-book"])
    assert later.notes[0] == "5 fills booked in this book already, left out"
    at_once = apply_fills(whole, s.book, s.proposal, s.market).book
    assert amounts(later.book) == pytest.approx(amounts(at_once), rel=1e-9, abs=1e-9)
    assert later.book.booked == at_once.booked
    other = whole.head(1).assign(quantity=whole["quantity"].iloc[0] * 2)
    with pytest.raises(ho.InputError, match="fill_id, row 1: is booked in this book already, with another"):
        apply_fills(other, first, s.proposal, s.market, allow=["other-book"])
    assert apply_fills(whole.head(0), first, s.proposal, s.market, allow=["other-book"]).book.booked == first.booked


@pytest.mark.parametrize(("time", "words"), [("2026-03-06T12:00:00Z", "is in the future: it is 2026-03-06 10:00"),
                                             ("2026-03-08T12:00:00Z", "is more than a day after the market")])  # fmt: skip
def test_a_fill_of_the_future_is_refused(time: str, words: str) -> None:
    s = solved("whole")
    now = s.market.timestamp if "future" in words else None
    with pytest.raises(ho.InputError, match=f"time, row 1: {words}.*--allow late"):
        apply_fills(some(s, time=time), s.book, s.proposal, s.market, now=now)
    assert apply_fills(some(s, time=time), s.book, s.proposal, s.market, now=now, allow=["late"]).book.timestamp is not None


@pytest.mark.parametrize(
    ("word", "change", "words"),
    [
        ("price", {"price": 8.0, "quantity": 0.1}, "price, row 1: is far from the mark"),
        ("price", {"price": 1e-7}, "price, row 1: is far from the mark"),
        ("fee", {"fee": 0.5, "fee_asset": "BTC", "quantity": 0.1}, "fee, row 1: would be"),
        ("fee", {"fee": -500.0, "fee_asset": ""}, "fee, row 1: would be"),
        ("early", {"time": "2020-01-01T00:00:00Z"}, "time, row 1: is before the proposal"),
    ],
)
def test_slips_are_refused_unless_asked_for(word: str, change: dict[str, Any], words: str) -> None:
    s = solved("whole")
    with pytest.raises(ho.InputError, match=words) as told:
        apply_fills(some(s, **change), s.book, s.proposal, s.market)
    assert f"(or say --allow {word})" in str(told.value)
    made = apply_fills(some(s, **change), s.book, s.proposal, s.market, allow=[word])
    row = s.proposal.trades.iloc[0]
    held = amounts(made.book)[row["account"], row["instrument"]]
    assert held != amounts(s.book).get((row["account"], row["instrument"]), 0.0)


def test_a_fee_in_a_transfer_may_not_be_a_large_share() -> None:
    s = solved("network")
    table = fills_as_proposed(s.proposal, s.market)
    sent = table.loc[table["side"] == "send"].head(1)
    with pytest.raises(ho.InputError, match="fee, row 1: would be"):
        apply_fills(sent.assign(fee=0.5 * sent["quantity"]), s.book, s.proposal, s.market)


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "no side": ({"side": "long"}, "side, row 1: is no side"),
    "no quantity": ({"quantity": None}, "quantity, row 1: must be above 0"),
    "negative": ({"quantity": -1.0}, "quantity, row 1: must be above 0"),
    "nan": ({"quantity": "nan"}, "quantity, row 1: "),
    "infinite": ({"quantity": "inf"}, "quantity, row 1: is not finite"),
    "words": ({"quantity": "ten"}, "quantity, row 1: is no number"),
    "huge": ({"quantity": 1e300}, "quantity, row 1: is not finite or absurdly large"),
    "free": ({"price": 0.0}, "price, row 1: must be above 0"),
    "no price": ({"price": None}, "price, row 1: must be above 0"),
    "no id": ({"fill_id": " "}, "fill_id, row 1: is empty"),
    "symbol": ({"instrument": "BTC-13MAR26-84001-P"}, "instrument, row 1: is no instrument of the book or the market"),
    "account": ({"account": "mian"}, "account, row 1: is no account of the book"),
    "no fee": ({"fee": None, "fee_asset": "BTC"}, "fee, row 1: is empty or no number, though its asset is named"),
    "coin": ({"fee": 1.0, "fee_asset": "XYZ"}, "fee_asset, row 1: has no price in this market"),
    "link": ({"side": "send"}, "instrument, row 1: is no link of the book"),
    "time": ({"time": "yesterday"}, "time, row 1: is not a date and time"),
    "column": ({"colour": "red"}, "unknown column"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_fills_are_refused_in_one_line(what: str) -> None:
    s = solved("whole")
    change, words = HOSTILE[what]
    with pytest.raises(ho.InputError) as told:
        apply_fills(some(s, **change), s.book, s.proposal, s.market)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_one_identity_of_two_fills_and_missing_columns_are_refused() -> None:
    s = solved("whole")
    two = pd.concat([some(s), some(s, quantity=1.0)])
    with pytest.raises(ho.InputError, match="fill_id, row 2: is that of another fill in row 1"):
        apply_fills(two.reset_index(drop=True), s.book, s.proposal, s.market)
    with pytest.raises(ho.InputError, match="column price: is missing"):
        read_fills(some(s).drop(columns="price"))
    with pytest.raises(ho.InputError, match=r"account, row 1: is missing.*no account"):
        apply_fills(some(s, instrument="BTC-PERPETUAL").drop(columns="account"), s.book, s.proposal, s.market)


def test_a_debt_that_nobody_lends_is_refused() -> None:
    s = solved("loan")
    fills = fills_as_proposed(s.proposal, s.market).assign(quantity=1e9)
    made = apply_fills(fills, s.book, s.proposal, s.market)
    assert not made.holds or amounts(made.book)["bn", "USDC"] < 0  # Binance lends: told by limits and amounts


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Inputs, the proposal and full fills on disk; the arguments of the command without --out."""
    s = solved("whole")
    (tmp_path / "book.json").write_text(s.book.model_dump_json())
    s.market.to_frame().to_csv(tmp_path / "market.csv", index=False)
    fills_as_proposed(s.proposal, s.market).to_csv(tmp_path / "fills.csv", index=False)
    (tmp_path / "proposal.json").write_text(s.proposal.to_json())
    return ["apply", f"{tmp_path}/fills.csv", f"--book={tmp_path}/book.json", f"--proposal={tmp_path}/proposal.json",
            f"--market={tmp_path}/market.csv"]  # fmt: skip


def test_the_command_writes_tomorrows_book(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s = solved("whole")
    assert s.proposal.book_after is not None
    for name in ("tomorrow.json", "tomorrow.csv"):
        assert main([*files, f"--out={tmp_path}/{name}", f"--report={tmp_path}/differences.csv"]) == 0
        after = ho.read_book(tmp_path / name)
        assert amounts(after) == pytest.approx(amounts(ho.read_book(s.proposal.book_after)), rel=1e-9)
    assert (pd.read_csv(tmp_path / "differences.csv")["state"] == "filled").all()
    told = capsys.readouterr()
    assert f"{len(s.proposal.trades)} filled." in told.out
    assert "a table holds neither links, flows, the moment of the book nor which fills it has" in told.err
    assert main([*files, f"--out={tmp_path}/t.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert main([*files, f"--out={tmp_path}/t.xlsx"]) == 2
    (tmp_path / "fills.csv").write_text("fill_id,instrument,side,quantity,price\n")
    assert main([*files, f"--out={tmp_path}/same.json"]) == 3  # nothing was filled: the limits are as broken as before
    assert amounts(ho.read_book(tmp_path / "same.json")) == amounts(s.book)


@pytest.mark.slow
def test_a_run_killed_while_it_writes_leaves_the_old_book(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "tomorrow.json"
    out.write_text("old")
    code = (
        "import os, signal, sys\n"
        "real = os.replace\n"
        "os.replace = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from hedgeopt.cli import main\nsys.exit(main())"
    )
    run = subprocess.run([sys.executable, "-c", code, *files, f"--out={out}"], capture_output=True, env={**os.environ})
    assert run.returncode == -signal.SIGKILL
    assert out.read_text() == "old"
    assert main([*files, f"--out={out}"]) == 0
    assert ho.read_book(out).name == solved("whole").book.name
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".hedgeopt-")]
