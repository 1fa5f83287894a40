"""The settings that a sweep varies, and the cells that follow from them."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, field_validator, model_validator

from hedgeopt.backtest.sweep.content import cell_files, cell_key
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.reading import parse_toml, validated
from hedgeopt.files.record import Record

__all__ = ["Cell", "Range", "SweepPlan", "read_plan"]

SweepObjective = Literal[
    "total_pnl", "sharpe_per_step", "volatility", "cvar_95", "max_drawdown", "cost", "turnover", "liquidations"
]
_LARGEST = 1_000_000


class Range(Record):
    """An interval to draw from in a random search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float = Field(description="least value")
    high: float = Field(description="largest value")
    log: bool = Field(default=False, description="draw the logarithm uniformly")
    integer: bool = Field(default=False, description="whole numbers, both ends included")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError("low must be below high, and both finite")
        if self.log and self.low <= 0:
            raise ValueError("log needs low above 0")
        return self

    def draw(self, rng: np.random.Generator) -> float | int:
        """One value."""
        low, high = (self.low, self.high + 1.0) if self.integer else (self.low, self.high)
        u = float(rng.random())
        value = low * (high / low) ** u if self.log else low + (high - low) * u
        return min(math.floor(value), int(self.high)) if self.integer else value


@dataclass(frozen=True)
class Cell:
    """One backtest to run.

    Attributes
    ----------
    key
        Content hash: of the configuration, the files it names and hedgeopt's own source.
    trial
        Number of the setting it belongs to; cells of one trial differ only in what the sweep goes ``across``.
    setting, replication
        Values put into the configuration, by dotted path.
    config
        The whole configuration.
    """

    key: str
    trial: int
    setting: dict[str, Any]
    replication: dict[str, Any]
    config: dict[str, Any]


class SweepPlan(Record):
    """A sweep as its TOML file describes it.

    A *trial* is one setting of the varied fields. It is run once for every combination of the fields the sweep goes across
    (periods, books, seeds), and judged on all of these together: a search over policies is not a search over periods.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="sweep", description="shown in reports")
    base: str | None = Field(default=None, description="backtest configuration to start from, a TOML file beside this one")
    backtest: dict[str, Any] = Field(default_factory=dict, description="the configuration itself, or changes to the base")
    method: Literal["grid", "random"] = Field(default="grid", description="every combination, or draws")
    count: int | None = Field(default=None, ge=1, le=_LARGEST, description="trials of a random search")
    seed: int = Field(default=0, ge=0, description="of a random search")
    maximize: SweepObjective | None = Field(default=None, description="measure that decides; default sharpe_per_step")
    minimize: SweepObjective | None = Field(default=None, description="measure that decides, the smaller the better")
    vary: dict[str, list[Any] | Range] = Field(description="dotted path of a field: values, or a range to draw from")
    across: dict[str, list[Any]] = Field(
        default_factory=dict, description="fields every trial is run across: periods, books"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.base is not None and Path(self.base).name != self.base:
            raise ValueError("base must be in the same folder")
        if not self.vary:
            raise ValueError("vary names no field")
        if self.maximize and self.minimize:
            raise ValueError("give maximize or minimize, not both")
        if (self.method == "random") != (self.count is not None):
            raise ValueError("a random search needs count, and a grid takes none")
        for path, values in (self.vary | self.across).items():
            if not path or "" in path.split("."):
                raise ValueError(f"{path!r} is not a dotted path")
            if isinstance(values, Range):
                if self.method == "grid":
                    raise ValueError(f"{path}: a grid needs a list of values, not a range")
            elif not values:
                raise ValueError(f"{path}: no values")
        for one, other in itertools.permutations([*self.vary, *self.across], 2):
            if one == other or other.startswith(one + "."):
                raise ValueError(f"{other} is varied twice")
        return self

    @field_validator("vary", mode="before")
    @classmethod
    def _ranges(cls, vary: Any) -> Any:
        """A table is a range, and faults in it are told as such."""
        if not isinstance(vary, dict):
            return vary
        return {path: Range.model_validate(v) if isinstance(v, dict) else v for path, v in vary.items()}

    @property
    def objective(self) -> tuple[str, float]:
        """Measure that decides, and 1 to maximise or -1 to minimise it."""
        return (self.minimize, -1.0) if self.minimize else (self.maximize or "sharpe_per_step", 1.0)

    def settings(self) -> Iterator[dict[str, Any]]:
        """Settings of the trials in order; a random search draws each once."""
        if self.method == "grid":
            values = [v for v in self.vary.values() if isinstance(v, list)]
            for combination in itertools.product(*values):
                yield dict(zip(self.vary, combination, strict=True))
            return
        rng = np.random.default_rng(self.seed)
        for _ in range(self.count or 0):
            yield {
                path: values.draw(rng) if isinstance(values, Range) else values[int(rng.integers(len(values)))]
                for path, values in self.vary.items()
            }

    def cells(self, folder: Path, runner: str = "") -> list[Cell]:
        """Every cell; settings drawn or listed twice count once. ``folder`` is where relative file names start."""
        base = self._base(folder)
        replications = [
            dict(zip(self.across, combination, strict=True)) for combination in itertools.product(*self.across.values())
        ]
        total = math.prod(len(v) if isinstance(v, list) else 1 for v in self.vary.values()) if self.method == "grid" else 0
        if max(total, self.count or 0) * len(replications) > _LARGEST:
            raise InputError(f"a sweep of more than {_LARGEST:,} cells", fix="vary less, or draw a random search")
        cells: dict[str, Cell] = {}
        trial = 0
        for setting in self.settings():
            found = []
            for replication in replications:
                config = copy.deepcopy(base)
                for path, value in (setting | replication).items():
                    put_at(config, path, copy.deepcopy(value))
                found.append(Cell(cell_key(config, folder, runner), trial, setting, replication, cell_files(config, folder)))
            if found[0].key not in cells:
                cells |= {cell.key: cell for cell in found}
                trial += 1
        return list(cells.values())

    def _base(self, folder: Path) -> dict[str, Any]:
        data = parse_toml(folder / self.base, "backtest") if self.base is not None else {}
        if not data and not self.backtest:
            raise InputError("no backtest to vary", field="base", fix="name a TOML file, or write a [backtest] table")
        return _merged(data, self.backtest)


def read_plan(path: str | Path) -> SweepPlan:
    """A plan from a TOML file."""
    return validated(SweepPlan, parse_toml(path, "sweep"), path)


def put_at(config: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a dotted path; a number steps into a list, a missing table is made."""
    *parents, last = path.split(".")
    here: Any = config
    for done, part in enumerate([*parents, last]):
        where = ".".join(path.split(".")[: done + 1])
        if isinstance(here, list):
            if not part.isdigit() or int(part) >= len(here):
                raise InputError(f"is not in the backtest: that list has {many(len(here), 'entry', 'entries')}", field=where)
            slot: Any = int(part)
        elif isinstance(here, dict):
            slot = part
        else:
            raise InputError("is not in the backtest: the field above it is a plain value", field=where, value=here)
        if done == len(parents):
            here[slot] = value
        else:
            here = here.setdefault(slot, {}) if isinstance(here, dict) else here[slot]


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
