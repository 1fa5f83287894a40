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
    (line,) = [note for note in found.notes if "margin of Deribit positions" in note]
    assert "(initial_margin) is not compared: it needs the market" in line
    reply = replies.okx("positions")
    reply["data"][0] |= {"imr": "100", "mmr": "50"}
    (line,) = [n for n in import_payloads(save(tmp_path, "okx.json", reply)).notes if "margin of OKX positions" in n]
    assert line.endswith("(imr, mmr) is not compared: no margin rule of this venue is packaged")
