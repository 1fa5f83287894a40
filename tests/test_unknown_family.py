"""A family that the package does not know, registered at run time: treated right or refused everywhere, never a silent 0.

A power perpetual: it is quoted in dollars at mark = index**2 / 10,000, and its P&L is settled into collateral. One that is
short loses without bound when the index rises, so that a margin of 0 would be the worst answer of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.backtest.accruals import accrue, mark_futures
from hedgeopt.backtest.desk import Desk
from hedgeopt.backtest.portfolio import Portfolio
from hedgeopt.backtest.valuation import value
from hedgeopt.exposures.candidates import choose_candidates
from hedgeopt.exposures.expose import expose
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.book import Account, Book, Collateral, Position
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.inputs.market import Market
from hedgeopt.measures.price_profile import spot_profile
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.margin.rules import MODELS
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.models.pricing.family import Family, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Derivative
from hedgeopt.models.pricing.nature import Nature

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
INDEX, MARK, RATE = 2_000.0, 400.0, 0.002  # mark = index**2 / 10,000; RATE of the mark a day, paid by longs
NATURE = Nature(
    kind="power_perpetual",
    paid="margined",
    short="margin",
    payoff="curved",
    quote="contract",
    accrues="carry",
    settles="nothing",
    margin_class="power_perpetual",
    fee="perpetual",
    unit="contract",
)


class PowerPerpetual(Derivative):
    nature: ClassVar[Nature] = NATURE
    kind: Literal["power_perpetual"] = "power_perpetual"


class PowerFamily(Family):
    kind = "power_perpetual"
    instrument = PowerPerpetual

    def unit_risk(self, instruments: Sequence[PowerPerpetual], market: Any, assets: tuple[str, ...]) -> UnitRisk:
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            mark, index, at = market.quoted("mark_price", [item.id])[0], market.price("ETH"), assets.index("ETH")
            risk.notional[i], risk.carry[i] = mark, -RATE * mark
            risk.greeks[greek("delta"), i, at], risk.greeks[greek("gamma"), i, at] = 2 * mark / index, 2 * mark / index**2
        return risk

    def scenario_pnl(self, instruments: Sequence[PowerPerpetual], market: Any, scenarios: Any, out: np.ndarray) -> None:
        for i, item in enumerate(instruments):
            out[:, i] = market.quoted("mark_price", [item.id])[0] * (scenarios.price_factor("ETH") ** 2 - 1.0)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "power_perpetual", PowerFamily())


def power(venue: str = "deribit", **change: Any) -> PowerPerpetual:
    return PowerPerpetual(name="ETH-SQUARED", venue=venue, underlying="ETH", settlement="USDC", **change)


def market(index: float = INDEX, when: datetime = NOW, venue: str = "deribit", quoted: bool = True) -> Market:
    mark = index**2 / 10_000.0
    row = {"mark_price": mark, "bid_price": mark - 1.0, "ask_price": mark + 1.0, "timestamp": pd.Timestamp(when)}
    item = power(venue)
    quotes = pd.DataFrame.from_dict({item.id: row} if quoted else {}, orient="index", columns=list(QUOTE_FIELDS))
    instruments = {item.id: item} if quoted else {}
    return Market(when, {"ETH": index, "USDC": 1.0}, instruments, quotes)


def book(quantity: float = -100.0, margin: str = "standard", venue: str = "deribit") -> Book:
    held = (Position(instrument="ETH-SQUARED", quantity=quantity),)
    coins = (Collateral(asset="USDC", amount=1e6),)
    return Book(accounts=(Account(name="main", venue=venue, collateral=coins, positions=held, margin=margin),))


def policy() -> ho.Policy:
    """Its kind is known only once it is registered."""
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.95),
        candidates=Candidates(kinds=("power_perpetual",)),
        scenarios=ho.ParametricScenarios(count=200, vol={"ETH": 0.7}),
        lots="ideal",
    )


def test_exposures_price_it_in_full():
    e = expose(book(), market(), policy())
    assert e.margins.names == ("deribit_standard",)
    at = e.asset("ETH")
    assert e.rows.greeks[greek("delta"), 0, at] == pytest.approx(2 * MARK / INDEX)
    assert e.rows.notional[0] == pytest.approx(MARK)
    up = np.array(e.stress_pnl)[:, 0]
    assert np.all(np.isfinite(up))
    assert np.any(e.stress_base > 0)
    assert (e.lower[0], e.upper[0]) == (-np.inf, np.inf)  # it may be short, and markets quote it
    # half-spread of 1 USD and Deribit's taker fee of a perpetual, 5 bp of the notional
    assert e.cost_buy[0] == pytest.approx(1.0 + 0.0005 * MARK)
    profile = spot_profile(e, np.zeros(1), "ETH", np.array([0.1]))
    assert profile.before[0] == pytest.approx(-100.0 * MARK * 0.21)


@pytest.mark.parametrize("name", MODELS)
def test_every_margin_model_refuses_it_by_name(name: str, tmp_path: Any):
    if name == "table":
        path = tmp_path / "venue.toml"
        path.write_text('[margin]\ntype = "tiers"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n')
        name = f"table:{path}"
    e = expose(book(margin=name), market(), policy(), trades=False)
    with pytest.raises(ho.InputError, match=r"power_perpetual.*no rule in the margin model") as caught:
        e.margins.requirement(0, e.rows.quantity, e.collateral[0])
    assert "the model takes" in str(caught.value)
    e = expose(book(margin=name), market(), policy())
    if not name.startswith("aave"):  # its rule of what is only tradable and not held is that it lends nothing
        with pytest.raises(ho.InputError, match=r"power_perpetual.*no rule in the margin model"):
            e.margins.encoding(0, "initial")


def test_reports_and_proposals_refuse_it_and_name_the_account():
    with pytest.raises(ho.InputError, match=r"account main.*ETH-SQUARED \(power_perpetual\)"):
        risk_report(expose(book(), market(), policy(), trades=False))
    with pytest.raises(ho.InputError, match=r"account main.*ETH-SQUARED \(power_perpetual\)"):
        policy().propose(book(), market())
    with pytest.raises(ho.InputError, match=r"account main.*ETH-SQUARED \(power_perpetual\)"):
        value(book(), market())


def test_candidates_take_it_by_its_kind():
    assert choose_candidates(resolve(book(), market()), policy().candidates) == [power()]
    with pytest.raises(ho.InputError, match="no instrument of 1 may be traded"):
        choose_candidates(resolve(book(), market()), Candidates())


def test_a_trade_costs_its_spread_and_fee_and_time_pays_its_carry():
    portfolio = Portfolio(book(-100.0), market())
    fill = portfolio.trade(market(), "main", "ETH-SQUARED", -50.0, "hedge")
    assert fill.cost == pytest.approx(50.0)  # 1 USD of half-spread each
    assert fill.fee == pytest.approx(50.0 * 0.0005 * MARK)
    cash = portfolio.ledger.balance("main", "USDC")
    later = market(2_100.0, NOW + timedelta(hours=12))
    accrue(portfolio, market(), later)
    assert portfolio.ledger.balance("main", "USDC") - cash == pytest.approx(150.0 * RATE * MARK * 0.5)
    cash = portfolio.ledger.balance("main", "USDC")
    mark_futures(portfolio, later)
    assert portfolio.ledger.balance("main", "USDC") - cash == pytest.approx(-150.0 * (441.0 - MARK))


def test_without_a_quote_its_mark_is_not_made_up():
    portfolio, desk = Portfolio(book(-100.0), market()), Desk()
    desk.remember(market(), portfolio.held(), frozenset())
    with pytest.raises(ho.InputError, match=r"ETH-SQUARED \(power_perpetual\) is held and has no quote now"):
        desk.view(market(2_100.0, NOW + timedelta(hours=1), quoted=False), portfolio.held())


def test_without_a_quote_it_keeps_its_premium_over_its_familys_mark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PowerFamily, "mark_at", lambda self, item, index: index**2 / 10_100.0)  # quoted 1 % above it
    portfolio, desk = Portfolio(book(-100.0), market()), Desk()
    desk.remember(market(), portfolio.held(), frozenset())
    seen, (event,) = desk.view(market(2_100.0, NOW + timedelta(hours=1), quoted=False), portfolio.held())
    row = seen.quotes.loc[power().id]
    assert row["mark_price"] == pytest.approx(441.0)
    assert np.isnan([row["bid_price"], row["ask_price"]]).all()
    assert event["kind"] == "stale_mark"


def test_a_fee_that_the_venue_does_not_list_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PowerPerpetual, "nature", replace(NATURE, fee="power"))
    with pytest.raises(ho.InputError, match=r"fees.power_taker.*has no fee at deribit.*known: .*perpetual_taker"):
        expose(book(), market(), policy())


def test_what_is_not_registered_is_refused_with_what_is(monkeypatch: pytest.MonkeyPatch):
    rules = policy()
    monkeypatch.delitem(FAMILIES, "power_perpetual")
    with pytest.raises(ho.InputError, match=r"unknown kind of instrument.*power_perpetual.*known: spot, perpetual"):
        expose(book(), market(), rules, trades=False)
    with pytest.raises(ValueError, match=r"unknown kind 'power_perpetual'.*known: spot, perpetual"):
        policy()
