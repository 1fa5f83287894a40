"""Derive's standard manager: options by expiry, the smaller of short options one by one and the largest loss at expiry.

With S the index, F the forward, M the mark, O how far out of the money, all in USD:

* one by one, per short call ``max(.15 S - O, .1 S) + M``, maintenance ``.075 S + M``; a put's maintenance is
  ``max(.075 S, .075 M) + M``, and its initial margin at least 1.05 times that; long options need none;
* the largest loss of the expiry's options at 0 and at every strike, and ``1.2 F`` (maintenance ``1.1 F``) per call sold net;
  never less than 0;
* perpetuals a share of notional by coin (BTC and ETH 6.6 %, maintenance 5 %).

The venue compares this with cash, as option values do not count. Here equity holds them, so the requirement is that plus
the value of the options held: a long option adds its value, a short one takes off its own.

The smaller of two convex functions is not convex. The encoding takes, per expiry, the one that is smaller at the anchor:
exact there, and nowhere below the rule. In the last 30 minutes the forward is that of the part still to be averaged and the
average so far.

Source: github.com/derivexyz/v2-core, StandardManager.sol and its published cases (models/data/derive.toml).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State

__all__ = ["DeriveStandard"]

_KINDS = ("perpetual", "option", "spot")
_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")


@dataclass(frozen=True, eq=False)
class _OneExpiry:
    """Options ``rows`` (n,) of one expiry: ``payoff`` (J, n) at 0 and at every strike, ``alone`` (n,) per short."""

    rows: np.ndarray
    payoff: np.ndarray
    alone: np.ndarray
    call: np.ndarray
    naked: float

    def one_by_one(self, z: np.ndarray) -> float:
        """USD of the shorts without any offset."""
        return float(self.alone @ np.maximum(-z, 0.0))

    def bounded(self, z: np.ndarray) -> float:
        """USD of the largest loss, and of calls sold net."""
        sold = max(-float(z[self.call].sum()), 0.0)
        return max(float((-self.payoff @ z).max()) + self.naked * sold, 0.0)

    def loss_block(self, counts: bool) -> Block:
        """:meth:`bounded` as lines; all zero where the other one counts."""
        n, times = len(self.rows), 1.0 if counts else 0.0
        linear = np.vstack([-self.payoff, np.zeros((1, n))]) * times
        naked = np.where(self.call, -self.naked * times, 0.0)[None, :] * np.append(np.ones(len(self.payoff)), 0.0)[:, None]
        groups = (Group.linear(self.rows, linear), Group.of(self.rows, [naked, 0.0 * naked]))
        return Block("largest loss at expiry", groups)


class DeriveStandard(MarginModel):
    """One subaccount under the standard manager.

    ``parameters`` as ``[standard_manager]`` of models/data/derive.toml, and the ``collateral`` of ``[portfolio_margin]``
    there with whatever else that has; None: those.
    """

    name = "derive_standard"
    table_name = "derive"
    source = "github.com/derivexyz/v2-core StandardManager.sol (models/data/derive.toml)"

    def __init__(self, parameters: dict[str, Any] | None = None, collateral: dict[str, Any] | None = None) -> None:
        self.p: dict[str, Any] = table("derive")["standard_manager"] if parameters is None else parameters
        self._collateral = Derive() if collateral is None else Derive(parameters=collateral)

    def _check(self, state: State, owed: np.ndarray | None = None) -> None:
        refuse_unknown_rows(state, self.name, _KINDS, owed=owed)
        coin = np.flatnonzero(state.inverse & ~state.owned)
        if len(coin):
            problem = f"{state.names[int(coin[0])]} settles in its coin; Derive's margin knows dollars only"
            fix = "hold it in an account with another margin model"
            raise InputError(problem, file="book", field=f"account {state.account}", fix=fix)
        for row in np.flatnonzero(state.linear | state.option).tolist():
            is_option, currency = bool(state.option[row]), state.underlying[row]
            known = self.p["option_currencies"] if is_option else list(self.p["perpetual"])
            if currency not in known:
                name = "option_currencies" if is_option else "perpetual"
                line = f"[standard_manager.perpetual] {currency} = {{ initial = SHARE, maintenance = SHARE }}"
                line = f"[standard_manager] option_currencies with {currency}" if is_option else line
                problem = f"no standard margin of {state.kind[row]}s on {currency} at Derive ({state.names[row]})"
                raise lacking("derive", problem, field=f"standard_manager.{name}", line=line, known=", ".join(known))

    def alone(self, state: State, rows: np.ndarray, kind: Kind) -> np.ndarray:
        """(n,) USD that each option needs where it is sold and nothing offsets it."""
        p, dollar = self.p, state.settlement_price[rows]
        index, strike = state.index[rows] * dollar, state.strike[rows] * dollar
        mark, call = state.mark[rows] * dollar, state.is_call[rows]
        away = np.maximum(np.where(call, strike - index, index - strike), 0.0)
        least = p["option_maintenance"] * np.where(call, index, np.maximum(index, mark)) + mark
        if kind == "maintenance":
            return np.asarray(least)
        most = np.maximum(p["option_initial"] * index - away, p["option_floor"] * index) + mark
        return np.asarray(np.where(call, most, np.maximum(most, p["put_scale"] * least)))

    def _expiries(self, state: State, kind: Kind) -> list[_OneExpiry]:
        found = []
        for underlying in state.underlyings:
            rows = state.of(underlying)
            options = rows[state.option[rows]]
            for years in np.unique(state.years[options]):
                mine = options[state.years[options] == years]
                dollar = state.settlement_price[mine]
                strike, call = state.strike[mine], state.is_call[mine]
                at = np.unique(np.append(strike, 0.0))[:, None]
                payoff = np.maximum(np.where(call, at - strike, strike - at), 0.0) * dollar
                left = float(np.clip(years * 365.0 * 24.0 * 60.0 / self.p["averaging_minutes"], 0.0, 1.0))
                forward, average = state.forward[mine], state.averages[mine]
                settles = left * forward + (1.0 - left) * np.where(np.isfinite(average), average, forward)
                naked = float(self.p[f"naked_{kind}"] * (settles * dollar).max())
                found.append(_OneExpiry(mine, payoff, self.alone(state, mine, kind), call, naked))
        return found

    def _rates(self, state: State, kind: Kind) -> np.ndarray:
        """(R,) USD per unit of perpetual, of either sign."""
        found = np.zeros(len(state))
        for row in np.flatnonzero(state.linear).tolist():
            found[row] = float(self.p["perpetual"][state.underlying[row]][kind]) * state.notional[row]
        return found

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Expiry by expiry, the smaller of the two; perpetuals, option values and what collateral loses on top."""
        self._check(state, quantity)
        total: dict[Kind, float] = {}
        parts: dict[str, float] = {}
        for kind in _BOTH:
            options = sum(
                min(expiry.one_by_one(quantity[expiry.rows]), expiry.bounded(quantity[expiry.rows]))
                for expiry in self._expiries(state, kind)
            )
            perpetuals = float(self._rates(state, kind) @ np.abs(quantity))
            value = float(state.value[state.option] @ quantity[state.option])
            lost = float(self._collateral.lost(state, kind) @ np.maximum(collateral, 0.0))
            total[kind] = options + perpetuals + value + lost
            if kind == "initial":
                parts = {"options": options + value, "perpetuals": perpetuals, "collateral": lost}
        return Requirement(total["initial"], total["maintenance"], parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Shorts one by one or the largest loss, per expiry the one that is smaller at the anchor."""
        self._check(state)
        expiries, n = self._expiries(state, kind), len(state)
        fixed: list[Block] = []
        options = np.flatnonzero(state.option)
        if len(options):
            fixed.append(Block("option values", (Group.linear(options, state.value[options][None, :]),)))
        lost = self._collateral.lost(state, kind)
        fixed += [
            Block("collateral", (Group.of(np.array([n + a]), [np.array([[lost[a]]]), np.zeros((1, 1))]),))
            for a in np.flatnonzero(lost > 0).tolist()
        ]
        base = Encoding(self._rates(state, kind)[:, None], np.zeros((n, 1)), np.zeros(n), np.zeros(n), len(state.assets))

        def at(quantity: np.ndarray, reach: np.ndarray | None = None) -> Encoding:
            short, blocks = np.zeros(n), []
            for expiry in expiries:
                z = quantity[expiry.rows]
                counts = expiry.bounded(z) < expiry.one_by_one(z)
                if not counts:
                    short[expiry.rows] = expiry.alone
                blocks.append(expiry.loss_block(counts))
            return replace(base, short=short, blocks=(*blocks, *fixed), anchor=at if expiries else None)

        return at(np.zeros(n))

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """The standard manager's parameters, and those of the collateral posted."""
        cash = table("derive")["haircut"]
        posted = [asset for asset, n in zip(state.assets, collateral, strict=True) if n > 0]
        own = ["standard_manager"] if state.underlyings else []
        own += [f"haircut.{asset}" if asset in cash else f"portfolio_margin.collateral.{asset}" for asset in posted]
        return tuple(("derive", name) for name in own)

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """0 for what the venue takes: the requirement counts what is lost on collateral; NaN for what it does not."""
        return self._collateral.haircut(state, kind)
