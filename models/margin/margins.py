"""Margin of every account of a book, now and in every stress scenario; worked out on first use and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hedgeopt.models.margin.collateral import refuse_unknown_collateral
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement
from hedgeopt.models.margin.state import State
from hedgeopt.models.scenarios.effects import as_seen_by, margin_multiplier, threshold_multiplier
from hedgeopt.models.scenarios.set import ScenarioSet, vol_term_weight

__all__ = ["Margins", "moved"]

_VOL_FLOOR, _VOL_CAP = 0.01, 5.0  # those of scenario_values, which priced the P&L


def moved(state: State, scenarios: ScenarioSet, k: int, pnl: np.ndarray) -> State:
    """The state after scenario ``k``; ``pnl`` (R,) is each unit's USD change of value by full revaluation."""
    factor = {
        asset: float(scenarios.price_factor(asset)[k])
        for asset in {*state.assets, *state.by_underlying[0], *state.by_settlement[0]}
    }
    (underlyings, underlying), (settlements, settled) = state.by_underlying, state.by_settlement
    by_underlying = np.array([factor[name] for name in underlyings])[underlying]
    by_settlement = np.array([factor[name] for name in settlements])[settled]
    years = np.maximum(state.years - scenarios.years, 0.0)
    shift, basis, skew, term, perpetual = (
        _shift(state, scenarios, k, name)
        for name in ("log_vol_shift", "basis_shift", "skew_shift", "term_shift", "perpetual_shift")
    )
    carried = by_underlying * np.exp(basis * np.nan_to_num(years))
    index, settlement = state.index * by_underlying, state.settlement_price * by_settlement
    forward = state.forward * carried
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(state.option, vol_term_weight(state.years), 0.0)
        tenor = np.where(state.option, term * np.log(30.0 / np.maximum(state.days, 7.0)), 0.0)  # as in option_moves
        slope = skew * np.log(state.strike / forward) / np.sqrt(np.maximum(years, 1.0 / 365.0))
    vol = np.clip(state.vol * np.exp(shift * weight + tenor) + np.where(state.option, slope, 0.0), _VOL_FLOOR, _VOL_CAP)
    value = np.where(state.margined, 0.0, state.value + pnl)
    unit = np.where(state.inverse, index, settlement)
    carried *= np.exp(np.where(state.perpetual, perpetual, 0.0))
    mark = np.where(state.linear, state.mark * carried, np.where(state.option, value / unit, state.mark * by_underlying))
    if state.curved.any():  # full revaluation gives the mark of such a contract
        mark = np.where(state.curved, state.mark + pnl / np.where(state.inverse, 1.0, settlement), mark)
    prices = np.array([price * factor[asset] for asset, price in zip(state.assets, state.prices, strict=True)])
    return state.with_prices(
        index=index,
        settlement_price=settlement,
        mark=mark,
        value=value,
        forward=forward,
        vol=vol,
        years=years,
        prices=prices,
    )


def _shift(state: State, scenarios: ScenarioSet, k: int, name: str) -> np.ndarray:
    """(R,) the field of scenario ``k`` for each row's underlying; 0 where the set has none."""
    names, code = state.by_underlying
    table = getattr(scenarios, name)
    columns = [scenarios.column(underlying) for underlying in names]
    values = [0.0 if table is None or column is None else table[k, column] for column in columns]
    return np.array(values, float)[code]


@dataclass(frozen=True, eq=False)
class Margins:
    """C accounts with their margin models.

    Attributes
    ----------
    models : C margin models
    states : C states of the market now
    rows : C arrays of int
        Rows of the exposures that each state's instruments are.
    stress
        The named stress scenarios (K).
    unit_pnl : (K, M)
        USD change of value per unit held of every row.
    revalue
        USD change of value per unit held (S, M) in any other scenario set.
    """

    models: tuple[MarginModel, ...]
    states: tuple[State, ...]
    rows: tuple[np.ndarray, ...]
    stress: ScenarioSet
    unit_pnl: np.ndarray
    revalue: Callable[[ScenarioSet], np.ndarray]
    _states: dict[tuple[int, int], State] = field(default_factory=dict, repr=False)
    _encodings: dict[tuple[int, str, int, float, float], Encoding] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Model of each account."""
        return tuple(model.name for model in self.models)

    def state(self, account: int, stress: int | None = None) -> State:
        """The account's market, now or after a stress."""
        if stress is None:
            return self.states[account]
        key = account, stress
        if key not in self._states:
            pnl = self.unit_pnl[stress, self.rows[account]]
            seen = as_seen_by(self.stress, self.states[account].venue)
            self._states[key] = moved(self.states[account], seen, stress, pnl)
        return self._states[key]

    def rule(self, account: int, stress: int | None = None, health: float = 1.0) -> tuple[MarginModel, float]:
        """The account's model, and by what the venue multiplies its requirement in that stress."""
        model, times, relative = self.models[account], 1.0, 1.0
        if stress is not None:
            venue = self.states[account].venue
            times = float(margin_multiplier(self.stress, venue)[stress])
            relative = float(threshold_multiplier(self.stress, venue)[stress])
        return model.under(health=health, relative=relative), times

    def encoding(
        self, account: int, kind: Kind, stress: int | None = None, *, counted: float = 0.0, health: float = 1.0
    ) -> Encoding:
        """Requirement as a convex function, plus ``counted`` times the collateral value lost to haircuts.

        ``health`` is the health factor that the maintenance of lending accounts must keep.
        """
        key = account, kind, -1 if stress is None else stress, counted, health
        if key not in self._encodings:
            state = self.state(account, stress)
            model, times = self.rule(account, stress, health)
            encoding = model.encode(state, kind).scaled(times)
            lost = self._lost(state, model.haircut(state, kind)) if counted else None
            self._encodings[key] = encoding if lost is None else encoding.with_blocks(lost.scaled(counted))
        return self._encodings[key]

    @staticmethod
    def _lost(state: State, rates: np.ndarray) -> Block | None:
        rates = np.nan_to_num(rates, nan=1.0)  # an unknown asset may arrive but does not count
        groups = []
        for a in np.flatnonzero(rates > 0):
            row = np.array([[rates[a] * state.prices[a]]])
            groups.append(Group.of(np.array([len(state) + a]), [row, 0.0 * row]))
        return Block("haircut", tuple(groups)) if groups else None

    def largest(self, account: int, quantity: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(M,) units of either sign that positions may reach by the venue's rule; infinite where it has no such limit.

        ``quantity`` (M,) is what is held now; of the account's rows only ``rows`` (indices of M) are asked for. An account
        that holds more than its leverage allows keeps what it holds.
        """
        found, mine = np.full(len(quantity), np.inf), self.rows[account]
        wanted = np.flatnonzero(np.isin(mine, rows)).tolist()
        found[mine] = self.models[account].largest(self.states[account], quantity[mine], wanted)
        return found

    def unopened(self, quantity: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: which of ``rows`` (indices of M) hold nothing and may not be opened: the venue's table lacks them."""
        found = np.zeros(len(quantity), bool)
        for model, state, mine in zip(self.models, self.states, self.rows, strict=True):
            for at in np.flatnonzero(np.isin(mine, rows) & (quantity[mine] == 0.0)).tolist():
                found[mine[at]] = not model.opens(state, at)
        return found[rows]

    def check_collateral(self, account: int, collateral: np.ndarray) -> None:
        """Raise when the account holds an asset that its venue's haircut table does not know."""
        state, model = self.states[account], self.models[account]
        refuse_unknown_collateral(state, model.haircut(state, "initial"), np.maximum(collateral, 0.0), model.table_name)

    def requirement(
        self, account: int, quantity: np.ndarray, collateral: np.ndarray, stress: int | None = None
    ) -> Requirement:
        """Plain numbers for one account's positions: ``quantity`` (M,) of all rows, ``collateral`` (A,) of the account."""
        model, times = self.rule(account, stress)
        need = model.requirement(self.state(account, stress), quantity[self.rows[account]], collateral)
        if times == 1.0:
            return need
        parts = {name: value * times for name, value in need.breakdown.items()}
        return Requirement(need.initial * times, need.maintenance * times, parts)
