"""OKX portfolio margin: risk units by underlying, whatever dollar they settle in.

Per unit, USD:

* MR1, the worst of moves of the index with vols unchanged, up and down, by points and by a share; MR2, a day's passing;
  MR6, half of the loss in an extreme move;
* MR3 vega, MR4 basis and MR5 interest of every expiry, without offset between them: ``|vega_e| points``,
  ``|delta_e| max(floor, e^{aT} - 1)``, ``|delta_e| T rate``; perpetuals count as an expiry at the floor;
* MR9, what hedges across dollars (USDT, USDC, and USD for what settles in its coin) at rates by size;
* MR7, a minimum charge per position, times multipliers that rise with the sum.

Maintenance ``max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7)``, initial 1.3 times it. Loans add their own shares (MR8).
All of it is a maximum of sums of convex functions but MR9, whose bound is exact on its anchor's side
(:mod:`hedgeopt.models.margin.spreads`); the encoding is exact elsewhere.

The venue's pages name MR3 and MR5, and their numbers could not be read: the forms above are ours, their numbers the
user's, as are vols beyond 0 days and the rates of MR9. Coins posted are collateral alone: the venue may count them against
short deltas (its spot offset), which asks for less.

Source: models/data/okx_portfolio.toml, which says where each number is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.data import table, where
from hedgeopt.models.margin.borrowed import borrow_block, borrowed, loan_rates
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.okx_unit import TABLE, CoinGroup, OkxShared, OkxUnit, risk_unit
from hedgeopt.models.margin.spreads import hedged_lines, unhedged_side
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.table_numbers import checked_numbers

__all__ = ["OkxPortfolio", "check_okx"]

_SECTION = "portfolio_margin"
_KINDS = ("perpetual", "future", "option", "spot", "pegged")


def check_okx(data: Mapping[str, Any]) -> None:
    """Refuse names that nothing reads, groups that are none, and numbers that cannot be, in ``[portfolio_margin]``."""
    sections = {k: v for k, v in data.items() if k not in OkxShared.model_fields and k != "groups"}
    for name, value in sections.items():
        if not isinstance(value, dict):
            raise _fault("is read by nothing", name, value, advice(name, OkxShared.model_fields))
    checked_numbers(OkxShared, {k: v for k, v in data.items() if k in OkxShared.model_fields}, TABLE, _SECTION)
    for asset, given in data.get("loans", {}).items():
        loan_rates(given, TABLE, asset)
    groups = data.get("groups", {})
    if not isinstance(groups, dict) or "other" not in sections:
        problem = "is no section of groups by coin" if "other" in sections else "is missing"
        raise _fault(problem, "groups" if "other" in sections else "other", None, None)
    names = list(dict.fromkeys(["large", "middle", "other", *_words(groups)]))
    for coin, group in groups.items():
        if group not in sections:
            raise _fault("is no group", f"groups.{coin}", group, advice(str(group), [n for n in names if n in sections]))
    for name, value in sections.items():
        if name not in names and name != name.upper():
            raise _fault("is no group and no coin", name, None, f"did you mean {name.upper()!r}?")
        base = {} if name in names else sections[groups.get(name, "other")]
        checked_numbers(CoinGroup, {**base, **value}, TABLE, f"{_SECTION}.{name}")


def _words(groups: Mapping[str, Any]) -> list[str]:
    return [group for group in groups.values() if isinstance(group, str)]


def _fault(problem: str, name: str, value: Any, fix: str | None) -> InputError:
    return InputError(problem, file=where(TABLE), field=f"{_SECTION}.{name}", value=value, fix=fix)


class OkxPortfolio(MarginModel):
    """One account in portfolio margin, without spot offset; ``parameters`` as ``[portfolio_margin]`` of its table."""

    name = "okx_portfolio"
    source = "okx.com/help, okx.com/docs-v5 (models/data/okx_portfolio.toml)"
    table_name = TABLE

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        if parameters is not None:
            check_okx(parameters)
        self._given = parameters

    @property
    def _data(self) -> dict[str, Any]:
        found: dict[str, Any] = table(TABLE)["portfolio_margin"] if self._given is None else self._given
        return found

    @property
    def shared(self) -> OkxShared:
        """Numbers of all coins."""
        own = {k: v for k, v in self._data.items() if k in OkxShared.model_fields}
        return checked_numbers(OkxShared, own, TABLE, "portfolio_margin")

    def lent(self, asset: str) -> bool:
        """Only assets whose rate is given."""
        return asset in self.shared.loans

    def group(self, underlying: str) -> tuple[CoinGroup, str]:
        """Numbers of a coin's group, with those that the coin has of its own, and the section to add to."""
        base = self._data["groups"].get(underlying, "other")
        found = {**self._data[base], **self._data.get(underlying, {})}
        section = f"portfolio_margin.{underlying if underlying in self._data else base}"
        return checked_numbers(CoinGroup, found, TABLE, section), section

    def units(self, state: State) -> list[OkxUnit]:
        """Every risk unit of the account."""
        refuse_unknown_rows(state, self.name, _KINDS)
        shared = self.shared
        return [risk_unit(state, underlying, *self.group(underlying), shared) for underlying in state.underlyings]

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Unit by unit, and loans."""
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        parts: dict[str, float] = {}
        total = 0.0
        for one in self.units(state):
            z = quantity[one.rows]
            charges = {"worst scenario": one.worst(z), **one.charged(z), "depeg": one.depegged(z)}
            asked, least = sum(charges.values()), one.least(z)
            if least > asked:
                charges = {"minimum charge": least}
            parts |= {f"{one.underlying} {name}": value for name, value in charges.items() if value}
            total += max(asked, least)
        initial, maintenance = (borrowed(self, state, self.shared.loans, collateral, kind) for kind in _BOTH)
        factor = self.shared.initial_factor
        parts = {name: factor * value for name, value in parts.items()}
        if initial:
            parts["loans"] = initial
        return Requirement(factor * total + initial, total + maintenance, parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """One block per unit: in its first scenario everything but the minimum charge, whose steps are the others."""
        blocks = tuple(_block(one) for one in self.units(state))
        zero = Encoding.zero(len(state), len(state.assets))
        found = replace(zero, blocks=blocks).scaled(self.shared.initial_factor if kind == "initial" else 1.0)
        loans = borrow_block(state, self.shared.loans, kind, TABLE)
        return found if loans is None else found.with_blocks(loans)

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """OkxShared numbers, and those of each coin's group."""
        data = self._data
        names = ["initial_factor", "extreme_share", "minimum_tiers"] if state.underlyings else []
        names += ["theta_days"] if state.option.any() else []
        names += ["depeg"] if "depeg" in data else []
        for coin in state.underlyings:
            names += [data["groups"].get(coin, "other"), *([coin] if coin in data else [])]
        own = [(TABLE, f"portfolio_margin.{name}") for name in dict.fromkeys(names)]
        return (*own, *haircuts_read(TABLE, state, collateral))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """One less the discount rate, for both requirements."""
        return haircuts(TABLE, state, "initial")


_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")


def _block(one: OkxUnit) -> Block:
    """``max(worst + charges + depeg, minimum charge)``, exact but for depeg, which is exact on its anchor's side."""
    groups = [Group.worst(one.rows, one.loss, 0)]
    for row in one.charges:
        mine = np.flatnonzero(row)
        if len(mine):
            groups.append(Group.worst(one.rows[mine], np.stack([row[mine], -row[mine]]), 0))
    multipliers, drops = np.array(one.minimum.rates), one.minimum.deductions
    steps = np.arange(1, 1 + len(multipliers))
    for at, row in enumerate(one.rows.tolist()):
        lines = multipliers[:, None, None] * np.array([one.long[at], -one.short[at]])[None, :, None]
        constants = np.repeat(-drops[:, None] * (at == 0), 2, axis=1)
        groups.append(Group(np.array([row]), lines, constants, steps))
    name = f"{one.underlying} risk unit"
    if one.depeg is None:
        return Block(name, tuple(groups))

    def at_side(side: float) -> Block:
        assert one.depeg is not None
        lines = hedged_lines(one.dollars, side)
        rates, dropped = np.array(one.depeg.rates), one.depeg.deductions
        every = (rates[:, None, None] * lines[None]).reshape(-1, len(one.rows))
        return Block(name, (*groups, Group.worst(one.rows, every, 0, -np.repeat(dropped, len(lines)))))

    return replace(at_side(1.0), anchor=lambda quantity: at_side(unhedged_side(one.dollars @ quantity[one.rows])))
