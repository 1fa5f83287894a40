"""Paradex portfolio margin: the worst of 24 weighted scenarios or a charge on deltas, and provisions for funding and fees.

Per underlying, in USD:

1. scenario k moves the index by m_k and vols to ``vol (1 + v_k (30 / max(days, 1))^p)``, p = .30 below 30 days and .13
   above, at least ``min_vol_up`` where v_k > 0; its loss counts at the weight w_k; options in their last 30 minutes at the
   share of the window that is left;
2. minimum ``unhedged |D| + hedged (G - |D|) / 2`` with D the net and G the gross delta, in USD;
3. funding provision ``max(sum funding q N, 0)`` of the perpetuals over 8 hours, netted;
4. fee provision: taker rate of |notional| of perpetuals; options ``min(rate index, cap mark)`` per contract.

Initial margin ``max(1, 2) + 3 + 4``, maintenance half of the maximum, and the provisions. Open orders are not in a book. The
maximum of sums of absolute values is convex as ``hedged <= 2 unhedged``, so that the encoding is exact.

Source: github.com/tradeparadex/paradex-docs, portfolio-margin.mdx; paradex-py, paradex_py/margin (models/data/paradex.toml).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.collateral import haircuts_read
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.shocks import option_delta, option_values, tenor_power
from hedgeopt.models.margin.state import State

__all__ = ["Paradex", "ParadexGrid"]

_KINDS = ("perpetual", "option", "spot")


@dataclass(frozen=True, eq=False)
class ParadexGrid:
    """One underlying: rows (n,), weighted loss (K, n) and delta (n,) per unit in USD, and the two factors on deltas."""

    underlying: str
    rows: np.ndarray
    loss: np.ndarray
    delta: np.ndarray
    unhedged: float
    hedged: float

    def scanned(self, z: np.ndarray) -> float:
        """USD of the worst scenario."""
        return max(float((self.loss @ z).max()), 0.0)

    def least(self, z: np.ndarray) -> float:
        """USD that the deltas ask for."""
        net, gross = abs(float(self.delta @ z)), float(np.abs(self.delta * z).sum())
        return self.unhedged * net + self.hedged * (gross - net) / 2.0

    def block(self) -> Block:
        """The larger of both, exactly: a scenario more, in which every position has lines of its own for its gross delta."""
        n, zero = len(self.rows), np.zeros((1, len(self.rows)))
        net = (self.unhedged - self.hedged / 2.0) * self.delta[None, :]
        rise, fall = (np.vstack([self.loss, zero, sign * net]) for sign in (1.0, -1.0))
        groups = [Group.of(self.rows, [rise, fall])]
        for at in range(n):
            one = np.zeros((len(self.loss) + 2, 1))
            one[-1] = self.hedged / 2.0 * self.delta[at]
            groups.append(Group.of(self.rows[[at]], [one, -one]))
        return Block(f"{self.underlying} scenarios or deltas", tuple(groups))


class Paradex(MarginModel):
    """One account in portfolio margin."""

    name = "paradex"
    table_name = "paradex"
    source = "github.com/tradeparadex paradex-docs portfolio-margin.mdx, paradex-py (models/data/paradex.toml)"

    @property
    def shared(self) -> dict[str, Any]:
        """``[portfolio_margin]`` of the venue's table."""
        found: dict[str, Any] = table("paradex")["portfolio_margin"]
        return found

    def parameters(self, underlying: str) -> dict[str, Any]:
        """Scenarios and factors of one underlying."""
        found = self.shared.get(underlying)
        if not isinstance(found, dict):
            known = ", ".join(name for name, value in self.shared.items() if isinstance(value, dict))
            line = f"[portfolio_margin.{underlying}] with scenarios, unhedged and hedged"
            problem = f"no portfolio margin parameters for {underlying}"
            raise lacking("paradex", problem, field="portfolio_margin", line=line, known=known)
        if not 0.0 <= found["hedged"] <= 2.0 * found["unhedged"]:
            problem, fix = "is more than twice `unhedged`: no convex rule", "look the factors up again"
            field = f"portfolio_margin.{underlying}.hedged"
            raise InputError(problem, file="paradex.toml", field=field, value=found["hedged"], fix=fix)
        return found

    def grids(self, state: State) -> list[ParadexGrid]:
        """Every underlying's scenarios and deltas."""
        refuse_unknown_rows(state, self.name, _KINDS)
        coin = np.flatnonzero(state.inverse & ~state.owned)
        if len(coin):
            problem = f"{state.names[int(coin[0])]} settles in its coin; Paradex settles in USDC"
            fix = "hold it in an account with another margin model"
            raise InputError(problem, file="book", field=f"account {state.account}", fix=fix)
        return [self._grid(state, underlying) for underlying in state.underlyings]

    def _grid(self, state: State, underlying: str) -> ParadexGrid:
        p, shared, rows = self.parameters(underlying), self.shared, state.of(underlying)
        move, shock, weight = np.array(p["scenarios"], float).T
        option = state.option[rows]
        pnl, delta = np.zeros((len(move), len(rows))), np.zeros(len(rows))
        pnl[:, ~option] = move[:, None] * state.notional[rows[~option]]
        delta[~option] = state.notional[rows[~option]]
        if option.any():
            mine = rows[option]
            days, dollar = state.days[mine], state.settlement_price[mine]
            tenor = tenor_power(days, shared["short_power"], shared["long_power"], shared["dte_floor"], inclusive=False)
            vol = np.maximum(state.vol[mine] * (1.0 + shock[:, None] * tenor), 0.0)
            vol = np.where(shock[:, None] > 0, np.maximum(vol, shared["min_vol_up"]), vol)
            minutes = float(table("paradex")["settlement"]["averaging_minutes"])
            left = np.clip(days * 24.0 * 60.0 / minutes, 0.0, 1.0)
            now = option_values(state, mine, np.ones(1), state.vol[mine][None, :])
            pnl[:, option] = (option_values(state, mine, 1.0 + move, vol) - now) * dollar * left
            delta[option] = option_delta(state, mine) * state.index[mine] * dollar
        return ParadexGrid(underlying, rows, -weight[:, None] * pnl, delta, float(p["unhedged"]), float(p["hedged"]))

    def fees(self, state: State) -> np.ndarray:
        """(R,) USD of the fee provision per unit, of either sign."""
        rates = table("paradex")["fees"]
        dollar = state.settlement_price
        cap = np.minimum(rates["option_rate"] * state.index, rates["option_cap"] * state.mark) * dollar
        return np.where(state.option, cap, np.where(state.linear, rates["perpetual_taker"] * state.notional, 0.0))

    def funding(self, state: State, underlying: str) -> np.ndarray:
        """(R,) USD that one unit pays over the next 8 hours; negative: receives."""
        rows = state.of(underlying)
        rows = rows[state.perpetual[rows]]
        found, rates = np.zeros(len(state)), state.fundings[rows]
        if np.isnan(rates).any():
            at = int(rows[int(np.flatnonzero(np.isnan(rates))[0])])
            problem = f"{state.names[at]} needs its funding rate: Paradex's margin provides for 8 hours of it"
            raise InputError(problem, file="market", field="funding_8h", fix="give it in the market file")
        found[rows] = rates * state.notional[rows]
        return found

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Underlying by underlying."""
        refuse_unknown_rows(state, self.name, _KINDS, owed=quantity)
        risk, funding, parts = 0.0, 0.0, {}
        for grid in self.grids(state):
            z = quantity[grid.rows]
            scanned, least = grid.scanned(z), grid.least(z)
            parts[f"{grid.underlying} " + ("worst scenario" if scanned >= least else "deltas")] = max(scanned, least)
            risk += max(scanned, least)
            funding += max(float(self.funding(state, grid.underlying) @ quantity), 0.0)
        fees = float(self.fees(state) @ np.abs(quantity))
        parts |= {"funding": funding, "fees": fees}
        kept = float(self.shared["maintenance_factor"])
        return Requirement(risk + funding + fees, kept * risk + funding + fees, parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Blocks of scenarios and deltas, and of funding; fees as slopes: the rule itself."""
        factor = 1.0 if kind == "initial" else float(self.shared["maintenance_factor"])
        blocks: list[Block] = []
        for grid in self.grids(state):
            blocks.append(grid.block().scaled(factor))
            paid = self.funding(state, grid.underlying)
            rows = np.flatnonzero(paid)
            if len(rows):
                lines = np.vstack([paid[rows], np.zeros(len(rows))])
                blocks.append(Block(f"{grid.underlying} funding", (Group.linear(rows, lines),)))
        zero = Encoding.zero(len(state), len(state.assets))
        return replace(zero, slopes=self.fees(state)[:, None], blocks=tuple(blocks))

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Parameters of every underlying, what they share, and fees."""
        names = [f"portfolio_margin.{underlying}" for underlying in state.underlyings]
        names += ["fees"] if names else []
        shared = ("dte_floor", "short_power", "long_power", "min_vol_up") if state.option.any() else ()
        names += [f"portfolio_margin.{name}" for name in shared]
        return (*(("paradex", name) for name in names), *haircuts_read("paradex", state, collateral))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """0 for USDC, in both requirements; NaN for the rest."""
        known = table("paradex")["haircut"]
        return np.array([float(known.get(asset, np.nan)) for asset in state.assets])
