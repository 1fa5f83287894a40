"""Files of venues turned into a book, a table of quotes and price histories of ours, with an account of what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.given import Given
from hedgeopt.files.reading import validated
from hedgeopt.files.writing import write_atomically
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.payloads.accounts import accounts_of
from hedgeopt.inputs.payloads.comparisons import compare_deltas
from hedgeopt.inputs.payloads.documents import read_documents
from hedgeopt.inputs.payloads.form import Findings
from hedgeopt.inputs.payloads.join import quotes_of
from hedgeopt.inputs.payloads.margin_comparisons import compare_margins
from hedgeopt.inputs.payloads.recognise import forms_read

__all__ = ["Imported", "import_payloads"]

_LONGEST = 1e10
_NAMES = ("book.json", "quotes.csv", "history.csv")


@dataclass(frozen=True)
class Imported:
    """Everything that some payloads hold, in our forms.

    Attributes
    ----------
    book
        Accounts with collateral and positions; none where the payloads hold neither.
    quotes
        The neutral table (:mod:`hedgeopt.inputs.quotes`); empty where nothing is quoted.
    histories
        Price histories: a time column and one of prices per asset; none where there are none.
    notes
        What was read and done, one line each.
    tables
        Texts of venues' tables by venue, such as margin tiers.
    """

    book: Book | None
    quotes: pd.DataFrame
    histories: pd.DataFrame | None = None
    notes: tuple[str, ...] = field(default=())
    tables: dict[str, str] = field(default_factory=dict)

    def files(self) -> dict[str, str]:
        """Texts by name: ``book.json``, ``quotes.csv``, ``history.csv``, ``VENUE.toml``, those that there are."""
        found: dict[str, str] = {}
        if self.book is not None:
            found["book.json"] = self.book.model_dump_json(indent=2, exclude_defaults=True) + "\n"
        if len(self.quotes):
            found["quotes.csv"] = self.quotes.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
        if self.histories is not None:
            found["history.csv"] = self.histories.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
        found |= {f"{venue}.toml": text for venue, text in self.tables.items()}
        return found

    def write(self, folder: str | Path, force: bool = False) -> list[Path]:
        """Write the files, all or none; their paths.

        A folder that holds other contents under names that an import writes is refused, so that no file of an earlier
        import, or of the user's, is lost or taken for one of this; with ``force`` they are replaced, and those that this
        import does not write are removed.
        """
        folder = Path(folder)
        texts = {folder / name: text for name, text in self.files().items()}
        if not texts:
            left = "; ".join(note for note in self.notes if " left out: " in note)
            why = left or "the payloads hold no positions, collateral, quotes or prices"
            raise InputError(f"nothing to write: {why}", file=folder)
        old = [path for name in _NAMES if (path := folder / name).is_file() and path not in texts]
        changed = [path for path, text in texts.items() if path.is_file() and path.read_bytes() != text.encode()]
        if not force and (old or changed):
            problem = (
                "is there already, and this import would replace it" if changed else "is there already, of another import"
            )
            fix = "choose another folder, or give --force (force=True) to replace what is there"
            raise InputError(problem, file=(changed or old)[0], field="--out", fix=fix)
        for path in old:  # before the new ones: whatever happens, files of two imports never stand side by side
            path.unlink()
        write_atomically(texts)
        return list(texts)


@strict_call
def import_payloads(
    *sources: Given | Any,
    venue: str | None = None,
    margin: str | None = None,
    name: str = "book",
    asset: str | None = None,
    instrument: str | None = None,
    accounts: Mapping[str, str] | None = None,
    window_seconds: float = 300.0,
) -> Imported:
    """Read venues' payloads of any mixture of forms into one book and one table of quotes.

    Parameters
    ----------
    sources
        Files (JSON, JSON lines, CSV, compressed or not), open files, or parsed JSON values.
    venue
        Venue of payloads that do not name theirs, such as ccxt's.
    margin
        Margin rule of every account, instead of the one that the payloads state.
    asset
        Asset of a price history that does not name its own, such as ccxt's candles.
    instrument
        Instrument of the one reply that does not name its own, such as an order book of OKX without its channel.
    accounts
        Names of accounts by file, or by folder: what replies of different names hold adds up, and what those of one say
        twice counts once. Replies without a name are of the same account of their venue.
    window_seconds
        Replies lie at most this far apart.

    Raises
    ------
    InputError
        For a form that is not known, and for everything that cannot be trusted; one line.
    """
    if not sources:
        raise InputError("nothing to import", fix="give files of a venue")
    if not 0.0 <= window_seconds <= _LONGEST:
        raise InputError("is no time", field="window_seconds", value=window_seconds, fix="give seconds, 0 or more")
    within = timedelta(seconds=window_seconds)
    found, source = read_documents(sources, venue or "", asset, instrument or "", accounts, within)
    quotes = quotes_of(found, source) if found.quotes else pd.DataFrame()
    compare_deltas(found, quotes)
    compare_margins(found)
    book = book_of(found, source, margin, name)
    return Imported(book, quotes, found.history, (*forms_read(found), *found.said()), dict(found.tables))


def book_of(found: Findings, source: str, margin: str | None = None, name: str = "book") -> Book | None:
    """The book in what was found; None where there is neither position nor collateral.

    Raises
    ------
    InputError
        For accounts that make no book.
    """
    if not (found.holdings or found.posted or found.objects):
        return None
    accounts = accounts_of(found, source, margin)
    stamps = [row["timestamp"] for row in found.quotes if row["timestamp"] is not None] or [t for t, _ in found.times]
    mine = [one.moment for one in found.replies if one.holds in ("positions", "collateral") and one.moment is not None]
    stamps = mine or stamps
    data: dict[str, Any] = {"name": name, "accounts": accounts, "notes": [*forms_read(found), *found.said()]}
    if stamps:
        data["timestamp"] = max(stamps).isoformat()
    return validated(Book, json.loads(json.dumps(data)), source)


def imported_book(sources: Sequence[Any], venue: str | None = None, any_moment: bool = False) -> Book:
    """The book in payloads, for ``read_book``; ``any_moment``: replies may be of different moments.

    Raises
    ------
    InputError
        Where they hold neither position nor collateral.
    """
    within = timedelta(seconds=_LONGEST) if any_moment else timedelta(minutes=5)
    found, source = read_documents(sources, venue or "", within=within)
    compare_deltas(found, quotes_of(found, source) if found.quotes else pd.DataFrame())
    compare_margins(found)
    book = book_of(found, source)
    if book is None:
        kinds = dict.fromkeys(found.forms)
        forms = "; ".join(list(kinds)[:3]) + ("; …" if len(kinds) > 3 else "")
        raise InputError(f"holds no positions and no collateral ({forms})", file=source, fix="give the account's payloads")
    return book
