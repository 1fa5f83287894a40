"""Vault shares are the deposit less the options sold."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.option import OPTION, Option
from hedgeopt.models.pricing.option_vault import OPTION_VAULT, OptionVault
from hedgeopt.models.scenarios.set import ScenarioSet

EXPIRY = datetime(2026, 1, 30, 8, tzinfo=UTC)


def option(strike: float, right: str, settlement: str = "ETH") -> Option:
    terms = {"name": f"{strike:g}{right}", "venue": "deribit", "underlying": "ETH", "settlement": settlement}
    return Option(**terms, expiry=EXPIRY, strike=strike, right=right)


def covered(**changes: object) -> OptionVault:
    terms = {"name": "cc", "venue": "ribbon", "strategy": "covered_call", "asset": "ETH", "deposit_per_share": 1.02}
    return OptionVault(**{**terms, "option": option(2_400.0, "call"), "contracts_per_share": 1.0, **changes})


def secured(**changes: object) -> OptionVault:
    terms = {"name": "csp", "venue": "ribbon", "strategy": "cash_secured_put", "asset": "USDC", "deposit_per_share": 1_850.0}
    return OptionVault(
        **{**terms, "option": option(1_800.0, "put", "USDC"), "contracts_per_share": 1.0, "annual_fee": 0.02, **changes}
    )


@pytest.mark.parametrize("vault", [covered(), secured()])
def test_look_through(make_market, vault):
    """Value, Greeks and scenario P&L are those of holding the deposit and being short the option."""
    quotes = {vault.option: {"mark_iv": 0.65, "underlying_price": 2_010.0}}
    market, assets = make_market(quotes, ETH=2_000.0), ("ETH", "USDC")
    share, sold = OPTION_VAULT.unit_risk([vault], market, assets), OPTION.unit_risk([vault.option], market, assets)
    price = market.price(vault.asset)
    assert share.value[0] == pytest.approx(vault.deposit_per_share * price - sold.value[0])
    assert share.premium[0] == pytest.approx(share.value[0] / price)
    deposit = np.zeros((7, 2))
    deposit[greek("delta"), assets.index(vault.asset)] = vault.deposit_per_share
    np.testing.assert_allclose(share.greeks[:, 0], deposit - sold.greeks[:, 0])
    assert share.carry[0] == pytest.approx(-vault.annual_fee * share.value[0] / 365)

    moves = np.array([[0.6, 1.0], [1.5, 0.9]])
    scenarios = ScenarioSet("s", assets, moves, np.array([[0.3, 0.0], [0.0, 0.0]]), 2.0)
    got, leg = np.empty((2, 1)), np.empty((2, 1))
    OPTION_VAULT.scenario_pnl([vault], market, scenarios, got)
    OPTION.scenario_pnl([vault.option], market, scenarios, leg)
    factor = moves[:, assets.index(vault.asset)]
    np.testing.assert_allclose(got[:, 0], vault.deposit_per_share * price * (factor - 1) - leg[:, 0])


def test_payoff_at_expiry_is_capped_and_floored(make_market):
    """Past expiry: a covered call is worth min(S, K) beside the spare deposit, a secured put K - max(K - S, 0)."""
    vaults = [covered(), secured()]
    quotes = {vault.option: {"mark_iv": 0.65, "underlying_price": 2_000.0} for vault in vaults}
    market, assets = make_market(quotes, ETH=2_000.0), ("ETH", "USDC")
    now = OPTION_VAULT.unit_risk(vaults, market, assets).value
    final = np.array([1_000.0, 1_800.0, 2_400.0, 4_000.0])
    moves = np.column_stack([final / 2_000.0, np.ones(4)])
    out = np.empty((4, 2), order="F")
    OPTION_VAULT.scenario_pnl(vaults, market, ScenarioSet("s", assets, moves, np.zeros((4, 2)), 20.0), out)
    np.testing.assert_allclose(out[:, 0] + now[0], np.minimum(final, 2_400.0) + 0.02 * final, rtol=1e-12)
    np.testing.assert_allclose(out[:, 1] + now[1], 1_850.0 - np.maximum(1_800.0 - final, 0.0), rtol=1e-12)


def test_own_vol_stands_in_where_no_market_quotes(make_market):
    assets, mine = ("ETH", "USDC"), covered(vol=0.65, forward=2_010.0)
    quoted = make_market({mine.option: {"mark_iv": 0.65, "underlying_price": 2_010.0}}, ETH=2_000.0)
    bare = make_market(ETH=2_000.0)
    assert OPTION_VAULT.unit_risk([mine], bare, assets).value == OPTION_VAULT.unit_risk([covered()], quoted, assets).value
    with pytest.raises(InputError, match="underlying_price"):
        OPTION_VAULT.unit_risk([covered()], bare, assets)
    with pytest.raises(InputError, match="different vols"):
        OPTION_VAULT.unit_risk([mine, covered(name="other", vol=0.7, forward=2_010.0)], bare, assets)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: covered(contracts_per_share=1.1), "not covered"),
        (lambda: covered(asset="BTC"), "sells calls on it"),
        (lambda: secured(contracts_per_share=1.1), "not secured"),
        (lambda: secured(asset="ETH"), "holds dollars"),
        (lambda: secured(option=option(1_800.0, "call", "USDC")), "sells puts"),
        (lambda: covered(option={**option(2_400.0, "call").model_dump(), "settlement": "BTC"}), "settlement 'BTC'"),
        (lambda: covered(deposit_per_share=0.0), "greater than 0"),
    ],
)
def test_bad_vaults_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
