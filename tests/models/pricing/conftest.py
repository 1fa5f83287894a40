"""A small hand-made market for the families' tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.inputs.market import Market

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def make_market() -> Callable[..., Market]:
    """``make_market(ETH=2000, quotes={instrument: {"mark_iv": .6, ...}}, at=...)``."""

    def make(quotes: dict[Any, dict[str, float]] | None = None, at: datetime = NOW, **prices: float) -> Market:
        quotes = quotes or {}
        rows = [
            {name: given.get(name, np.nan) for name in QUOTE_FIELDS if name != "timestamp"} | {"timestamp": pd.Timestamp(at)}
            for given in quotes.values()
        ]
        table = pd.DataFrame(rows, columns=list(QUOTE_FIELDS), index=[item.id for item in quotes])
        return Market(at, prices, {item.id: item for item in quotes}, table)

    return make
