"""Fitting a whole scenario model to recorded chains, with a standard error for every number that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.models.scenarios.fit_joint import block_draws, fit_joint
from hedgeopt.models.scenarios.fit_parts import Parts, fit_asset, skew_exponent
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.surface_moves import SurfaceMoves, surface_moves

__all__ = ["FittedModel", "fit_model"]

_LONGER = 4
_DIGITS = 4


@strict_class
@dataclass(frozen=True)
class FittedModel:
    """A scenario model read off recorded chains.

    Attributes
    ----------
    settings
        What a policy's ``[scenarios]`` takes: slopes and noises by asset, ``degrees``, ``correlation``, jumps.
    errors
        Standard errors of the same numbers in the same places, by a block bootstrap over the record's days. NaN where a
        number is not estimated: nodes that the record does not show, which take the nearest node's, and exponents of a
        record too short for steps four times as long, which are 0.5.
    first, last
        Moments of the record.
    steps, step_hours
        How many moves were used, by asset, and how long they are.
    """

    settings: dict[str, Any]
    errors: dict[str, Any]
    first: pd.Timestamp
    last: pd.Timestamp
    steps: Mapping[str, int]
    step_hours: float

    def scenarios(self, **changes: Any) -> ParametricScenarios:
        """Settings of the parametric sample, with other fields as given, such as ``count`` or ``horizon_days``."""
        return ParametricScenarios(**{**self.settings, **changes})

    def to_toml(self) -> str:
        """The file that ``model = "..."`` of a policy's ``[scenarios]`` reads: ``[scenarios]``, then ``[errors]``."""
        import tomli_w

        told = {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "steps": dict(self.steps),
            "step_hours": round(self.step_hours, 3),
        }
        return tomli_w.dumps({"record": told, "scenarios": _rounded(self.settings), "errors": _rounded(self.errors)})


@strict_call
def fit_model(chain: pd.DataFrame, *, seed: int = 0, resamples: int = 200) -> FittedModel:
    """Fit the model to the chains of one venue, every underlying that they hold.

    Parameters
    ----------
    chain
        One row per option and moment: ``timestamp strike expiry option_type mark_iv underlying_price``, with ``currency``
        for several underlyings and ``index_price`` for the basis (:mod:`hedgeopt.models.scenarios.surface_moves`). Vols are
        decimals.
    seed, resamples
        Of the block bootstrap.

    Raises
    ------
    InputError
        For columns that are missing, vols in per cent, numbers that are not above 0, and fewer than 30 steps between
        snapshots, or that all underlyings have.
    """
    if resamples < 20:
        raise InputError("is too few for an error", field="resamples", value=resamples, fix="give 20 or more")
    for name in ("timestamp", "expiry"):
        if name in chain.columns and not isinstance(chain[name].dtype, pd.DatetimeTZDtype):
            raise InputError(
                "is not in UTC times", field=f"chain.{name}", value=str(chain[name].dtype), fix="parse it as UTC"
            )
    names = sorted(map(str, chain["currency"].unique())) if "currency" in chain.columns else ["*"]
    moves: dict[str, SurfaceMoves] = {}
    later: dict[str, SurfaceMoves | None] = {}
    for name in names:
        mine = chain if name == "*" else chain[(chain["currency"] == name).to_numpy()]
        try:
            moves[name] = surface_moves(mine)
            later[name] = _or_none(mine, _LONGER * moves[name].step_days)
        except InputError as error:
            raise InputError(f"{name}: {error.problem}", field=error.field, value=error.value, fix=error.fix) from None
    tenors = [skew_exponent(one) for one in moves.values()]
    tenor = float(np.mean(tenors))
    parts: dict[str, Parts] = {name: fit_asset(one, later[name], tenor, seed, resamples) for name, one in moves.items()}
    shared, errors = fit_joint(moves, seed, resamples)
    shared["skew_tenor"] = tenor
    draws = {name: block_draws(len(one.start), one.step_days, seed, resamples) for name, one in moves.items()}
    again = [[skew_exponent(one, rows) for rows in draws[name]] for name, one in moves.items()]
    errors["skew_tenor"] = float(np.std(np.mean(again, axis=0)))
    single = names == ["*"]
    settings = {**shared, "noise": {name: one.noise for name, one in parts.items()}}
    wrong = {**errors, "noise": {name: one.noise_errors for name, one in parts.items()}}
    if single:
        settings |= parts["*"].response
        wrong |= parts["*"].response_errors
    else:
        settings["by_asset"] = {name: one.response for name, one in parts.items()}
        wrong["by_asset"] = {name: one.response_errors for name, one in parts.items()}
    times = chain["timestamp"]
    return FittedModel(
        settings=settings,
        errors=wrong,
        first=times.min(),
        last=times.max(),
        steps={name: len(one.start) for name, one in moves.items()},
        step_hours=float(np.mean([one.step_days for one in moves.values()])) * 24.0,
    )


def _or_none(chain: pd.DataFrame, step_days: float) -> SurfaceMoves | None:
    try:
        return surface_moves(chain, step_days)
    except InputError:
        return None


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value
