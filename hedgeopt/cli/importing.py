"""The command ``import``: files of venues to a book and a table of quotes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hedgeopt.cli.options import EXIT_CODES, InstrumentName, Json
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["register_import"]


def register_import(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("import", epilog=EXIT_CODES)(import_files)


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Replies of venues as they came: JSON or tables, any mixture.", metavar="FILE...", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for book.json, quotes.csv and history.csv.", metavar="DIR")],
    venue: Annotated[
        str | None,
        typer.Option("--venue", help="Venue of files that do not say theirs, such as ccxt's.", show_default=False),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option("--margin", help="Margin rule of every account, instead of the payloads'.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the book.")] = "book",
    asset: Annotated[
        str | None,
        typer.Option("--asset", help="Asset of a price history that does not name its own.", show_default=False),
    ] = None,
    instrument: InstrumentName = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            help="Name of the account that a file (or every file of a folder) is of. Repeatable.",
            metavar="FILE=NAME",
            show_default=False,
        ),
    ] = None,
    window: Annotated[float, typer.Option("--window", help="Most seconds between replies.", metavar="SECONDS")] = 300.0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what an earlier import, or anyone, left there under these names.")
    ] = False,
    json: Json = False,
) -> None:
    """Turn replies of venues into a book and a table of quotes, and say what was done."""
    from hedgeopt.cli.inputs import print_json
    from hedgeopt.cli.streams import output
    from hedgeopt.files.writing import refuse_unwritable
    from hedgeopt.inputs.importing import import_payloads

    refuse_unwritable(out)
    accounts: dict[str, str] = {}
    for word in account or []:
        file, _, label = word.rpartition("=")
        if not file or file in accounts:
            problem = "is given twice" if file else "is not FILE=NAME"
            raise InputError(problem, field="--account", value=word, fix="write --account positions.json=desk1")
        accounts[file] = label
    found = import_payloads(
        *files,
        venue=venue,
        margin=margin,
        name=name,
        asset=asset,
        instrument=instrument,
        accounts=accounts,
        window_seconds=window,
    )
    paths = found.write(out, force)
    if json:
        print_json({"files": [str(path) for path in paths], "notes": list(found.notes)})
        return
    lines = [*found.notes]
    if found.book is not None:
        held = f"{many(len(found.book.accounts), 'account')}, {many(found.book.n_positions, 'position')}"
        lines.append(f"{out / 'book.json'}: {held}")
    if len(found.quotes):
        venues = ", ".join(dict.fromkeys(found.quotes["venue"]))
        lines.append(f"{out / 'quotes.csv'}: {many(len(found.quotes), 'instrument')} of {venues}")
    if found.histories is not None:
        lines.append(f"{out / 'history.csv'}: {many(len(found.histories), 'row')}")
    output().write("".join(f"{line}\n" for line in lines))
