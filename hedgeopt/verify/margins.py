"""A venue's requirement after trades by its plain rule, and convex functions proven to lie below it.

The lower ones are made from the rule's own tables (scenario P&L, roll rates, thresholds) or, where a rule adds up
positions one at a time, from the rule's value at two points per position. No encoding is read. Each one is compared with
the rule at random portfolios as well; a rule for which nothing is proven gives None, and the bound does without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.aave_v3 import AaveV3
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
from hedgeopt.models.margin.bybit import Bybit
from hedgeopt.models.margin.bybit_portfolio import BybitPortfolio
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
from hedgeopt.models.margin.deribit_standard import DeribitStandard
from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.dydx_v4 import DydxV4
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.hyperliquid import Hyperliquid
from hedgeopt.models.margin.okx_portfolio import OkxPortfolio
from hedgeopt.models.margin.paradex import Paradex
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.unknown import unknown_margin
from hedgeopt.models.margin.unmargined import Unmargined
from hedgeopt.verify.account_candidates import AccountCandidates
from hedgeopt.verify.accounts import AccountCase
from hedgeopt.verify.convex import Choice, Convex, absolute, two_sided
from hedgeopt.verify.derive import below_derive
from hedgeopt.verify.one_at_a_time import KnownLines, MarginKind, below_one_at_a_time

__all__ = ["asked", "below_asked", "not_counted"]

_SEPARABLE = (Binance, BinancePortfolio, Bybit, Hyperliquid, DydxV4, DeribitStandard)
_PROBES = 12


def asked(e: Exposures, a: AccountCase, kind: MarginKind, x: np.ndarray, health: float = 1.0) -> float:
    """USD of the plain rule; infinite where the rule refuses the account, or no rule knows what it needs."""
    model, times = e.margins.rule(a.number, a.stress, health)
    rows, z = e.margins.rows[a.number], e.positions(x)
    if unknown_margin(e, a.number) is not None:
        return float("inf")
    try:
        need = model.requirement(e.margins.state(a.number, a.stress), z[rows], a.posted(x))
    except InputError:
        return float("inf")
    return times * float(need.of(kind))


def not_counted(e: Exposures, a: AccountCase, kind: MarginKind, x: np.ndarray) -> tuple[float, Convex]:
    """USD of collateral lost to haircuts at x, and the same as a convex function: ``sum rate price max(units, 0)``."""
    model, _ = e.margins.rule(a.number, a.stress)
    state = e.margins.state(a.number, a.stress)
    rates = np.array([1.0 if np.isnan(rate) else float(rate) for rate in model.haircut(state, kind)])
    usd = rates * state.prices
    value = float(np.sum(usd * np.maximum(a.posted(x), 0.0)))
    below = Convex.number(e.n_candidates, 0.0)
    choices = []
    for k in np.flatnonzero(usd > 0).tolist():
        line, offset = usd[k] * a.flows[k], float(usd[k] * a.collateral[k])
        if not line.any():
            below = below.plus(max(offset, 0.0))
        else:
            choices.append(Choice(np.stack([line, np.zeros_like(line)]), np.array([offset, 0.0])))
    return value, Convex(below.slope, below.constant, (), tuple(choices))


def below_asked(
    e: Exposures,
    a: AccountCase,
    kind: MarginKind,
    x: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    health: float = 1.0,
    near: Sequence[np.ndarray] = (),
    known: KnownLines | None = None,
) -> Convex | None:
    """A convex function of the trades nowhere above :func:`asked`; None where none is proven.

    It is closest at ``x`` and at the trades ``near``; ``known`` keeps what was worked out for an earlier ``near``.
    """
    model, times = e.margins.rule(a.number, a.stress, health)
    state, rows = e.margins.state(a.number, a.stress), e.margins.rows[a.number]
    place = AccountCandidates(e, rows)
    if isinstance(model, Unmargined):
        return Convex.number(e.n_candidates, 0.0)
    if isinstance(model, DeribitPortfolio) and model.shared.get("netting", "separate") == "separate":
        found = _portfolio(model, state, kind, place)
    elif isinstance(model, Generic) and model.rules["type"] == "grid":
        found = _grid(model, state, kind, place)
    elif isinstance(model, _SEPARABLE) or (isinstance(model, Generic) and model.rules["type"] != "grid"):
        found = below_one_at_a_time(model, state, kind, x, box, place, near, {} if known is None else known)
    elif isinstance(model, AaveV3):
        found = _reserves(model, state, kind, place, a)
    elif isinstance(model, Paradex):
        found = _paradex(model, state, kind, e.positions(x)[rows], place)
    elif isinstance(model, OkxPortfolio):
        found = _okx(model, state, kind, e.positions(x)[rows], place)
    elif isinstance(model, BybitPortfolio):
        found = _bybit(model, state, kind, place)
    elif isinstance(model, Derive):
        derived = below_derive(model, state, kind, e.positions(x)[rows], place, a)
        if derived is None:
            return None
        found = derived
    else:
        return None
    found = found.times(times)
    rng = np.random.default_rng(1)
    lower, upper = box
    for trial in [x, *(x + (rng.uniform(lower, upper) - x) * 10.0 ** rng.uniform(-6, 0) for _ in range(_PROBES))]:
        rule = asked(e, a, kind, trial, health)
        if found(trial) > rule + 1e-9 * max(1.0, rule):
            return None
    return found


def _portfolio(model: DeribitPortfolio, state: State, kind: MarginKind, place: AccountCandidates) -> Convex:
    """Worst scenario and roll (or contingencies) per currency; the delta shock is left out: it is never negative."""
    choices, total = [], Convex.number(place.n, 0.0)
    for grid in model.grids(state):
        loss = np.vstack([-grid.pnl * grid.index, np.zeros((1, len(grid.rows)))])
        choices.append(place.lines(loss, grid.rows, np.append(-grid.damping * grid.index, 0.0)))
        option = state.option[grid.rows]
        if model.version == "legacy":
            rate = np.zeros(len(state))
            rate[grid.rows[~option]] = model.shared["futures_contingency"] * np.abs(grid.delta[~option]) * grid.index
            total = total + absolute(place.spread(rate), place.spread(place.held)).plus(float(rate @ np.abs(place.rest())))
            charge = model.shared["short_option"] * grid.index
            keys = [(float(state.years[r]), float(state.strike[r])) for r in grid.rows]
            for key in {k for k, is_option in zip(keys, option, strict=True) if is_option}:
                mine = np.array([k == key and bool(o) for k, o in zip(keys, option, strict=True)])
                line = np.where(mine, -charge, 0.0)
                choices.append(place.lines(np.stack([line, 0.0 * line]), grid.rows, np.zeros(2)))
            continue
        p = model.parameters(grid.underlying)
        rates = model.roll_rates(state, grid.rows, p)
        expiry = np.array([-1.0 if state.perpetual[r] else float(state.years[r]) for r in grid.rows])
        for when in set(expiry.tolist()):
            mine = expiry == when
            rate = p["min_annual_move"] if when < 0 else rates
            line = np.where(mine, grid.delta * grid.index * rate, 0.0)
            choices.append(place.lines(np.stack([line, -line]), grid.rows, np.zeros(2)))
    whole = Convex(total.slope, total.constant, total.corners, tuple(choices))
    return whole.times(float(model.shared[f"{kind}_factor"]))


def _grid(model: Generic, state: State, kind: MarginKind, place: AccountCandidates) -> Convex:
    choices = []
    for underlying in state.underlyings:
        rows, pnl = model.pnl(state, underlying)
        choices.append(place.lines(np.vstack([-pnl, np.zeros((1, len(rows)))]), rows, np.zeros(len(pnl) + 1)))
    rate = model.rules["futures_rate"] * np.abs(state.notional)
    charge = np.where(state.option, model.rules["short_option_rate"] * state.index, 0.0)
    rest = float(rate @ np.abs(place.rest()) + charge @ np.maximum(-place.rest(), 0.0))
    held = place.spread(place.held)
    own = absolute(place.spread(rate), held) + two_sided(np.zeros(place.n), place.spread(charge), held)
    total = Convex(own.slope, own.constant + rest, own.corners, tuple(choices))
    return total.times(float(model.rules[f"{kind}_factor"]))


def _paradex(model: Paradex, state: State, kind: MarginKind, z: np.ndarray, place: AccountCandidates) -> Convex:
    """Scenarios as they are, deltas by their tangents: net ones of both signs, and those of the positions ``z`` (R,)."""
    factor = 1.0 if kind == "initial" else float(model.shared["maintenance_factor"])
    choices = []
    for grid in model.grids(state):
        mine = z[grid.rows]
        lean = grid.unhedged - grid.hedged / 2.0
        here = grid.delta * (lean * np.sign(grid.delta @ mine) + grid.hedged / 2.0 * np.sign(grid.delta * mine))
        net = grid.unhedged * grid.delta
        lines = factor * np.vstack([grid.loss, 0.0 * net, net, -net, here])
        choices.append(place.lines(lines, grid.rows, np.zeros(len(lines))))
        paid = model.funding(state, grid.underlying)
        choices.append(place.lines(np.stack([paid, 0.0 * paid]), np.arange(len(state)), np.zeros(2)))
    rate = model.fees(state)
    fees = absolute(place.spread(rate), place.spread(place.held)).plus(float(rate @ np.abs(place.rest())))
    return Convex(fees.slope, fees.constant, fees.corners, tuple(choices))


def _okx(model: OkxPortfolio, state: State, kind: MarginKind, z: np.ndarray, place: AccountCandidates) -> Convex:
    """Losses with the tangent of the charges at ``z`` (R,), and that of the minimum charge; depegs and loans come on top."""
    factor = model.shared.initial_factor if kind == "initial" else 1.0
    choices = []
    for unit in model.units(state):
        mine = z[unit.rows]
        charged = np.sign(unit.charges @ mine) @ unit.charges
        per_unit = np.where(mine >= 0.0, unit.long, -unit.short)
        step = int(np.searchsorted(unit.minimum.lower, float(per_unit @ mine), side="right")) - 1
        lines = factor * np.vstack([unit.loss + charged, 0.0 * mine, unit.minimum.rates[step] * per_unit])
        offsets = np.zeros(len(lines))
        offsets[-1] = -factor * float(unit.minimum.deductions[step])
        choices.append(place.lines(lines, unit.rows, offsets))
    return Convex(np.zeros(place.n), 0.0, (), tuple(choices))


def _bybit(model: BybitPortfolio, state: State, kind: MarginKind, place: AccountCandidates) -> Convex:
    """Losses, short options and futures; spreads and loans are left out: they are never negative."""
    choices, rate, charge = [], np.zeros(len(state)), np.zeros(len(state))
    for unit in model.units(state):
        factor = unit.initial_factor if kind == "initial" else 1.0
        loss = factor * np.vstack([unit.loss, np.zeros((1, len(unit.rows)))])
        choices.append(place.lines(loss, unit.rows, np.zeros(len(loss))))
        rate[unit.rows], charge[unit.rows] = factor * unit.futures, factor * unit.short
    held = place.spread(place.held)
    own = absolute(place.spread(rate), held) + two_sided(np.zeros(place.n), place.spread(charge), held)
    rest = float(rate @ np.abs(place.rest()) + charge @ np.maximum(-place.rest(), 0.0))
    return Convex(own.slope, own.constant + rest, own.corners, tuple(choices))


def _reserves(model: AaveV3, state: State, kind: MarginKind, place: AccountCandidates, a: AccountCase) -> Convex:
    """The part of each reserve and deposit that is not lent, or the buffer on debts: the larger of two lines each.

    Where the health factor to keep is below one the rule is no maximum: then the line of what is not lent alone, which is
    nowhere above it as long as it is no steeper than the other.
    """
    buffer = model.health - 1.0 if kind == "maintenance" else 0.0
    choices = []
    for k, (asset, price) in enumerate(zip(state.assets, state.prices.tolist(), strict=True)):
        if not a.flows[k].any() and a.collateral[k] == 0.0:
            continue
        ltv, threshold, _ = model.parameters(asset)
        lost = 1.0 - (ltv if kind == "initial" else threshold)
        slopes = price * np.array([lost, -buffer] if lost >= -buffer else [0.0, 0.0])
        choices.append(Choice(np.outer(slopes, a.flows[k]), slopes * float(a.collateral[k])))
    share = 1.0 - model.relative * (state.ltv if kind == "initial" else state.threshold)
    for row in range(len(state)):
        per_unit = float(state.value[row]) * np.array([[float(share[row])], [-buffer]])
        choices.append(place.lines(per_unit, np.array([row]), np.zeros(2)))
    return Convex(np.zeros(place.n), 0.0, (), tuple(choices))
