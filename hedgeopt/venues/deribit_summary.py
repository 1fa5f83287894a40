"""Deribit's ``get_book_summary_by_currency`` as a chain, and implied vols for chains that carry marks alone.

A book summary names bid, ask and mark (coin), the forward as ``underlying_price``, a time in milliseconds, and the index
only as ``estimated_delivery_price`` (the same number outside the half hour before 08:00 UTC). Strike, expiry and right come
from the name; ``mark_iv`` is in per cent where it stands at all.
Source: Deribit API reference, public/get_book_summary_by_currency.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.option import Option
from hedgeopt.venues.deribit_names import parse_name

__all__ = ["as_chain", "with_implied_vols"]

_SIGNATURE = {"creation_timestamp", "estimated_delivery_price", "instrument_name", "mark_price"}
_QUOTED = ("bid_price", "ask_price", "mark_price", "underlying_price", "open_interest", "volume", "funding_8h")


def as_chain(frame: pd.DataFrame) -> pd.DataFrame:
    """A book summary with the columns of a chain; any other frame as it is."""
    if not set(frame.columns) >= _SIGNATURE:
        return frame
    items = [_parsed(name) for name in frame["instrument_name"]]
    options = [isinstance(item, Option) for item in items]
    chain = frame[[column for column in _QUOTED if column in frame.columns]].copy()
    chain["timestamp"] = pd.to_datetime(frame["creation_timestamp"], unit="ms", utc=True)
    chain["currency"] = [getattr(item, "underlying", getattr(item, "asset", None)) for item in items]
    chain["instrument_name"] = frame["instrument_name"]
    chain["option_type"] = [item.right if known else None for item, known in zip(items, options, strict=True)]
    chain["strike"] = [item.strike if known else np.nan for item, known in zip(items, options, strict=True)]
    chain["expiry"] = pd.to_datetime(
        [item.expiry if known else None for item, known in zip(items, options, strict=True)], utc=True
    )
    chain["index_price"] = frame["estimated_delivery_price"]
    if "underlying_price" not in chain:
        chain["underlying_price"] = np.nan
    if "mark_iv" in frame.columns:
        chain["mark_iv"] = frame["mark_iv"] / 100.0
    return chain


def _parsed(name: object) -> Any:
    try:
        return parse_name(str(name))
    except InputError:
        return None  # the reader names the row


def with_implied_vols(rows: pd.DataFrame, source: str, notes: list[str]) -> pd.DataFrame:
    """Rows of a chain with ``mark_iv`` filled in from the mark where it is missing; see ``read_market(invert_marks=True)``.

    Coin-settled marks are undiscounted Black-76 prices over the forward, dollar-settled ones the prices themselves.
    """
    from hedgeopt.models.pricing.implied_vol import implied_vol

    years = (rows["expiry"] - rows["timestamp"].max()).dt.total_seconds().to_numpy(float) / (365.0 * 86_400.0)
    missing = (rows["option_type"].notna() & rows["mark_iv"].isna()).to_numpy()
    usable = missing & (years > 0) & (rows["underlying_price"] > 0).to_numpy() & (rows["strike"] > 0).to_numpy()
    chosen = rows[usable]
    linear = chosen["instrument_name"].astype(str).str.contains("_").to_numpy()
    forward = chosen["underlying_price"].to_numpy(float)
    vol = np.full(len(rows), np.nan)
    vol[usable] = implied_vol(
        chosen["mark_price"].to_numpy(float) * np.where(linear, 1.0, forward),
        forward,
        chosen["strike"].to_numpy(float),
        years[usable],
        (chosen["option_type"] == "call").to_numpy(bool),
        errors="nan",
    )
    if missing.any():
        notes.append(f"implied vol of {int((~np.isnan(vol)).sum())} options is taken from their marks")
    without = usable & np.isnan(vol)
    if without.any():
        notes.append(
            f"{int(without.sum())} options are left out: their marks imply no vol "
            f"({', '.join(rows.loc[without, 'instrument_name'].astype(str).iloc[:3])}{', …' if without.sum() > 3 else ''})"
        )
    filled = rows.assign(mark_iv=rows["mark_iv"].where(~usable, vol))
    return filled[~without].reset_index(drop=True)
