"""Supplies and debts of an account: health, leverage, and the true exposure.

    health factor = sum_i LT_i c_i / sum_j d_j      (USD values; no debt: none)

LT is the reserve's liquidation threshold, or its e-mode's while every debt of the account belongs to that category.
Leverage counts what is supplied over equity; *directional* leverage counts only net deltas to underlyings, so that stETH
looped ten times against ETH shows 10 and 1, and its peg exposure beside it.
Source: Aave v3 GenericLogic.calculateUserAccountData. Vector: 10 ETH at 2,000, LT .83, 12,000 owed: health 1.383333,
liquidation at 1,445.783133.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_directional, is_peg
from hedgeopt.models.pricing.family import greek

_NEVER = 1e-6
"""Price factors below this are rounding: everything moves with that price, and health stays as it is."""

__all__ = ["LoanRisk", "loans", "threshold"]


@dataclass(frozen=True)
class LoanRisk:
    """The loan of one account.

    Attributes
    ----------
    supplied, borrowed, equity
        USD.
    health_factor
        None without debt.
    leverage
        ``supplied / equity``; None where equity is not positive.
    directional_leverage
        Absolute net exposure to underlyings over equity.
    exposure
        Net USD exposure by underlying and by peg factor; dollar assets left out.
    liquidation_price
        USD price of each underlying at which health falls to 1, everything else unchanged; only where such a price exists.
    """

    account: str
    venue: str
    supplied: float
    borrowed: float
    equity: float
    health_factor: float | None
    leverage: float | None
    directional_leverage: float | None
    exposure: dict[str, float]
    liquidation_price: dict[str, float]


def threshold(item: object, categories: set[int | None]) -> float:
    """Liquidation threshold of a supply in an account whose debts have these e-mode categories."""
    if not item.collateral:  # type: ignore[attr-defined]
        return 0.0
    emode = item.emode  # type: ignore[attr-defined]
    if emode is not None and categories == {emode.category}:
        return float(emode.liquidation_threshold)
    return float(item.liquidation_threshold)  # type: ignore[attr-defined]


def loans(e: Exposures, quantity: np.ndarray) -> tuple[LoanRisk, ...]:
    """One entry per account with supplies or debts, for positions (M,)."""
    loan = np.array([item.nature.loan != "none" for item in e.rows.instruments], bool)
    found = []
    for account in range(len(e.accounts)):
        rows = np.flatnonzero((e.rows.account == account) & loan)
        rows = rows[quantity[rows] != 0.0]
        if len(rows):
            found.append(_loan(e, account, rows, quantity[rows]))
    return tuple(found)


def _loan(e: Exposures, account: int, rows: np.ndarray, quantity: np.ndarray) -> LoanRisk:
    items = [e.rows.instruments[row] for row in rows]
    value = e.rows.value[rows] * quantity
    debt = np.array([item.nature.loan == "debt" for item in items])
    categories = {item.emode_category for item, owed in zip(items, debt.tolist(), strict=True) if owed}
    weight = np.array([1.0 if owed else threshold(item, categories) for item, owed in zip(items, debt, strict=True)])
    supplied, borrowed = float(value[~debt].sum()), float(-value[debt].sum())
    equity = supplied - borrowed
    delta_usd = e.rows.greeks[greek("delta"), rows] * quantity[:, None] * e.prices  # (R, A)
    moving = [a for a, name in enumerate(e.assets) if name not in dollar_assets() and (is_directional(name) or is_peg(name))]
    exposure = {e.assets[a]: float(delta_usd[:, a].sum()) for a in moving if np.any(delta_usd[:, a])}
    net = sum(abs(usd) for name, usd in exposure.items() if not is_peg(name))
    backing = float(weight[~debt] @ value[~debt])
    prices = {}
    for a in moving:
        # health 1 where backing + slope (f - 1) = 0 for a price factor f: both sides are linear in one price
        slope = float(weight @ delta_usd[:, a])
        if borrowed > 0 and slope != 0 and not is_peg(e.assets[a]):
            factor = 1.0 - (backing - borrowed) / slope
            if factor > _NEVER:
                prices[e.assets[a]] = float(e.prices[a] * factor)
    return LoanRisk(
        account=e.accounts[account],
        venue=e.venues[account],
        supplied=supplied,
        borrowed=borrowed,
        equity=equity,
        health_factor=backing / borrowed if borrowed > 0 else None,
        leverage=supplied / equity if equity > 0 else None,
        directional_leverage=net / equity if equity > 0 else None,
        exposure=exposure,
        liquidation_price=prices,
    )
