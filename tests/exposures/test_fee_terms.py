"""Fees by account tier and as maker or taker, in costs, proposals and the verifier's own recomputation."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.models.data import OWN_TABLES, use_tables
from hedgeopt.verify import claim_of, judge

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
PERPETUAL = ho.Perpetual(name="ETH-PERPETUAL", venue="deribit", underlying="ETH", settlement="ETH")


@pytest.fixture
def tiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_TABLES, os.environ.get(OWN_TABLES, ""))
    (tmp_path / "deribit.toml").write_text(
        'extends = "deribit"\nas_of = 2026-02-20\nshelf_life_days = 365\n[fees]\n'
        "[fee_tiers.vip]\nperpetual_taker = 0.0003\nperpetual_maker = 0.0001\n"
    )
    use_tables(tmp_path / "deribit.toml")


def market() -> ho.Market:
    row = {"mark_price": 3_000.0, "bid_price": 2_999.5, "ask_price": 3_000.5, "funding_8h": 0.0}
    quotes = pd.DataFrame.from_dict({PERPETUAL.id: row}, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    return ho.Market(NOW, {"ETH": 3_000.0, "USDC": 1.0}, {PERPETUAL.id: PERPETUAL}, quotes)


def book(tier: str | None) -> ho.Book:
    more = {} if tier is None else {"fee_tier": tier}
    held = [{"asset": "USDC", "amount": 5e6}]
    return ho.Book(accounts=[{"name": "main", "venue": "deribit", "collateral": held, **more}])


def policy(fees: str = "taker") -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("ETH") >= 100.0],
        scenarios=ho.ParametricScenarios(count=20, vol={"ETH": 0.7}),
        candidates=ho.Candidates(kinds=("perpetual",), underlyings=("ETH",), fees=fees),
        lots="ideal",
    )


@pytest.mark.usefixtures("tiers")
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("tier", "fees", "rate"), [(None, "taker", 5e-4), ("vip", "taker", 3e-4), ("vip", "maker", 1e-4), (None, "maker", 0.0)]
)
def test_the_account_pays_its_tier(tier: str | None, fees: str, rate: float, deep: bool) -> None:
    quotes = market()
    if deep:
        levels = [("bid", 2_999.5), ("ask", 3_000.5)]
        same: dict[str, Any] = {
            "venue": "deribit",
            "instrument": PERPETUAL.name,
            "timestamp": NOW.isoformat(),
            "unit": "USD",
        }
        quotes = quotes.with_depth(pd.DataFrame([{**same, "side": s, "price": p, "size": 1e6} for s, p in levels]))
    found = ho.propose(book(tier), quotes, policy(fees))
    assert found.costs["fees"] == pytest.approx(rate * 300_000.0, rel=1e-9)
    e = expose(book(tier), quotes, policy(fees))
    assert judge(claim_of(found.to_dict()), e, quotes, policy(fees).model_dump(mode="json")).valid


@pytest.mark.usefixtures("tiers")
def test_a_file_that_tells_another_tiers_fee_is_wrong() -> None:
    claim = claim_of(ho.propose(book("vip"), market(), policy()).to_dict())
    e = expose(book(None), market(), policy())
    assert any("fee" in line for line in judge(claim, e, market(), policy().model_dump(mode="json")).wrong)


def test_a_tier_that_no_table_has_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"has no tier 'gold'.*\[fee_tiers\.gold\]") as caught:
        expose(book("gold"), market(), policy())
    assert "\n" not in str(caught.value)


def test_maker_fees_that_nobody_gave_are_refused() -> None:
    item = ho.Perpetual(name="ETH", venue="paradex", underlying="ETH", settlement="USDC")
    row = {"mark_price": 3_000.0, "bid_price": 2_999.5, "ask_price": 3_000.5, "funding_8h": 0.0}
    quotes = pd.DataFrame.from_dict({item.id: row}, orient="index").reindex(columns=list(QUOTE_FIELDS))
    quotes["timestamp"] = pd.Timestamp(NOW)
    there = ho.Market(NOW, {"ETH": 3_000.0, "USDC": 1.0}, {item.id: item}, quotes)
    held = [{"asset": "USDC", "amount": 5e6}]
    desk = ho.Book(accounts=[{"name": "main", "venue": "paradex", "collateral": held}])
    with pytest.raises(InputError, match=r"fees\.perpetual_maker"):
        expose(desk, there, policy("maker"))
