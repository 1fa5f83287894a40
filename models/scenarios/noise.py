"""What vols of single options do beside the moves that all share: noise of each expiry's level and skew, and of strikes.

Beside level, skew and term slope, every expiry moves a little by itself, and so does every strike within it. A sample
without that lets options of one expiry hedge each other perfectly, and an optimizer finds exactly what a model leaves out.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.files.counted import many
from hedgeopt.files.record import Record

__all__ = [
    "MEASURED",
    "ExpiryNoise",
    "Noise",
    "OptionNoise",
    "StrikeNoise",
    "measured_noise",
    "noise_by_asset",
    "strike_size",
]

_HOURS = 6.0
_STAND_IN = "*"
MEASURED = Path(__file__).parent.parent / "data" / "scenarios.toml"
"""Dated noises by underlying, estimated by ``hedgeopt scenarios fit``."""

_Size = Annotated[float, Field(ge=0, le=2)]


class StrikeNoise(Record):
    """Standard deviation of what the log vol of one strike does alone, by days to expiry and delta.

    Between the nodes its logarithm is linear in ln(days) and in delta; beyond them the nearest node counts. Over h hours it
    is ``size (h / 6) ^ exponent``: less than a random walk, because much of it is taken back. Draws are Student-t with
    ``degrees`` of freedom and unit variance, one for each strike of each expiry: its call and put share it.
    """

    days: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = Field(
        description="days to expiry of the rows, rising"
    )
    delta: Annotated[tuple[Annotated[float, Field(gt=0, le=0.5)], ...], Field(min_length=1)] = Field(
        description="absolute delta of the out-of-the-money side of the columns, rising"
    )
    size: tuple[tuple[_Size, ...], ...] = Field(description="standard deviation of the log vol over 6 hours, row by row")
    degrees: float = Field(default=5.0, gt=2, le=1000, description="degrees of freedom of the Student-t")
    exponent: float = Field(default=0.45, ge=0, le=1, description="growth with the length of time")

    @model_validator(mode="after")
    def _is_a_table(self) -> StrikeNoise:
        for name in ("days", "delta"):
            if list(getattr(self, name)) != sorted(set(getattr(self, name))):
                raise ValueError(f"{name} must rise")
        if len(self.size) != len(self.days) or any(len(row) != len(self.delta) for row in self.size):
            raise ValueError(f"size must have {many(len(self.days), 'row')} of {many(len(self.delta), 'number')}")
        return self


class ExpiryNoise(Record):
    """Standard deviation of what each expiry does alone, by days to expiry, over 6 hours.

    Over h hours it is ``(h / 6) ^ exponent`` times that. Between the nodes its logarithm is linear in ln(days), beyond them
    the nearest counts; draws are normal.
    """

    days: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = Field(
        description="days to expiry, rising"
    )
    size: tuple[_Size, ...] = Field(description="standard deviation over 6 hours at each of them")
    exponent: float = Field(
        default=0.5, ge=0, le=1, description="growth with the length of time; 0.5: nothing is taken back"
    )

    @model_validator(mode="after")
    def _is_a_column(self) -> ExpiryNoise:
        if list(self.days) != sorted(set(self.days)):
            raise ValueError("days must rise")
        if len(self.size) != len(self.days):
            raise ValueError(f"size must have {many(len(self.days), 'number')}")
        return self

    def over(self, days: float, horizon_days: float) -> float:
        """Standard deviation over the horizon for an expiry in ``days``."""
        log_size = np.interp(np.log(max(days, 1e-6)), np.log(self.days), np.log(np.maximum(self.size, 1e-12)))
        return float(np.exp(log_size) * (horizon_days * 24.0 / _HOURS) ** self.exponent)


class OptionNoise(Record):
    """Noises of one underlying's options beside what they share; what is left out is none."""

    expiry: ExpiryNoise | None = Field(default=None, description="of each expiry's log vol")
    skew: ExpiryNoise | None = Field(
        default=None, description="of each expiry's skew, in vol per ln(strike/forward)/sqrt(years)"
    )
    strike: StrikeNoise | None = Field(default=None, description="of each strike's log vol")


Noise = Literal["none", "measured"] | dict[str, OptionNoise]


@lru_cache(maxsize=1)
def measured_noise() -> dict[str, OptionNoise]:
    """The packaged noises by underlying; ``*`` is the stand-in for those that nobody measured."""
    from hedgeopt.files.reading import parse_toml

    data: dict[str, Any] = parse_toml(MEASURED, "noises")
    return {asset: OptionNoise(**one) for asset, one in data["scenarios"]["noise"].items()}


def noise_by_asset(noise: Noise, assets: tuple[str, ...]) -> dict[str, OptionNoise]:
    """The noise of each asset, empty for ``none``.

    ``measured`` gives the stand-in where nobody measured it; a table gives its ``*``, and without one a noise of nothing,
    which reports tell.
    """
    if noise == "none":
        return {}
    table = measured_noise() if isinstance(noise, str) else noise
    return {asset: table.get(asset) or table.get(_STAND_IN) or OptionNoise() for asset in assets}


def strike_size(noise: StrikeNoise, days: np.ndarray, delta: np.ndarray, horizon_days: float) -> np.ndarray:
    """(n,) standard deviation of the log vol of single strikes over the horizon.

    Parameters
    ----------
    days, delta : (n,)
        Days to expiry, and absolute delta, of which the out-of-the-money side counts: ``min(delta, 1 - delta)``.
    """
    otm = np.minimum(np.abs(delta), 1.0 - np.abs(delta))
    i, u = _between(np.log(np.array(noise.days)), np.log(np.maximum(days, 1e-6)))
    j, v = _between(np.array(noise.delta), otm)
    log_size = np.log(np.maximum(np.array(noise.size), 1e-12))
    last = log_size.shape[0] - 1, log_size.shape[1] - 1
    up, right = np.minimum(i + 1, last[0]), np.minimum(j + 1, last[1])
    found = (1 - u) * ((1 - v) * log_size[i, j] + v * log_size[i, right])
    found += u * ((1 - v) * log_size[up, j] + v * log_size[up, right])
    return np.asarray(np.exp(found) * (horizon_days * 24.0 / _HOURS) ** noise.exponent)


def _between(nodes: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The node before each value, and how far it is towards the next one (0 to 1)."""
    place = np.interp(at, nodes, np.arange(len(nodes), dtype=float))
    first = np.minimum(place.astype(np.int64), max(len(nodes) - 2, 0))
    return first, place - first
