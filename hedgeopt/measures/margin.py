"""Margin of an account in numbers: now and after each stress, before and after trades, and how far liquidation is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan, nan
from typing import ClassVar

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.collateral import lost_value
from hedgeopt.models.margin.effects import account_collateral, equity_after
from hedgeopt.models.margin.margins import moved
from hedgeopt.models.margin.model import Liquidation
from hedgeopt.models.margin.unknown import requirement_unknown
from hedgeopt.models.margin.unmargined import Lacking
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["AccountMargin", "MarginState", "account_margin", "margin_in_units"]

_MOVES = np.concatenate([np.arange(-0.98, 0.0, 0.02), np.arange(0.02, 1.0, 0.02), np.arange(1.0, 5.01, 0.25)])


@dataclass(frozen=True)
class MarginState:
    """One account in one state of the market, USD.

    ``scenario`` is "now" or a stress; ``haircut`` the collateral value that does not count for initial margin;
    ``liquidation`` what the first liquidation call on a lending account would do there. ``initial`` and ``maintenance`` are
    NaN (null in JSON) where they are unknown: the account's rule lacks a number, or is a contract that no rule knows.
    """

    scenario: str
    equity: float
    haircut: float
    initial: float
    maintenance: float
    health_factor: float | None = None
    liquidation: Liquidation | None = None

    @property
    def covered(self) -> bool:
        """Whether equity covers maintenance: no liquidation. False where maintenance is unknown."""
        return self.equity >= self.maintenance

    @property
    def unknown(self) -> bool:
        """Whether nothing is known of what is required."""
        return isnan(self.maintenance)

    @property
    def left(self) -> float:
        """Equity less maintenance; NaN where that is unknown."""
        return self.equity - self.maintenance

    @property
    def utilisation(self) -> float | None:
        """Maintenance over equity; None when equity is not positive or maintenance unknown."""
        return self.maintenance / self.equity if self.equity > 0 and not self.unknown else None


@dataclass(frozen=True)
class AccountMargin:
    """Margin of one account.

    Attributes
    ----------
    now, stresses
        States of the market.
    breakdown
        Parts of the initial requirement now, USD.
    liquidation_down, liquidation_up
        Uniform move of every coin (vols and pegs unchanged) at which equity no longer covers maintenance, such as -0.23;
        None
        when no move down to -98 % or up to +500 % does it. 0 when it is not covered now, NaN when maintenance is unknown.
    lacks_number
        Whether maintenance is unknown because the rule, which ``model`` names, lacks a number for what is held.
    """

    lacks_number: ClassVar[bool] = False

    account: str
    venue: str
    model: str
    now: MarginState
    stresses: tuple[MarginState, ...]
    breakdown: dict[str, float]
    liquidation_down: float | None
    liquidation_up: float | None

    @property
    def unknown(self) -> bool:
        """Whether nothing is known of what is required: then of liquidation neither."""
        return self.now.unknown

    @property
    def ranked(self) -> tuple[MarginState, ...]:
        """Stresses, the least equity left over maintenance first; the least equity where maintenance is unknown."""
        return tuple(sorted(self.stresses, key=lambda state: state.equity if self.unknown else state.left))

    @property
    def worst(self) -> MarginState:
        """The stress with the least equity left over maintenance (now, without stresses)."""
        return (*self.ranked, self.now)[0]


class LackingMargin(AccountMargin):
    """Margin of an account whose rule lacks a number for what it holds: in reports of risk only, never in a proposal."""

    lacks_number = True


def margin_in_units(item: AccountMargin, price: float) -> AccountMargin:
    """The account with every amount of dollars over ``price``: in units of an asset at that price, for display."""
    if price == 1.0:
        return item
    return replace(
        item,
        now=_state_in_units(item.now, price),
        stresses=tuple(_state_in_units(state, price) for state in item.stresses),
        breakdown={name: usd / price for name, usd in item.breakdown.items()},
    )


def _state_in_units(state: MarginState, price: float) -> MarginState:
    money = ("equity", "haircut", "initial", "maintenance")
    call = state.liquidation
    if call is not None:
        names = ("repaid", "seized", "protocol_fee", "collateral", "debt")
        call = replace(call, **{name: getattr(call, name) / price for name in names})
    return replace(state, liquidation=call, **{name: getattr(state, name) / price for name in money})


def account_margin(e: Exposures, account: int, trades: np.ndarray | None = None) -> AccountMargin:
    """One account by its plain rule, after trades and transfers x (N,) when given."""
    x = np.zeros(e.n_candidates) if trades is None else trades
    now = _state(e, account, x, None)
    down, up = (nan, nan) if now.unknown else _distance(e, account, x)
    need = e.margins.requirement(account, e.positions(x), account_collateral(e, account, x))
    kind = LackingMargin if isinstance(e.margins.models[account], Lacking) else AccountMargin
    return kind(
        account=e.accounts[account],
        venue=e.venues[account],
        model=e.margins.names[account],
        now=now,
        stresses=tuple(_state(e, account, x, k) for k in range(len(e.stress))),
        breakdown={name: float(value) for name, value in need.breakdown.items()},
        liquidation_down=down,
        liquidation_up=up,
    )


def _state(e: Exposures, account: int, x: np.ndarray, stress: int | None) -> MarginState:
    z, posted = e.positions(x), account_collateral(e, account, x)
    need = e.margins.requirement(account, z, posted, stress)
    state = e.margins.state(account, stress)
    model, _ = e.margins.rule(account, stress)
    held = z[e.margins.rows[account]]
    health = model.health_factor(state, held, posted)
    unknown = requirement_unknown(e, account, z)
    return MarginState(
        scenario="now" if stress is None else e.stress[stress],
        equity=equity_after(e, account, x, stress),
        haircut=lost_value(state, model.haircut(state, "initial"), posted, model.table_name),
        initial=nan if unknown else float(need.initial),
        maintenance=nan if unknown else float(need.maintenance),
        health_factor=health if health is None or np.isfinite(health) else None,
        liquidation=model.liquidation(state, held, posted),
    )


@lru_cache(maxsize=2)
def _ladder(e: Exposures) -> tuple[ScenarioSet, np.ndarray]:
    """Uniform moves of every coin, and the P&L (K, M) of each row in them; shared by accounts and by before and after."""
    movable = [name for name in e.margins.stress.assets if name not in dollar_assets() and not is_peg(name)]
    ladder = ScenarioSet(
        name="uniform moves",
        assets=tuple(movable),
        spot_factor=np.repeat(1.0 + _MOVES[:, None], len(movable), axis=1),
        log_vol_shift=np.zeros((len(_MOVES), len(movable))),
        horizon_days=0.0,
    )
    return ladder, e.margins.revalue(ladder)


def _distance(e: Exposures, account: int, x: np.ndarray) -> tuple[float | None, float | None]:
    """First uniform move down and up at which equity falls below maintenance, interpolated between grid points."""
    ladder, unit_pnl = _ladder(e)
    rows, z, posted = e.margins.rows[account], e.positions(x), account_collateral(e, account, x)
    start, model = equity_after(e, account, x), e.margins.models[account]

    def room(k: int) -> float:
        state = moved(e.margins.states[account], ladder, k, unit_pnl[k, rows])
        equity = start + float(unit_pnl[k, rows] @ z[rows]) + float((state.prices - e.prices) @ posted)
        return equity - float(model.requirement(state, z[rows], posted).maintenance)

    still = equity_after(e, account, x) - float(model.requirement(e.margins.states[account], z[rows], posted).maintenance)
    if still < 0:
        return 0.0, 0.0
    down = np.flatnonzero(_MOVES < 0)[np.argsort(-_MOVES[_MOVES < 0])]
    return _crossing(still, down, room), _crossing(still, np.flatnonzero(_MOVES > 0), room)


def _crossing(still: float, order: np.ndarray, room: Callable[[int], float]) -> float | None:
    """Walk outwards from no move until nothing is left over; most of the ladder is never priced."""
    last, before = 0.0, still
    for k in order.tolist():
        left = room(k)
        if left < 0:
            return float(last + before / (before - left) * (_MOVES[k] - last))
        last, before = float(_MOVES[k]), left
    return None
