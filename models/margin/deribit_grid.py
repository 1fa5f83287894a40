"""The scenarios of Deribit's portfolio margin in coins: moves of the index times vols, and the extended table.

Steps 1 to 4 of :mod:`hedgeopt.models.margin.deribit_portfolio`, which says what each is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.margin.shocks import option_delta, option_values, tenor_power
from hedgeopt.models.margin.state import State

__all__ = ["Grid", "extended_pnl", "scenario_grid", "shocked_vols"]


@dataclass(frozen=True, eq=False)
class Grid:
    """One currency's scenarios: coin P&L (K, n) per unit of the rows ``rows`` (n,).

    ``damping`` (K,) coins by which losses of the extended table are reduced (0 in the standard one), ``extended`` (K,) bool.
    """

    underlying: str
    rows: np.ndarray
    moves: np.ndarray
    pnl: np.ndarray
    damping: np.ndarray
    extended: np.ndarray
    delta: np.ndarray
    index: float


def shocked_vols(
    p: dict[str, Any], shared: dict[str, Any], vol: np.ndarray, days: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vols up and down (n,): step 2. Vectors (.5/.25): 7 days x1.77371 and x.61315, 60 days x1.45692 and x.77154."""
    power = tenor_power(days, shared["short_power"], shared["long_power"], shared["dte_floor"], inclusive=False)
    up = np.maximum(vol * (1.0 + p["vol_up"] * power), p.get("min_vol_up", 0.0))
    return up, np.maximum(vol * (1.0 - p["vol_down"] * power), 0.0)


def extended_pnl(move: np.ndarray, pnl: np.ndarray, index: float, p: dict[str, Any]) -> np.ndarray:
    """Step 3 on total P&L in coins: scaled, then moved towards zero."""
    scale, damping = _extended(move, index, p)
    scaled = pnl * scale
    return np.asarray(np.sign(scaled) * np.maximum(np.abs(scaled) - damping, 0.0))


def _extended(move: np.ndarray, index: float, p: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    edge = 1.0 + np.sign(move) * p["range"]
    scale = p["extended_factor"] * p["range"] / np.abs(move) * (1.0 + move) / edge
    return scale, (np.abs(move) / p["range"] - 1.0) * p["dampener"] / (index * edge)


def scenario_grid(state: State, underlying: str, p: dict[str, Any], shared: dict[str, Any]) -> Grid:
    """The scenarios of one currency: its parameters ``p``, and those that all share."""
    rows = state.of(underlying)
    index = float(state.index[rows[0]])
    n = shared["steps"]
    standard = np.repeat(p["range"] * np.arange(-n, n + 1) / n, 3)
    far = np.array(shared.get("extended_moves", []))
    moves = np.concatenate([standard, far])
    which = np.concatenate([np.tile([1, 0, -1], 2 * n + 1), np.ones(len(far), int)])
    pnl, delta = _coin_pnl(state, rows, moves, which, p, shared), np.zeros(len(rows))
    damping, extended = np.zeros(len(moves)), np.arange(len(moves)) >= len(standard)
    if len(far):
        scale, damping[extended] = _extended(far, index, p)
        pnl[extended] *= scale[:, None]
    option = state.option[rows]
    delta[~option] = state.coins[rows[~option]]
    if option.any():
        delta[option] = option_delta(state, rows[option])
    return Grid(underlying, rows, moves, pnl, damping, extended, delta, index)


def _coin_pnl(
    state: State, rows: np.ndarray, moves: np.ndarray, which: np.ndarray, p: dict[str, Any], shared: dict[str, Any]
) -> np.ndarray:
    """(K, n) coins per unit: step 4; ``which`` (K,) 1 vol up, 0 same, -1 down."""
    pnl = np.zeros((len(moves), len(rows)))
    option = state.option[rows]
    factor = 1.0 + moves
    pnl[:, ~option] = (1.0 - 1.0 / factor)[:, None] * state.coins[rows[~option]]
    if option.any():
        chosen = rows[option]
        up, down = shocked_vols(p, shared, state.vol[chosen], state.days[chosen])
        vol = np.where((which == 1)[:, None], up, np.where((which == -1)[:, None], down, state.vol[chosen]))
        now = option_values(state, chosen, np.ones(1), state.vol[chosen][None, :])
        then = option_values(state, chosen, factor, vol)
        forward = state.forward[chosen]
        inverse = then / (factor[:, None] * forward) - now / forward
        linear = (then - now) / (state.index[chosen] * factor[:, None])
        pnl[:, option] = np.where(state.inverse[chosen], inverse, linear)
    return pnl
