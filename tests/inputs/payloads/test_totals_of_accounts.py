"""Deltas and margins that a venue states for an account: compared with ours, or listed with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.inputs.importing import import_payloads

from . import replies
from .replies import delta, save


def position(venue: str, stated: float) -> Any:
    if venue == "deribit":
        row = {"instrument_name": "BTC-27MAR26-100000-C", "size": -2.0, "direction": "sell", "average_price": 0.05,
               "kind": "option", "mark_price": 0.05, "delta": stated, "initial_margin": 0.1}  # fmt: skip
        return {"jsonrpc": "2.0", "result": [row]}
    reply = replies.okx("positions")
    reply["data"][0]["deltaBS"] = str(stated)
    return reply


@pytest.mark.parametrize("venue", ["deribit", "okx"])
def test_deltas_of_options_are_compared_where_their_quotes_are_given(venue: str, tmp_path: Path) -> None:
    market = [replies.deribit_summary()] if venue == "deribit" else [
        replies.okx(form) for form in ("summary", "tickers", "marks", "instruments", "index")
    ]  # fmt: skip
    paths = [save(tmp_path, f"{k}.json", value) for k, value in enumerate(market)]
    ours = -2.0 * delta(100_000.0, "C") if venue == "deribit" else -2.5 * delta(100_000.0, "C")
    if venue == "okx":
        assert replies.options()[4] == (100_000.0, "C")
    for stated, word in ((ours, "agrees with"), (0.8 * ours, "differs from")):
        found = import_payloads(*paths, save(tmp_path, "held.json", position(venue, stated)))
        (line,) = [note for note in found.notes if note.startswith("delta of BTC")]
        assert word in line
        assert found.book is not None
        assert line in found.book.notes
    for stated, words in ((-ours, "sign of the opposite position"), (100 * ours, "per coin")):
        with pytest.raises(ho.InputError, match=words):
            import_payloads(save(tmp_path, "held.json", position(venue, stated)))
    alone = [save(tmp_path, "held.json", position(venue, ours))]
    assert any("is not compared: give their quotes" in note for note in import_payloads(*alone).notes)


def test_margins_are_listed_with_the_reason(tmp_path: Path) -> None:
    found = import_payloads(save(tmp_path, "held.json", position("deribit", -1.0)))
    (line,) = [note for note in found.notes if "margin of 1 position " in note]
    assert "(BTC-27MAR26-100000-C) is not compared at deribit: options need the market" in line
    reply = replies.okx("positions")
    reply["data"][0] |= {"imr": "100", "mmr": "50"}
    (line,) = [n for n in import_payloads(save(tmp_path, "okx.json", reply)).notes if "margin of OKX positions" in n]
    assert "(imr, mmr) is not compared: it needs the market" in line


def perpetual(initial: float, maintenance: float) -> dict[str, Any]:
    """1m USD of BTC, long, of Deribit's perpetual: 2 % + .005 % per BTC, maintenance 1 % + .005 %."""
    row = {"instrument_name": "BTC-PERPETUAL", "size": 1_000_000.0, "direction": "buy", "average_price": 5e4,
           "kind": "future", "mark_price": 50_000.0, "index_price": 50_000.0, "size_currency": 20.0, "delta": 20.0,
           "initial_margin": initial, "maintenance_margin": maintenance}  # fmt: skip
    return {"jsonrpc": "2.0", "result": [row]}


def test_margins_of_perpetuals_are_compared_at_the_payloads_marks(tmp_path: Path) -> None:
    """20 BTC: .021 of them initial, .011 maintenance."""
    for times, word in ((1.0, "agrees with"), (1.5, "differs from")):
        reply = perpetual(times * 0.021 * 20.0, times * 0.011 * 20.0)
        found = import_payloads(save(tmp_path, "held.json", reply))
        lines = [note for note in found.notes if "margin of BTC-PERPETUAL: ours" in note]
        assert [line.split(" margin")[0] for line in lines] == ["initial", "maintenance"]
        assert all(word in line for line in lines)


def test_margins_at_the_leverage_stated(tmp_path: Path) -> None:
    """Hyperliquid: 2,000 USD of ETH at 20x; what the account uses is their sum."""
    position = {"coin": "ETH", "szi": "-1.0", "positionValue": "2000.0", "marginUsed": "100.0",
                "leverage": {"type": "cross", "value": 20}}  # fmt: skip
    sums = {"accountValue": "500.0", "totalNtlPos": "2000.0", "totalRawUsd": "2500.0", "totalMarginUsed": "100.0"}
    reply = {"assetPositions": [{"type": "oneWay", "position": position}], "crossMarginSummary": sums, "withdrawable": "0"}
    notes = import_payloads(save(tmp_path, "held.json", reply)).notes
    assert any(note.startswith("initial margin of ETH: ours 100 USD agrees") for note in notes)
    assert any(note.startswith("initial margin of all positions at hyperliquid: ours 100 USD agrees") for note in notes)


@pytest.mark.realdata
def test_the_venues_own_margins_are_reproduced_or_explained(shared_data: Path) -> None:
    """Every reply that states a margin: within .5 % (Deribit's collateral), 1 % (Bybit), .1 % (Derive), or with a reason."""
    folder, said = shared_data / "payloads", {}
    for path in sorted(folder.glob("*/*.json")):
        try:
            notes = import_payloads(path, instrument="").notes
        except ho.HedgeoptError:
            continue
        said[str(path.relative_to(folder))] = [
            note for note in notes if " margin" in note and ("(tolerance" in note or "is not comp" in note)
        ]
    deribit = said["deribit/http_get_account_summaries_cross_margin.json"] + said["deribit/ws_portfolio.json"]
    assert len(deribit) == 4
    bybit = [n for n in said["bybit/http_get_positions.json"] if "of its entry" in n]
    derive = said["derive/common_http_subaccount_usdc.json"]
    assert len(bybit) == 2
    assert len(derive) == 4
    assert all("agrees with" in note for note in (*deribit, *bybit, *derive))
    for name, reason in (
        ("deribit/get_positions.json", "2.95% of the notional, and margin deribit_standard of"),
        ("derive/perps_http_positions_result_eth.json", "2.86% of the notional, and margin derive_standard of"),
        ("okx/http_get_positions.json", "it needs the market of the same moment"),
    ):
        assert any(reason in note for note in said[name]), (name, said[name])
