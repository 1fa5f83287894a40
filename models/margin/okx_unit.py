"""One risk unit of OKX's portfolio margin as arrays: losses, charges on expiries, cash deltas by dollar, minimum charges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.shocks import dollars_of_premium, option_delta, option_values, option_vega, usd_pnl
from hedgeopt.models.margin.spreads import hedged
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.table_numbers import ByDays, Moves, Numbers, Share, Steps, needed, steps
from hedgeopt.models.margin.tiers import Tiers

__all__ = ["CoinGroup", "OkxShared", "OkxUnit", "risk_unit"]

TABLE = "okx_portfolio"
_SETTLED_IN = ("USDT", "USD", "USDC")
"""In the order in which the venue matches them: USDT with USD, USDT with USDC, USDC with USD."""


class CoinGroup(Numbers):
    """Numbers of a group of coins; None: not obtained, the user's to give."""

    moves: Moves = Field(min_length=1, max_length=200, description="moves of the index (MR1)")
    extreme: float = Field(gt=0, lt=1, description="move of the index, both ways (MR6)")
    basis_year: float = Field(ge=0, le=10, description="move of a forward per year to its expiry (MR4)")
    basis_floor: Share | None = Field(default=None, description="least move of a forward; that of perpetuals (MR4)")
    minimum_future: Share | None = Field(default=None, description="of the notional of perpetuals and futures (MR7)")
    minimum_long_option: Share | None = Field(default=None, description="of the index, per option held (MR7)")
    minimum_short_option: Share | None = Field(default=None, description="of the index, per option sold (MR7)")
    vols: ByDays | None = Field(default=None, description="[days, points, share]: moves of vols (MR1)")
    vega: ByDays | None = Field(default=None, description="[days, points]: an expiry's vol against the others (MR3)")
    interest: ByDays | None = Field(default=None, description="[days, rate]: an expiry's annual rate (MR5)")


class OkxShared(Numbers):
    """Numbers of all coins."""

    initial_factor: float = Field(ge=1, le=100)
    extreme_share: Share
    theta_days: float = Field(ge=0, le=30)
    minimum_tiers: Steps
    depeg: Steps | None = Field(default=None, description="[USD hedged between two dollars, rate] (MR9)")
    loans: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class OkxUnit:
    """One underlying, per unit of its rows (n,), USD.

    Attributes
    ----------
    loss : (L, n)
        MR1, MR2 and the share of MR6 that counts, and a row of zeros.
    charges : (B, n), names : B
        Amounts whose absolute values are charged: vega, basis and interest of each expiry.
    dollars : (C, n)
        Cash delta by settlement: USDT, USD (what settles in its coin), USDC, others.
    depeg
        Rates of what is hedged between two of them; None where there is one only.
    long, short : (n,)
        Minimum charge per unit held and sold.
    minimum
        Multipliers of the minimum charge.
    """

    underlying: str
    rows: np.ndarray
    loss: np.ndarray
    charges: np.ndarray
    names: tuple[str, ...]
    dollars: np.ndarray
    depeg: Tiers | None
    long: np.ndarray
    short: np.ndarray
    minimum: Tiers

    def worst(self, z: np.ndarray) -> float:
        """``max(MR1, MR2, MR6)``."""
        return float((self.loss @ z).max())

    def charged(self, z: np.ndarray) -> dict[str, float]:
        """MR3, MR4 and MR5 by name."""
        found: dict[str, float] = {}
        for name, amount in zip(self.names, np.abs(self.charges @ z).tolist(), strict=True):
            found[name] = found.get(name, 0.0) + amount
        return found

    def depegged(self, z: np.ndarray) -> float:
        """MR9: pair after pair of dollars, what hedges across them at rates that rise with its size."""
        if self.depeg is None:
            return 0.0
        left, total = self.dollars @ z, 0.0
        for one in range(len(left)):
            for other in range(one + 1, len(left)):
                pair = hedged(left[[one, other]])
                total += self.depeg.margin(pair)
                left[one] -= np.sign(left[one]) * pair
                left[other] -= np.sign(left[other]) * pair
        return total

    def least(self, z: np.ndarray) -> float:
        """MR7: the minimum charge of every position, each part of the sum at the multiplier of its step."""
        return self.minimum.margin(float(self.long @ np.maximum(z, 0.0) + self.short @ np.maximum(-z, 0.0)))


def risk_unit(state: State, underlying: str, group: CoinGroup, section: str, shared: OkxShared) -> OkxUnit:
    """A risk unit of a state; :class:`InputError` names a number that a position needs and the table lacks."""
    rows = state.of(underlying)
    option = state.option[rows]
    give = partial(needed, table=TABLE, section=section)

    def told(name: str, shape: str, mine: np.ndarray) -> Any:
        value = getattr(group, name)
        return give(value, name=name, shape=shape, what=_who(state, rows[mine])) if mine.any() else value

    vols = told("vols", "[[0, 0.30, SHARE], [DAYS, POINTS, SHARE]]", option)
    floor = told("basis_floor", "SHARE", np.ones(len(rows), bool))
    delta = np.where(state.linear[rows], state.notional[rows], 0.0)
    if option.any():
        mine = rows[option]
        delta[option] = option_delta(state, mine) * state.forward[mine] * dollars_of_premium(state, mine)
    charges, names = _charges(state, rows, delta, floor, group, told)
    dollars, several = _dollars(state, rows, delta)
    depeg = None
    if several:
        depeg = give(
            shared.depeg, section="portfolio_margin", name="depeg", shape="[[0, RATE], [USD, RATE]]",
            what=f"{_who(state, rows)}, which settles in a dollar other than another one's,",
        )  # fmt: skip
    future = told("minimum_future", "SHARE", ~option) or 0.0
    long, short = (told(f"minimum_{side}_option", "SHARE", option) or 0.0 for side in ("long", "short"))
    index = state.index[rows] * np.where(state.inverse[rows], 1.0, state.settlement_price[rows])
    return OkxUnit(
        underlying,
        rows,
        _loss(state, rows, group, vols, shared),
        charges,
        names,
        dollars,
        None if depeg is None else steps(depeg),
        np.where(option, long * index, future * state.notional[rows]),
        np.where(option, short * index, future * state.notional[rows]),
        steps(shared.minimum_tiers),
    )


def _who(state: State, rows: np.ndarray) -> str:
    at = int(rows[0])
    return f"{state.names[at]} ({state.kind[at]}) at OKX"


def _curve(rows: Any, days: np.ndarray, column: int) -> np.ndarray:
    """A column of a curve at days to expiry."""
    return np.interp(np.nan_to_num(days), [row[0] for row in rows], [row[column] for row in rows])


def _loss(state: State, rows: np.ndarray, group: CoinGroup, vols: Any, shared: OkxShared) -> np.ndarray:
    mine = rows[state.option[rows]]
    now = state.vol[mine]
    shifts = [now]
    if len(mine):
        points, share = (_curve(vols, state.days[mine], column) for column in (1, 2))
        shifts += [now + points, now - points, now * (1.0 + share), now * (1.0 - share)]
    moves = np.array(group.moves, float)
    shocked = np.maximum(np.tile(np.array(shifts), (len(moves), 1)), 0.0)
    spot = usd_pnl(state, rows, np.repeat(moves, len(shifts)), shocked)
    far = np.array([-group.extreme, group.extreme])
    extreme = shared.extreme_share * usd_pnl(state, rows, far, np.broadcast_to(now, (2, len(now))))
    theta = np.zeros((1, len(rows)))
    if len(mine):
        later = np.maximum(state.years[mine] - shared.theta_days / 365.0, 0.0)
        theta[0, state.option[rows]] = _aged(state, mine, later)
    return -np.vstack([spot, extreme, theta, np.zeros((1, len(rows)))])


def _aged(state: State, rows: np.ndarray, years: np.ndarray) -> np.ndarray:
    """(n,) USD change of value of options when only time passes."""
    from hedgeopt.models.pricing.black76 import black76_price as price

    then = np.asarray(price(state.forward[rows], state.strike[rows], years, state.vol[rows], state.is_call[rows]))
    now = option_values(state, rows, np.ones(1), state.vol[rows][None, :])[0]
    return np.asarray((then - now) * dollars_of_premium(state, rows))


def _charges(
    state: State, rows: np.ndarray, delta: np.ndarray, floor: float, group: CoinGroup, told: Any
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows of amounts that are charged by expiry; perpetuals are one of their own."""
    option = state.option[rows]
    years = np.where(state.perpetual[rows], -1.0, np.nan_to_num(np.maximum(state.years[rows], 0.0)))
    vega, interest = (
        told(name, f"[[0, {unit}], [DAYS, {unit}]]", option) for name, unit in (("vega", "POINTS"), ("interest", "RATE"))
    )
    sensitive = np.zeros(len(rows))
    if option.any():
        sensitive[option] = option_vega(state, rows[option])
    found: list[np.ndarray] = []
    names: list[str] = []
    for when in np.unique(years).tolist():
        mine = years == when
        rate = floor if when < 0 else max(floor, float(np.expm1(group.basis_year * when)))
        parts = [("basis", rate * delta)]
        if (mine & option).any():
            days = np.array([365.0 * when])
            parts.append(("vega", float(_curve(vega, days, 1)[0]) * sensitive))
            parts.append(("interest", float(_curve(interest, days, 1)[0]) * when * np.where(option, delta, 0.0)))
        for name, row in parts:
            found.append(np.where(mine, row, 0.0))
            names.append(name)
    return np.array(found).reshape(-1, len(rows)), tuple(names)


def _dollars(state: State, rows: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, bool]:
    """(C, n) cash delta by the dollar that a row settles in, and whether there are several."""
    dollars = dollar_assets()
    settled = ["USD" if state.inverse[r] or state.settlement[r] not in dollars else state.settlement[r] for r in rows]
    known = [name for name in _SETTLED_IN if name in settled]
    names = known + [name for name in dict.fromkeys(settled) if name not in known]
    per_dollar = [[d if s == name else 0.0 for d, s in zip(delta, settled, strict=True)] for name in names]
    return np.array(per_dollar).reshape(-1, len(rows)), len(names) > 1
