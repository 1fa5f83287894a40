"""Every form of reply gives the same market and the right book, by import and by read_market; and round trips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.inputs.importing import import_payloads
from hedgeopt.inputs.payloads.form import PUBLISHED
from hedgeopt.inputs.payloads.recognise import FORMS
from hedgeopt.inputs.quotes import QUOTE_COLUMNS

from . import replies
from .replies import FORWARD, INDEX, VOL, save, worth

MARKETS = {
    "deribit": ([replies.deribit_summary], None, "BTC-27MAR26-{k}-{r}", True),
    "okx": (
        [lambda form=form: replies.okx(form) for form in ("summary", "tickers", "marks", "instruments", "index")],
        None,
        "BTC-USD-260327-{k}-{r}",
        True,
    ),
    "bybit": ([replies.bybit_tickers], None, "BTC-27MAR26-{k}-{r}", False),
    "derive": ([replies.derive_tickers], None, "BTC-20260327-{k}-{r}", False),
    "binance": ([replies.binance_stream], None, "BTC-260327-{k}-{r}", False),
    "tardis": ([replies.tardis_chain], {"BTC": INDEX}, "BTC-27MAR26-{k}-{r}", True),
    "ccxt": ([replies.ccxt_greeks], {"BTC": INDEX}, "BTC-27MAR26-{k}-{r}", True),
}


def files(folder: Path, name: str) -> list[Path]:
    return [save(folder, f"{k}.txt", make()) for k, make in enumerate(MARKETS[name][0])]


@pytest.mark.parametrize("name", MARKETS)
def test_a_reply_is_a_market(name: str, tmp_path: Path) -> None:
    _, prices, form, inverse = MARKETS[name]
    venue = "deribit" if name in ("tardis", "ccxt") else name
    paths = files(tmp_path, name)
    if name == "tardis":
        paths = [paths[0].rename(tmp_path / "chain.csv")]
    market = ho.read_market(*paths, prices=prices, venue=venue if name == "ccxt" else None)
    assert market.price("BTC") == INDEX
    for strike, right in replies.options():
        item = market.instrument(venue, form.format(k=f"{strike:.0f}", r=right))
        assert (item.strike, item.right, item.expiry) == (strike, "call" if right == "C" else "put", replies.EXPIRY)
        assert item.inverse == inverse
        unit = FORWARD if inverse else 1.0
        assert market.quote("mark_price", item.id) == pytest.approx(worth(strike, right) / unit, rel=1e-5)
        assert market.quote("mark_iv", item.id) == pytest.approx(VOL, abs=2e-4)
        assert market.quote("underlying_price", item.id) == pytest.approx(FORWARD, rel=1e-6)
        assert market.quote("bid_price", item.id) < market.quote("mark_price", item.id) < market.quote("ask_price", item.id)
    said = " ".join(market.notes)
    assert "differ" not in said
    if name in ("binance", "ccxt"):
        assert "form of a published example" in said


@pytest.mark.parametrize("name", [name for name in MARKETS if name != "tardis"])
def test_import_writes_what_is_read_back_to_the_same_numbers(name: str, tmp_path: Path) -> None:
    _, prices, _, _ = MARKETS[name]
    venue = "deribit" if name == "ccxt" else None
    paths = files(tmp_path, name)
    found = import_payloads(*paths, venue=venue)
    (written,) = found.write(tmp_path / "out")
    direct = ho.read_market(*paths, prices=prices, venue=venue)
    again = ho.read_market(written, prices=prices)
    assert list(again.instruments) == list(direct.instruments)
    assert again.timestamp == direct.timestamp
    for column in direct.quotes.columns:
        left, right = direct.quotes[column], again.quotes[column]
        if column == "timestamp":
            assert (left == right).all()
        else:
            np.testing.assert_array_equal(left.to_numpy(float), right.to_numpy(float))
    assert tuple(found.quotes.columns) == QUOTE_COLUMNS


def test_sizes_are_coins_by_the_contract_of_the_list(tmp_path: Path) -> None:
    market = ho.read_market(*files(tmp_path, "okx"))
    key = "okx:BTC-USD-260327-90000-C"
    assert market.quote("bid_size", key) == 5.0  # 500 contracts of 0.01
    assert market.quote("lot", key) == 0.01
    assert market.quote("volume", key) == 10.0


def test_without_the_list_sizes_are_left_out_and_positions_are_checked(tmp_path: Path) -> None:
    some = [save(tmp_path, form, replies.okx(form)) for form in ("summary", "tickers", "index")]
    market = ho.read_market(*some)
    assert any("contracts of unknown size" in note for note in market.notes)
    position = replies.okx("positions")
    (row,) = position["data"]
    book = ho.read_book(save(tmp_path, "positions", position))
    assert book.accounts[0].positions[0].quantity == pytest.approx(-2.5)  # by its notional
    whole = import_payloads(tmp_path / "positions", save(tmp_path, "list", replies.okx("instruments")))
    assert whole.book is not None
    assert whole.book.accounts[0].positions[0].quantity == pytest.approx(-2.5)
    row["notionalUsd"] = ""
    with pytest.raises(ho.InputError, match=r"positions: data.*size is not known.*list of instruments"):
        ho.read_book(save(tmp_path, "positions", position))
    row["notionalUsd"] = str(250 * INDEX)
    with pytest.raises(ho.InputError, match=r"250 contracts of 0\.01 are 250,000 USD, and the venue's notional is 2\.5e"):
        import_payloads(tmp_path / "list", save(tmp_path, "positions", position))


def test_option_values_leave_the_collateral(tmp_path: Path) -> None:
    paths = [save(tmp_path, form, replies.okx(form)) for form in ("positions", "balance", "instruments")]
    found = import_payloads(*paths)
    assert found.book is not None
    (account,) = found.book.accounts
    assert account.collateral[0].amount == pytest.approx(2.0 + 0.125)  # a short option's value is negative
    assert any("agrees with the venue's 200,000" in note for note in found.notes)


def test_combos_are_left_out_of_quotes_and_booked_as_legs(tmp_path: Path) -> None:
    market = ho.read_market(save(tmp_path, "summary", replies.deribit_summary()))
    assert any("combos" in note and "BTC-CS-27MAR26" in note for note in market.notes)
    assert len(market) == 11
    row = {"instrument_name": "BTC-STRG-27MAR26-90000_110000", "size": 2.0, "direction": "buy", "average_price": 0.1,
           "kind": "option_combo", "mark_price": 0.1}  # fmt: skip
    book = ho.read_book([row])
    held = {position.name: position.quantity for position in book.accounts[0].positions}
    assert held == {"BTC-27MAR26-90000-P": 2.0, "BTC-27MAR26-110000-C": 2.0}


def test_hedging_at_one_venue_what_is_held_at_another_from_files(tmp_path: Path) -> None:
    """Options at OKX, Bybit's options and a Deribit perpetual beside them; one book, one market, one solve."""
    okx = [
        save(tmp_path, f"okx-{form}", replies.okx(form)) for form in ("summary", "tickers", "marks", "instruments", "index")
    ]
    paths = [*okx, save(tmp_path, "bybit", replies.bybit_tickers()), save(tmp_path, "deribit", replies.deribit_summary())]
    market = ho.read_market(*paths)
    assert {item.venue for item in market.instruments.values()} == {"okx", "bybit", "deribit"}
    coin, dollar = market.instrument("deribit", "BTC-27MAR26-90000-C"), market.instrument("bybit", "BTC-27MAR26-90000-C")
    assert (coin.settlement, dollar.settlement) == ("BTC", "USDC")


def test_every_form_says_where_it_is_from() -> None:
    for form in FORMS:
        assert form.source
        assert form.checked in ("real payload", PUBLISHED, "form unverified")
        assert not form.keys & form.absent
        assert form.keys


def test_every_form_is_told_from_every_other_by_its_own_keys() -> None:
    from hedgeopt.inputs.payloads.recognise import form_of

    for form in FORMS:
        assert form_of(dict.fromkeys(form.keys)) is form, form.name


def test_json_lines_and_named_replies(tmp_path: Path) -> None:
    rows = replies.deribit_summary()["result"]
    lines = "\n".join(json.dumps(row) for row in rows)
    assert len(ho.read_market(save(tmp_path, "lines", lines))) == 11
    both = {"bybit": replies.bybit_tickers(), "deribit": replies.deribit_summary()}
    assert len(ho.read_market(save(tmp_path, "both", both))) == 21


def test_the_documents_table_is_current(repository: Path) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("inputs_table", repository / "docs" / "inputs_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (repository / "docs" / "inputs.md").read_text(encoding="utf-8")
    assert module.written(text) == text, "run make docs"
    assert all(form.name in text for form in FORMS)
