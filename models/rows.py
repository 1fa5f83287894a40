"""What the arrays of exposures are of: pairs of account and instrument, and transfers along links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Links", "Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Every (account, instrument) pair that is held or may be traded: M rows.

    Attributes
    ----------
    instruments
        M instruments.
    account : (M,) int
        Index of the account that holds or would hold it.
    quantity : (M,)
        Held now, in the instrument's quantity unit; negative is short.
    value, notional, premium, carry : (M,)
        Per unit; see :class:`hedgeopt.models.pricing.family.UnitRisk`.
    greeks : (7, M, A)
        Per unit held.
    index : (M,)
        USD price of the underlying (of the asset itself for spot).
    mark : (M,)
        Mark price in the venue's quote unit (coin for inverse options, USD otherwise).
    bid, ask : (M,)
        Best quotes, in the same unit; NaN where there is none.
    settlement_price : (M,)
        USD price of the asset that each settles in.
    lot, tick, minimum_size : (M,)
        Smallest steps of quantity and price and the smallest order; NaN where unknown, a lot of 0 where any size is traded.
    """

    instruments: tuple[Any, ...]
    account: np.ndarray
    quantity: np.ndarray
    value: np.ndarray
    notional: np.ndarray
    premium: np.ndarray
    carry: np.ndarray
    greeks: np.ndarray
    index: np.ndarray
    mark: np.ndarray
    bid: np.ndarray
    ask: np.ndarray
    settlement_price: np.ndarray
    lot: np.ndarray
    tick: np.ndarray
    minimum_size: np.ndarray

    def __len__(self) -> int:
        return len(self.instruments)


@dataclass(frozen=True, eq=False)
class Links:
    """The candidates that are transfers of collateral: T of them.

    Attributes
    ----------
    candidate : (T,) int
        Which candidates they are.
    source, target, asset : (T,) int
        Accounts and asset column.
    arrives : (T,)
        1 when the transfer counts at its target before the horizon, otherwise 0.
    """

    candidate: np.ndarray
    source: np.ndarray
    target: np.ndarray
    asset: np.ndarray
    arrives: np.ndarray

    def __len__(self) -> int:
        return len(self.candidate)
