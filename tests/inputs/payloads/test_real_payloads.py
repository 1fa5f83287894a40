"""The venues' own replies: every key is read or listed as ignored, and their totals are reproduced or explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.recognise import read_payload

pytestmark = pytest.mark.realdata

NAMELESS = {"derive/options_ws_ticker_slim_eth_call.json", "okx/http_get_order_book.json"}
"""Saved without the envelope that names their instrument."""
EXPLAINED = {
    "deribit/http_get_account_summaries_cross_margin.json": "lists 4 currencies",
    "bybit/http_get_wallet_balance.json": "not explained, check before use",
    "hyperliquid/http_clearinghouse_state_negative_total_raw_usd.json": "positions are missing",
}


def read(value: Any) -> Findings:
    found = Findings()
    read_payload(value, "reply.json", found)
    return found


@pytest.fixture(scope="module")
def payloads(shared_data: Path) -> dict[str, Any]:
    folder = shared_data / "payloads"
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in sorted(folder.glob("*/*.json"))}


def test_every_reply_is_read_and_every_key_accounted_for(payloads: dict[str, Any]) -> None:
    assert len(payloads) >= 30
    for name, value in payloads.items():
        found = read(value)
        assert any(not row["instrument"] for row in found.quotes) == (name in NAMELESS)
        strange = [note for note in found.notes if "keys that are not known" in note]
        assert not strange, (name, strange)
        assert "real payload" not in found.unverified


def test_an_unknown_key_is_said(payloads: dict[str, Any]) -> None:
    value = payloads["deribit/ws_ticker.json"]
    value = json.loads(json.dumps(value))
    value["params"]["data"]["brand_new"] = 1
    assert any("brand_new" in note for note in read(value).notes)


def test_totals_are_reproduced_or_explained(payloads: dict[str, Any]) -> None:
    totals = 0
    for name, value in payloads.items():
        for total in read(value).totals:
            totals += 1
            if not total.met:
                assert name in EXPLAINED, (name, total.line())
                assert EXPLAINED[name] in total.line() + total.must
    assert totals >= 10


def test_nameless_replies_take_the_name_that_is_given(shared_data: Path) -> None:
    folder = shared_data / "payloads"
    for file in sorted(NAMELESS):
        with pytest.raises(ho.InputError, match=r"without its instrument.*--instrument NAME"):
            ho.import_payloads(folder / file)
    slim = ho.import_payloads(folder / "derive/options_ws_ticker_slim_eth_call.json", instrument="ETH-20260612-1600-C")
    assert list(slim.quotes["instrument"]) == ["ETH-20260612-1600-C"]
    assert any("deltas of 1 option agree" in note for note in slim.notes)
    book = ho.import_payloads(folder / "okx/http_get_order_book.json", instrument="BTC-USDT")
    assert book.quotes["bid"].tolist() == [41006.7]
    assert book.quotes["bid_size"].tolist() == [0.487921]  # coins, as of spot
    for wrong in ("ETH-20260626-1600-C", "ETH-20260612-1600-P", "ETH-PERP"):
        with pytest.raises(ho.InputError, match="--instrument: is not the instrument of the reply"):
            ho.import_payloads(folder / "derive/options_ws_ticker_slim_eth_call.json", instrument=wrong)


def test_nameless_replies_are_read_in_their_envelopes(payloads: dict[str, Any]) -> None:
    slim = payloads["derive/options_ws_ticker_slim_eth_call.json"]
    channel = {"params": {"channel": "ticker_slim.ETH-20260626-1600-C.1000", "data": slim}}
    found = read(channel)
    (row,) = found.quotes
    assert row["instrument"] == "ETH-20260626-1600-C"
    assert (row["bid"], row["ask"], row["forward"], row["index"]) == (383.0, 409.8, 1992.6, 1991.7)
    assert not any("not known" in note for note in found.notes)
    book = {"arg": {"channel": "books", "instId": "BTC-USDT"}, **payloads["okx/http_get_order_book.json"]}
    (row,) = read(book).quotes
    assert (row["bid"], row["ask"]) == (41006.7, 41006.8)


def test_the_vendors_row(shared_data: Path) -> None:
    market = ho.read_market(shared_data / "payloads/tardis/options_chain.csv", prices={"BTC": 9750.0})
    key = "deribit:BTC-9JUN20-9875-P"
    assert market.quote("mark_iv", key) == pytest.approx(0.6289, abs=1e-3)
    assert market.quote("bid_price", key) == 0.0205


def test_account_of_deribit(payloads: dict[str, Any]) -> None:
    book = ho.read_book(
        [payloads["deribit/get_positions.json"], payloads["deribit/http_get_account_summaries_cross_margin.json"]]
    )
    (account,) = book.accounts
    assert account.margin == "portfolio"
    assert {c.asset: c.amount for c in account.collateral} == {"BTC": 2.288e-5, "USDT": 23.61869, "ETH": 8.6e-5}
    assert account.positions[0].quantity == 50.0


def test_hyperliquid_counts_the_account_value(payloads: dict[str, Any]) -> None:
    reply = payloads["hyperliquid/http_clearinghouse_state_negative_total_raw_usd.json"]
    (posted,) = read(reply).posted
    assert posted.amount == pytest.approx(1736.030875)
    with pytest.raises(ho.InputError, match="positions are missing"):  # of 24,095 USD, none of which was recorded
        ho.read_book(reply)
