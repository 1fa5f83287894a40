"""Derive (ex-Lyra) v2 portfolio margin 2, re-derived from its published rules.

Per underlying, USD, with forward F_e, discount d_e and time T_e of each expiry e:

* value of an expiry ``m_e = sum_i q_i d_e Black76(F_e, K_i, T_e, vol_i)``;
* in scenario s: ``pnl_e = damp (D(m_e^s) m_e^s - m_e)``, ``D = .95 e^{-T(r + .08)}`` for positive shocked values and
  ``min(1/d_e, 1.04 e^{T(.5 r + .08)})`` for negative ones; perpetuals ``q P (f - 1) damp``;
* skew scenarios shift vols linearly or absolutely in ``ln(K/F)`` and take ``-|pnl_e|``;
* basis contingency ``sum_e min(up_e - m_e, down_e - m_e, 0) (.5 + 2 T_e)`` at +-4.5 % counts as one more scenario;
* ``span`` = the least of all; contingencies: 1.5 % (+ .5 % initial) of |perpetuals|, .3 % (+ .2 %) of spot per net short
  contract and strike; peg: factor ``1 + 2 max(.98 - USDC, 0)`` for initial.
* margin balance: initial ``span f - contingencies + m + cash``; maintenance ``.8 span - maintenance contingency + m +
cash``.

The requirement is what must stand against equity ``m + cash``: ``contingencies - span f``. Every part is convex but one:
``-|pnl_e|`` in a skew scenario where an expiry of negative shocked value gains. There the encoding takes the gain on the
larger
discount, so it never falls below the venue's number and equals it everywhere else.

Source: github.com/derivexyz/v2-core, PMRMLib_2.sol (rules), portfolio_cases/*.json (vectors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.models.data import table
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.shocks import option_values, tenor_power
from hedgeopt.models.margin.state import State

__all__ = ["Derive", "Expiry", "skew_multiplier"]

_KINDS = ("perpetual", "option", "spot", "pegged")


@dataclass(frozen=True, eq=False)
class Expiry:
    """One expiry's scenario values: ``shocked`` (K, n) and ``now`` (n,) USD per contract; ``up``/``down`` basis."""

    rows: np.ndarray
    now: np.ndarray
    shocked: np.ndarray
    up: np.ndarray
    down: np.ndarray
    years: float
    gain_discount: float
    loss_discount: float


def skew_multiplier(log_moneyness: np.ndarray, years: float, kind: str, p: dict[str, float]) -> np.ndarray:
    """Vol multiplier in a skew scenario: ``1 + clip(k c / k*, -c, c)`` with cap c and width k* by tenor."""
    root = np.sqrt(years)
    cap = p[f"{kind}_cap"] + p[f"{kind}_base"] * root
    width = max(p["min_k_star"], root * p["width_scale"] * (p["vol_static"] + p["vol_scale"] * root))
    k = np.abs(log_moneyness) if kind == "absolute" else log_moneyness
    slope = k * cap / width
    return np.asarray(np.maximum(1.0 + np.where(k >= 0, np.minimum(cap, slope), np.maximum(-cap, slope)), 0.0))


class Derive:
    """Portfolio margin 2; ``rate`` is the venue's interest rate, ``discounts`` false values options undiscounted."""

    name = "derive"
    source = "github.com/derivexyz/v2-core PMRMLib_2.sol (models/data/derive.toml)"

    def __init__(self, rate: float | None = None) -> None:
        self.p: dict[str, Any] = table("derive")["portfolio_margin"]
        self.rate = self.p["rate"] if rate is None else rate
        self.damping = np.array([row[2] for row in self.p["scenarios"]])
        self.spot = np.array([row[0] for row in self.p["scenarios"]])
        self.kinds = [row[1] for row in self.p["scenarios"]]
        self.skew = np.array(["skew" in kind for kind in self.kinds])

    def expiries(self, state: State, underlying: str) -> list[Expiry]:
        """Scenario values of every expiry of one underlying."""
        rows = state.of(underlying)
        options = rows[state.option[rows]]
        years = state.years[options]
        return [self._expiry(state, options[years == t], float(t)) for t in np.unique(years)]

    def _expiry(self, state: State, rows: np.ndarray, years: float) -> Expiry:
        p, vol = self.p, state.vol[rows]
        power = tenor_power(np.array([365.0 * years]), p["short_power"], p["long_power"], p["dte_floor"], inclusive=True)[0]
        k = np.log(state.strike[rows] / state.forward[rows])
        shifted = {
            "none": vol,
            "up": np.maximum(vol * (1.0 + p["vol_up"] * power), p["min_vol_up"]),
            "down": vol * max(1.0 - p["vol_down"] * power, 0.0),
            "linear skew": vol * skew_multiplier(k, years, "linear", p["skew"]),
            "absolute skew": vol * skew_multiplier(k, years, "absolute", p["skew"]),
        }
        discount = np.exp(-self.rate * years)
        vols = np.array([shifted[kind] for kind in self.kinds])
        peg = state.settlement_price[rows]
        value = option_values(state, rows, np.concatenate([[1.0, p["basis_up"], p["basis_down"]], self.spot]),
                              np.vstack([vol, vol, vol, vols])) * discount * peg  # fmt: skip
        gain = p["long_discount"] * np.exp(-years * (self.rate * p["long_rate_mult"] + p["long_rate_add"]))
        loss = p["short_discount"] * np.exp(years * (self.rate * p["short_rate_mult"] + p["short_rate_add"]))
        return Expiry(rows, value[0], value[3:], value[1], value[2], years, float(gain), float(min(1.0 / discount, loss)))

    def factor(self, state: State, kind: Kind) -> float:
        """Multiplier of the scenario loss, raised for initial margin when USDC trades below its peg."""
        base = float(self.p[f"{kind}_factor"])
        if kind == "maintenance" or "USDC" not in state.assets:
            return base
        price = float(state.prices[state.assets.index("USDC")])
        return base + self.p["peg_factor"] * max(self.p["peg_threshold"] - price, 0.0)

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """By the venue's steps: every scenario, the contingencies, and what they add up to."""
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        total = {"initial": 0.0, "maintenance": 0.0}
        parts = {"worst scenario": 0.0, "perpetual contingency": 0.0, "short options": 0.0}
        for underlying in state.underlyings:
            rows = state.of(underlying)
            perpetual = rows[state.linear[rows]]
            spot = float(state.index[rows[0]])
            pnl = float(state.notional[perpetual] @ quantity[perpetual]) * (self.spot - 1.0) * self.damping
            basis, naked = 0.0, 0.0
            for expiry in self.expiries(state, underlying):
                z = quantity[expiry.rows]
                now, shocked = float(expiry.now @ z), expiry.shocked @ z
                discounted = np.where(shocked >= 0, expiry.gain_discount, expiry.loss_discount) * shocked
                change = (discounted - now) * self.damping
                pnl = pnl + np.where(self.skew, -np.abs(change), change)
                moved = min(float(expiry.up @ z) - now, float(expiry.down @ z) - now, 0.0)
                basis += moved * (self.p["basis_add"] + self.p["basis_mult"] * expiry.years)
                net: dict[float, float] = {}
                for row, q in zip(expiry.rows, z, strict=True):
                    net[float(state.strike[row])] = net.get(float(state.strike[row]), 0.0) + q
                naked += sum(max(-n, 0.0) for n in net.values())
            span = min(float(pnl.min()), basis)
            gross = float((np.abs(quantity[perpetual]) * state.coins[perpetual]).sum()) * spot
            held = self.p["perpetual_maintenance"] * gross + self.p["option_maintenance"] * naked * spot
            extra = self.p["perpetual_initial"] * gross + self.p["option_initial"] * naked * spot
            total["initial"] += held + extra - span * self.factor(state, "initial")
            total["maintenance"] += held - span * self.factor(state, "maintenance")
            parts["worst scenario"] -= span * self.factor(state, "initial")
            rates = self.p["perpetual_maintenance"] + self.p["perpetual_initial"]
            parts["perpetual contingency"] += rates * gross
            parts["short options"] += (self.p["option_maintenance"] + self.p["option_initial"]) * naked * spot
        return Requirement(total["initial"], total["maintenance"], parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """One block of scenarios per underlying, whose groups are the expiries; contingencies as tiers and a block."""
        refuse_unknown_rows(state, self.name, _KINDS)
        p, initial = self.p, kind == "initial"
        slopes = np.zeros((len(state), 1))
        rate = p["perpetual_maintenance"] + (p["perpetual_initial"] if initial else 0.0)
        linear = state.linear
        slopes[linear, 0] = rate * (state.index * state.coins)[linear]
        per_short = p["option_maintenance"] + (p["option_initial"] if initial else 0.0)
        blocks: list[Block] = []
        for underlying in state.underlyings:
            rows = state.of(underlying)
            perpetual = rows[state.linear[rows]]
            spot = float(state.index[rows[0]])
            groups, naked = [], []
            if len(perpetual):
                moves = -((self.spot - 1.0) * self.damping)[:, None] * state.notional[perpetual]
                groups.append(Group.linear(perpetual, np.vstack([moves, np.zeros((1, len(perpetual)))])))
            for expiry in self.expiries(state, underlying):
                groups.append(self._lines(expiry))
                strikes = state.strike[expiry.rows]
                for strike in np.unique(strikes):
                    at = expiry.rows[strikes == strike]
                    row = np.full((1, len(at)), -per_short * spot)
                    naked.append(Group.of(at, [row, 0.0 * row]))
            if groups:
                blocks.append(Block(f"{underlying} worst scenario", tuple(groups)).scaled(self.factor(state, kind)))
            if naked:
                blocks.append(Block(f"{underlying} short options", tuple(naked)))
        n = len(state)
        zero = np.zeros(n)
        return Encoding(slopes, np.zeros((n, 1)), zero, zero.copy(), len(state.assets), tuple(blocks))

    def _lines(self, expiry: Expiry) -> Group:
        """Loss of one expiry in each scenario, and in the basis contingency as the last one: (K + 1, 3, n) lines."""
        damping, skew = self.damping[:, None], self.skew[:, None]
        first = -damping * (expiry.gain_discount * expiry.shocked - expiry.now)
        second = -damping * (expiry.loss_discount * expiry.shocked - expiry.now)
        third = np.where(skew, -first, first)
        weight = self.p["basis_add"] + self.p["basis_mult"] * expiry.years
        basis = [-weight * (expiry.up - expiry.now), -weight * (expiry.down - expiry.now), 0.0 * expiry.now]
        lines = [np.vstack([line, last]) for line, last in zip((first, second, third), basis, strict=True)]
        return Group.of(expiry.rows, lines)

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """The portfolio manager's parameters, and haircuts."""
        own = (("derive", "portfolio_margin"),) if state.underlyings else ()
        return (*own, *haircuts_read("derive", state, collateral))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """Cash in full; other collateral is not in the table."""
        return haircuts("derive", state, kind)
