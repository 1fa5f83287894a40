"""The ``hedgeopt scenarios`` commands; their tables come from :mod:`hedgeopt.reports.scenarios`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import progress
from hedgeopt.cli.inputs import MarketOptions, override, print_json, print_report, read_holdings, read_rules
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

if TYPE_CHECKING:
    import pandas as pd

    from hedgeopt.models.scenarios.set import ScenarioSet
    from hedgeopt.reports.fitted import FittedTable

__all__ = ["describe_sample", "describe_stress", "list_all", "sample"]


def list_all(policy: Path | None, json: bool = False) -> None:
    """Stress scenarios, and the kinds a policy may name."""
    with progress():
        from hedgeopt.reports.scenarios import list_generators, list_sets

        stress, kinds = list_sets(read_rules(policy).stress), list_generators()
    if json:
        print_json({"stress": stress.to_dict("records"), "kinds": kinds.to_dict("records")})
        return
    print_report(
        _table("Stress scenarios (simple returns; vol, spread and depth as multiples; numbers with a source)", stress),
        _table("Kinds that [scenarios] of a policy takes", kinds),
    )


def describe_stress(name: str, market: MarketOptions, policy: Path | None, json: bool = False) -> None:
    """Every number of one stress scenario with its source."""
    if market.files:
        raise InputError("a stress scenario needs no market", field="--market", fix=f"leave out --market, or {name}")
    with progress():
        from hedgeopt.reports.scenarios import stress_sources

        numbers = stress_sources(name, read_rules(policy).stress)
    if json:
        print_json({"name": name, "numbers": numbers.to_dict("records")})
    else:
        print_report(_table(name, numbers.drop(columns="sourced")))


def describe_sample(
    market: MarketOptions, policy: Path | None, book: Path | None, count: int | None, seed: int | None, json: bool = False
) -> None:
    """Moments, correlations and everything else of the policy's sample."""
    if not market.files:
        raise InputError("nothing to describe", fix="name a stress scenario, or give --market for the sample")
    with progress() as stage:
        from rich.text import Text

        from hedgeopt.models.scenarios.describe import describe
        from hedgeopt.reports.fitted import Plain
        from hedgeopt.reports.scenarios import correlation_table, describe_table, extra_lines

        drawn = _draw(market, policy, book, count, seed, stage)
        told = describe(drawn)
    if json:
        print_json(told.to_dict())
        return
    print_report(
        _table(f"{drawn.name}: log returns over the horizon, quantiles as simple returns", describe_table(drawn).T, ""),
        _table("Correlations of log returns", correlation_table(drawn), ""),
        *(Plain(Text(line)) for line in extra_lines(told)),
    )


def sample(
    market: MarketOptions,
    policy: Path | None,
    book: Path | None,
    count: int | None,
    seed: int | None,
    rows: int,
    worst_of: str | None,
    json: bool = False,
) -> None:
    """Some scenarios of the policy's sample."""
    with progress() as stage:
        from hedgeopt.reports.scenarios import sample_table

        drawn = _draw(market, policy, book, count, seed, stage)
        if worst_of is not None and worst_of not in drawn.assets:
            raise InputError(
                "is not in the sample", field="--worst-of", value=worst_of, fix=f"known: {', '.join(drawn.assets)}"
            )
        table = sample_table(drawn, rows, worst_of=worst_of)
    if json:
        print_json([{"scenario": label, **row} for label, row in zip(table.index, table.to_dict("records"), strict=True)])
        return
    which = f"first {len(table)}" if worst_of is None else f"{len(table)} worst of {worst_of}"
    print_report(_table(f"{drawn.name}: {which} of {many(len(drawn), 'scenario')}", table, "scenario"))


def _draw(
    market: MarketOptions, policy: Path | None, book: Path | None, count: int | None, seed: int | None, stage: Any
) -> ScenarioSet:
    from hedgeopt.exposures.resolve import resolve
    from hedgeopt.models.data import dollar_assets
    from hedgeopt.models.pegs import tokens
    from hedgeopt.models.scenarios.draw import draw

    stage("read")
    rules, quotes = override(read_rules(policy), count, seed), market.read()
    columns = quotes.prices if book is None else resolve(read_holdings(book, None, market.venue), quotes).assets
    stage("value")
    moved = [asset for asset in tokens(columns) if asset not in dollar_assets()]
    if not moved:
        raise InputError("holds no asset that a scenario moves", file=book or quotes.source)
    return draw(rules.scenarios, moved, quotes)


def _table(title: str, frame: pd.DataFrame, index: str | None = None) -> FittedTable:
    """A frame for the terminal; ``index`` heads its index, which is left out when None."""
    import pandas as pd

    from hedgeopt.reports.fitted import FittedTable

    numeric = {str(name): pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns}
    columns = [] if index is None else [(index, "left")]
    columns += [(name, "right" if is_number else "left") for name, is_number in numeric.items()]
    names = [name for name, is_number in numeric.items() if not is_number]
    folded = names if index is not None else names[1:]
    table = FittedTable(title, *columns, drop=[name for name, is_number in numeric.items() if is_number][::-1], fold=folded)
    for label, row in zip(frame.index, frame.itertuples(index=False), strict=True):
        table.add_row(*([] if index is None else [str(label)]), *map(_cell, row))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{0.0 if abs(value) < 1e-12 else value:.4g}"
    return str(value)
