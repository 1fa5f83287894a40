"""Vega and gamma by time to expiry, spread over key dates, as terms that may be limited.

An instrument that expires between two key dates counts at both, in proportion to closeness in days; before the first and
after the last it counts there whole. The weights of an instrument add up to 1, so buckets add up to the net Greek.
What never expires (liquidity positions have gamma) is in no bucket and is reported under ``none``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import LinearTerm, TradeVariables
from hedgeopt.models.pricing.family import GREEK_UNITS, greek
from hedgeopt.models.pricing.instrument import Asset
from hedgeopt.models.risk.greeks import asset_column
from hedgeopt.models.scope import Of, called, scope_of
from hedgeopt.models.term import Term

__all__ = ["KEY_DAYS", "GammaBucket", "VegaBucket", "bucket_weights", "row_days", "tenor_profile"]

KEY_DAYS = (7.0, 30.0, 90.0, 180.0, 365.0)
"""Days to expiry of the default key dates."""


def _rising(days: tuple[float, ...]) -> tuple[float, ...]:
    if not days or any(not 0 < a < float("inf") for a in days) or any(a >= b for a, b in pairwise(days)):
        raise ValueError("key dates must be positive and rising days, such as [7, 30, 90, 180, 365]")
    return days


KeyDays = Annotated[tuple[float, ...], AfterValidator(_rising)]


def bucket_weights(days: np.ndarray, key_days: Sequence[float] = KEY_DAYS) -> np.ndarray:
    """(M, K) share of each instrument at each key date; rows of NaN days (no expiry) are zero."""
    keys = np.asarray(key_days, float)
    known = ~np.isnan(days)
    weights = np.zeros((len(days), len(keys)))
    for k in range(len(keys)):  # interpolating the k-th unit vector gives the hat function of key k
        weights[known, k] = np.interp(days[known], keys, np.eye(len(keys))[k])
    return weights


def row_days(e: Exposures) -> np.ndarray:
    """(M,) days to expiry of each row; NaN for what never expires."""
    return np.array(
        [
            365.0 * item.years_from(e.timestamp) if hasattr(item, "years_from") else np.nan  # vaults: their option's
            for item in e.rows.instruments
        ]
    )


def tenor_profile(
    e: Exposures, quantity: np.ndarray, name: str, asset: int, key_days: Sequence[float] = KEY_DAYS
) -> dict[str, float]:
    """Net Greek ``name`` of positions (M,) by key date, as ``{"7d": ..., "none": ...}``."""
    days = row_days(e)
    held = quantity * e.rows.greeks[greek(name), :, asset]
    by_key = held @ bucket_weights(days, key_days)
    profile = {f"{key:g}d": float(value) for key, value in zip(key_days, by_key, strict=True)}
    return profile | {"none": float(held[np.isnan(days)].sum())}


class _BoundBucket(LinearTerm):
    def __init__(self, trades: TradeVariables, e: Exposures, spec: _Bucket) -> None:
        super().__init__(trades, e)
        self._spec = spec

    def _per_unit(self, e: Exposures) -> np.ndarray:
        weights = bucket_weights(row_days(e), self._spec.key_days)[:, self._spec.key_days.index(self._spec.days)]
        found = weights * e.rows.greeks[greek(self._spec.greek), :, asset_column(e, self._spec.underlying)]
        scope = scope_of(e, self._spec.of)
        return found if scope is None else found * scope.rows

    def coefficients(self, e: Exposures) -> np.ndarray:
        return self._per_unit(e)[e.candidate]

    def constant(self, e: Exposures) -> float:
        return float(self._per_unit(e) @ e.rows.quantity)

    def constant_size(self, e: Exposures) -> float:
        return float(np.abs(self._per_unit(e)) @ np.abs(e.rows.quantity))


class _Bucket(Term):
    affine: ClassVar[bool] = True
    by_candidate: ClassVar[bool] = True
    source: ClassVar[str] = "key-rate durations, Ho (1992), applied to vol tenors"
    greek: ClassVar[str]

    kind: str
    underlying: Asset = Field(description="asset code, such as BTC")
    days: float = Field(gt=0, description="the key date: one of key_days")
    key_days: KeyDays = Field(default=KEY_DAYS, description="days to expiry of all key dates, rising")
    of: Of = ()

    def __init__(self, underlying: str | None = None, days: float | None = None, **data: object) -> None:
        given = {"underlying": underlying, "days": days}
        super().__init__(**{name: value for name, value in given.items() if value is not None}, **data)

    @model_validator(mode="after")
    def _a_key_date(self) -> _Bucket:
        if self.days not in self.key_days:
            raise ValueError(f"days {self.days:g} is none of the key dates {', '.join(f'{d:g}' for d in self.key_days)}")
        return self

    @property
    def name(self) -> str:
        """Such as ``vega BTC 30d``."""
        return called(f"{self.greek} {self.underlying} {self.days:g}d", self.of)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundBucket:
        """Linear in the trades."""
        return _BoundBucket(trades, e, self)


class VegaBucket(_Bucket):
    """Net vega at one key date: USD per vol point of the options that expire near it."""

    unit: ClassVar[str] = GREEK_UNITS["vega"]
    greek: ClassVar[str] = "vega"
    kind: Literal["vega_bucket"] = "vega_bucket"

    def __init__(self, underlying: str | None = None, days: float | None = None, **data: object) -> None:
        super().__init__(underlying, days, **data)


class GammaBucket(_Bucket):
    """Net gamma at one key date: change of delta in coins per USD, of the options that expire near it."""

    unit: ClassVar[str] = GREEK_UNITS["gamma"]
    greek: ClassVar[str] = "gamma"
    kind: Literal["gamma_bucket"] = "gamma_bucket"

    def __init__(self, underlying: str | None = None, days: float | None = None, **data: object) -> None:
        super().__init__(underlying, days, **data)
