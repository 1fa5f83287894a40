"""Bybit's portfolio margin (unified account): the maximum loss of a stress test per underlying, and contingencies.

Per risk unit, which holds everything on one underlying whatever it settles in, USD:

1. maximum loss over moves of the mark price times vols up, unchanged and down;
2. net short options: a coefficient times the index, per option sold;
3. vega spread: options of opposite signs in different expiries, matched from the nearest on, ``days x quantity x .03 % x
   index``;
4. delta spread: cash deltas of opposite signs in different expiries, ``years x USD x factor`` (perpetuals at 0);
5. spread between dollars: cash deltas that hedge across settlements (USDT, USDC, the coin) at a rate;
6. perpetuals and futures: a factor times the notional, without offset.

Maintenance is the sum, initial margin a factor times it; loans add their own shares. What hedges what is not convex: the
encoding bounds 3, 4 and 5 by functions that are nowhere below them and exact at its anchor, however many expiries and
settlements there are (:mod:`hedgeopt.models.margin.spreads`). The rest is exact.

The venue's help names every part; the numbers of most are in its margin parameters, which were not obtained: they are the
user's, in a table that extends bybit. Coins posted are collateral alone (spot hedging off, the venue's default).

Source: bybit.com help, "Margin Calculations under Portfolio Margin"; models/data/bybit.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from hedgeopt.models.data import dollar_assets, table
from hedgeopt.models.margin.borrowed import borrow_block, borrowed
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.shocks import dollars_of_premium, option_delta, usd_pnl
from hedgeopt.models.margin.spreads import cheapest, hedged, matched, matched_charges, unhedged_side
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.table_numbers import ByDays, Moves, Numbers, Share, checked_numbers, needed

__all__ = ["BybitCoin", "BybitPortfolio"]

_KINDS = ("perpetual", "future", "option", "spot", "pegged")
_SECTION = "portfolio_margin"


class BybitCoin(Numbers):
    """Numbers of one underlying; None: not obtained, the user's to give."""

    moves: Moves | None = Field(default=None, min_length=1, max_length=200)
    vols: ByDays | None = Field(default=None, description="[days, share up, share down]: moves of vols")
    initial_factor: Annotated[float, Field(ge=1, le=100)] | None = None
    futures: Share | None = Field(default=None, description="of the notional of perpetuals and futures")
    short_option: Share | None = Field(default=None, description="of the index, per option sold")
    vega_spread: Share | None = Field(default=None, description="of the index, per option matched and day between expiries")
    delta_spread: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="of the USD matched, per year between expiries"
    )
    dollar_spread: Share | None = Field(default=None, description="of the USD that hedges across settlements")


@dataclass(frozen=True, eq=False)
class _Spread:
    """Amounts by time (E, n) per unit, charged ``rate`` per amount and time between those that are matched.

    ``members`` (E, n) bool says which rows are of which of the ``times`` (E,), in rising order.
    """

    name: str
    amounts: np.ndarray
    members: np.ndarray
    times: np.ndarray
    rate: float

    def charge(self, z: np.ndarray) -> float:
        """USD by the venue's matching."""
        return self.rate * matched((self.amounts @ z).tolist(), self.times.tolist())

    def block(self, rows: np.ndarray, z: np.ndarray) -> Block:
        """Nowhere below :meth:`charge`, and exact at ``z`` (n,)."""
        waiting, later = matched_charges(cheapest(self.amounts @ z, self.times), self.times)
        sums, groups = np.cumsum(self.amounts, axis=0)[:-1], []
        member = np.cumsum(self.members, axis=0)[:-1] > 0
        for amounts, mine, (long, short) in (
            *zip(sums, member, waiting.T.tolist(), strict=True),
            *zip(self.amounts[1:], self.members[1:], later.T.tolist(), strict=True),
        ):
            line = self.rate * amounts[mine][None, :]
            groups.append(Group.of(rows[mine], [long * line, -short * line]))
        return Block(self.name, tuple(groups))


@dataclass(frozen=True, eq=False)
class _Unit:
    """One underlying: rows (n,), loss (K, n), spreads, cash deltas by settlement (C, n) and their rate."""

    underlying: str
    rows: np.ndarray
    loss: np.ndarray
    spreads: tuple[_Spread, ...]
    dollars: np.ndarray
    dollar_rate: float
    futures: np.ndarray
    short: np.ndarray
    initial_factor: float

    def parts(self, z: np.ndarray) -> dict[str, float]:
        """The maintenance of the unit by part, USD."""
        return {
            "worst scenario": max(float((self.loss @ z).max()), 0.0),
            "short options": float(self.short @ np.maximum(-z, 0.0)),
            **{spread.name: spread.charge(z) for spread in self.spreads},
            "dollars": self.dollar_rate * hedged(self.dollars @ z),
            "futures": float(self.futures @ np.abs(z)),
        }

    def blocks(self) -> list[Block]:
        """Everything but short options and futures, which are charged one at a time."""
        zero = np.zeros((1, len(self.rows)))
        found = [Block(f"{self.underlying} worst scenario", (Group.linear(self.rows, np.vstack([self.loss, zero])),))]
        for spread in self.spreads:

            def at(quantity: np.ndarray, spread: _Spread = spread) -> Block:
                return spread.block(self.rows, quantity[self.rows])

            found.append(replace(spread.block(self.rows, zero[0]), anchor=at))
        if self.dollar_rate and len(self.dollars) > 1:
            found.append(
                replace(self._across(1.0), anchor=lambda q: self._across(unhedged_side(self.dollars @ q[self.rows])))
            )
        return found

    def _across(self, side: float) -> Block:
        """``(sum |x_c| - side sum x_c) / 2`` times the rate."""
        half = self.dollar_rate / 2.0
        groups = []
        for row in self.dollars:
            mine = np.flatnonzero(row)
            lines = [half * (sign - side) * row[mine][None, :] for sign in (1.0, -1.0)]
            groups.append(Group.of(self.rows[mine], lines))
        return Block(f"{self.underlying} dollars", tuple(groups))


class BybitPortfolio(MarginModel):
    """One unified account in portfolio margin mode, spot hedging off.

    ``parameters`` as ``[portfolio_margin]`` of bybit.toml; None: that one.
    """

    name = "bybit_portfolio"
    source = "bybit.com help, portfolio margin (models/data/bybit.toml)"
    table_name = "bybit"

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        self._given = parameters

    @property
    def _data(self) -> dict[str, Any]:
        found: dict[str, Any] = table("bybit")[_SECTION] if self._given is None else self._given
        return found

    @property
    def loans(self) -> dict[str, Any]:
        """Rates of loans by asset: the user's."""
        found: dict[str, Any] = self._data.get("loans", {})
        return found

    def lent(self, asset: str) -> bool:
        """Only assets whose rate is given."""
        return asset in self.loans

    def units(self, state: State) -> list[_Unit]:
        """Every risk unit; :class:`InputError` names a number that a position needs and the table lacks."""
        refuse_unknown_rows(state, self.name, _KINDS)
        return [self._unit(state, underlying) for underlying in state.underlyings]

    def _unit(self, state: State, underlying: str) -> _Unit:
        rows, section = state.of(underlying), f"{_SECTION}.{underlying}"
        coin = checked_numbers(BybitCoin, self._data.get(underlying, {}), "bybit", section)
        option = state.option[rows]
        give = partial(needed, table="bybit", section=section)

        def told(name: str, shape: str, mine: np.ndarray) -> Any:
            if not mine.any():
                return None
            who = rows[mine][0]
            return give(getattr(coin, name), name=name, shape=shape, what=f"{state.names[who]} ({state.kind[who]}) at Bybit")

        every, nothing = np.ones(len(rows), bool), np.zeros(len(rows), bool)
        move = np.array(told("moves", "[MOVE, ...]", every), float)
        vols = told("vols", "[[0, UP, DOWN], [DAYS, UP, DOWN]]", option)
        index = state.index[rows] * np.where(state.inverse[rows], 1.0, state.settlement_price[rows])
        delta = np.where(state.linear[rows], state.notional[rows], 0.0)
        if option.any():
            mine = rows[option]
            delta[option] = option_delta(state, mine) * state.forward[mine] * dollars_of_premium(state, mine)
        years = np.where(state.perpetual[rows], 0.0, np.nan_to_num(np.maximum(state.years[rows], 0.0)))
        spreads = []
        for name, amount, times, unit in (
            ("vega_spread", np.where(option, index, 0.0), 365.0 * years, option),
            ("delta_spread", delta, years, every),
        ):
            when = np.unique(times[unit])
            rate = told(name, "RATE", unit if len(when) > 1 else nothing)
            if rate:
                members = np.array([unit & (times == t) for t in when])
                spreads.append(_Spread(name.replace("_", " "), amount * members, members, when, float(rate)))
        dollars = self._dollars(state, rows, delta)
        return _Unit(
            underlying,
            rows,
            self._loss(state, rows, move, vols),
            tuple(spreads),
            dollars,
            float(told("dollar_spread", "RATE", every if len(dollars) > 1 else nothing) or 0.0),
            np.where(option, 0.0, float(told("futures", "SHARE", ~option) or 0.0) * state.notional[rows]),
            np.where(option, float(told("short_option", "SHARE", option) or 0.0) * index, 0.0),
            float(told("initial_factor", "FACTOR", every)),
        )

    @staticmethod
    def _loss(state: State, rows: np.ndarray, move: np.ndarray, vols: Any) -> np.ndarray:
        mine = rows[state.option[rows]]
        shifts = [state.vol[mine]]
        if len(mine):
            days, known = state.days[mine], [row[0] for row in vols]
            up, down = (np.interp(days, known, [row[column] for row in vols]) for column in (1, 2))
            shifts = [state.vol[mine] * (1.0 + up), state.vol[mine], state.vol[mine] * (1.0 - down)]
        shocked = np.maximum(np.tile(np.array(shifts), (len(move), 1)), 0.0)
        return -usd_pnl(state, rows, np.repeat(move, len(shifts)), shocked)

    @staticmethod
    def _dollars(state: State, rows: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """(C, n) cash delta by what a row settles in."""
        dollars = dollar_assets()
        settled = ["coin" if state.inverse[r] or state.settlement[r] not in dollars else state.settlement[r] for r in rows]
        names = dict.fromkeys(settled)
        return np.array([[d if s == name else 0.0 for d, s in zip(delta, settled, strict=True)] for name in names])

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Unit by unit, and loans."""
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        initial = maintenance = 0.0
        parts: dict[str, float] = {}
        for unit in self.units(state):
            mine = {name: value for name, value in unit.parts(quantity[unit.rows]).items() if value}
            maintenance += sum(mine.values())
            initial += unit.initial_factor * sum(mine.values())
            parts |= {f"{unit.underlying} {name}": unit.initial_factor * value for name, value in mine.items()}
        one, two = (borrowed(self, state, self.loans, collateral, kind) for kind in _BOTH)
        return Requirement(initial + one, maintenance + two, parts | ({"loans": one} if one else {}))

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Scenarios, spreads, and what is charged one position at a time."""
        slopes, short = np.zeros((len(state), 1)), np.zeros(len(state))
        blocks: list[Block] = []
        for unit in self.units(state):
            factor = unit.initial_factor if kind == "initial" else 1.0
            slopes[unit.rows, 0], short[unit.rows] = factor * unit.futures, factor * unit.short
            blocks += [block.scaled(factor) for block in unit.blocks()]
        loans = borrow_block(state, self.loans, kind, "bybit")
        zero = Encoding.zero(len(state), len(state.assets))
        return replace(zero, slopes=slopes, short=short, blocks=(*blocks, *([loans] if loans is not None else [])))

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Numbers of every coin that the table knows."""
        own = [("bybit", f"{_SECTION}.{coin}") for coin in state.underlyings if coin in self._data]
        return (*own, *haircuts_read("bybit", state, collateral))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """One less the collateral value ratio, for both requirements."""
        return haircuts("bybit", state, "initial")


_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")
