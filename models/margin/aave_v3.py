"""Aave v3: health factor, loan-to-value, e-mode, leverage of loops, and what a liquidation leaves.

``HF = sum_i c_i p_i LT_i / sum_j d_j p_j`` (infinite without debt); liquidatable below 1. As a margin requirement
against equity
``C - D``: maintenance ``sum (1 - LT_i) c_i p_i + (h - 1) D`` holds exactly when HF >= h, initial the same with LTV.

An account's collateral amounts are reserves with the table's parameters: positive supplied, negative owed. Positions of the
families ``lending_supply`` and ``lending_borrow`` bring their own. Other positions have no rule here.

Sources: github.com/aave-dao/aave-v3-origin at fd1fbd91, GenericLogic.sol and LiquidationLogic.sol; models/data/aave.toml.
"""

from __future__ import annotations

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, Liquidation, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State

__all__ = ["AaveV3", "available_borrow", "health_factor", "liquidate"]


def health_factor(
    collateral: np.ndarray, price: np.ndarray, threshold: np.ndarray, debt: np.ndarray, debt_price: np.ndarray
) -> float:
    """``sum c p LT / sum d p``; infinity without debt.

    Vector: 10 ETH at 2,000, LT .83, debt 12,000 USD: 1.383333.
    """
    owed = float(np.asarray(debt) @ np.asarray(debt_price))
    backing = float((np.asarray(collateral) * np.asarray(price)) @ np.asarray(threshold))
    return backing / owed if owed > 0 else float("inf")


def available_borrow(collateral: np.ndarray, price: np.ndarray, ltv: np.ndarray, debt: float) -> float:
    """USD that may still be borrowed: ``sum c p LTV - D``, never negative."""
    return max(float((np.asarray(collateral) * np.asarray(price)) @ np.asarray(ltv)) - debt, 0.0)


def liquidate(
    collateral: float, debt: float, threshold: float, bonus: float, *, other_backing: float = 0.0, other_debt: float = 0.0
) -> Liquidation | None:
    """The largest liquidation call on one collateral reserve (USD) and one debt reserve (USD); None while HF >= 1.

    The close factor is 100 %, but 50 % of the user's *total* debt when HF > .95 and both reserves are at least 2,000 USD.
    A partial call must leave at least 1,000 USD of both, else it closes whole.

    Parameters
    ----------
    other_backing, other_debt
        The rest of the account: threshold-weighted collateral, and debt, in USD.

    Vector: C = 10,000, LT .83, debt 8,500: HF .976471; repay 4,250 at 5 % bonus: HF 1.081441, equity 1,287.5.
    """
    rules = table("aave")["liquidation"]
    total_debt = debt + other_debt
    before = (collateral * threshold + other_backing) / total_debt if total_debt > 0 else float("inf")
    if before >= 1.0:
        return None
    repaid = debt
    if before > rules["close_factor_health"] and min(collateral, debt) >= rules["min_base"]:
        repaid = min(debt, rules["close_factor"] * total_debt)
    seized = repaid * (1.0 + bonus)
    if seized > collateral:
        seized, repaid = collateral, collateral / (1.0 + bonus)
    left_debt, left_collateral = debt - repaid, collateral - seized
    dust = rules["min_leftover"]
    if left_debt > 0 and left_collateral > 0 and (left_debt < dust or left_collateral < dust):
        repaid, seized = debt, debt * (1.0 + bonus)  # dust may not remain: the call closes one side whole
        if seized > collateral:
            seized, repaid = collateral, collateral / (1.0 + bonus)
        left_debt, left_collateral = debt - repaid, collateral - seized
    owed = left_debt + other_debt
    after = (left_collateral * threshold + other_backing) / owed if owed > 0 else float("inf")
    fee = rules["protocol_fee"] * (seized - repaid)
    return Liquidation(repaid, seized, fee, left_collateral, left_debt, before, after)


_KINDS = ("lending_supply", "lending_borrow")


class AaveV3(MarginModel):
    """One account, in e-mode ``category`` or none; ``health`` is the factor that maintenance must keep.

    ``relative`` multiplies every LTV and threshold: governance may lower them in a stress.
    """

    table_name = "aave"
    source = "github.com/aave-dao/aave-v3-origin GenericLogic.sol (models/data/aave.toml)"

    def __init__(self, category: str | None = None, health: float = 1.0, relative: float = 1.0) -> None:
        self.name = "aave_v3" if category is None else f"aave_v3:{category}"
        self.health, self.category_name, self.relative = health, category, relative
        categories = table("aave")["emode"]
        if category is not None and category not in categories:
            raise InputError("unknown e-mode category", value=category, fix=advice(category, categories))
        self.category = None if category is None else categories[category]

    def under(self, *, health: float | None = None, relative: float | None = None) -> AaveV3:
        """The same account with another health factor to keep, or with other thresholds."""
        return AaveV3(
            self.category_name,
            self.health if health is None else health,
            self.relative if relative is None else relative,
        )

    def parameters(self, asset: str) -> tuple[float, float, float]:
        """LTV, liquidation threshold and bonus of a collateral asset; e-mode overrides them for its assets."""
        found = table("aave")["reserve"].get(asset)
        if self.category is not None and asset in self.category["collateral"]:
            found = self.category
        if found is None:
            known = ", ".join(sorted(table("aave")["reserve"]))
            line = f"[reserve.{asset}] with ltv, threshold and bonus"
            raise lacking("aave", f"{asset} is no known reserve", field="reserve", value=asset, line=line, known=known)
        return self.relative * found["ltv"], self.relative * found["threshold"], found["bonus"]

    def check(self, state: State, collateral: np.ndarray) -> None:
        """Refuse unknown reserves and, in e-mode, debt that the category does not allow."""
        for asset, amount in zip(state.assets, collateral, strict=True):
            if amount == 0.0:
                continue
            self.parameters(asset)
            if amount < 0 and self.category is not None and asset not in self.category["borrowable"]:
                raise InputError(
                    f"{asset} may not be owed in this e-mode category",
                    file="book",
                    field=f"account {state.account}",
                    fix=f"borrowable: {', '.join(self.category['borrowable'])}",
                )

    def health_factor(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> float:
        """Of an account's positions (R,) and reserves (A,), positive supplied and negative owed."""
        threshold = [self.parameters(a)[1] if n > 0 else 0.0 for a, n in zip(state.assets, collateral, strict=True)]
        supplied, owed = np.maximum(collateral, 0.0), np.maximum(-collateral, 0.0)
        worth = state.value * quantity
        return health_factor(
            np.append(supplied, np.maximum(worth, 0.0)),
            np.append(state.prices, np.ones(len(state))),
            np.append(threshold, self.relative * state.threshold),
            np.append(owed, np.maximum(-worth, 0.0)),
            np.append(state.prices, np.ones(len(state))),
        )

    def liquidation(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Liquidation | None:
        """The one call that earns its caller most, over all pairs of a reserve supplied and one owed; None while HF >= 1."""
        supplied: list[tuple[float, float, float]] = []
        owed: list[float] = []
        for asset, price, amount in zip(state.assets, state.prices, collateral, strict=True):
            if amount > 0:
                _, threshold, bonus = self.parameters(asset)
                supplied.append((float(amount * price), threshold, bonus))
            elif amount < 0:
                owed.append(float(-amount * price))
        for at in np.flatnonzero(quantity * state.value).tolist():
            worth = float(quantity[at] * state.value[at])
            if worth < 0:
                owed.append(-worth)
            elif state.threshold[at] > 0:
                supplied.append((worth, self.relative * float(state.threshold[at]), float(state.bonus[at])))
        backing, debts = sum(c * t for c, t, _ in supplied), sum(owed)
        calls = [
            liquidate(c, d, threshold, bonus, other_backing=backing - c * threshold, other_debt=debts - d)
            for c, threshold, bonus in supplied
            for d in owed
        ]
        return max((call for call in calls if call is not None), key=lambda call: call.loss, default=None)

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Initial by LTV, maintenance by liquidation threshold; against equity (supplied less owed)."""
        refuse_unknown_rows(state, self.name, _KINDS, quantity, owed=quantity)
        self.check(state, collateral)
        initial, maintenance, parts = 0.0, 0.0, {}
        for asset, price, amount in zip(state.assets, state.prices, collateral, strict=True):
            if amount > 0:
                ltv, threshold, _ = self.parameters(asset)
                initial += (1.0 - ltv) * amount * price
                maintenance += (1.0 - threshold) * amount * price
                parts[asset] = (1.0 - ltv) * float(amount * price)
            elif amount < 0:
                maintenance += (self.health - 1.0) * -amount * price
        for at in np.flatnonzero(quantity).tolist():
            worth = float(state.value[at] * quantity[at])
            if worth > 0:
                initial += (1.0 - self.relative * state.ltv[at]) * worth
                maintenance += (1.0 - self.relative * state.threshold[at]) * worth
                parts[state.names[at]] = (1.0 - self.relative * state.ltv[at]) * worth
            else:
                maintenance += (self.health - 1.0) * -worth
        return Requirement(float(initial), float(maintenance), parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Two lines per reserve: what supply does not lend, and the buffer on debt; one slope per deposit or loan."""
        groups = []
        buffer = self.health - 1.0 if kind == "maintenance" else 0.0
        for a, (asset, price) in enumerate(zip(state.assets, state.prices, strict=True)):
            try:
                ltv, threshold, _ = self.parameters(asset)
            except InputError:
                ltv = threshold = 0.0  # not a reserve: it can neither be supplied nor owed here, and lends nothing
            lost = 1.0 - (ltv if kind == "initial" else threshold)
            column = np.array([len(state) + a])
            groups.append(Group.of(column, [np.array([[lost * price]]), np.array([[-buffer * price]])]))
        n = len(state)
        lent = self.relative * (state.ltv if kind == "initial" else state.threshold)
        share = np.where(state.value >= 0, 1.0 - lent, buffer) if n else np.zeros(0)
        slopes = (share * np.abs(state.value))[:, None]
        encoding = Encoding(slopes, np.zeros((n, 1)), np.zeros(n), np.zeros(n), len(state.assets))
        return encoding.with_blocks(Block("collateral", tuple(groups))) if groups else encoding

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """The reserves supplied, by the table; loans described in the book bring their own parameters."""
        supplied = [asset for asset, n in zip(state.assets, collateral, strict=True) if n > 0]
        inside = () if self.category is None else self.category["collateral"]
        names = [f"emode.{self.category_name}" if asset in inside else f"reserve.{asset}" for asset in supplied]
        return tuple(("aave", name) for name in dict.fromkeys(names))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """None beside LTV and threshold."""
        return np.zeros(len(state.assets))
