"""A margin model from a table: a new venue is a TOML file, not code.

Three types::

    [margin]
    type = "tiers"                  # per position
    [margin.initial]                # USD notional from which a rate applies, and the rate
    BTC = [[0, 0.02], [1000000, 0.05]]
    "*" = [[0, 0.10]]
    [margin.maintenance]
    ...

    [margin]
    type = "short_option"           # perpetuals and futures by tiers, as above; short options one by one
    [margin.option.call]            # per contract: shares of the index S and the mark M, O out of the money; so option.put
    initial_out = 0.15              # initial max(initial_out S - O, initial_floor S) + M, at least maintenance
    initial_floor = 0.10
    maintenance = 0.03              # maintenance max(maintenance S, maintenance_mark M) + M + fee S
    maintenance_mark = 0.03
    fee = 0.002

    [margin]
    type = "grid"                   # worst scenario per underlying
    moves = [-0.15, -0.1, 0, 0.1, 0.15]      # of the index
    vols = [-0.25, 0.0, 0.3]                 # relative, times (30 / dte)^power
    power = 0.3
    futures_rate = 0.005            # of |notional| on top
    short_option_rate = 0.01        # of the index per contract sold, on top
    initial_factor = 1.2
    maintenance_factor = 1.0

and ``[haircut]`` by asset. Families of instruments beside perpetuals, futures, options and spot are taken where the table
says how, by their ``margin_class``; their notional N is the mark in USD::

    [margin.instrument.power_perpetual]      # tiers: rates of its own, by asset
    initial = { ETH = [[0, 0.20]] }
    maintenance = { ETH = [[0, 0.10]] }

    [margin.instrument.power_perpetual]      # grid: P&L of a move m is N ((1 + m)^p - 1), p the instrument's own ``power``
    power = 2.0                              # may be left out; where given, an instrument of another power is refused

The power is declared by the instrument, as its contract says it, and one class may hold several.

Every field of ``[margin]`` must be there: a rate that a venue does not charge is 0 in so many
words. Scenario P&L is in USD at the scenario's prices. Backtests close positions by the venue's rules where an account falls
below maintenance, and read them here for a venue of which hedgeopt knows none::

    [liquidation]
    part = 0.25                     # share of a position closed at a time
    no_quote = 0.10                 # how much worse than the mark where nobody quotes
    penalty_perpetual = { BTC = 0.005, default = 0.01 }    # of notional; so penalty_future, penalty_option
    target = 1.0                    # of maintenance, until which positions are closed
    whole_below = 1000.0            # USD of notional below which a position is closed whole
    backstop = 0.5                  # of maintenance, below which the venue takes the account over; none: never
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.shocks import option_values, tenor_power
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.table_rules import SECTIONS, TABLE_KINDS, check_table, liquidation_rule
from hedgeopt.models.margin.tiers import Tiers, encode_tiers

__all__ = ["Generic"]


class Generic(MarginModel):
    """The model that a parsed table describes; ``name`` is for messages, ``venue`` whose table it is (none: a file)."""

    def __init__(self, name: str, data: dict[str, Any], venue: str | None = None) -> None:
        self.file, self.venue = name, venue
        self.name = venue or name
        self.table_name = venue or (name if name.endswith(".toml") else f"{name}.toml")
        if venue is not None:
            data = {section: value for section, value in data.items() if section in SECTIONS}
        check_table(data, name)
        self.rules: dict[str, Any] = data["margin"]
        self.source = str(data.get("source", f"table {name}"))
        self.haircuts: dict[str, float] = data.get("haircut", {})
        if "liquidation" in data:
            self.liquidation_rule = liquidation_rule(data["liquidation"], name)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return (*TABLE_KINDS[self.rules["type"]], *self.classes)

    @property
    def classes(self) -> dict[str, dict[str, Any]]:
        """Rules of the margin classes that the table adds."""
        return self.rules.get("instrument", {})  # type: ignore[no-any-return]

    def _check(self, state: State, owed: np.ndarray | None = None) -> None:
        """Refuse what the table has no rule for; what it adds must be a margined contract, whose notional is its mark."""
        refuse_unknown_rows(state, self.name, self._kinds, owed=owed)
        for at in np.flatnonzero(~state.margined).tolist():
            if state.kind[at] in self.classes:
                raise InputError(
                    f"{state.names[at]} ({state.kind[at]}) is {state.nature[at].paid}: tables take margined contracts",
                    file=self.file,
                    field=f"margin.instrument.{state.kind[at]}",
                    fix="take it out of the table, and hold the position in an account without margin",
                )
        if self.rules["type"] == "grid":
            self._check_powers(state)

    def _check_powers(self, state: State) -> None:
        """Refuse contracts whose move with the index nobody declares, or the instrument and the table differently."""
        for at in [at for at, kind in enumerate(state.kind) if kind in self.classes]:
            own, listed = float(state.powers[at]), self.classes[state.kind[at]].get("power")
            problem = fix = None
            if not np.isfinite(own):
                problem = "declares no power of the index, by which a grid moves it"
                fix = "give its class a `power` (a field, a property or a constant), or use tiers"
            elif listed is not None and own != listed:
                problem = f"has power {own:g}, and the table says {listed:g} for all of its class"
                fix = "take the power out of the table: it is each instrument's own"
            if problem is not None:
                field = f"margin.instrument.{state.kind[at]}.power"
                raise InputError(f"{state.names[at]} ({state.kind[at]}) {problem}", file=self.file, field=field, fix=fix)

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """Tiers of one position."""
        by_asset = self.classes.get(state.kind[row], self.rules)[kind]
        steps = by_asset.get(state.underlying[row], by_asset.get("*"))
        if steps is None:
            problem, fix = f"{state.names[row]}: no margin tier for {state.underlying[row]}", 'add it, or "*" for the rest'
            if self.venue is not None:
                line = f'{state.underlying[row]} = [[0, RATE]] (or "*") to [margin.{kind}]'
                raise lacking(self.venue, problem, field=f"margin.{kind}", line=line)
            raise InputError(problem, file=self.file, fix=fix)
        return Tiers(tuple(float(step[0]) for step in steps), tuple(float(step[1]) for step in steps))

    def per_short(self, state: State, kind: Kind) -> np.ndarray:
        """(R,) USD that one short option needs: its venue's rule on index, mark and moneyness; 0 elsewhere."""
        found, names = np.zeros(len(state)), ("initial_out", "initial_floor", "maintenance", "maintenance_mark", "fee")
        for right, rule in self.rules.get("option", {}).items():
            rows = np.flatnonzero(state.option & (state.is_call == (right == "call")))
            out, floor, rate, of_mark, fee = (float(rule[name]) for name in names)
            dollar = np.where(state.inverse, 1.0, state.settlement_price)[rows]
            index, strike = state.index[rows] * dollar, state.strike[rows] * dollar
            mark = state.mark[rows] * np.where(state.inverse[rows], state.index[rows], state.settlement_price[rows])
            away = np.maximum(strike - index if right == "call" else index - strike, 0.0)
            maintenance = np.maximum(rate * index, of_mark * mark) + mark + fee * index
            initial = np.maximum(np.maximum(out * index - away, floor * index) + mark, maintenance)
            found[rows] = initial if kind == "initial" else maintenance
        return found

    def pnl(self, state: State, underlying: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n,) of one underlying and their USD P&L (K, n) per unit on the grid."""
        rows = state.of(underlying)
        moves, vols = np.array(self.rules["moves"], float), np.array(self.rules["vols"], float)
        move, shock = np.repeat(moves, len(vols)), np.tile(vols, len(moves))
        factor = 1.0 + move
        option = state.option[rows]
        pnl = np.zeros((len(move), len(rows)))
        pnl[:, ~option] = move[:, None] * state.notional[rows[~option]]
        for at, row in enumerate(rows.tolist()):
            if state.kind[row] in self.classes:
                pnl[:, at] = (factor ** state.powers[row] - 1.0) * state.notional[row]
        if option.any():
            chosen = rows[option]
            power = self.rules["power"]
            tenor = tenor_power(state.days[chosen], power, power, 1.0, inclusive=True)
            vol = np.maximum(state.vol[chosen] * (1.0 + shock[:, None] * tenor), 0.0)
            now = option_values(state, chosen, np.ones(1), state.vol[chosen][None, :])
            scale = np.where(state.inverse, state.index / state.forward, state.settlement_price)[chosen]
            pnl[:, option] = (option_values(state, chosen, factor, vol) - now) * scale
        return rows, pnl

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Position by position (tiers), or scenario by scenario (grid)."""
        self._check(state, quantity)
        if self.rules["type"] != "grid":
            held = np.flatnonzero(state.margined & (quantity != 0)).tolist()
            one, two = (
                sum(self.tiers(state, at, kind).margin(float(state.notional[at] * quantity[at])) for at in held)
                for kind in _BOTH
            )
            if self.rules["type"] == "tiers":
                return Requirement(one, two, {"positions": one})
            sold = np.maximum(-quantity, 0.0)
            charged = {kind: float(self.per_short(state, kind) @ sold) for kind in _BOTH}
            return Requirement(
                one + charged["initial"],
                two + charged["maintenance"],
                {"positions": one, "short options": charged["initial"]},
            )
        parts = {"worst scenario": 0.0, "futures": 0.0, "short options": 0.0}
        for underlying in state.underlyings:
            rows, pnl = self.pnl(state, underlying)
            parts["worst scenario"] += max(0.0, -float((pnl @ quantity[rows]).min()))
        notional = float(np.abs(state.notional * quantity).sum())
        short = float((state.index * np.maximum(-quantity, 0.0))[state.option].sum())
        parts["futures"] = self.rules["futures_rate"] * notional
        parts["short options"] = self.rules["short_option_rate"] * short
        total = sum(parts.values())
        return Requirement(self.rules["initial_factor"] * total, self.rules["maintenance_factor"] * total, parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """Tiers, or one block per underlying."""
        self._check(state)
        if self.rules["type"] != "grid":
            tiers = encode_tiers(state, lambda row: self.tiers(state, row, kind))
            return tiers if self.rules["type"] == "tiers" else replace(tiers, short=self.per_short(state, kind))
        blocks = []
        for underlying in state.underlyings:
            rows, pnl = self.pnl(state, underlying)
            group = Group.linear(rows, np.vstack([-pnl, np.zeros((1, len(rows)))]))
            blocks.append(Block(f"{underlying} worst scenario", (group,)))
        n = len(state)
        slopes = (self.rules["futures_rate"] * state.notional)[:, None]
        short = np.where(state.option, self.rules["short_option_rate"] * state.index, 0.0)
        encoding = Encoding(slopes, np.zeros((n, 1)), np.zeros(n), short, len(state.assets), tuple(blocks))
        return encoding.scaled(self.rules[f"{kind}_factor"])

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """The margin and haircuts of a venue's table; nothing of a separate file."""
        if self.venue is None:
            return ()
        posted = [asset for asset, amount in zip(state.assets, collateral.tolist(), strict=True) if amount]
        return ((self.venue, "margin"), *((self.venue, f"haircut.{asset}") for asset in posted if asset in self.haircuts))

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """From the table's [haircut]; without one every asset counts in full."""
        if kind == "maintenance" or not self.haircuts:
            return np.zeros(len(state.assets))
        return np.array([float(self.haircuts.get(asset, np.nan)) for asset in state.assets])


_BOTH: tuple[Kind, Kind] = ("initial", "maintenance")
