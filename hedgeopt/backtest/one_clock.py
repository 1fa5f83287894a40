"""Index and futures at the moment of the option quotes, where a recording took them minutes apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

__all__ = ["Curve", "forwards", "spot"]

Curve = dict[datetime, float]
"""Forward by expiry, nearest first."""

_LEAST_SECONDS = 3_600.0


def forwards(items: Sequence[Any], underlying_price: np.ndarray, stamp: datetime) -> dict[str, Curve]:
    """By asset, the median forward of each expiry more than an hour away."""
    found: dict[tuple[str, datetime], list[float]] = defaultdict(list)
    for item, price in zip(items, underlying_price.tolist(), strict=True):
        if price > 0:
            found[item.underlying, item.expiry].append(price)
    curves: dict[str, Curve] = defaultdict(dict)
    for asset, expiry in sorted(found):
        if (expiry - stamp).total_seconds() > _LEAST_SECONDS:
            curves[asset][expiry] = float(np.median(found[asset, expiry]))
    return dict(curves)


def spot(curve: Curve, stamp: datetime) -> float:
    """The straight line through the two nearest forwards, now: ``F1 - t1 (F2 - F1) / (t2 - t1)``.

    Deribit itself draws that line: the forward of an expiry without a future lies between the index and the nearest future.
    With one expiry only, its forward.
    """
    (first, near), *rest = list(curve.items())[:2]
    if not rest:
        return near
    second, far = rest[0]
    return near - (first - stamp).total_seconds() * (far - near) / (second - first).total_seconds()
