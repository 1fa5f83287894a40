"""Health factors, liquidation prices and leverage of accounts with loans, through whole books."""

from __future__ import annotations

from typing import Any

import pytest

from hedgeopt import Book, InputError, Market, risk_report
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.reading import validated
from hedgeopt.models.data import table
from hedgeopt.models.risk.loans import LoanRisk
from hedgeopt.models.scenarios.stress import stress_scenarios


def supply(asset: str, threshold: float, **more: object) -> dict[str, Any]:
    return {"kind": "lending_supply", "name": f"{asset} supply", "asset": asset, "liquidation_threshold": threshold, **more}


def borrow(asset: str, **more: object) -> dict[str, Any]:
    return {"kind": "lending_borrow", "name": f"{asset} debt", "asset": asset, **more}


def book(*positions: tuple[dict[str, Any], float]) -> Book:
    rows = [{"instrument": item, "quantity": quantity} for item, quantity in positions]
    return validated(Book, {"accounts": [{"name": "main", "venue": "aave", "positions": rows}]}, "book.json")


def report(desk: Book, **prices: float) -> Any:
    from datetime import UTC, datetime

    import pandas as pd

    from hedgeopt.inputs.columns import QUOTE_FIELDS

    market = Market(datetime(2026, 1, 15, tzinfo=UTC), prices, {}, pd.DataFrame(columns=list(QUOTE_FIELDS)))
    moves = stress_scenarios(["ETH", "stETH", "BTC"])
    return risk_report(build_exposures(resolve(desk, market), [], moves, moves, trades=False))


def loan(desk: Book, **prices: float) -> LoanRisk:
    (found,) = report(desk, **prices).loans
    return found


def test_ten_ether_against_twelve_thousand():
    """Shared domain facts, section 3: LT .83, health 1.383333, liquidation at 1,445.783133."""
    found = loan(book((supply("ETH", 0.83), 10.0), (borrow("USDC"), 12_000.0)), ETH=2_000.0)
    assert found.health_factor == pytest.approx(1.383333, abs=5e-7)
    assert found.liquidation_price == pytest.approx({"ETH": 1445.783133})
    assert found.equity == pytest.approx(8_000.0)
    assert found.leverage == pytest.approx(2.5)
    assert found.directional_leverage == pytest.approx(2.5)


def test_two_collaterals():
    """20k at LT .825 and 10k at .78 against 18k: health 1.35."""
    desk = book((supply("ETH", 0.825, ltv=0.8), 10.0), (supply("BTC", 0.78, ltv=0.75), 0.1), (borrow("USDC"), 18_000.0))
    assert loan(desk, ETH=2_000.0, BTC=100_000.0).health_factor == pytest.approx(1.35)


def test_emode_counts_only_while_every_debt_belongs_to_it():
    emode = {"category": 1, "ltv": 0.93, "liquidation_threshold": 0.95}
    inside = [(supply("stETH", 0.81, emode=emode), 10.0), (borrow("ETH", emode_category=1), 9.0)]
    assert loan(book(*inside), ETH=2_000.0, stETH=2_000.0).health_factor == pytest.approx(9.5 / 9)
    mixed = [*inside, (borrow("USDC"), 1_000.0)]
    assert loan(book(*mixed), ETH=2_000.0, stETH=2_000.0).health_factor == pytest.approx(0.81 * 20_000 / 19_000)


def test_deposits_without_debt_have_no_health_factor():
    found = loan(book((supply("ETH", 0.83), 1.0)), ETH=2_000.0)
    assert found.health_factor is None
    assert found.liquidation_price == {}
    assert found.leverage == 1.0


def test_a_loop_shows_its_true_exposure():
    """Ten-fold stETH against ETH: leverage 10, direction 1, and ten times equity at stake on the peg."""
    legs = {"supply": {"asset": "stETH", "ltv": 0.93, "liquidation_threshold": 0.95}, "borrow": {"asset": "ETH"}}
    loop = {"kind": "loop", "name": "carry", "ltv": 0.9, "entry_price": 1.0, **legs}
    shown = report(book((loop, 100.0)), ETH=2_000.0, stETH=2_000.0)
    (found,) = shown.loans
    assert [position.name for position in shown.positions] == ["carry supply", "carry borrow"]
    assert found.leverage == pytest.approx(10.0)
    assert found.directional_leverage == pytest.approx(1.0)
    assert found.exposure == pytest.approx({"ETH": 200_000.0, "stETH/ETH": 2_000_000.0})
    assert shown.equity == pytest.approx(200_000.0)
    assert shown.greeks["ETH"]["delta"] == pytest.approx(100.0)
    june = next(event["spot"] for event in table("stress")["event"] if event["name"] == "2022-06")
    expected = june["stETH"]["value"] * 2_000_000 - june["ETH"]["value"] * 1_800_000
    assert shown.stress["2022-06"] == pytest.approx(expected)
    assert expected < -0.6 * shown.equity  # the peg, not the fall of ETH, takes most of the capital


@pytest.mark.parametrize(
    ("item", "quantity", "words"),
    [
        (borrow("USDC"), -5.0, "cannot be short"),
        (supply("ETH", 0.8, index=-1.0), 5.0, "index: must be greater than 0"),
        (supply("ETH", 0.8, venue="compound"), 5.0, "venue 'compound'"),
        ({"kind": "lend", "name": "x"}, 1.0, "kind"),
    ],
)
def test_bad_positions_become_one_line(item, quantity, words):
    with pytest.raises(InputError, match=words) as caught:
        book((item, quantity))
    assert str(caught.value).startswith("book.json: accounts.0")
    assert "\n" not in str(caught.value)


def test_two_instruments_of_one_name_are_refused():
    accounts = [
        {"name": name, "venue": "aave", "positions": [{"instrument": supply("ETH", 0.8, index=index), "quantity": 1.0}]}
        for name, index in (("a", 1.0), ("b", 1.1))
    ]
    with pytest.raises(InputError, match="two different instruments share this name"):
        report(Book.model_validate({"accounts": accounts}), ETH=2_000.0)
