"""Joint moves from price history: overlapping windows, filtered by volatility if asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.models.scenarios.garch import garch_vol
from hedgeopt.models.scenarios.history import FEWEST, Windows, cut_windows, read_prices
from hedgeopt.models.scenarios.joint import joint_moves
from hedgeopt.models.scenarios.response import responses, with_jumps
from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios, VolMarket
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.models.scenarios.variates import uniforms

__all__ = ["choose_windows", "ewma_vol", "historical"]


def historical(settings: HistoricalScenarios, assets: Sequence[str], market: VolMarket) -> ScenarioSet:
    """Whole windows (all assets together), centred, filtered and rescaled as the settings ask.

    The sample keeps what a correlation matrix loses: which assets fell together, in which crash. Vol and funding come from
    the same windows where histories of them are given, and otherwise follow spot.

    Raises
    ------
    InputError
        For any fault of a history (gaps, repeated or unordered times, prices of zero or below, too few windows).
    """
    prices = read_prices(settings.prices, assets)
    span = settings.block_days or settings.horizon_days
    windows = cut_windows(prices, span, gaps=settings.gaps, file=settings.prices)
    moves, keep = windows.log_return, np.ones(len(windows.start), bool)
    current = None
    if settings.filtered:
        if settings.filter_model == "garch":
            vol, current = garch_vol(prices, windows, max(round(settings.horizon_days / (windows.years * 365.0)), 1))
        else:
            vol, current = ewma_vol(prices, windows, settings.halflife_days)
        keep = np.isfinite(vol).all(axis=1)
        if keep.sum() < FEWEST:
            raise InputError(
                f"price history leaves {many(int(keep.sum()), 'window')} after the first {FEWEST} steps",
                file=settings.prices,
            )
        moves = moves / np.where(keep[:, None], vol, 1.0)
    extra = joint_moves(settings, assets, prices, windows)
    keep &= extra.known
    if keep.sum() < FEWEST:
        raise InputError(
            f"vol and funding histories leave {many(int(keep.sum()), 'window')}, {FEWEST} are needed", file=settings.prices
        )
    moves = moves[keep] - moves[keep].mean(axis=0)
    if current is not None:
        moves = moves * current
    blocks = max(round(settings.horizon_days / span), 1)
    chosen = choose_windows(settings.seed, settings.sampling, len(moves), settings.count, blocks)
    log_return = moves[chosen].sum(axis=1)
    spread = moves.std(axis=0) * np.sqrt(blocks)
    if settings.scale_to_market:
        for a, asset in enumerate(assets):
            implied = market.atm_vol(asset, max(settings.horizon_days, 30.0))
            if implied is not None:
                log_return[:, a] *= implied * np.sqrt(settings.horizon_days / 365.0) / spread[a]
    log_return = with_jumps(settings, log_return)
    fields = responses(settings, log_return, assets)
    for name, column, values in extra.columns:
        table = np.zeros_like(log_return) if fields[name] is None else fields[name]
        table[:, column] = values[keep][chosen].sum(axis=1)
        fields[name] = table
    return ScenarioSet(
        name=(
            f"historical{' filtered' if settings.filtered else ''}, {settings.count:,} draws of {many(len(moves), 'move')}, "
            f"seed {settings.seed}"
        ),
        assets=tuple(assets),
        spot_factor=np.exp(log_return),
        horizon_days=settings.horizon_days,
        **fields,
    )


def ewma_vol(prices: pd.DataFrame, windows: Windows, halflife_days: float) -> tuple[np.ndarray, np.ndarray]:
    """Vol before each window (W, A), and the latest (A,), both over the length of one window.

    ``v_t = lambda v_{t-1} + (1 - lambda) r_{t-1}^2``, started at the mean square of the first 30 steps; NaN for windows that
    begin inside them. Only moves before a window enter its vol (Barone-Adesi, Giannopoulos and Vosper 1999, with an EWMA in
    place of their GARCH).
    """
    steps = np.diff(np.log(prices.to_numpy(float)), axis=0)
    if len(steps) <= FEWEST:
        raise InputError(f"price history of {many(len(prices), 'row')} is too short to filter", fix="give more history")
    decay = 0.5 ** (windows.years * 365.0 / windows.lag / halflife_days)
    variance = np.full((len(prices), steps.shape[1]), np.nan)
    level = (steps[:FEWEST] ** 2).mean(axis=0)
    for t in range(FEWEST, len(prices)):
        if t > FEWEST:
            level = decay * level + (1.0 - decay) * steps[t - 1] ** 2
        variance[t] = level
    vol = np.sqrt(variance * windows.lag)
    if (vol[FEWEST:] == 0).any():
        raise InputError("price history does not move at first, so that its vol is zero", fix="cut the dead rows")
    return vol[windows.start], vol[-1]


def choose_windows(seed: int, sampling: str, available: int, count: int, blocks: int) -> np.ndarray:
    """(count, blocks) window numbers, reproducible from the seed.

    *exhaustive*: as many whole rounds of all windows as fit, then a random part of one more, without repetition.
    """
    if sampling == "exhaustive":
        rounds, rest = divmod(count, available)
        order = np.argsort(uniforms(seed, "windows", available)[:, 0], kind="stable")
        return np.concatenate([np.tile(np.arange(available), rounds), order[:rest]]).astype(np.int64)[:, None]
    return (uniforms(seed, "windows", count, blocks) * available).astype(np.int64)
