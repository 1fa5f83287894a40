"""Recorded chains as moves: level and skew of each expiry, what each strike does beside them, forwards and spot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many

__all__ = ["COLUMNS", "FEWEST_STEPS", "TOLERANCE", "SurfaceMoves", "surface_moves", "usual_step"]

COLUMNS = ("timestamp", "strike", "expiry", "option_type", "mark_iv", "underlying_price", "index_price")
"""Columns of a chain of one underlying; without ``index_price`` nothing is said of the basis."""

FEWEST_STEPS = 30
"""Steps that a fit needs."""
TOLERANCE = 0.25
"""Share of a step by which moments may be off it."""
_STRIKES = 4
_SHORTEST_DAYS, _WING = 1.0, 0.03


@dataclass(frozen=True)
class SurfaceMoves:
    """Moves of one underlying over steps of one length: T steps, E moves of an expiry, Q moves of a strike.

    Attributes
    ----------
    step_days
        Length of a step.
    start : (T,)
        When it begins.
    log_return : (T,)
        Of the index, else of the nearest forward.
    basis : (T,)
        Change of the annualised log basis of expiries beyond 7 days, the median of them; NaN without an index.
    expiry_step, expiry_days, level, skew : (E,)
        Step; days to expiry; change of the log vol at the money, and of vol per ln(strike/forward)/sqrt(years).
    strike_step, strike_days, strike_delta, residual : (Q,)
        Step; days; absolute delta of the out-of-the-money side; log vol move beside its expiry's level and skew, divided by
        ``sqrt(1 - 2/n)`` for the two numbers fitted to its n strikes.
    """

    step_days: float
    start: pd.DatetimeIndex
    log_return: np.ndarray
    basis: np.ndarray
    expiry_step: np.ndarray
    expiry_days: np.ndarray
    level: np.ndarray
    skew: np.ndarray
    strike_step: np.ndarray
    strike_days: np.ndarray
    strike_delta: np.ndarray
    residual: np.ndarray


def usual_step(moments: pd.DatetimeIndex) -> float:
    """Days between neighbouring snapshots, the median."""
    return float(np.median(np.diff(moments.as_unit("ns").asi8))) / 86_400e9


def surface_moves(chain: pd.DataFrame, step_days: float | None = None) -> SurfaceMoves:
    """Moves between snapshots that are a step apart, to a quarter of it; options of one day or less are left out.

    Per step and expiry of four strikes or more, out of the money and of a delta of 3 % or more at its start, the log vol
    moves ``x_i`` are fitted by least squares as ``level + skew k_i / vol_i``, ``k = ln(strike / forward) / sqrt(years)``.

    Raises
    ------
    InputError
        For columns that are missing, strikes that are not known, numbers that are 0, negative or infinite, and fewer than 30
        steps. Options without a vol or forward are left out.
    """
    from scipy.special import ndtr

    rows = _clean(chain)
    moments = pd.DatetimeIndex(np.sort(rows["timestamp"].unique()))
    if len(moments) < 2:
        raise _few(0, "one snapshot is no move")
    step = usual_step(moments) if step_days is None else step_days
    ns = moments.as_unit("ns").asi8
    goal = (ns + step * 86_400e9).astype(np.int64)
    near = np.clip(np.searchsorted(ns, goal), 1, len(ns) - 1)
    near = np.where(np.abs(ns[near - 1] - goal) <= np.abs(ns[near] - goal), near - 1, near)
    good = (np.abs(ns[near] - goal) <= TOLERANCE * step * 86_400e9) & (near > np.arange(len(ns)))
    first, second = np.flatnonzero(good), near[good]
    if len(first) < FEWEST_STEPS:
        raise _few(len(first), f"steps of {step:.3g} days")

    at = np.searchsorted(ns, pd.DatetimeIndex(rows["timestamp"]).as_unit("ns").asi8)
    order = np.argsort(at, kind="stable")
    rows, at = rows.iloc[order], at[order]
    bounds = np.searchsorted(at, np.arange(len(ns) + 1))
    column = {name: rows[name].to_numpy(float) for name in ("strike", "mark_iv", "underlying_price")}
    expiry = pd.DatetimeIndex(rows["expiry"]).as_unit("ns").asi8
    call = (rows["option_type"] == "call").to_numpy()
    years = (expiry - ns[at]) / (365.0 * 86_400e9)
    k = np.log(column["strike"] / column["underlying_price"]) / np.sqrt(years)
    delta = ndtr(-k / column["mark_iv"] + 0.5 * column["mark_iv"] * np.sqrt(years))
    wing = np.where(call, delta, 1.0 - delta)
    otm = np.where(call, k >= 0.0, k < 0.0)
    key = np.char.add(np.char.add(expiry.astype(str), " "), column["strike"].astype(str))
    spot, forwards = _spots(rows, bounds, expiry, years)

    basis, cells, singles = [], [], []
    for n, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        a, b = slice(bounds[i], bounds[i + 1]), slice(bounds[j], bounds[j + 1])
        basis.append(_basis_move(forwards[i], forwards[j]))
        use = np.flatnonzero(otm[a] & (wing[a] >= _WING)) + bounds[i]
        _, x, y = np.intersect1d(key[use], key[b], return_indices=True)
        if not len(x):
            continue
        x, y = use[x], y + bounds[j]
        move = np.log(column["mark_iv"][y] / column["mark_iv"][x])
        for one in np.unique(expiry[x]):
            mine = np.flatnonzero(expiry[x] == one)
            if len(mine) < _STRIKES:
                continue
            rows_, m = x[mine], move[mine]
            lever = k[rows_] / column["mark_iv"][rows_]
            design = np.column_stack([np.ones(len(m)), lever])
            if np.ptp(lever) <= 0.0:
                continue
            fitted = np.linalg.lstsq(design, m, rcond=None)[0]
            left = (m - design @ fitted) / np.sqrt(1.0 - 2.0 / len(m))
            days = 365.0 * years[rows_[0]]
            cells.append((n, days, fitted[0], fitted[1]))
            singles.append((np.full(len(m), n), np.full(len(m), days), wing[rows_], left))
    if not cells:
        raise InputError(
            "no expiry keeps four strikes from one snapshot to the next", field="chain", fix="record more strikes"
        )
    steps, days, level, skew = (np.array(values) for values in zip(*cells, strict=True))
    alone = [np.concatenate(values) for values in zip(*singles, strict=True)]
    return SurfaceMoves(
        step_days=float(np.mean(ns[second] - ns[first])) / 86_400e9,
        start=moments[first],
        log_return=np.log(spot[second] / spot[first]),
        basis=np.array(basis),
        expiry_step=steps.astype(np.int64),
        expiry_days=days,
        level=level,
        skew=skew,
        strike_step=alone[0],
        strike_days=alone[1],
        strike_delta=alone[2],
        residual=alone[3],
    )


def _clean(chain: pd.DataFrame) -> pd.DataFrame:
    for name in COLUMNS[:-1]:
        if name not in chain.columns:
            raise InputError(f"column {name!r} is missing", field="chain", fix=f"give {', '.join(COLUMNS[:-1])}")
    rows = chain[[name for name in COLUMNS if name in chain.columns]]
    for name in rows.columns.intersection(["strike", "mark_iv", "underlying_price", "index_price"]):
        value = rows[name].to_numpy(float, na_value=np.nan)
        wrong = (value <= 0.0) | np.isinf(value) | (np.isnan(value) & (name == "strike"))
        if wrong.any():
            row = rows.iloc[int(wrong.argmax())]
            raise InputError(
                f"holds {many(int(wrong.sum()), 'number')} not above 0 and finite, first at {row['timestamp']}",
                field=f"chain.{name}",
                value=float(value[wrong][0]),
                fix="drop the rows" if name == "strike" else "drop the rows, or leave it empty where it is not known",
            )
    alive = (rows["expiry"] - rows["timestamp"]).dt.total_seconds().to_numpy() > _SHORTEST_DAYS * 86_400.0
    numbers = rows[["strike", "mark_iv", "underlying_price"]].to_numpy(float, na_value=np.nan)
    vol = numbers[:, 1]
    known = vol[np.isfinite(vol)]
    if len(known) and np.median(known) > 5.0:
        raise InputError(
            "is a vol in per cent", field="chain.mark_iv", value=float(np.median(known)), fix="give decimals, 0.6 for 60 %"
        )
    kept = alive & np.isfinite(numbers).all(axis=1)
    if not kept.any():
        raise InputError("holds no option with a vol and more than a day to live", field="chain", fix="give marks and vols")
    return rows[kept].drop_duplicates(["timestamp", "expiry", "strike", "option_type"])


def _few(count: int, of: str) -> InputError:
    return InputError(
        f"only {many(count, 'step')} between snapshots ({of}), {FEWEST_STEPS} are needed",
        field="chain",
        fix="give a longer record, its snapshots at even times",
    )


def _spots(
    rows: pd.DataFrame, bounds: np.ndarray, expiry: np.ndarray, years: np.ndarray
) -> tuple[np.ndarray, list[dict[int, tuple[float, float]]]]:
    """Index (T,) of each snapshot, and per expiry its years and log basis (NaN without an index)."""
    forward = rows["underlying_price"].to_numpy(float)
    index = rows["index_price"].to_numpy(float) if "index_price" in rows.columns else np.full(len(rows), np.nan)
    spot, found = np.empty(len(bounds) - 1), []
    for n in range(len(bounds) - 1):
        part = slice(bounds[n], bounds[n + 1])
        own = index[part]
        known = own[np.isfinite(own) & (own > 0)]
        if len(known):
            spot[n] = np.median(known)
        else:
            spot[n] = forward[part][np.argmin(years[part])]
        table: dict[int, tuple[float, float]] = {}
        for one in np.unique(expiry[part]):
            mine = expiry[part] == one
            t = float(years[part][mine][0])
            # index and forward of one row are of one moment; medians over rows of several moments are not
            ratio = np.log(forward[part][mine] / own[mine])
            ratio = ratio[np.isfinite(ratio)]
            table[int(one)] = (t, float(np.median(ratio) / t) if len(ratio) else np.nan)
        found.append(table)
    return spot, found


def _basis_move(before: dict[int, tuple[float, float]], after: dict[int, tuple[float, float]]) -> float:
    moves = [after[e][1] - before[e][1] for e in before.keys() & after.keys() if before[e][0] * 365.0 > 7.0]
    known = [one for one in moves if np.isfinite(one)]
    return float(np.median(known)) if known else np.nan
