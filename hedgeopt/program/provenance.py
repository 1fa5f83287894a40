"""Provenance of a proposal: digests of its inputs and scenarios, and the versions that computed it.

A digest is a SHA-256 in hexadecimal. Equal content gives an equal digest on every machine and whatever the files are called.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from datetime import UTC
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.costs.ladder import Ladder
from hedgeopt.models.data import own_tables
from hedgeopt.models.scenarios.set import TABLES, ScenarioSet
from hedgeopt.program.proposal_schema import canonical_json

__all__ = ["book_digest", "input_hashes", "market_digest", "scenario_digest", "versions"]

_COMPUTED_BY = ("hedgeopt", "numpy", "scipy", "pandas", "numba", "cvxpy", "highspy", "clarabel", "osqp", "ecos", "scs")


def input_hashes(book: Book, market: Market, policy: Policy) -> dict[str, str]:
    """SHA-256 of ``book``, ``market`` and ``policy``, and of the user's tables that are read for them.

    Of book and policy: their JSON (``model_dump(mode="json")``) with keys in order, without spaces, in UTF-8. Of the market:
    see :func:`market_digest`. Of a table, ``table NAME``: the file's bytes; venues' tables in the user's folders, and margin
    tables that accounts name. Packaged tables are told by the version of hedgeopt.
    """
    return {
        "book": book_digest(book),
        "market": market_digest(market),
        "policy": hashlib.sha256(canonical_json(policy.model_dump(mode="json"))).hexdigest(),
        **{f"table {name}": hashlib.sha256(file.read_bytes()).hexdigest() for name, file in _tables(book, market).items()},
    }


def book_digest(book: Book) -> str:
    """SHA-256 of a book's JSON, as in :func:`input_hashes`."""
    return hashlib.sha256(canonical_json(book.model_dump(mode="json"))).hexdigest()


def _tables(book: Book, market: Market) -> dict[str, Path]:
    """The user's files that set fees, margin and settlement of venues in book and market, by name."""
    found = own_tables("venue")
    if found:
        venues = {account.venue for account in book.accounts} | {item.venue for item in market.instruments.values()}
        found = {name: file for name, file in found.items() if name in venues}
    found |= own_tables("assets") | own_tables("stress")
    named = (account.margin.partition(":") for account in book.accounts)
    return found | {file: Path(file) for kind, _, file in named if kind == "table"}


def market_digest(market: Market) -> str:
    """SHA-256 of a market's content: timestamp, prices, instruments, quotes, and which of them are doubtful.

    The timestamp in ISO 8601 at UTC; prices and doubts as JSON with keys in order; then in the order of their ids each
    instrument's JSON; then by name the columns of the quotes with a value anywhere, rows in the order of their ids: numbers
    as little-endian doubles (one NaN for all), moments as nanoseconds since 1970, text as JSON. Where the market was read
    from, and its notes, are left out.
    """
    return _sha(_market_parts(market))


def scenario_digest(sample: ScenarioSet | None, stress: ScenarioSet) -> str:
    """SHA-256 of the sample and the stress scenarios: every array with its name and shape, assets, weights and labels."""
    return _sha(part for scenarios in (sample, stress) if scenarios is not None for part in _scenario_parts(scenarios))


@lru_cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in _COMPUTED_BY:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Versions of Python, hedgeopt and the libraries it computes with; those that are not installed are left out."""
    return dict(_versions())


def _sha(parts: Iterator[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def _market_parts(market: Market) -> Iterator[bytes]:
    yield market.timestamp.astimezone(UTC).isoformat().encode()
    yield canonical_json({name: float(price) for name, price in market.prices.items()})
    yield canonical_json(dict(market.doubtful))
    for key in sorted(market.depth):
        yield from _ladder_parts(market.depth[key])
    if market.impact is not None:
        yield canonical_json(market.impact.model_dump(mode="json"))
    instruments = market.instruments
    for key in sorted(instruments):
        yield key.encode()
        yield instruments[key].model_dump_json().encode()
    quotes = market.quotes
    order = np.argsort(quotes.index.to_numpy(dtype=object), kind="stable")
    yield canonical_json(quotes.index.to_numpy(dtype=object)[order].tolist())
    for name in sorted(quotes.columns):
        if not quotes[name].isna().all():
            yield str(name).encode()
            yield _column(quotes[name].iloc[order])


def _ladder_parts(ladder: Ladder) -> Iterator[bytes]:
    head = [ladder.instrument, ladder.timestamp.astimezone(UTC).isoformat(), ladder.kind, ladder.gas]
    yield canonical_json(head)
    for side in (ladder.bids, ladder.asks):
        for values in (side.price, side.size, side.reserve):
            yield np.ascontiguousarray(values, "<f8").tobytes()


def _column(values: pd.Series) -> bytes:
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        return np.asarray(values.to_numpy("datetime64[ns]").view("<i8")).tobytes()
    try:
        numbers = values.to_numpy(dtype="<f8")
    except (TypeError, ValueError):
        return canonical_json([None if pd.isna(value) else str(value) for value in values])
    return np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()


def _scenario_parts(scenarios: ScenarioSet) -> Iterator[bytes]:
    head: dict[str, Any] = {"assets": scenarios.assets, "horizon_days": scenarios.horizon_days, "labels": scenarios.labels}
    head |= {"path_seed": scenarios.path_seed, "expiry_noise": scenarios.expiry_noise}
    if scenarios.skew_tenor:
        head["skew_tenor"] = scenarios.skew_tenor
    if scenarios.noise:
        head["noise"] = {asset: one.model_dump(mode="json") for asset, one in sorted(scenarios.noise.items())}
    head["events"] = [item.event.model_dump(mode="json") for item in scenarios.events]
    yield canonical_json(head)
    arrays = {name: getattr(scenarios, name) for name in (*TABLES, "probabilities")}
    arrays |= {f"liquidity {name}": column for name, column in scenarios.liquidity.items()}
    arrays |= {f"recovery {name}": column for name, column in scenarios.recovery.items()}
    arrays |= {f"event {k}": item.happens for k, item in enumerate(scenarios.events)}
    for name in sorted(arrays):
        if arrays[name] is not None:
            yield f"{name} {arrays[name].shape}".encode()
            yield np.ascontiguousarray(arrays[name], "<f8").tobytes()
