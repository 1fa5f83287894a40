"""``hedgeopt scenarios judge`` and ``document``: a model over a record, and its document for a validator."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import print_json, print_report
from hedgeopt.cli.streams import output
from hedgeopt.errors import InputError
from hedgeopt.files.regular import parse_moment

__all__ = ["chain_markets", "judge_chains", "write_document"]

_PEGS = {"stETH": ("ETH", 0.999)}
_HOURS = 24.0


def judge_chains(
    chains: Sequence[Path],
    model: str,
    start: str | None,
    end: str | None,
    horizons: Sequence[float],
    venue: str | None,
    seed: int,
    level: float,
    radius: float,
    out: Path | None,
    json: bool,
) -> None:
    """Replay, judge, write, print."""
    with progress() as stage:
        from hedgeopt.backtest.judged_model import judge_model
        from hedgeopt.files.reading import parse_toml
        from hedgeopt.files.writing import refuse_unwritable, write_atomically
        from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

        stage("read")
        if out is not None:
            refuse_unwritable(out.parent)
        settings = ParametricScenarios(model=model, seed=seed)
        told = parse_toml(Path(model), "scenario model").get("record", {}) if model != "measured" else {}
        stage("value")
        name = ", ".join(path.name for path in chains)
        days = [hours / _HOURS for hours in horizons]
        markets = chain_markets(chains, start, end, venue)
        found = judge_model(settings, markets, horizons=days, level=level, name=name, radius=radius)
        if not any(one.windows or one.left_out for _, one in found.rows):
            fix = "give a record that is longer than the horizons, or shorter --hours"
            raise InputError("holds no window to judge", file=chains[0], fix=fix)
        data = {"model": model, "fitted": told, "seed": seed, "radius": radius, **found.to_dict()}
        if out is not None:
            write_atomically({out: json_text.dumps(data, indent=2) + "\n"})
    if json:
        print_json(data)
    else:
        print_report(_table(data))
    if out is not None:
        say(f"wrote {out}; hedgeopt scenarios document --judged {out} puts it into the model's document")


def write_document(model: str, judged: Sequence[Path], out: Path | None) -> None:
    """Write the document, or print it."""
    from hedgeopt.files.reading import parse_json
    from hedgeopt.files.writing import write_atomically
    from hedgeopt.models.scenarios.document import model_document

    text = model_document(model, [(path.name, parse_json(path, "judged model")) for path in judged])
    if out is None:
        output().write(text)
    else:
        write_atomically({out: text})
        say(f"wrote {out}")


def chain_markets(chains: Sequence[Path], start: str | None, end: str | None, venue: str | None) -> Iterator[Any]:
    """The record's markets: all at the moment of the option quotes, stETH at 0.999 ETH."""
    from hedgeopt.backtest.chains import ChainReplay
    from hedgeopt.backtest.snapshot import Snapshot

    if not chains:
        raise InputError("is missing", field="CHAINS", fix="give recorded chains: Parquet, a folder of it, or CSV")
    replay = ChainReplay(
        chains=tuple(chains),
        start=None if start is None else parse_moment(start, "--from"),
        end=None if end is None else parse_moment(end, "--to"),
        venue=venue or "deribit",
        clock="quotes",
        ratios=_PEGS,
    )
    return (Snapshot.of(market) for market in replay)


def _table(data: dict[str, Any]) -> Any:
    from hedgeopt.reports.fitted import FittedTable
    from hedgeopt.reports.words import number

    columns = [("book", "left"), ("hours", "right"), ("windows", "right"), ("exceeded", "right"), ("expected", "right")]
    columns += [("p", "right"), ("worst / CVaR", "right"), ("left out", "right"), ("radius needed", "right")]
    level = f"{100 * data['rows'][0]['level']:g} %"
    table = FittedTable(f"{level} value at risk of model {data['model']} over the record", *columns, drop=("left out",))
    for row in data["rows"]:
        told = (row["windows"], row["hits"])
        numbers = [number(row[name], 2) for name in ("expected", "p_value", "worst")]
        hours, needed = f"{_HOURS * row['horizon_days']:g}", number(row["radius"], 2)
        table.add_row(row["book"], hours, *map(str, told), *numbers, str(row["left_out"]), needed)
    return table
