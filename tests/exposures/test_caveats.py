"""Unverified numbers and tables past their shelf life are said in every report and in the certificate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.venue_rules import about_rules, rules, rules_caveats
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.models import caveats as sentences
from hedgeopt.models.caveats import noise_caveats, stress_caveats, table_caveats
from hedgeopt.models.data import About, about, names
from hedgeopt.models.margin.rules import MODELS, margin_model
from hedgeopt.models.scenarios.noise import measured_noise
from hedgeopt.models.scenarios.stress_table import packaged_events

FRESH = date(2026, 11, 27)


def _book(venue: str, **account: Any) -> Book:
    coins = (Collateral(asset="USDC", amount=1e6),)
    held = (Position(instrument="ETH-PERPETUAL", quantity=-10.0),)
    return Book(accounts=(Account(name="main", venue=venue, collateral=coins, positions=held, **account),))


def _market(venue: str, when: datetime) -> ho.Market:
    from hedgeopt.models.pricing.perpetual import Perpetual

    item = Perpetual(name="ETH-PERPETUAL", venue=venue, underlying="ETH", settlement="USDC")
    row = {"mark_price": 2_000.0, "bid_price": 1_999.0, "ask_price": 2_001.0, "timestamp": pd.Timestamp(when)}
    row |= {"open_interest": 1e5, "funding_8h": 0.0}
    quotes = pd.DataFrame.from_dict({item.id: row}, orient="index", columns=list(QUOTE_FIELDS))
    return ho.Market(when, {"ETH": 2_000.0, "USDC": 1.0}, {item.id: item}, quotes)


POLICY = ho.Policy(
    minimize=ho.TransactionCost(),
    subject_to=[ho.Delta("ETH").within(-5.0, 5.0)],
    scenarios=ho.ParametricScenarios(count=50, vol={"ETH": 0.7}),
    lots="ideal",
)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_only_what_is_read_is_said():
    on = FRESH
    assert table_caveats((("deribit", "standard_margin.BTC"),), on) == ()
    (said,) = table_caveats((("deribit", "haircut.USDT"), ("deribit", "haircut.BTC")), on)
    assert said == "not verified against a source, and read here: haircut.USDT of models/data/deribit.toml"
    # a whole section that is unverified holds each of its parameters
    (said,) = table_caveats((("dydx", "fees.perpetual_taker"),), on)
    assert "read here: fees of models/data/dydx.toml" in said


def test_a_table_is_old_from_the_day_after_its_shelf_life():
    table = About("venue", date(2026, 1, 1), 30, ())
    assert sentences.said_of(table, "v.toml", ["fees.x"], date(2026, 1, 31)) == []
    (said,) = sentences.said_of(table, "v.toml", ["fees.x"], date(2026, 2, 1))
    assert said == "v.toml is of 2026-01-01, past its shelf life of 30 days: check fees with the venue"


@pytest.mark.parametrize("name", MODELS)
def test_every_margin_model_says_what_it_reads_and_it_exists(name: str, tmp_path: Any):
    if name == "table":
        path = tmp_path / "venue.toml"
        path.write_text('[margin]\ntype = "tiers"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n')
        name = f"table:{path}"
    # aave takes no perpetual and "none" no derivative: what they read depends on collateral alone
    e = expose(_book("deribit", margin=name), _market("deribit", NOW), POLICY, trades=False)
    reads = margin_model(name, "deribit").reads(e.margins.state(0), e.collateral[0])
    assert bool(reads) == (name not in ("none", "otc") and not name.startswith("table"))
    for table, parameter in reads:
        found: Any = ho.models.data.table(table)
        for part in parameter.split("."):
            assert part in found, f"{table}: {parameter}"
            found = found[part]


@pytest.fixture
def doubted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables whose tiers of ETH and fees nobody has verified, whatever the packaged ones say today."""
    doubts = ("fees", "margin.tiers.ETH", "portfolio_margin.perpetual_initial", "portfolio_margin.long_discount")
    table_caveats.cache_clear()
    monkeypatch.setattr(sentences, "about", lambda name: replace(about(name), unverified=doubts))
    yield
    table_caveats.cache_clear()


@pytest.mark.parametrize(
    ("venue", "said"),
    [
        ("derive", "portfolio_margin.perpetual_initial, fees of models/data/derive.toml"),  # no option: no discounts
        ("hyperliquid", "margin.tiers.ETH, fees of models/data/hyperliquid.toml"),
    ],
)
def test_a_proposal_its_json_its_page_and_its_certificate_say_it(doubted: None, venue: str, said: str):
    proposal = POLICY.propose(_book(venue), _market(venue, NOW))
    assert any(said in note for note in proposal.certificate.notes)
    assert set(proposal.certificate.notes) <= set(proposal.notes)
    data = json.loads(proposal.to_json())
    assert any(said in note for note in data["notes"])
    assert any(said in note for note in data["certificate"]["notes"])
    assert said in proposal.to_html()
    assert not any(other in note for note in proposal.notes for other in ("binance", "dydx", "aave", "deribit"))


def test_the_margin_report_and_the_risk_report_say_it(doubted: None):
    book, market = _book("hyperliquid"), _market("hyperliquid", NOW)
    report = margin_report(book, market, POLICY)
    assert any("margin.tiers.ETH of models/data/hyperliquid.toml" in note for note in report.notes)
    e = expose(book, market, POLICY, trades=False)
    assert any("margin.tiers.ETH of models/data/hyperliquid.toml" in note for note in e.notes)  # no fee: nothing is traded
    assert e.caveats


def test_what_a_table_says_is_measured_against_the_markets_day():
    old = expose(_book("binance"), _market("binance", datetime(2021, 6, 1, tzinfo=UTC)), POLICY, trades=False)
    new = expose(_book("binance"), _market("binance", NOW), POLICY, trades=False)
    assert not any("shelf life" in note and "binance" in note for note in old.caveats)
    assert any("shelf life" in note and "binance" in note for note in new.caveats)


def test_judged_stress_numbers_are_counted():
    (event, *_) = packaged_events()
    numbers = [n for _, asset, n in event.numbers() if asset in ("BTC", "*", "spread", "depth")]
    bare = sum(not n.source for n in numbers)
    assert 0 < bare < len(numbers)
    (said,) = stress_caveats((event.name,), ("BTC",), FRESH)
    assert said.startswith(f"{bare} of {len(numbers)} numbers of the stress scenarios rest on judgement")
    assert stress_caveats(("own",), ("BTC",), FRESH) == ()


def test_rules_of_a_backtest_carry_their_doubts():
    table = about_rules()
    for entry in table.unverified:
        found: Any = rules(entry.split(".")[0])
        for part in entry.split(".")[1:]:
            assert part in found, entry
            found = found[part]
    assert rules_caveats("delivery", "bybit", FRESH) == []
    assert "read here: delivery of models/data/deribit.toml" in rules_caveats("delivery", "deribit", FRESH)[0]
    assert "liquidation.hyperliquid" in rules_caveats("liquidation", "hyperliquid", FRESH)[0]
    assert "past its shelf life" in rules_caveats("delivery", "deribit", date(2028, 1, 1))[1]
    assert rules_caveats("delivery", "nowhere", FRESH) == []


def test_a_fault_in_the_sentences_would_be_seen(monkeypatch: pytest.MonkeyPatch):
    """The tables themselves decide: take the doubt away and the sentence goes, add one and it comes."""
    about_before = about("hyperliquid")
    table_caveats.cache_clear()
    monkeypatch.setattr(sentences, "about", lambda name: replace(about_before, unverified=()))
    assert table_caveats((("hyperliquid", "margin.tiers.ETH"),), NOW.date()) == ()
    table_caveats.cache_clear()
    monkeypatch.setattr(sentences, "about", lambda name: replace(about_before, unverified=("margin.tiers.BTC",)))
    assert "margin.tiers.BTC" in table_caveats((("hyperliquid", "margin.tiers.BTC"),), NOW.date())[0]
    table_caveats.cache_clear()


def test_every_packaged_table_can_be_asked():
    assert all(about(name).shelf_life_days > 0 for name in names())
    assert np.isfinite(about_rules().shelf_life_days)


def test_noise_that_nobody_measured_is_said():
    measured, stand_in = measured_noise()["BTC"], measured_noise()["*"]
    day = date(2026, 6, 1)
    assert noise_caveats({"BTC": measured}, day) == ()
    (said,) = noise_caveats({"BTC": measured, "SOL": stand_in, "HYPE": stand_in}, day)
    assert said.startswith("noise of expiries and strikes was never measured for HYPE, SOL: the larger of BTC and ETH")
    (without,) = noise_caveats({"SOL": None}, day)
    assert without.startswith("vols of SOL move without noise")
    assert "scenarios.toml is of" in noise_caveats({"BTC": measured}, date(2028, 1, 1))[0]
    own = measured.model_copy(update={"strike": None})
    assert noise_caveats({"SOL": own}, date(2028, 1, 1)) == ()


def test_a_book_of_options_without_a_measurement_says_so():
    expiry = datetime(2026, 6, 26, 8, tzinfo=UTC)
    option = ho.Option(
        name="SOL_USDC-26JUN26-100-P",
        venue="deribit",
        underlying="SOL",
        settlement="USDC",
        strike=100.0,
        expiry=expiry,
        right="put",
    )
    row = {"mark_price": 4.0, "bid_price": 3.9, "ask_price": 4.1, "mark_iv": 0.7, "underlying_price": 105.0}
    quotes = pd.DataFrame.from_dict(
        {option.id: row | {"timestamp": pd.Timestamp(NOW)}}, orient="index", columns=list(QUOTE_FIELDS)
    )
    market = ho.Market(NOW, {"SOL": 105.0, "USDC": 1.0}, {option.id: option}, quotes)
    coins = (Collateral(asset="USDC", amount=1e6),)
    held = (Position(instrument=option.name, quantity=-10.0),)
    book = Book(accounts=(Account(name="main", venue="deribit", collateral=coins, positions=held),))
    told = expose(book, market, POLICY, trades=False).caveats
    assert any("never measured for SOL" in note for note in told)
    still = POLICY.model_copy(update={"scenarios": ho.ParametricScenarios(count=50, noise="none")})
    assert not any("measured for SOL" in note for note in expose(book, market, still, trades=False).caveats)
    own = POLICY.model_copy(update={"scenarios": ho.ParametricScenarios(count=50, noise={"BTC": {}})})
    assert any("vols of SOL move without noise" in note for note in expose(book, market, own, trades=False).caveats)
