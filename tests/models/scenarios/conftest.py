"""A market that knows two vols and two prices, which is all that scenario generators read."""

from __future__ import annotations

import pytest


class TwoCoins:
    def atm_vol(self, asset: str, days: float) -> float | None:
        return {"BTC": 0.6, "ETH": 0.8}.get(asset)

    def price(self, asset: str) -> float:
        return {"BTC": 60_000.0, "ETH": 3_000.0}.get(asset, 1.0)


@pytest.fixture(scope="session")
def market() -> TwoCoins:
    return TwoCoins()
