"""What a venue's table asks for an order whatever its size: counted with the policy's ticket, told without, verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.costs.fixed import fixed_costs
from hedgeopt.verify import claim_of, judge
from tests.program.proposal_cases import account, policy, venues

TABLE = """extends = "binance"
as_of = 2026-11-01
shelf_life_days = 90
[fees]
ticket = {}
[fee_tiers.vip]
ticket = 1.0
"""


@pytest.fixture
def asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Binance asks 7 USD an order, of a tier 1 USD."""
    (tmp_path / "binance.toml").write_text(TABLE.format(7.0))
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
    return tmp_path / "binance.toml"


def inputs(ticket: float | None, **more: Any) -> tuple[ho.Book, ho.Market, ho.Policy]:
    held = [account("bn", "binance", 5e5, ("BTC-binance", 6.0), **more), account("hl", "hyperliquid", 5e5)]
    rules = policy(ho.Delta("BTC").within(-0.5, 0.5))
    return (
        ho.Book(accounts=held),
        venues(),
        rules.model_copy(update={"candidates": rules.candidates.model_copy(update={"ticket": ticket}), "lots": "whole"}),
    )


def test_each_order_pays_its_venue(asks: Path) -> None:
    book, market, rules = inputs(2.0)
    e = expose(book, market, rules)
    paid = dict(zip([e.venues[e.rows.account[row]] for row in e.candidate], fixed_costs(e, 2.0).tolist(), strict=True))
    assert paid == {"binance": 9.0, "hyperliquid": 2.0}
    assert not fixed_costs(e, None).any()
    tier = expose(*inputs(2.0, fee_tier="vip"))
    assert set(fixed_costs(tier, 0.0)) == {1.0, 0.0}


@pytest.mark.parametrize("ticket", [None, 0.0, 2.0])
def test_it_is_counted_or_told_and_verified(asks: Path, ticket: float | None) -> None:
    book, market, rules = inputs(ticket)
    made = ho.propose(book, market, rules)
    assert len(made.trades)
    told = [note for note in made.notes if "venue's ticket" in note]
    at = made.trades["account"].tolist().count("bn")
    if ticket is None:
        assert told == ([f"{at} order{'s cost their' if at > 1 else ' costs its'} venue's ticket, {7 * at:.2f} USD in all, "
                         "which is not counted: give candidates.ticket (0.0 does)"] if at else [])  # fmt: skip
        assert "fixed" not in made.costs
    else:
        assert told == []
        assert made.costs["fixed"] == pytest.approx(7.0 * at + ticket * len(made.trades))
    verdict = judge(claim_of(made.to_dict()), expose(book, market, rules), market, rules.model_dump(mode="json"))
    assert verdict.wrong == ()


@pytest.mark.parametrize("value", ["-1.0", "1e9", '"five"'])
def test_an_impossible_ticket_is_refused(asks: Path, value: str) -> None:
    asks.write_text(TABLE.format(value))
    with pytest.raises(ho.InputError, match=r"binance.toml: fees.ticket"):
        expose(*inputs(2.0))
