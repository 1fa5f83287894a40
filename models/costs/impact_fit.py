"""Impact parameters from recorded books: a power law fitted to what walking each side costs beyond its best level.

Per unit, an order of q pays ``A(q) = (average price - best price) / middle``, a share of the middle price. Fitted is
``A(q) = k q**(power - 1)`` by least squares of log A over sizes spread evenly in log q, from the best level's size to
where the average costs 1 % or five half-spreads: beyond lie stale orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedgeopt.files.calls import strict_class
from hedgeopt.models.costs.ladder import Ladder, Levels

__all__ = ["ImpactFit", "fit_impact", "law_text", "worse_than_constant"]

_SIZES, _FEWEST = 24, 3
_DEAREST, _SPREADS = 0.01, 5.0

_Points = tuple[np.ndarray, np.ndarray]


@strict_class
@dataclass(frozen=True)
class ImpactFit:
    """A fitted book.

    Attributes
    ----------
    instrument
        ``venue:name``.
    levels
        Levels of both sides.
    half_spread
        Share of the middle price.
    k
        Share of the middle price per unit to ``power - 1``.
    exponent
        Exponent of the total cost where it is fitted too: 1.5 is the square-root law, 2 linear impact.
    r2
        Share of the variance of log A(q) that the law explains where it was fitted; negative: less than a constant.
    error_inside, error_outside
        Median relative error of A(q): on the side that was fitted, and on the other side, fitted on each in turn.
    """

    instrument: str
    levels: int
    half_spread: float
    k: float
    exponent: float
    r2: float
    error_inside: float
    error_outside: float


def fit_impact(ladder: Ladder, power: float = 1.5) -> ImpactFit | None:
    """The fit of one book; None where a side has fewer than three levels or sizes, of which nothing can be learnt."""
    if min(len(ladder.bids), len(ladder.asks)) < _FEWEST:
        return None
    middle = 0.5 * float(ladder.bids.price[0] + ladder.asks.price[0])
    half = float(ladder.asks.price[0] - ladder.bids.price[0]) / 2.0 / middle
    sides = [_walk(levels, middle, max(_DEAREST, _SPREADS * half)) for levels in (ladder.bids, ladder.asks)]
    if any(len(q) < _FEWEST for q, _ in sides):
        return None
    q, a = (np.concatenate(part) for part in zip(*sides, strict=True))
    k, each = _fitted(q, a, power), [_fitted(*side, power) for side in sides]
    inside = np.median(np.concatenate([_errors(*side, one, power) for side, one in zip(sides, each, strict=True)]))
    outside = np.median(np.concatenate([_errors(*side, one, power) for side, one in zip(sides, each[::-1], strict=True)]))
    rest = float(np.sum((np.log(a) - np.log(k * q ** (power - 1.0))) ** 2))
    whole = float(np.sum((np.log(a) - np.log(a).mean()) ** 2))
    return ImpactFit(
        ladder.instrument,
        len(ladder.bids) + len(ladder.asks),
        half,
        k,
        1.0 + float(np.polyfit(np.log(q), np.log(a), 1)[0]),
        1.0 - rest / whole if whole > 0.0 else float("nan"),
        float(inside),
        float(outside),
    )


def _walk(levels: Levels, middle: float, dearest: float) -> _Points:
    """Sizes, and their cost per unit beyond the best level, a share of the middle price; above 0 and up to ``dearest``."""
    start = np.concatenate([[0.0], np.cumsum(levels.size)[:-1]])
    over = np.abs(levels.price - levels.price[0]) / middle
    ends = start + levels.size
    average = np.cumsum(over * levels.size) / ends
    last = int(np.searchsorted(average, dearest, side="right"))
    q = np.geomspace(float(levels.size[0]), float(ends[max(last - 1, 0)]), _SIZES + 1)[1:]
    a = np.clip(q[:, None] - start, 0.0, levels.size) @ over / q
    return q[a > 0.0], a[a > 0.0]


def _fitted(q: np.ndarray, a: np.ndarray, power: float) -> float:
    return float(np.exp(np.mean(np.log(a) - (power - 1.0) * np.log(q))))


def _errors(q: np.ndarray, a: np.ndarray, k: float, power: float) -> np.ndarray:
    return np.abs(k * q ** (power - 1.0) / a - 1.0)


def _by_instrument(fits: Sequence[ImpactFit]) -> dict[str, list[ImpactFit]]:
    several: dict[str, list[ImpactFit]] = {}
    for one in fits:
        several.setdefault(one.instrument, []).append(one)
    return several


def worse_than_constant(fits: Sequence[ImpactFit]) -> dict[str, float]:
    """Instruments whose median R² is below 0, and it: a constant cost per unit explains their books better than the law."""
    found = {name: float(np.median([one.r2 for one in mine])) for name, mine in _by_instrument(fits).items()}
    return {name: r2 for name, r2 in found.items() if r2 < 0.0}


def law_text(fits: Sequence[ImpactFit], power: float) -> str:
    """TOML that :func:`~hedgeopt.inputs.depth.impact.read_impact` reads: one law per instrument, with its diagnostics.

    Of several books of an instrument, in the order given: k their geometric mean, the rest medians; ``error_later`` is the
    median relative error of the first half's k on the books of the second.
    Left out are those of :func:`worse_than_constant`.
    """
    import tomli_w

    table, worse = {}, worse_than_constant(fits)
    for name, mine in _by_instrument(fits).items():
        if name in worse:
            continue
        k, half = np.array([one.k for one in mine]), len(mine) // 2
        row = {"k": float(np.exp(np.mean(np.log(k)))), "books": len(mine), "levels": sum(one.levels for one in mine)}
        for word in ("half_spread", "exponent", "r2", "error_inside", "error_outside"):
            value = float(np.median([getattr(one, word) for one in mine]))
            row |= {word: value} if np.isfinite(value) else {}
        if half:
            row["error_later"] = float(np.median(np.abs(np.exp(np.mean(np.log(k[:half]))) / k[half:] - 1.0)))
        table[name] = row
    return tomli_w.dumps({"power": power, "instruments": table})
