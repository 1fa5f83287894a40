"""Index and futures at the moment of the option quotes, where a recording took them minutes apart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["forwards", "spot"]

_LEAST_DAYS = 1.0 / 24.0
_DAY = timedelta(days=1)


def forwards(items: list[Any], underlying_price: np.ndarray, stamp: pd.Timestamp) -> dict[str, pd.Series]:
    """By asset, the median forward of each expiry more than an hour away (index: days), nearest first."""
    table = pd.DataFrame(
        {
            "asset": [item.underlying for item in items],
            "days": [(item.expiry - stamp) / _DAY for item in items],
            "forward": underlying_price,
        }
    )
    table = table[(table["days"] > _LEAST_DAYS) & (table["forward"] > 0)]
    return {str(asset): group.groupby("days")["forward"].median().sort_index() for asset, group in table.groupby("asset")}


def spot(curve: pd.Series) -> float:
    """The straight line through the two nearest forwards, at zero days: ``F1 - t1 (F2 - F1) / (t2 - t1)``.

    Deribit itself draws that line: the forward of an expiry without a future lies between the index and the nearest future.
    With one expiry only, its forward.
    """
    days, forward = curve.index.to_numpy(float), curve.to_numpy(float)
    if len(days) == 1:
        return float(forward[0])
    return float(forward[0] - days[0] * (forward[1] - forward[0]) / (days[1] - days[0]))
