"""Joint moves from price history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.config import HistoricalScenarios, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.vol_response import vol_response

__all__ = ["historical", "overlapping_returns", "read_prices"]

_TIMES = ("timestamp", "date", "time", "datetime")
_FEWEST = 30


def read_prices(path: str | Path, assets: Sequence[str]) -> pd.DataFrame:
    """A price history as a frame: UTC times in the index, one column per asset, strictly positive.

    Takes a table with a time column (timestamp, date, time or datetime) and either one column per asset (``BTC``, ``btc`` or
    ``btc_close``) or rows of ``symbol``/``asset``/``currency`` with a ``close``/``price``.

    Raises
    ------
    InputError
        For a missing asset, a price that is not positive, duplicate times, or times out of order.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("price history not found", file=path, field="scenarios.prices")
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    lower = {str(column).lower(): column for column in frame.columns}
    if frame.index.name and str(frame.index.name).lower() in _TIMES:
        frame = frame.reset_index()
        lower = {str(column).lower(): column for column in frame.columns}
    when = next((lower[name] for name in _TIMES if name in lower), None)
    if when is None:
        raise InputError(f"no time column ({', '.join(_TIMES)})", file=path)
    times = pd.to_datetime(frame[when], utc=True, errors="coerce")
    if times.isna().any():
        raise InputError("a time cannot be read", file=path, field=str(when), value=frame[when][times.isna()].iloc[0])
    label = next((lower[name] for name in ("symbol", "asset", "currency", "base") if name in lower), None)
    columns: dict[str, pd.Series] = {}
    for asset in assets:
        if label is not None:
            price = lower.get("close", lower.get("price"))
            mine = frame[label].astype(str).str.upper().str.split(r"[-_/]").str[0] == asset.upper()
            if price is None or not mine.any():
                raise InputError(f"holds no prices of {asset}", file=path)
            values = pd.Series(frame.loc[mine, price].to_numpy(float), index=pd.DatetimeIndex(times[mine]))
        else:
            name = next((lower[n] for n in (asset.lower(), f"{asset.lower()}_close") if n in lower), None)
            if name is None:
                raise InputError(
                    f"holds no prices of {asset}", file=path, fix=f"columns: {', '.join(map(str, frame.columns))}"
                )
            values = pd.Series(frame[name].to_numpy(float), index=pd.DatetimeIndex(times))
        if values.index.has_duplicates:
            raise InputError(f"{asset} has the same time twice", file=path, value=values.index[values.index.duplicated()][0])
        if not (values > 0).all():
            raise InputError(f"price of {asset} is not positive", file=path, value=float(values[~(values > 0)].iloc[0]))
        columns[asset] = values.sort_index()
    return pd.DataFrame(columns).dropna()


def overlapping_returns(prices: pd.DataFrame, horizon_days: float) -> np.ndarray:
    """(W, A) log returns over every window of the horizon; windows across gaps are left out.

    Raises
    ------
    InputError
        When the history is coarser than the horizon or holds fewer than 30 windows.
    """
    index = pd.DatetimeIndex(prices.index)
    step = (index[1:] - index[:-1]).median()
    lag = round(pd.Timedelta(days=horizon_days) / step)
    if lag < 1:
        raise InputError(
            f"price history has one row per {step}, coarser than the horizon",
            field="scenarios.horizon_days",
            value=horizon_days,
        )
    span = index[lag:] - index[:-lag]
    whole = np.asarray(span <= 1.5 * lag * step)
    logs = np.log(prices.to_numpy(float))
    moves = (logs[lag:] - logs[:-lag])[whole]
    if len(moves) < _FEWEST:
        raise InputError(f"price history gives only {len(moves)} moves over the horizon, {_FEWEST} are needed")
    return np.asarray(moves)


def historical(settings: HistoricalScenarios, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """Whole rows (all assets at one time) drawn with replacement; vol follows spot and noise of its own."""
    moves = overlapping_returns(read_prices(settings.prices, assets), settings.horizon_days)
    years = settings.horizon_days / 365.0
    moves = moves - moves.mean(axis=0)
    if settings.scale_to_market:
        for a, asset in enumerate(assets):
            implied = market.atm_vol(asset, max(settings.horizon_days, 30.0))
            if implied is not None:
                moves[:, a] *= implied * np.sqrt(years) / moves[:, a].std()
    rng = np.random.Generator(np.random.PCG64(settings.seed))
    log_return = moves[rng.integers(0, len(moves), settings.count)]
    noise = rng.standard_normal(settings.count)
    return ScenarioSet(
        name=f"historical, {settings.count} draws of {len(moves)} moves, seed {settings.seed}",
        assets=tuple(assets),
        spot_factor=np.exp(log_return),
        log_vol_shift=vol_response(
            log_return,
            noise,
            beta_down=settings.vol_beta,
            beta_up=settings.vol_beta_up,
            vol_of_vol=settings.vol_of_vol,
            years=years,
        ),
        horizon_days=settings.horizon_days,
    )
