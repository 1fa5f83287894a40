"""Margin, stress, collateral and transfer limits by the venues' plain rules, for the certificate.

The program works with convex encodings of margin rules. Nothing here reads an encoding: the account is put together as it
would stand after trades, transfers and costs, and the venue's own rule (:meth:`MarginModel.requirement`) is asked about it.
An encoding that asks too little therefore can't be certified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.constraints.limit import Limit
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.constraints.survive_stress import SurviveStress
from hedgeopt.constraints.transfer_limit import TransferLimit
from hedgeopt.errors import InputError
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.term import Margin, matching_accounts
from hedgeopt.models.risk.stress import StressLoss

__all__ = ["AccountAfter", "PlainSide", "by_plain_rule", "plain_margin", "plain_sides"]

_ROUNDING = 1e-12

Requirement = Literal["initial", "maintenance"]


@dataclass(frozen=True)
class PlainSide:
    """A limit with its value by the plain rule, and ``size``: how much is added up in it, in its unit."""

    side: Side
    size: float

    @property
    def excess(self) -> float:
        """Violation relative to what is added up; an amount below rounding of that is none."""
        return self.side.violation / max(self.size, abs(self.side.limit), 1e-12)


@dataclass(frozen=True, eq=False)
class AccountAfter:
    """One account after trades x (N,), now or in stress ``stress``.

    Attributes
    ----------
    quantity : (M,)
        Positions of all rows.
    collateral : (A,)
        Units posted: premiums are paid from it, transfers leave at once and arrive only in time.
    equity
        USD after trading and transfer costs. In a stress: at its prices, P&L of all positions included.
    size
        USD added up in equity, without signs.
    flow : (A,)
        Units added up in collateral, without signs.
    """

    e: Exposures
    account: int
    stress: int | None
    quantity: np.ndarray
    collateral: np.ndarray
    equity: float
    size: float
    flow: np.ndarray

    @classmethod
    def of(cls, e: Exposures, account: int, x: np.ndarray, stress: int | None = None) -> AccountAfter:
        """Trade by trade, transfer by transfer."""
        quantity = e.rows.quantity.copy()
        collateral = e.collateral[account].astype(float).copy()
        flow = np.abs(collateral)
        equity = float(e.equity[account])
        prices, recovered, parts = e.prices, 1.0, [equity]
        if stress is not None:
            parts.append(float(e.stress_account_pnl[stress, account]))
            prices = e.stress_prices[stress]
            found = e.margins.stress.recovery.get(e.venues[account])
            recovered = 1.0 if found is None else float(found[stress])  # what a failed venue pays out
        link_of = {int(i): k for k, i in enumerate(e.links.candidate)}
        for i in np.flatnonzero(x).tolist():
            row, amount = int(e.candidate[i]), float(x[i])
            quantity[row] += amount
            mine = int(e.rows.account[row]) == account
            if mine:
                parts.append(-(float(e.cost_buy[i]) * amount if amount > 0 else float(e.cost_sell[i]) * -amount))
            if i in link_of:
                k = link_of[i]
                a, change = int(e.links.asset[k]), 0.0
                if int(e.links.source[k]) == account:
                    change -= amount
                if int(e.links.target[k]) == account:
                    change += amount * float(e.links.arrives[k])
                collateral[a] += change
                flow[a] += abs(change)
                parts.append(change * float(prices[a]) * recovered)
            elif mine:
                paid = float(e.rows.premium[row]) * amount
                if e.paid_in[i] >= 0:
                    collateral[e.paid_in[i]] -= paid
                    flow[e.paid_in[i]] += abs(paid)
                if stress is not None:
                    parts.append(float(e.stress_pnl[stress, i]) * amount)
        collateral[np.abs(collateral) <= _ROUNDING * flow] = 0.0  # sent away to the last unit: not a debt of 1e-17
        size = float(np.abs(parts).sum())
        return cls(e, account, stress, quantity, collateral, float(np.sum(parts)), size, flow)

    def need(self, kind: Requirement, health: float = 1.0) -> float:
        """USD that the venue's rule asks for; infinite where it refuses the account."""
        mine = self.e.margins.rows[self.account]
        held = np.flatnonzero(self.quantity[mine])
        model, times = self.e.margins.rule(self.account, self.stress, health)
        state = _only(self.e.margins.state(self.account, self.stress), held)
        try:
            return times * model.requirement(state, self.quantity[mine][held], self.collateral).of(kind)
        except InputError:
            return float("inf")

    def lost(self, kind: Requirement) -> float:
        """USD of collateral that the venue does not count; an asset it does not know counts not at all."""
        model, _ = self.e.margins.rule(self.account, self.stress)
        state = self.e.margins.state(self.account, self.stress)
        rates = np.nan_to_num(model.haircut(state, kind), nan=1.0)
        return float(np.sum(rates * state.prices * np.maximum(self.collateral, 0.0)))


def _only(state: State, rows: np.ndarray) -> State:
    """The state of some of its instruments: no rule depends on those that are not held."""
    n, changed = len(state), {}
    for item in fields(state):
        value = getattr(state, item.name)
        if item.name in ("assets", "prices"):
            continue
        if isinstance(value, np.ndarray) and len(value) == n:
            changed[item.name] = value[rows]
        elif isinstance(value, tuple) and len(value) == n:
            changed[item.name] = tuple(value[row] for row in rows.tolist())
    return replace(state, **changed)  # type: ignore[arg-type]


def plain_margin(term: Margin, e: Exposures, x: np.ndarray) -> float:
    """The margin term by the plain rule: the largest requirement over equity before trading."""
    found = matching_accounts(e, term.venue, term.account, "margin")
    return max(AccountAfter.of(e, c, x).need(term.requirement) / float(e.equity[c]) for c in found)


def plain_sides(policy: Policy, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
    """Every margin, stress, collateral and transfer limit at trades x, by the plain rules; no shadow prices.

    ``everywhere``: the rules of what collateral leaves also where none leaves (and they may be broken).
    """
    specs: list[Any] = list(policy.subject_to)
    found: list[PlainSide] = []
    for spec in specs:
        if isinstance(spec, Limit) and isinstance(spec.term, Margin):
            spec = spec.margin_utilisation(spec.term)
        if isinstance(spec, MarginUtilisation):
            found += _utilisation(spec, e, x)
        elif isinstance(spec, SurviveStress):
            found += _survival(spec, e, x)
        elif isinstance(spec, TransferLimit):
            found.append(_transfers(spec, e, x))
        elif isinstance(spec, Limit) and isinstance(spec.term, StressLoss):
            found += _stress_loss(spec, spec.term, e, x)
    if len(e.links):
        found += [*_balances(e, x), *_withdrawals(e, x, everywhere)]
    found += _paid_for(e, x)
    return found


def by_plain_rule(policy: Policy, e: Exposures, x: np.ndarray, sides: Sequence[Side]) -> list[Side]:
    """Sides of a program at trades x with what they hold by the plain rule, for margin, stress survival and withdrawals.

    A rule that is not convex is encoded so that it is exact at one portfolio: elsewhere it is not the venue's number.
    """
    found: dict[str, list[Side]] = {}
    for plain in plain_sides(policy, e, x, everywhere=True):
        if plain.side.unit == "USD" and plain.side.name.split()[0] in ("initial", "maintenance", "survive", "withdrawal"):
            found.setdefault(plain.side.name, []).append(plain.side)
    told = []
    for side in sides:
        mine = found.get(re.sub(r" \(\d+\)$", "", side.name), [])
        told.append(replace(side, value=side.limit + mine[0].value - mine.pop(0).limit) if mine else side)
    return told


def _utilisation(spec: MarginUtilisation, e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    accounts = matching_accounts(e, spec.venue, spec.account, "margin_utilisation")
    groups: Sequence[Sequence[int]] = [accounts] if spec.portfolio else [[c] for c in accounts]
    for group in groups:
        need = counted = size = 0.0
        for c in group:
            after = AccountAfter.of(e, c, x)
            need += after.need(spec.requirement)
            counted += after.equity - after.lost(spec.requirement)
            size += after.size
        name = spec.name if spec.portfolio else f"{spec.requirement} margin {e.accounts[group[0]]}"
        yield PlainSide(Side(name, "USD", need, spec.limit * counted - spec.buffer, 1), spec.limit * size + spec.buffer)


def _survival(spec: SurviveStress, e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    for c in matching_accounts(e, spec.venue, spec.account, "survive_stress"):
        for name in spec.scenarios or e.stress:
            after = AccountAfter.of(e, c, x, e.stress.index(name))
            need = after.need("maintenance", spec.health_factor)
            limit = spec.utilisation * after.equity - spec.buffer
            yield PlainSide(Side(f"survive {name} {e.accounts[c]}", "USD", need, limit, 1), after.size + spec.buffer)


def _withdrawals(e: Exposures, x: np.ndarray, everywhere: bool) -> Iterator[PlainSide]:
    """Initial margin stays covered, or the account as short as it was, wherever collateral leaves."""
    for c in sorted({c for c, _ in _left(e, x)}) if not everywhere else sorted(set(e.links.source.tolist())):
        before, after = AccountAfter.of(e, c, np.zeros_like(x)), AccountAfter.of(e, c, x)
        short = max(before.need("initial") + before.lost("initial") - before.equity, 0.0)
        need = after.need("initial") + after.lost("initial")
        yield PlainSide(Side(f"withdrawal {e.accounts[c]}", "USD", need, after.equity + short, 1), after.size)


def _left(e: Exposures, x: np.ndarray) -> set[tuple[int, int]]:
    """Accounts and assets that something is sent from."""
    links = zip(e.links.candidate, e.links.source, e.links.asset, strict=True)
    return {(int(c), int(a)) for i, c, a in links if x[i] > 0.0}


def _balances(e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    """Nothing leaves that is not there: units after trading, or the debt as it was."""
    for c, a in sorted(_left(e, x)):
        posted, after = float(e.collateral[c, a]), AccountAfter.of(e, c, x)
        outflow = posted - float(after.collateral[a])
        name = f"{e.assets[a]} of {e.accounts[c]}"
        yield PlainSide(Side(name, e.assets[a], outflow, max(posted, 0.0), 1), float(after.flow[a]))


def _paid_for(e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    """An account that is lent nothing owes nothing after its trades, costs and transfers; dollars pay for one another."""
    dollars = dollar_assets()
    for c, model in enumerate(e.margins.models):
        if model.name != "none":
            continue
        posted: dict[str, float] = {}
        spent: dict[str, list[float]] = {}
        for asset, amount, price in zip(e.assets, e.collateral[c].tolist(), e.prices.tolist(), strict=True):
            name = "dollars" if asset in dollars else asset
            posted[name] = posted.get(name, 0.0) + amount * price
        links = {int(i): k for k, i in enumerate(e.links.candidate)}
        bought: set[str] = set()
        for i in range(len(x)):
            row, amount = int(e.candidate[i]), float(x[i])
            item = e.rows.instruments[row]
            if i in links:
                k = links[i]
                share = float(e.links.arrives[k]) * (int(e.links.target[k]) == c) - (int(e.links.source[k]) == c)
                name, paid = e.assets[int(e.links.asset[k])], -share * amount * float(e.prices[e.links.asset[k]])
            elif int(e.rows.account[row]) == c and item.nature.paid in ("premium", "owned"):
                cost = float(e.cost_buy[i]) * amount if amount > 0 else float(e.cost_sell[i]) * -amount
                name, paid = item.settlement, float(e.rows.value[row]) * amount + cost
                bought.add("dollars" if name in dollars else name)
            else:
                continue
            spent.setdefault("dollars" if name in dollars else name, []).append(paid)
        for name in sorted(bought):
            limit = max(posted.get(name, 0.0), 0.0)
            size = limit + float(np.abs(spent[name]).sum())
            side = Side(f"{name} to pay with in {e.accounts[c]}", "USD", float(np.sum(spent[name])), limit, 1)
            yield PlainSide(side, size)


def _transfers(spec: TransferLimit, e: Exposures, x: np.ndarray) -> PlainSide:
    moved = 0.0
    for i in e.links.candidate.tolist():
        item = e.rows.instruments[e.candidate[i]]
        if spec.bridge in (None, item.bridge) and spec.asset in (None, item.asset):
            moved += max(float(x[i]), 0.0) * float(e.prices[e.asset(item.asset)])
    return PlainSide(Side(spec.name, "USD", moved, spec.usd, 1), moved)


def _stress_loss(spec: Limit, term: StressLoss, e: Exposures, x: np.ndarray) -> Iterator[PlainSide]:
    k = e.stress.index(term.scenario)
    parts = [-float(pnl) for pnl in e.stress_account_pnl[k]]
    parts += [-float(e.stress_pnl[k, i] * x[i]) for i in np.flatnonzero(x).tolist()]
    if term.include_unwind and e.stress_unwind_sell is not None and e.stress_unwind_buy is not None:
        z = e.positions(x)
        parts += np.where(z > 0, z * e.stress_unwind_sell[k], -z * e.stress_unwind_buy[k]).tolist()
    loss, size = float(np.sum(parts)), float(np.abs(parts).sum())
    if spec.upper is not None:
        yield PlainSide(Side(spec.name, "USD", loss, spec.upper, 1), size)
    if spec.lower is not None:
        yield PlainSide(Side(spec.name, "USD", loss, spec.lower, -1), size)
