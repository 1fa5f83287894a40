"""A convex function below Derive's portfolio margin, from the rule's scenario values of expiries.

Per underlying the rule takes the worst of its scenarios, each a sum over expiries of ``-damp (D(v) v - m)`` (value ``v``
after the shock, ``m`` now), or of its size in skew scenarios, and of the basis contingency. ``-(D(v) v - m)`` is the larger
of two lines, one per discount, where gains are discounted more than losses. A line of every scenario is made of one of them
per expiry: those that hold at the trades, or one for all; a gain that skew turns into a loss counts as nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.state import State
from hedgeopt.verify.account_candidates import AccountCandidates
from hedgeopt.verify.accounts import AccountCase
from hedgeopt.verify.convex import Choice, Convex, absolute

__all__ = ["below_derive"]


def below_derive(
    model: Derive,
    state: State,
    kind: Literal["initial", "maintenance"],
    z: np.ndarray,
    place: AccountCandidates,
    a: AccountCase,
) -> Convex | None:
    """Nowhere above the rule; None for parameters that discount gains less than losses.

    ``z`` are the account's positions after the trades near which it should be close. Feeds that are not sure, which only
    add to it, are left out.
    """
    p, initial = model.p, kind == "initial"
    choices: list[Choice] = []
    total = Convex.number(place.n, 0.0)
    perpetual_rate = p["perpetual_maintenance"] + initial * p["perpetual_initial"]
    short_rate = p["option_maintenance"] + initial * p["option_initial"]
    for underlying in model.currencies(state):
        rows = state.of(underlying)
        expiries = model.expiries(state, underlying)
        if any(expiry.gain_discount > expiry.loss_discount for expiry in expiries):
            return None
        choices.append(_worst(model, state, underlying, z, place, a, model.factor(state, kind)))
        spot = float(state.index[rows[0]] * state.settlement_price[rows[0]]) if len(rows) else 0.0
        rate = np.zeros(len(state))
        linear = rows[state.linear[rows]]
        rate[linear] = perpetual_rate * state.coins[linear] * spot
        own = absolute(place.spread(rate), place.spread(place.held))
        total = total + own.plus(float(rate @ np.abs(place.rest())))
        for expiry in expiries:
            for strike in np.unique(state.strike[expiry.rows]):
                line = np.where(state.strike[expiry.rows] == strike, -short_rate * spot, 0.0)
                choices.append(place.lines(np.stack([line, 0.0 * line]), expiry.rows, np.zeros(2)))
    lost = model.lost(state, kind)
    for k in np.flatnonzero(lost > 0).tolist():
        line = lost[k] * a.flows[k]
        choices.append(Choice(np.stack([line, 0.0 * line]), np.array([float(lost[k] * a.collateral[k]), 0.0])))
    return Convex(total.slope, total.constant, total.corners, tuple(choices))


def _worst(
    model: Derive, state: State, underlying: str, z: np.ndarray, place: AccountCandidates, a: AccountCase, factor: float
) -> Choice:
    """Scenario loss and basis contingency of one underlying, times ``factor``."""
    rows = state.of(underlying)
    linear = rows[state.linear[rows]]
    moves = (model.spot - 1.0) * model.damping
    straight = np.zeros((len(moves), len(state)))
    straight[:, linear] = -moves[:, None] * state.notional[linear]
    three = [straight.copy() for _ in range(3)]  # as at z; as if every expiry gained; as if every one lost
    basis = [np.zeros(len(state)) for _ in range(3)]
    for expiry in model.expiries(state, underlying):
        own, damping = z[expiry.rows], model.damping[:, None]
        gain = -damping * (expiry.gain_discount * expiry.shocked - expiry.now)
        loss = -damping * (expiry.loss_discount * expiry.shocked - expiry.now)
        here = np.where((expiry.shocked @ own >= 0.0)[:, None], gain, loss)
        nothing = model.skew & (here @ own < 0.0)  # skew never pays
        three[0][:, expiry.rows] = np.where(nothing[:, None], 0.0, here)
        three[1][:, expiry.rows], three[2][:, expiry.rows] = gain, loss
        weight = model.p["basis_add"] + model.p["basis_mult"] * expiry.years
        up, down = -weight * (expiry.up - expiry.now), -weight * (expiry.down - expiry.now)
        basis[0][expiry.rows] = max((up, down, 0.0 * up), key=lambda line: float(line @ own))
        basis[1][expiry.rows], basis[2][expiry.rows] = up, down
    lines = np.vstack([*three, *basis, np.zeros(len(state))])
    found = place.lines(factor * lines, np.arange(len(state)), np.zeros(len(lines)))
    backing = model.cancelling(state, underlying)
    each = -factor * np.concatenate([moves, moves, moves, np.zeros(4)])
    flows = np.asarray(state.prices[backing] @ a.flows[backing])
    posted = float(state.prices[backing] @ a.collateral[backing])
    return Choice(found.lines + np.outer(each, flows), found.offsets + each * posted)
