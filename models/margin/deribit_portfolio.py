"""Deribit portfolio margin (X:PM): the worst of 27 + 8 scenarios, plus roll and delta shocks.

Per currency, in coins (domain: ``private/simulate`` of the API reference, whose example is reproduced to 1e-9):

1. standard table: index moves ``range * k / 4``, k = -4..4, with vol up, unchanged and down;
2. vol up ``max(vol (1 + up (30/dte)^p), floor)``, down ``max(vol (1 - down (30/dte)^p), 0)``, p = .30 below 30 days and
   .13 above;
3. extended table: eight far moves, vol up, P&L times ``factor range/|m| (1 + m)/(1 + sgn(m) range)``, then moved towards
   zero by ``(|m|/range - 1) dampener / (S (1 + sgn(m) range))``;
4. coin P&L of a future ``q (1 - 1/(1 + m))``, of an inverse option ``C'/F' - C/F``, of a linear one ``(C' - C) / (S (1 +
m))``;
5. roll shock ``sum over expiries of |delta_e| max(min_move, e^{risk T} - 1)``, perpetuals at the minimum;
6. delta shock ``min(max(|d| S - threshold, 0) |d| increment, cap |d| S)`` on the delta that long options cannot offset.

Risk matrix = worst loss + roll + delta shock; initial = risk matrix (plus what open orders and maker protection tie up,
which a book does not show), maintenance = 0.8 of it.

The delta shock is convex up to the kink ``threshold + cap S / increment`` (147.7m USD of BTC at 63,858, 66.9m of ETH at
1,874), where its cap takes over. Since ``|d|`` never exceeds the account's whole ``|delta|``, the shock of ``|delta|`` is
nowhere below it, and equal where no long options offset. The encoding takes that, with the kink as a cap on delta; an
account that is beyond it already counts the flat charge, which is exact there, and may not go further.

``model_version`` "legacy" is the older engine: 11 columns of 3 %, contingencies, initial = 1.2 of maintenance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.deribit_grid import Grid, scenario_grid
from hedgeopt.models.margin.encoding import Block, Cap, Encoding, Group, Ramp
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State

__all__ = ["DeribitPortfolio"]

_KINDS = ("perpetual", "future", "option", "spot", "pegged")


class DeribitPortfolio(MarginModel):
    """Portfolio margin; ``model_version`` "current" or "legacy"."""

    table_name = "deribit"
    source = "docs.deribit.com private/simulate; support.deribit.com Portfolio-Margin (models/data/deribit.toml)"

    def __init__(self, model_version: str = "current") -> None:
        if model_version not in ("current", "legacy"):
            raise InputError("unknown version", field="model_version", value=model_version, fix="current or legacy")
        self.version = model_version
        self.name = "deribit_portfolio" if model_version == "current" else "deribit_portfolio_legacy"
        data = table("deribit")
        self.shared = data["portfolio_margin"] if model_version == "current" else data["portfolio_margin_legacy"]

    def parameters(self, underlying: str) -> dict[str, Any]:
        """The table of one currency; the legacy engine has one for all."""
        if self.version == "legacy":
            return self.shared
        found = self.shared.get(underlying)
        if not isinstance(found, dict):
            known = [name for name, value in self.shared.items() if isinstance(value, dict)]
            raise lacking(
                "deribit",
                f"no portfolio margin parameters for {underlying}",
                field="portfolio_margin",
                line=f"[portfolio_margin.{underlying}], or hold it in an account with standard margin",
                known=", ".join(known),
            )
        return found

    def grids(self, state: State) -> list[Grid]:
        """The scenarios of every currency."""
        refuse_unknown_rows(state, self.name, _KINDS)
        return [
            scenario_grid(state, underlying, self.parameters(underlying), self.shared) for underlying in state.underlyings
        ]

    def roll_rates(self, state: State, rows: np.ndarray, p: dict[str, Any]) -> np.ndarray:
        """(n,) charge per coin of delta by expiry: step 5."""
        years = np.nan_to_num(state.years[rows], nan=0.0)
        return np.asarray(np.maximum(p["min_annual_move"], np.expm1(p["annual_move_risk"] * years)))

    def requirement(
        self, state: State, quantity: np.ndarray, collateral: np.ndarray, *, reserved: float = 0.0
    ) -> Requirement:
        """The venue's steps; ``reserved`` USD of open orders and market-maker protection, which add to initial margin."""
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        parts: dict[str, float] = {}
        matrices: list[np.ndarray] = []
        total = 0.0
        for grid in self.grids(state):
            z, p = quantity[grid.rows], self.parameters(grid.underlying)
            raw = grid.pnl @ z
            if self.version == "current":
                pnl = np.sign(raw) * np.maximum(np.abs(raw) - grid.damping, 0.0)
            else:
                pnl = raw
            charges = self._legacy_charges(state, grid, z) if self.version == "legacy" else self._charges(state, grid, z, p)
            for name, coins in charges.items():
                parts[f"{grid.underlying} {name}"] = coins * grid.index
                total += coins * grid.index
            if self.shared.get("netting", "separate") == "cross":
                gain = np.minimum(p["pnl_offset"] * np.maximum(pnl, 0.0) * grid.index, p["max_offset"])
                matrices.append(np.where(pnl < 0, pnl * grid.index, np.where(grid.extended, 0.0, gain)))
            else:
                worst = max(0.0, -float(pnl.min())) * grid.index
                parts[f"{grid.underlying} worst scenario"] = worst
                total += worst
        if matrices:
            worst = max(0.0, -float(np.sum(matrices, axis=0).min()))
            parts["worst scenario"] = worst
            total += worst
        if reserved:
            parts["reserved"] = reserved
        return Requirement(
            self.shared["initial_factor"] * total + reserved, self.shared["maintenance_factor"] * total, parts
        )

    def _charges(self, state: State, grid: Grid, z: np.ndarray, p: dict[str, Any]) -> dict[str, float]:
        """Roll and delta shock, coins."""
        roll = self.roll_rates(state, grid.rows, p)
        by_expiry: dict[float, float] = {}
        rate: dict[float, float] = {}
        for at, row in enumerate(grid.rows):
            key = -1.0 if state.perpetual[row] else float(state.years[row])
            by_expiry[key] = by_expiry.get(key, 0.0) + grid.delta[at] * z[at]
            rate[key] = p["min_annual_move"] if key < 0 else float(roll[at])
        roll_shock = sum(abs(delta) * rate[key] for key, delta in by_expiry.items())
        long_option = state.option[grid.rows] & (z > 0)
        d1, d2 = float(grid.delta[long_option] @ z[long_option]), float(grid.delta[~long_option] @ z[~long_option])
        naked = min(max(d1 + d2, d2), 0.0) if d2 < 0 else max(min(d1 + d2, d2), 0.0)
        dollars = abs(naked) * grid.index
        # USD, then coins: the increment is per USD of excess, capped at a share of the delta (units per reimplementations)
        shock = min(
            max(dollars - p["delta_shock_threshold"], 0.0) * abs(naked) * p["delta_shock_increment"],
            p["max_delta_shock"] * dollars,
        )
        return {"roll shock": roll_shock, "delta shock": shock / grid.index}

    def _legacy_charges(self, state: State, grid: Grid, z: np.ndarray) -> dict[str, float]:
        """Futures contingency on the sum of |positions|, and a charge per net short option and strike, coins."""
        option = state.option[grid.rows]
        futures = self.shared["futures_contingency"] * float(np.abs(grid.delta[~option] * z[~option]).sum())
        net: dict[tuple[float, float], float] = {}
        for at in np.flatnonzero(option):
            row = grid.rows[at]
            key = float(state.years[row]), float(state.strike[row])
            net[key] = net.get(key, 0.0) + z[at]
        short = self.shared["short_option"] * sum(max(-n, 0.0) for n in net.values())
        return {"futures contingency": futures, "short options": short}

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Scenario rows per currency, roll per expiry, the delta shock, and the cap on delta up to which it is convex."""
        factor = self.shared[f"{kind}_factor"]
        blocks: list[Block] = []
        caps: list[Cap] = []
        ramps: list[Ramp] = []
        groups: list[Group] = []
        legacy, cross = self.version == "legacy", self.shared.get("netting", "separate") == "cross"
        for grid in self.grids(state):
            p = self.parameters(grid.underlying)
            loss = -grid.pnl * grid.index
            if cross:
                gain = p["pnl_offset"] * loss * ~grid.extended[:, None]
                floor = np.where(grid.extended, 0.0, -p["max_offset"] if p["max_offset"] > 0 else 0.0)
                constants = np.stack([-grid.damping * grid.index, np.zeros(len(loss)), floor], axis=1)
                # loss counts in full; a gain at pnl_offset and never above max_offset; gains in far moves not at all
                keep = (gain, np.zeros_like(gain)) if p["max_offset"] > 0 and p["pnl_offset"] > 0 else (0 * gain, 0 * gain)
                groups.append(Group(grid.rows, np.stack([loss, *keep], axis=1), constants))
            else:
                rows = np.vstack([loss, np.zeros((1, loss.shape[1]))])
                constants = np.append(-grid.damping * grid.index, 0.0)
                group = Group(grid.rows, rows[:, None, :], constants[:, None])
                blocks.append(Block(f"{grid.underlying} worst scenario", (group,)))
            blocks += self._legacy_blocks(state, grid) if legacy else self._roll_blocks(state, grid, p)
            if not legacy:
                row = np.zeros(len(state) + len(state.assets))
                row[grid.rows] = grid.delta * grid.index
                rate = p["delta_shock_increment"] / grid.index
                ramp = Ramp(f"{grid.underlying} delta shock", row, p["delta_shock_threshold"], rate, p["max_delta_shock"])
                ramps.append(ramp)
                caps.append(Cap(f"delta {grid.underlying}", row, ramp.kink, "USD"))
        if groups:
            padded = tuple(
                Group(
                    g.columns,
                    np.concatenate([g.lines, np.zeros((1, *g.lines.shape[1:]))]),
                    np.vstack([g.constants, np.zeros(3)]),
                )
                for g in groups
            )
            blocks.append(Block("worst scenario", padded))
        zero = Encoding.zero(len(state), len(state.assets))
        return replace(zero, blocks=tuple(blocks), caps=tuple(caps), ramps=tuple(ramps)).scaled(factor)

    def _roll_blocks(self, state: State, grid: Grid, p: dict[str, Any]) -> list[Block]:
        rates = self.roll_rates(state, grid.rows, p)
        keys = np.array([-1.0 if state.perpetual[r] else float(state.years[r]) for r in grid.rows])
        rates[keys < 0] = p["min_annual_move"]
        groups = []
        for key in np.unique(keys):
            mine = keys == key
            row = (grid.delta * rates * grid.index)[mine][None, :]
            groups.append(Group.of(grid.rows[mine], [row, -row]))
        return [Block(f"{grid.underlying} roll shock", tuple(groups))]

    def _legacy_blocks(self, state: State, grid: Grid) -> list[Block]:
        option = state.option[grid.rows]
        groups = []
        for at in np.flatnonzero(~option):
            row = np.array([[self.shared["futures_contingency"] * grid.delta[at] * grid.index]])
            groups.append(Group.of(grid.rows[[at]], [row, -row]))
        strikes = np.array([(state.years[r], state.strike[r]) for r in grid.rows[option]]).reshape(-1, 2)
        chosen = grid.rows[option]
        for key in np.unique(strikes, axis=0):
            mine = (strikes == key).all(axis=1)
            row = np.full((1, int(mine.sum())), -self.shared["short_option"] * grid.index)
            groups.append(Group.of(chosen[mine], [row, 0.0 * row]))
        return [Block(f"{grid.underlying} contingencies", tuple(groups))] if groups else []

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Parameters of every currency, those of options where there are any, netting where there are several currencies."""
        section = "portfolio_margin" if self.version == "current" else "portfolio_margin_legacy"
        names = [f"{section}.{underlying}" for underlying in state.underlyings]
        names += [f"{section}.{name}" for name in ("short_power", "long_power", "dte_floor") if state.option.any()]
        names += [f"{section}.netting"] if len(state.underlyings) > 1 else []
        names += [section] if self.version == "legacy" and len(state.underlyings) else []
        return (*(("deribit", name) for name in names), *haircuts_read("deribit", state, collateral))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """Cross-collateral haircuts, initial margin only."""
        return haircuts("deribit", state, kind)
