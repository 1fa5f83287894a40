"""Derive's portfolio margin as convex functions: scenarios by expiry, contingencies, collateral that does not count.

The rule itself and its one part that is not convex: :mod:`hedgeopt.models.margin.derive`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hedgeopt.models.margin.derive_expiry import Expiry
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind
from hedgeopt.models.margin.state import State

if TYPE_CHECKING:
    from hedgeopt.models.margin.derive import Derive

__all__ = ["encode_derive", "of_expiry"]


def of_expiry(shares: dict[float, float], otherwise: float, years: float) -> float:
    """The share of an expiry, ``otherwise`` where none is given."""
    return next((share for t, share in shares.items() if np.isclose(t, years, rtol=1e-9)), otherwise)


def encode_derive(model: Derive, state: State, kind: Kind) -> Encoding:
    """One block of scenarios per underlying, whose groups are the expiries; contingencies as tiers and blocks."""
    fixed = _fixed(model, state, kind)
    blocks = tuple(_scenarios(model, state, kind, underlying) for underlying in model.currencies(state))
    return replace(fixed, blocks=tuple(block for block in blocks if block is not None) + fixed.blocks)


def _fixed(model: Derive, state: State, kind: Kind) -> Encoding:
    """The parts that need no encoding: contingencies of perpetuals, net short options, collateral and unsure feeds."""
    p, initial = model.p, kind == "initial"
    slopes = np.zeros((len(state), 1))
    rate = p["perpetual_maintenance"] + (p["perpetual_initial"] if initial else 0.0)
    spot = state.index * state.settlement_price
    linear = state.linear
    slopes[linear, 0] = rate * (spot * state.coins)[linear]
    per_short = p["option_maintenance"] + (p["option_initial"] if initial else 0.0)
    blocks: list[Block] = []
    for underlying in state.underlyings:
        rows = state.of(underlying)
        if initial:  # a perpetual's feed counts for everything as soon as one is held: here always, where one may be
            doubt, by_expiry = model.doubts(linear[rows])
            slopes[rows[linear[rows]], 0] += doubt * (spot * state.coins)[rows[linear[rows]]]
        naked = []
        for expiry in model.expiries(state, underlying):
            if initial:
                slopes[expiry.rows, 0] += of_expiry(by_expiry, doubt, expiry.years) * spot[expiry.rows]
            strikes = state.strike[expiry.rows]
            for strike in np.unique(strikes):
                at = expiry.rows[strikes == strike]
                row = -per_short * spot[at][None, :]
                naked.append(Group.of(at, [row, 0.0 * row]))
        if naked:
            blocks.append(Block(f"{underlying} short options", tuple(naked)))
    lost = model.lost(state, kind)
    groups = [
        Group.of(np.array([len(state) + a]), [np.array([[lost[a]]]), np.zeros((1, 1))]) for a in np.flatnonzero(lost > 0)
    ]
    if groups:
        blocks.append(Block("collateral", tuple(groups)))
    n = len(state)
    zero = np.zeros(n)
    return Encoding(slopes, np.zeros((n, 1)), zero, zero.copy(), len(state.assets), tuple(blocks))


def _scenarios(model: Derive, state: State, kind: Kind, underlying: str) -> Block | None:
    """The worst scenario of one underlying, exact at no positions; its anchor gives it for others."""
    rows = state.of(underlying)
    perpetual, cancelling = rows[state.linear[rows]], model.cancelling(state, underlying)
    columns = np.concatenate([perpetual, len(state) + np.array(cancelling, int)]).astype(int)
    expiries = model.expiries(state, underlying)
    if not len(columns) and not expiries:
        return None
    value = np.concatenate([state.notional[perpetual], state.prices[cancelling]])
    moves = -((model.spot - 1.0) * model.damping)[:, None] * value
    first = [Group.linear(columns, np.vstack([moves, np.zeros((1, len(columns)))]))] if len(columns) else []

    def at(quantity: np.ndarray) -> Block:
        groups = [*first, *(_lines(model, expiry, quantity[expiry.rows]) for expiry in expiries)]
        return Block(f"{underlying} worst scenario", tuple(groups)).scaled(model.factor(state, kind))

    return replace(at(np.zeros(len(state))), anchor=at)


def _lines(model: Derive, expiry: Expiry, z: np.ndarray) -> Group:
    """Loss of one expiry in each scenario, and in the basis contingency as the last one: (K + 1, 3, n) lines."""
    damping, skew = model.damping[:, None], model.skew[:, None]
    gain = -damping * (expiry.gain_discount * expiry.shocked - expiry.now)
    loss = -damping * (expiry.loss_discount * expiry.shocked - expiry.now)
    signed = np.where((expiry.shocked @ z < 0)[:, None], loss, gain)  # exact on z's side of zero, not below on the other
    if expiry.gain_discount <= expiry.loss_discount:
        first, second, third = gain, loss, np.where(skew, -signed, gain)
    else:  # positive values are discounted less: the value itself is convex, and the loss has only the signed line
        first, second, third = signed, signed, signed
        first, second = np.where(skew, -gain, first), np.where(skew, -loss, second)
    weight = model.p["basis_add"] + model.p["basis_mult"] * expiry.years
    basis = [-weight * (expiry.up - expiry.now), -weight * (expiry.down - expiry.now), 0.0 * expiry.now]
    lines = [np.vstack([line, last]) for line, last in zip((first, second, third), basis, strict=True)]
    return Group.of(expiry.rows, lines)
