"""A backtest as a file: markets to replay, books, policies, assumptions. See docs/backtest.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from hedgeopt.backtest.assumptions import Halt, Settings
from hedgeopt.backtest.books.recipes import AnyBook
from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.policies.kinds import AnyPolicy
from hedgeopt.backtest.recorded import index_history
from hedgeopt.backtest.sanity import Sanity
from hedgeopt.backtest.size_costs import FillRules
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.reading import parse_toml, validation_line
from hedgeopt.files.record import Record
from hedgeopt.models.data import use_tables
from hedgeopt.models.scenarios.sample_settings import AnyScenarios, ParametricScenarios

__all__ = ["BacktestConfig", "read_config"]

_PATHS = ("chains", "marks", "index")


class Ratio(Record):
    """A price as a multiple of another asset's."""

    of: str
    ratio: float = Field(default=1.0, gt=0)


class ReplayConfig(Record):
    """:class:`~hedgeopt.backtest.chains.ChainReplay`; paths are relative to the file."""

    chains: tuple[str, ...] = Field(
        min_length=1, description="chains or tables of quotes, Parquet or CSV; the first one's moments are the steps"
    )
    marks: tuple[str, ...] = Field(default=(), description="perpetual and futures marks")
    index: str | None = Field(default=None, description="chain file whose index prices expiries settle on, too")
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    warm_up_days: float = Field(
        default=0.0, ge=0, le=10_000, description="days before start whose index prices are known from the first step on"
    )
    funding: dict[str, float | str] = Field(default={}, description="by asset: rate per 8 h, premium, or a CSV of rates")
    synthetic_perpetuals: bool = Field(default=False, description="quote perpetuals at the index where no mark was recorded")
    ratios: dict[str, Ratio] = Field(default={}, description="prices of assets that the chain does not hold")
    assets: tuple[str, ...] = ()
    venue: str = Field(default="deribit", description="venue of the recording, whose names its instruments have")
    window: int = Field(default=24, ge=1, description="snapshots in memory")
    clock: Literal["recorded", "quotes"] = Field(
        default="recorded", description="quotes: index, perpetuals and futures at the moment of the option quotes"
    )

    @model_validator(mode="after")
    def _in_order(self) -> ReplayConfig:
        if self.warm_up_days and self.start is None:
            raise ValueError("warm_up_days needs a start: give the moment that the days are before")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"the period is empty: end {self.end.isoformat()} is not after start {self.start.isoformat()}")
        return self

    def build(self) -> ChainReplay:
        """The replay."""
        return ChainReplay(
            chains=tuple(Path(p) for p in self.chains),
            marks=tuple(Path(p) for p in self.marks),
            start=self.start,
            end=self.end,
            funding=self.funding,
            synthetic_perpetuals=self.synthetic_perpetuals,
            ratios={name: (ratio.of, ratio.ratio) for name, ratio in self.ratios.items()},
            assets=self.assets,
            venue=self.venue,
            window=self.window,
            clock=self.clock,
        )

    def index_prices(self) -> pd.DataFrame | None:
        """The recorded index, read whole: a few numbers a day."""
        return None if self.index is None else index_history(Path(self.index), self.venue)

    def earlier_prices(self) -> pd.DataFrame | None:
        """Index prices of the warm-up; None without one."""
        if not self.warm_up_days or self.start is None:
            return None
        known = index_history(Path(self.chains[0]), self.venue)
        begin = pd.Timestamp(self.start) - pd.Timedelta(days=self.warm_up_days)
        return known[(known.index >= begin) & (known.index < pd.Timestamp(self.start))]


class RiskConfig(Record):
    """The tail that the engine promises for the book after each decision; the horizon should be the step's length."""

    beta: float = Field(default=0.99, gt=0, lt=1)
    scenarios: AnyScenarios = ParametricScenarios(count=1000)
    promise: Literal["policy", "engine"] = Field(
        default="policy", description="engine: judge every policy by this sample, in place of the tail it states itself"
    )


class CostConfig(Record):
    """Costs where the data hold no quotes."""

    mark_half_spread: float | None = Field(
        default=0.0001, ge=0, lt=0.1, description="share of price around futures and perpetual marks; none: not traded"
    )


class SanityConfig(Record):
    """When a snapshot is passed over, and which quotes cannot be traded."""

    largest_move: float = Field(
        default=2.0,
        gt=1,
        le=1000,
        description="factor an index may move by in a day; more needs the next one's word",
    )
    max_quote_age_seconds: float = Field(default=600.0, gt=0, le=1e9, description="older quotes cannot be traded")


class FillConfig(Record):
    """What limits fills beside the quote; see :class:`~hedgeopt.backtest.size_costs.FillRules`."""

    sizes: Literal["any", "quoted"] = Field(default="any", description="quoted: no more than the size at the quote")
    lots: bool = Field(default=False, description="cut orders to whole lots")
    maker: Literal["at once", "rest"] = Field(
        default="at once",
        description="rest: orders of makers stand at the near side, and fill where the next snapshot comes to their price",
    )


class HaltConfig(Record):
    """A venue that was paused."""

    venue: str
    start: AwareDatetime
    end: AwareDatetime


class BacktestConfig(Record):
    """Everything that decides a backtest; :meth:`cells` gives one per book and policy."""

    name: str = "backtest"
    tables: tuple[str, ...] = Field(
        default=(), description="user tables of venues, assets and stress scenarios, from the file's folder"
    )
    replay: ReplayConfig
    books: Annotated[tuple[AnyBook, ...], Field(min_length=1)]
    policies: Annotated[tuple[AnyPolicy, ...], Field(min_length=1)]
    risk: RiskConfig = RiskConfig()
    costs: CostConfig = CostConfig()
    halts: tuple[HaltConfig, ...] = ()
    sanity: SanityConfig = SanityConfig()
    fills: FillConfig = FillConfig()
    unknown_margin: Literal["refuse", "not counted"] = Field(
        default="refuse", description="accounts whose margin no rule or number tells: end the run, or count none and say so"
    )

    def __init__(self, **data: Any) -> None:
        """``book`` and ``policy`` are short for lists of one."""
        for one, many in (("book", "books"), ("policy", "policies")):
            if one in data and many not in data:
                data[many] = [data.pop(one)]
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise validation_line(error, "backtest") from None

    def cells(self) -> list[BacktestConfig]:
        """Every book with every policy, in order."""
        return [
            self.model_copy(update={"books": (book,), "policies": (policy,)})
            for book in self.books
            for policy in self.policies
        ]

    def settings(self, index: pd.DataFrame | None = None) -> Settings:
        """For the engine; ``index`` where it was read already."""
        return Settings(
            scenarios=self.risk.scenarios,
            beta=self.risk.beta,
            promise=self.risk.promise,
            mark_half_spread=self.costs.mark_half_spread,
            halts=tuple(Halt(h.venue, h.start, h.end) for h in self.halts),
            index=self.replay.index_prices() if index is None else index,
            sanity=Sanity(self.sanity.largest_move, self.sanity.max_quote_age_seconds),
            unknown_margin=self.unknown_margin,
            warm_up=self.replay.earlier_prices(),
            fills=FillRules(self.fills.sizes, self.fills.lots, self.fills.maker),
        )


@strict_call
def read_config(path: str | Path) -> BacktestConfig:
    """Read a backtest from TOML; relative paths in it start from its folder.

    Raises
    ------
    InputError
        One line that names file, field, value and fix.
    """
    path = Path(path)
    data = parse_toml(path, "backtest")
    _resolve(data, path.parent)
    listed = data.get("tables", [])
    if isinstance(listed, list) and all(isinstance(one, str) for one in listed) and listed:
        use_tables(*listed)
    try:
        return BacktestConfig(**data)
    except InputError as error:
        raise error.at(path) from None


def _resolve(data: dict[str, Any], folder: Path) -> None:
    """Make paths absolute, so that a run does not depend on where it was started."""

    def full(text: Any) -> Any:
        return str((folder / text).resolve()) if isinstance(text, str) else text

    if isinstance(data.get("tables"), list):
        data["tables"] = [full(item) for item in data["tables"]]
    replay = data.get("replay")
    if isinstance(replay, dict):
        for key in _PATHS:
            if key in replay:
                given = replay[key]
                replay[key] = [full(item) for item in given] if isinstance(given, list) else full(given)
        funding = replay.get("funding")
        if isinstance(funding, dict):
            replay["funding"] = {k: full(v) if isinstance(v, str) and v != "premium" else v for k, v in funding.items()}
    for book in data.get("books", []) if isinstance(data.get("books"), list) else []:
        if isinstance(book, dict) and "file" in book:
            book["file"] = full(book["file"])
    policies = data.get("policies")
    _resolve_policies(policies if isinstance(policies, list) else [], full)


def _resolve_policies(policies: list[Any], full: Any) -> None:
    for policy in policies:
        if not isinstance(policy, dict):
            continue
        if isinstance(policy.get("policy"), str):
            policy["policy"] = full(policy["policy"])
        _resolve_policies([policy.get("calm"), policy.get("stressed")], full)
