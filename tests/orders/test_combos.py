"""Combos: names that the venue's parser reads back to the same legs, sides, and blocks at their least sizes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.inputs.payloads.deribit_names import legs_of
from hedgeopt.orders.combos import _saved, combo_name
from hedgeopt.orders.legs import ListedLeg
from hedgeopt.orders.plan import execution_plan
from hedgeopt.venues.deribit.names import parse_name
from hedgeopt.venues.known import parser

OPTIONS = [
    f"BTC-{day}-{strike}-{right}" for day in ("29MAY26", "26JUN26") for strike in (70_000, 75_000, 80_000) for right in "CP"
]
FUTURES = ["BTC-PERPETUAL", "BTC-29MAY26", "BTC-26JUN26", "BTC_USDC-PERPETUAL", "ETH-PERPETUAL"]


@given(first=st.sampled_from(OPTIONS + FUTURES), second=st.sampled_from(OPTIONS + FUTURES))
def test_a_name_reads_back_to_its_legs(first: str, second: str) -> None:
    name = combo_name(parse_name(first), parse_name(second))
    if name is None:
        future = [leg in FUTURES for leg in (first, second)]
        alike = first.split("-")[0] == second.split("-")[0] and first != second
        other_day = not any(future) and first[-1] != second[-1] and first.split("-")[1] != second.split("-")[1]
        assert not alike or any(future) != all(future) or other_day
        return
    legs = dict(legs_of(name) or [])
    assert set(legs) == {first, second}
    assert legs[first] == 1.0 or abs(legs[first]) == 1.0


@pytest.mark.parametrize(
    ("pair", "name"),  # recorded at the venue, or in its documentation
    [
        (("BTC-19MAY26-70000-C", "BTC-19MAY26-75000-C"), "BTC-CS-19MAY26-70000_75000"),
        (("BTC-29MAY26-70000-P", "BTC-29MAY26-60000-P"), "BTC-PS-29MAY26-70000_60000"),
        (("BTC-19MAY26-74000-P", "BTC-19MAY26-79000-C"), "BTC-STRG-19MAY26-74000_79000"),
        (("BTC-29MAY26-77000-C", "BTC-29MAY26-77000-P"), "BTC-STRD-29MAY26-77000"),
        (("BTC-25DEC26-115000-C", "BTC-31JUL26-115000-C"), "BTC-CCAL-25DEC26_31JUL26-115000"),
        (("BTC-29MAY26", "BTC-PERPETUAL"), "BTC-FS-29MAY26_PERP"),
    ],
)
def test_recorded_names(pair: tuple[str, str], name: str) -> None:
    assert combo_name(*map(parse_name, pair)) == name


MOMENT = pd.Timestamp("2026-05-01T08:00Z")


def row(name: str, bid: float, ask: float, **more: object) -> dict[str, object]:
    return {"timestamp": MOMENT.isoformat(), "currency": "BTC", "instrument_name": name, "bid_price": bid, "ask_price": ask,
            "mark_price": 0.5 * (bid + ask), "index_price": 80_000.0, "expiry": None, "mark_iv": np.nan,
            "underlying_price": np.nan, "option_type": None, "strike": np.nan, **more}  # fmt: skip


def held(amount: float) -> tuple[ho.Book, ho.Market]:
    """A call spread and a perpetual to be closed."""
    options = [(70_000.0, 0.14, 0.141), (90_000.0, 0.028, 0.0285)]
    rows = [
        row(f"BTC-29MAY26-{strike:.0f}-C", bid, ask, option_type="call", strike=strike, expiry="2026-05-29T08:00Z",
            underlying_price=80_000.0)
        for strike, bid, ask in options
    ]  # fmt: skip
    rows.append(row("BTC-PERPETUAL", 80_000.0, 80_000.5, funding_8h=0.0))
    market = ho.read_market(pd.DataFrame(rows), invert_marks=True)
    positions = [
        ho.Position(instrument="BTC-29MAY26-70000-C", quantity=amount),
        ho.Position(instrument="BTC-29MAY26-90000-C", quantity=-amount),
        ho.Position(instrument="BTC-PERPETUAL", quantity=-400_000.0),
    ]
    account = ho.Account(
        name="main", venue="deribit", collateral=[ho.Collateral(asset="BTC", amount=100.0)], positions=positions
    )
    return ho.Book(name="spread", accounts=[account]), market


@pytest.mark.parametrize(("amount", "blocks"), [(30.0, 1), (20.0, 0)])
def test_a_spread_is_one_combo_and_a_block_from_its_least_size(amount: float, blocks: int) -> None:
    book, market = held(amount)
    flat = [ho.Vega("BTC").within(-1e-3, 1e-3), ho.Delta("BTC").within(90.0, 110.0), ho.Gamma("BTC").within(-1e-9, 1e-9)]
    policy = ho.Policy(ho.TransactionCost(), flat, scenarios=ho.ParametricScenarios(count=50),
                       candidates=ho.Candidates(max_order_notional=1e8))  # fmt: skip
    plan = execution_plan(ho.propose(book, market, policy), book, market)
    combos = plan.combos[plan.combos["kind"] == "combo"]
    assert combos["name"].tolist() == ["BTC-CS-29MAY26-70000_90000"]
    assert combos["side"].tolist() == ["sell"]
    assert combos["quantity"].tolist() == pytest.approx([amount], rel=1e-3)
    fees = [min(0.0003 * 80_000.0, 0.125 * price * 80_000.0) * amount for price in (0.14, 0.0285)]
    assert combos["fee_saved"].tolist() == pytest.approx([min(fees)], rel=0.02)  # of an option combo all of it
    trades = json.loads(combos["request"].iloc[0])["params"]["trades"]
    assert {trade["direction"] for trade in trades} == {"buy", "sell"}
    assert len(plan.combos) - len(combos) == blocks
    if blocks:
        asked = json.loads(plan.combos["request"].iloc[-1])["params"]
        assert len(asked["legs"]) == 2
        assert plan.combos["fee_saved"].iloc[-1] == pytest.approx(min(fees), rel=0.02)


def test_the_discount_is_half_of_a_future_spread_and_nothing_where_all_is_bought() -> None:
    """Deribit's note of 18 August 2022: the cheaper side of option combos is free, of future combos halved."""
    option, other = (parser("deribit")(f"BTC-29MAY26-{strike}-C") for strike in (70_000, 90_000))
    future, perpetual = (parser("deribit")(name) for name in ("BTC-29MAY26", "BTC-PERPETUAL"))

    def legs(*items: Any) -> list[ListedLeg]:
        return [ListedLeg("main", "deribit", item.name, "buy", 1.0, "BTC", 1.0, item=item) for item in items]

    assert _saved(legs(option, other), {"buy": 10.0, "sell": 8.0}) == 8.0
    assert _saved(legs(future, perpetual), {"buy": 3.0, "sell": 3.0}) == 1.5  # 3 bp and 3 bp are 4.5 bp
    assert _saved(legs(option, other), {"buy": 18.0, "sell": 0.0}) == 0.0
