"""A margin model from a table: a new venue is a TOML file, not code.

Two types::

    [margin]
    type = "tiers"                  # per position
    [margin.initial]                # USD notional from which a rate applies, and the rate
    BTC = [[0, 0.02], [1000000, 0.05]]
    "*" = [[0, 0.10]]
    [margin.maintenance]
    ...

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

from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from hedgeopt.errors import InputError
from hedgeopt.files.faults import validation_line
from hedgeopt.files.names import advice
from hedgeopt.files.record import Record
from hedgeopt.models.margin.encoding import Block, Encoding, Group
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.shocks import option_values, tenor_power
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiers import Tiers, encode_tiers
from hedgeopt.models.pricing.families import natures

__all__ = ["Generic"]

_KINDS = {"tiers": ("perpetual", "future", "spot"), "grid": ("perpetual", "future", "option", "spot")}


_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0, le=100)]
_Step = tuple[Annotated[float, Field(ge=0)], _Share]


def _rising(steps: tuple[_Step, ...]) -> tuple[_Step, ...]:
    if steps[0][0] != 0 or any(later[0] <= step[0] for step, later in pairwise(steps)):
        raise ValueError("steps must begin at 0 USD and rise")
    if any(later[1] < step[1] for step, later in pairwise(steps)):
        raise ValueError("rates must not fall, as the requirement would not be convex; give a larger step no smaller rate")
    return steps


_Steps = Annotated[tuple[_Step, ...], Field(min_length=1), AfterValidator(_rising)]


class _TierInstrument(Record):
    """Rates by notional of one class of margined contracts."""

    initial: dict[str, _Steps]
    maintenance: dict[str, _Steps]


class _TierRules(Record):
    """Rates by notional, per position."""

    type: Literal["tiers"]
    initial: dict[str, _Steps]
    maintenance: dict[str, _Steps]
    instrument: dict[str, _TierInstrument] = Field(default_factory=dict)


class _GridInstrument(Record):
    """A class of margined contracts that the table takes; ``power`` where all of them must have the same."""

    power: float | None = None


class _GridRules(Record):
    """The worst of a grid of moves and vol shocks."""

    type: Literal["grid"]
    moves: tuple[Annotated[float, Field(gt=-1, le=10)], ...] = Field(min_length=1, max_length=1_000)
    vols: tuple[Annotated[float, Field(ge=-1, le=10)], ...] = Field(min_length=1, max_length=1_000)
    initial_factor: _Positive
    maintenance_factor: _Positive
    power: float = Field(ge=0, le=10)
    futures_rate: _Share
    short_option_rate: _Share
    instrument: dict[str, _GridInstrument] = Field(default_factory=dict)


class _Liquidation(Record):
    """Liquidation rule below maintenance margin, and ``penalty_KEY`` of any fee key; read by backtests alone."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, _Share]]

    part: float = Field(gt=0, le=1)
    no_quote: float = Field(ge=0, lt=1)
    target: float = Field(default=1.0, ge=1, le=10)
    whole_below: float = Field(default=0.0, ge=0)
    backstop: float | None = Field(default=None, gt=0, lt=1)


_SECTIONS = ("haircut", "liquidation", "margin", "source")


def _checked(data: dict[str, Any], name: str) -> None:
    """Refuse a table whose numbers are none, or none of a margin rule, and sections that nothing reads."""
    for section in data:
        if section not in _SECTIONS:
            fix = advice(section, _SECTIONS)
            raise InputError("is no section of a margin table", file=name, field=section, fix=fix)
    rules = data.get("margin")
    if not isinstance(rules, dict) or rules.get("type") not in _KINDS:
        raise InputError("needs [margin] with type = tiers or grid", file=name, field="margin.type")
    model: type[Record] = _TierRules if rules["type"] == "tiers" else _GridRules
    try:
        model.model_validate(rules)
    except ValidationError as error:
        raise validation_line(error, name, "[margin]") from None
    known = sorted({nature.margin_class for nature in natures().values() if nature.margined})
    for own in rules.get("instrument", {}):
        if own not in known:
            field, fix = f"margin.instrument.{own}", advice(own, known)
            raise InputError("is no margin class of a margined family", file=name, field=field, fix=fix)
    if "liquidation" in data:
        _liquidation(data["liquidation"], name)
    haircuts = data.get("haircut", {})
    if not isinstance(haircuts, dict):
        raise InputError("must be a table of assets and shares", file=name, field="haircut", value=haircuts)
    for asset, share in haircuts.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError("must be a share from 0 to 1", file=name, field=f"haircut.{asset}", value=share)


def _liquidation(data: Any, name: str) -> dict[str, Any]:
    """The section as backtests read it, ``penalty_KEY`` for any fee key."""
    if not isinstance(data, dict):
        raise InputError("must be a section", file=name, field="liquidation", value=data)
    known = [*_Liquidation.model_fields, *(f"penalty_{nature.fee}" for nature in natures().values() if nature.fee)]
    for key in data:
        if key not in known:
            raise InputError("is not used by anything", file=name, field=f"liquidation.{key}", fix=advice(key, known))
    try:
        return _Liquidation.model_validate(data).model_dump(exclude_none=True)
    except ValidationError as error:
        raise validation_line(error, name, "[liquidation]") from None


class Generic(MarginModel):
    """The model that a parsed table describes; ``name`` is for messages, ``venue`` whose table it is (none: a file)."""

    def __init__(self, name: str, data: dict[str, Any], venue: str | None = None) -> None:
        self.file, self.venue = name, venue
        self.name = venue or name
        if venue is not None:
            data = {section: value for section, value in data.items() if section in _SECTIONS}
        _checked(data, name)
        self.rules: dict[str, Any] = data["margin"]
        self.source = str(data.get("source", f"table {name}"))
        self.haircuts: dict[str, float] = data.get("haircut", {})
        if "liquidation" in data:
            self.liquidation_rule = _liquidation(data["liquidation"], name)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return (*_KINDS[self.rules["type"]], *self.classes)

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
            raise InputError(
                f"no margin tier for {state.underlying[row]}", file=self.file, fix='add it, or "*" for the rest'
            )
        return Tiers(tuple(float(step[0]) for step in steps), tuple(float(step[1]) for step in steps))

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
        if self.rules["type"] == "tiers":
            totals: dict[str, float] = {}
            for kind in ("initial", "maintenance"):
                held = np.flatnonzero(state.margined & (quantity != 0)).tolist()
                totals[kind] = sum(
                    self.tiers(state, at, kind).margin(float(state.notional[at] * quantity[at])) for at in held
                )  # type: ignore[arg-type]
            return Requirement(totals["initial"], totals["maintenance"], {"positions": totals["initial"]})
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
        if self.rules["type"] == "tiers":
            return encode_tiers(state, lambda row: self.tiers(state, row, kind))
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
