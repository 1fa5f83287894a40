"""Replies as strangers hand them in: given twice, with holes, out of order; each is read, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho

from .replies import save

EXAMPLES = Path(__file__).parent / "examples"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize("text", ["<html><body>Access denied</body></html>", "error code: 1020\n"])
def test_an_error_page_is_no_json(text: str, tmp_path: Path) -> None:
    path = save(tmp_path, "reply.json", text)
    with pytest.raises(ho.InputError, match=r"is not JSON.*is it the right file"):
        ho.import_payloads(path)


def test_a_reply_given_twice_counts_once(tmp_path: Path) -> None:
    path = EXAMPLES / "bybit-positions.json"
    assert ho.read_book(path, path).accounts == ho.read_book(path).accounts
    copy = save(tmp_path, "copy.json", example("bybit-wallet"))
    found = ho.import_payloads(EXAMPLES / "bybit-wallet.json", copy)
    assert found.book is not None
    assert [one.amount for one in found.book.accounts[0].collateral] == [50_000.0, 1.0]
    assert "copy.json holds the same reply as bybit-wallet.json: given twice, counted once" in found.notes


def test_two_marks_of_one_instrument_at_one_moment(tmp_path: Path) -> None:
    reply = example("bybit-option-tickers")
    rows = reply["result"]["list"]
    rows.append(dict(rows[0]))
    assert len(ho.read_market(save(tmp_path, "same.json", reply))) == 10
    rows.append({**rows[0], "markPrice": "99999"})
    with pytest.raises(ho.InputError, match=r"other.json: mark: gives BTC-27MAR26-80000-C the marks 20712"):
        ho.read_market(save(tmp_path, "other.json", reply))


def test_marks_of_two_moments_in_one_file_are_no_contradiction(tmp_path: Path) -> None:
    """Two tickers of one instrument a minute apart, marks 2 % apart: the later one counts, in either order."""
    for turn in (1, -1):
        first, *_ = example("deribit-ticker")
        later = json.loads(json.dumps(first))
        later["params"]["data"]["timestamp"] += 60_000
        later["params"]["data"]["mark_price"] *= 1.02
        found = ho.read_market(save(tmp_path, f"minutes{turn}.json", [first, later][::turn]))
        assert found.quotes["mark_price"].tolist() == [pytest.approx(0.2062946295 * 1.02)]


def test_collateral_beside_many_options_is_in_its_own_unit(tmp_path: Path) -> None:
    """The venue's dollars hold the options, the collateral does not: 9,000 beside options of 7,000 are worth 16,000."""
    wallet = example("bybit-wallet")
    for cash, whole in ((9_000.0, 16_000.0), (16_000.0, 9_000.0)):  # options held, options sold
        (one,) = wallet["result"]["list"]
        one["totalEquity"] = str(whole)
        one["coin"] = [{"coin": "USDT", "walletBalance": str(cash), "equity": str(whole), "usdValue": str(whole)}]
        book = ho.import_payloads(save(tmp_path, "wallet.json", wallet)).book
        assert book is not None
        assert book.accounts[0].collateral[0].amount == cash
    summary = example("deribit-account-summaries")
    for options in (40_000.0, -70_000.0):
        row = {"currency": "USDC", "balance": 1e5 - options, "equity": 1e5, "margin_balance": 1e5, "options_value": options,
               "margin_model": "cross_pm", "available_funds": 1.0, "total_equity_usd": 1e5,
               "total_margin_balance_usd": 1e5}  # fmt: skip
        summary["result"]["summaries"] = [row]
        book = ho.import_payloads(save(tmp_path, "summary.json", summary)).book
        assert book is not None
        assert book.accounts[0].collateral[0].amount == 1e5 - options
    row["total_margin_balance_usd"] = 1e7
    with pytest.raises(ho.InputError, match=r"of USDC at deribit is worth|total_equity_usd"):
        ho.import_payloads(save(tmp_path, "cents.json", summary))


def test_two_files_in_other_units(tmp_path: Path) -> None:
    stream = example("binance-option-mark-stream")
    for row in stream:
        row["bo"] = str(100 * float(row["bo"]))
    with pytest.raises(ho.InputError, match=r"bid: is .* × that of .* in 10 of 10 instruments"):
        ho.import_payloads(save(tmp_path, "stream.json", stream), EXAMPLES / "binance-option-tickers.json")


@pytest.mark.parametrize("prices", [["x", "y"], ["1"], "100"])
def test_impact_prices_that_are_no_pair(prices: Any, tmp_path: Path) -> None:
    reply = example("hyperliquid-meta-and-contexts")
    reply[1][0]["impactPxs"] = prices
    with pytest.raises(ho.InputError, match="impactPxs: is no pair of prices"):
        ho.import_payloads(save(tmp_path, "meta.json", reply), EXAMPLES / "hyperliquid-clearinghouse-state.json")


def test_levels_in_any_order_and_removed_ones(tmp_path: Path) -> None:
    reply = example("okx-order-book")
    (book,) = reply["data"]
    book["bids"] = [["99000", "1", "0", "1"], ["100009.5", "500", "0", "3"], ["100012", "0", "0", "0"]]
    found = ho.import_payloads(save(tmp_path, "book.json", reply)).quotes
    assert (found["bid"][0], found["ask"][0]) == (100_009.5, 100_010.5)


def test_a_candle_with_a_hole_names_its_row(tmp_path: Path) -> None:
    rows = [[1772755200000, 1, 2, 0.5, None, 5], [1772841600000, 1, 2, 0.5, 1.1, 5]]
    with pytest.raises(ho.InputError, match="is no price in row 2"):
        ho.import_payloads(save(tmp_path, "candles.json", rows), asset="BTC")


def test_a_column_twice_is_said_once(tmp_path: Path) -> None:
    path = save(tmp_path, "yf.csv", "Price,Close,Close\nDate,,\n2026-03-06,100,3\n")
    with pytest.raises(ho.InputError, match=r"^[^ ]*yf.csv: Close: is the name of two columns; keep one of them$"):
        ho.import_payloads(path)


def test_accounts_whose_names_begin_alike_keep_their_own_margins(tmp_path: Path) -> None:
    """desk1, desk10 and desk1-b each state the margin of their own positions; none counts another's."""
    files, accounts = [], {}
    for k, name in enumerate(("desk1", "desk10", "desk1-b")):
        wallet, held = example("bybit-wallet"), example("bybit-positions")
        (row,) = wallet["result"]["list"]
        total = 0.0
        for one in held["result"]["list"]:
            one["positionIM"], one["positionMM"] = str(100.0 + k), str(10.0 + k)
            total += 100.0 + k
        row["totalInitialMargin"] = str(total)
        for word, reply in (("wallet", wallet), ("positions", held)):
            files.append(save(tmp_path, f"{word}{k}.json", reply))
            accounts[files[-1].name] = name
    found = ho.import_payloads(*files, accounts=accounts)
    told = [note for note in found.notes if note.startswith("initial margin of all positions at bybit")]
    assert len(told) == 3
    assert all("agrees with" in note for note in told), told


def test_risk_limits_that_follow_from_their_rates_are_one_note(tmp_path: Path) -> None:
    reply = example("bybit-risk-limits")
    rows = [row for row in reply["result"]["list"] if "mmDeduction" in row]
    assert len(rows) > 1
    found = ho.import_payloads(save(tmp_path, "limits.json", reply))
    told = [note for note in found.notes if "deduction" in note]
    assert len(told) == 1
    assert "follow from the rates (tolerance 0.1 %)" in told[0]
    rows[-1]["mmDeduction"] = str(2.0 * float(rows[-1]["mmDeduction"] or 1.0) + 100.0)
    found = ho.import_payloads(save(tmp_path, "other.json", reply))
    told = [note for note in found.notes if "deduction" in note]
    assert len(told) == 2
    assert any("differs from the venue's" in note for note in told)
