"""Backtests from a configuration: :func:`run` for one book and policy, :func:`run_config` for a file of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.kept import keep_result, kept_result
from hedgeopt.backtest.result import BacktestResult
from hedgeopt.backtest.settings import BacktestConfig, read_config
from hedgeopt.backtest.sweep.content import cell_key
from hedgeopt.backtest.venue_rules import rules_caveats
from hedgeopt.errors import InputError
from hedgeopt.exposures.references import Known, refuse_unknown
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.calls import strict_call
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market

__all__ = ["run", "run_config"]


@strict_call
def run(
    config: BacktestConfig | dict[str, Any],
    *,
    index: pd.DataFrame | None = None,
    markets: Iterable[Market] | None = None,
    progress: Callable[[str], None] | None = None,
) -> BacktestResult:
    """One book under one policy; a configuration with more is refused (:meth:`BacktestConfig.cells` splits it).

    ``markets`` are those of its replay, and ``index`` its index prices, where they were read already.
    """
    if isinstance(config, dict):
        config = BacktestConfig(**config)
    if len(config.books) != 1 or len(config.policies) != 1:
        raise InputError(
            "run takes one book and one policy", field="config", value=f"{len(config.books)} x {len(config.policies)}",
            fix="run each of config.cells()",
        )  # fmt: skip
    policy = config.policies[0].build()
    title = f"{config.books[0].title}, {policy.name}"

    def opened(book: Book, market: Market) -> None:
        known = Known.of(resolve(book, market))
        for field in ("books", "policies", "replay"):
            refuse_unknown(getattr(config, field), known, field, file="backtest")

    result = simulate(
        config.replay.build() if markets is None else markets,
        config.books[0],
        policy,
        config.settings(index),
        config=config.model_dump(mode="json"),
        progress=None if progress is None else lambda market: progress(f"{title}: {market.timestamp:%Y-%m-%d %H:%M}"),
        opened=opened,
    )
    if "premium" not in config.replay.funding.values():
        return result
    said = rules_caveats("funding", config.replay.venue, result.steps.index[-1].date())
    return replace(result, caveats=tuple(dict.fromkeys((*result.caveats, *said))))


@strict_call
def run_config(
    path: str | Path, progress: Callable[[str], None] | None = None, *, folder: str | Path | None = None
) -> list[BacktestResult]:
    """Every book of the file with every policy, in order.

    With a ``folder`` each result is kept in it as it finishes, by the contents of its configuration, of every file that it
    names and of hedgeopt's source: the same call goes on where it was cut off, and computes anew what has changed.
    """
    config = read_config(path)
    for k, policy in enumerate(config.policies):  # the last one's fault is not told after hours of the others
        try:
            policy.build()
        except InputError as error:
            if error.file not in (None, "policy"):  # it has its own file
                raise
            field = f"policies.{k}: {error.field}" if error.field else f"policies.{k}"
            raise InputError(error.problem, file=path, field=field, value=error.value, fix=error.fix) from None
    index = config.replay.index_prices()
    return [_once(cell, Path(path).parent, folder, index, progress) for cell in config.cells()]


def _once(
    cell: BacktestConfig, start: Path, folder: str | Path | None, index: pd.DataFrame | None, progress: Any
) -> BacktestResult:
    """One cell, or what was kept of it."""
    if folder is None:
        return run(cell, index=index, progress=progress)
    where = Path(folder) / cell_key(cell.model_dump(mode="json"), start.resolve(), "backtest")
    found = kept_result(where)
    if found is None:
        found = run(cell, index=index, progress=progress)
        keep_result(found, where)
    return found
