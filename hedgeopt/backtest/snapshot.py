"""A market whose quotes are looked up thousands of times: columns as arrays, rows by a dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.market_arrays import MarketArrays

__all__ = ["Snapshot"]


class Snapshot(Market):
    """A :class:`~hedgeopt.inputs.market.Market` with the same answers; looking up quotes and their ages is much quicker."""

    @classmethod
    def of(cls, market: Market) -> Snapshot:
        """The same market."""
        if isinstance(market, cls):
            return market
        return cls(**{field.name: getattr(market, field.name) for field in fields(Market)})

    @cached_property
    def memory(self) -> dict[str, Any]:  # type: ignore[override]
        """Snapshots do not change: the book is priced before a decision, with its candidates, and after it."""
        return {}

    def arrays(self) -> MarketArrays:
        """Read once and kept."""
        return self._arrays

    @cached_property
    def _arrays(self) -> MarketArrays:
        return super().arrays()

    @cached_property
    def _ages(self) -> tuple[Any, Any]:
        """Oldest and newest time of all quotes."""
        stamps = self.quotes["timestamp"]
        if isinstance(stamps.dtype, pd.DatetimeTZDtype):
            plain = np.asarray(stamps, dtype="datetime64[ns]")  # in UTC; one that is missing makes both missing
            return pd.Timestamp(plain.min(), tz="UTC"), pd.Timestamp(plain.max(), tz="UTC")
        return stamps.min(), stamps.max()

    def require_fresh(self, ids: Sequence[str], as_of: datetime, max_age: timedelta) -> None:
        """Nothing to refuse where every quote is fresh; otherwise as the market says."""
        oldest, newest = self._ages
        if not (as_of - oldest <= max_age and newest - as_of <= max_age):
            super().require_fresh(ids, as_of, max_age)

    def quoted(self, field: str, ids: Sequence[str]) -> np.ndarray:
        """Column ``field`` for the given ids as floats; NaN where the market has no such instrument."""
        return self._arrays.quoted(field, ids)

    def quote(self, field: str, key: str) -> float:
        """The same for one id."""
        return self._arrays.quote(field, key)
