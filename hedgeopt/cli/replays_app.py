"""The commands ``backtest`` and ``sweep``; the work is in :mod:`hedgeopt.cli.backtest` and :mod:`hedgeopt.cli.sweep`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hedgeopt.cli.options import EXIT_CODES, Json

__all__ = ["register_replays"]


def register_replays(app: typer.Typer) -> None:
    """Add the two commands to the application."""
    for command in (backtest, sweep):
        app.command(epilog=EXIT_CODES)(command)


class EngineKind(StrEnum):
    """Where a sweep's cells run."""

    local = "local"
    dask = "dask"


def backtest(
    config: Annotated[
        Path,
        typer.Argument(help="What to replay, which books, which policies, TOML.", metavar="CONFIG.toml", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for tables and pages, one folder per book.", metavar="DIR")
    ] = None,
    json: Json = False,
) -> None:
    """Replay recorded markets: every book of the file under every policy, with a ledger, margin and liquidation."""
    from hedgeopt.cli.backtest import backtest as command

    command(config, out, json)


def sweep(
    config: Annotated[
        Path, typer.Argument(help="What to vary, over which backtest, TOML.", metavar="CONFIG.toml", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for finished cells and the result; give it again to resume.", metavar="DIR")
    ],
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes, default one per core; with dask, most cells submitted at once.", min=1),
    ] = None,
    engine: Annotated[
        EngineKind, typer.Option("--engine", help="Where cells run: local (processes of this machine) or dask (a cluster).")
    ] = EngineKind.local,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of the Dask scheduler, tcp://HOST:8786.", metavar="ADDRESS")
    ] = None,
    json: Json = False,
) -> None:
    """Run a backtest over a grid or random draws of its fields, resumably, and deflate the winner for the search."""
    from hedgeopt.cli import sweep as sweeps

    sweeps.sweep(config, out, workers, engine.value, scheduler, json)
