"""What a venue asks for after trades, by its plain rule, and convex functions that are proven to lie below that rule.

The lower ones are made from the rule's own tables (scenario P&L, roll rates, thresholds) or, where a rule adds up
positions one at a time, from the rule's value at two points per position. No encoding is read. Each one is compared with
the rule at random portfolios as well; a rule for which nothing is proven gives None, and the bound does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.aave_v3 import AaveV3
from hedgeopt.models.margin.binance import Binance
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
from hedgeopt.models.margin.deribit_standard import DeribitStandard
from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.dydx_v4 import DydxV4
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.hyperliquid import Hyperliquid
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiered import Leveraged
from hedgeopt.models.margin.unmargined import Unmargined
from hedgeopt.verify.accounts import AccountCase
from hedgeopt.verify.convex import Choice, Convex, absolute, two_sided
from hedgeopt.verify.derive import below_derive

__all__ = ["asked", "below_asked", "not_counted"]

_SEPARABLE = (Binance, Hyperliquid, DydxV4, DeribitStandard)
_PROBES = 12
_SHARES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)

MarginKind = Literal["initial", "maintenance"]
KnownLines = dict[int, tuple[list[tuple[float, float]], bool]]
"""Lines of each candidate's margin, and whether it bends so much that more of them help."""


def asked(e: Exposures, a: AccountCase, kind: MarginKind, x: np.ndarray, health: float = 1.0) -> float:
    """USD of the plain rule; infinite where the rule refuses the account."""
    model, times = e.margins.rule(a.number, a.stress, health)
    rows, z = e.margins.rows[a.number], e.positions(x)
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
    elif isinstance(model, _SEPARABLE) or (isinstance(model, Generic) and model.rules["type"] == "tiers"):
        found = _one_at_a_time(model, state, kind, x, box, place, near, {} if known is None else known)
    elif isinstance(model, AaveV3):
        found = _reserves(model, state, kind, place, a)
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


class AccountCandidates:
    """Where an account's instruments are among the candidates."""

    def __init__(self, e: Exposures, rows: np.ndarray) -> None:
        self.n = e.n_candidates
        self.held = e.rows.quantity[rows]
        where = {int(row): k for k, row in enumerate(rows)}
        pairs = [(i, where[row]) for i, row in enumerate(e.candidate.tolist()) if row in where]
        self.candidate = np.array([i for i, _ in pairs], np.int64)
        self.row = np.array([k for _, k in pairs], np.int64)

    def lines(self, per_unit: np.ndarray, rows: np.ndarray, offsets: np.ndarray) -> Choice:
        """Lines ``per_unit (L, n) . positions of rows + offsets`` as lines of the trades."""
        whole = np.zeros((len(per_unit), len(self.held)))
        whole[:, rows] = per_unit
        found = np.zeros((len(per_unit), self.n))
        found[:, self.candidate] = whole[:, self.row]
        return Choice(found, offsets + whole @ self.held)

    def spread(self, per_row: np.ndarray) -> np.ndarray:
        """(N,) an amount per instrument, at its candidate."""
        found = np.zeros(self.n)
        found[self.candidate] = per_row[self.row]
        return found

    def rest(self) -> np.ndarray:
        """(R,) positions in what is no candidate."""
        still = self.held.copy()
        still[self.row] = 0.0
        return still


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


def _reserves(model: AaveV3, state: State, kind: MarginKind, place: AccountCandidates, a: AccountCase) -> Convex:
    """What each reserve and deposit does not lend, or the buffer on what is owed: the larger of two lines each.

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


def _brackets(
    model: Leveraged, state: State, row: int, held: float, lower: float, upper: float
) -> list[tuple[float, float]]:
    """Lines below ``notional / leverage of that notional`` in the trade, for trades in ``[lower, upper]``.

    The leverage falls in steps, so that the rule jumps and is not convex. The lines are the convex hull of its ends: of
    nothing, of the largest notional of each leverage, and of the largest position within reach.
    """
    unit, coin = abs(float(state.notional[row])), state.underlying[row]
    most = unit * max(abs(held + lower), abs(held + upper))
    inside = (1.0 - 1e-12) * most  # what lies beyond a bracket by rounding alone is not beyond it
    ends, last = [0.0, *(end for end in model.allowed(coin).up_to if end < inside), most], model.chosen(coin, inside)
    points = [(end, end / max(model.chosen(coin, end), last)) for end in ends]
    lines, at = [(0.0, 0.0)], 0
    while at < len(points) - 1:  # the flattest step leads along the hull
        (n0, v0), rest = points[at], points[at + 1 :]
        slopes = [(v - v0) / (n - n0) if n > n0 else np.inf for n, v in rest]
        best = int(np.argmin(slopes))
        if not np.isfinite(slopes[best]):
            break
        slope, constant = slopes[best] * (1.0 - 1e-12), v0 - slopes[best] * n0
        for sign in (1.0, -1.0):
            lines.append((sign * slope * unit, constant + sign * slope * unit * held - 1e-12 * abs(v0)))
        at += 1 + best
    return lines


def _one_at_a_time(
    model: Any,
    state: State,
    kind: MarginKind,
    x: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    place: AccountCandidates,
    near: Sequence[np.ndarray],
    known: KnownLines,
) -> Convex:
    """For rules that add up positions one by one: lines through the rule's value at a few sizes of each position.

    A convex function is nowhere below the line through its value at z with the slope of a step to the left (or right),
    but within that step, where it falls short by at most a quarter of the step times the turn of slope around it.
    """
    nothing = np.zeros(len(state.assets))

    def rule(market: State, position: np.ndarray) -> float:
        return float(model.requirement(market, position, nothing).of(kind))

    slope, constant = np.zeros(place.n), rule(state, place.rest())
    found: list[tuple[int, list[tuple[float, float]]]] = []
    bends: list[tuple[int, float, float]] = []
    for i, k in zip(place.candidate.tolist(), place.row.tolist(), strict=True):
        held, now = float(place.held[k]), float(x[i])
        lower, upper = min(float(box[0][i]), now), max(float(box[1][i]), now)

        if i in known and not (known[i][1] and near):
            found.append((i, known[i][0]))
            continue
        if isinstance(model, Leveraged) and kind == "initial" and state.linear[k]:
            known[i] = _brackets(model, state, k, held, lower, upper), False
            found.append((i, known[i][0]))
            continue
        own = _only(state, k)
        empty = rule(own, np.zeros(1))

        def alone(trade: float, own: State = own, held: float = held, empty: float = empty) -> float:
            return rule(own, np.array([held + trade])) - empty

        step = 1e-8 * max(upper - lower, abs(held + now), 1e-9)
        if i not in known:
            lines = _lines(alone, now, step, upper - lower)
            ends = [(alone(end), max(a * end + c for a, c in lines)) for end in (lower, upper)]
            size = max(1.0, *(abs(value) for value, _ in ends))
            curved = any(value > reached + 1e-7 * size for value, reached in ends)
            if curved:
                for share in _SHARES:  # it bends elsewhere as well: more lines, crowded around the trade
                    for at in (now + share * (upper - now), now - share * (now - lower), share * -held):
                        if lower <= at <= upper:
                            lines += _lines(alone, at, step, upper - lower)
            known[i] = (lines, curved)
        lines, curved = known[i]
        if curved and near:  # where the last bound was lowest
            lines += _lines(alone, float(near[-1][i]), step, upper - lower)
        found.append((i, lines))
    for i, lines in found:
        first, turns = _envelope(lines)
        slope[i] += first[0]
        constant += first[1]
        bends += [(i, at, turn) for at, turn in turns]
    corners: list[tuple[np.ndarray, np.ndarray]] = []
    while bends:  # one array per bend of a position: most have one
        places, weight, later = np.zeros(place.n), np.zeros(place.n), []
        used: set[int] = set()
        for i, where, turn in bends:
            if i in used:
                later.append((i, where, turn))
                continue
            used.add(i)
            places[i], weight[i] = where, 0.5 * turn
            slope[i] += 0.5 * turn  # turn max(x - where, 0) = turn / 2 (x - where) + turn / 2 |x - where|
            constant -= 0.5 * turn * where
        corners.append((places, weight))
        bends = later
    return Convex(slope, constant, tuple(corners))


def _only(state: State, row: int) -> State:
    """The same market with one instrument."""
    own = {}
    for item in fields(state):
        value = getattr(state, item.name)
        if item.name not in ("assets", "prices") and hasattr(value, "__len__") and not isinstance(value, str):
            own[item.name] = value[row : row + 1] if len(value) else value
    return replace(state, **own)


def _lines(f: Callable[[float], float], at: float, step: float, width: float) -> list[tuple[float, float]]:
    """(slope, constant) of the lines to the left and right of a point, lowered until they are nowhere above convex ``f``."""
    values = [f(at + j * step) for j in (-2, -1, 0, 1, 2)]
    s = np.diff(values) / step
    over = 0.25 * step * max(float(s[2] - s[0]), float(s[3] - s[1]), 0.0)
    over += 1e-15 * float(np.abs(values).max()) * width / step  # rounding of the slopes
    return [(float(a), values[2] - over - float(a) * at) for a in (min(s[1], s[2]), s[2])]


def _envelope(lines: list[tuple[float, float]]) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """The largest of some lines: the first one, and where and by how much the slope turns."""
    kept: list[tuple[float, float]] = []
    where: list[float] = []
    for a, c in sorted(lines):
        while kept:
            if a - kept[-1][0] <= 1e-14 * max(abs(a), 1e-300):  # as steep: the higher one
                if c <= kept[-1][1]:
                    break
                at = -np.inf
            else:
                at = (kept[-1][1] - c) / (a - kept[-1][0])
            if where and at <= where[-1]:
                kept.pop()
                where.pop()
            elif at == -np.inf:
                kept.pop()
            else:
                kept.append((a, c))
                where.append(at)
                break
        else:
            kept.append((a, c))
    return kept[0], [(at, kept[k + 1][0] - kept[k][0]) for k, at in enumerate(where)]
