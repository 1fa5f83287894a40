"""One line per position: value, Greeks, carry, and a liquidity position's loss against holding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pricing.family import GREEKS

__all__ = ["PositionRisk", "position_risks"]


@dataclass(frozen=True)
class PositionRisk:
    """A held row of the book, all of its quantity.

    Attributes
    ----------
    quantity, unit
        As booked; loops are booked as supply and debt.
    value, settlement, value_settlement
        USD, and the same in units of the settlement asset.
    notional
        USD of underlying, non-negative.
    carry
        USD received per day if nothing moves.
    greeks
        By asset (and peg factor) and Greek, units of :data:`hedgeopt.models.pricing.family.GREEK_UNITS`; zeros left out.
    impermanent_loss, impermanent_share
        Value less holding the entry amounts, fees apart, USD, and as a share of the latter; None where it has no meaning.
    """

    account: str
    venue: str
    name: str
    kind: str
    quantity: float
    unit: str
    value: float
    settlement: str
    value_settlement: float
    notional: float
    carry: float
    greeks: dict[str, dict[str, float]]
    impermanent_loss: float | None
    impermanent_share: float | None


def position_risks(e: Exposures, quantity: np.ndarray) -> tuple[PositionRisk, ...]:
    """One entry per row with a quantity, for positions (M,)."""
    return tuple(_one(e, int(row), float(quantity[row])) for row in np.flatnonzero(quantity))


def _one(e: Exposures, row: int, quantity: float) -> PositionRisk:
    item, account = e.rows.instruments[row], int(e.rows.account[row])
    greeks = {}
    for a, asset in enumerate(e.assets):
        column = quantity * e.rows.greeks[:, row, a]
        if column.any():
            greeks[asset] = {name: float(x) for name, x in zip(GREEKS, column, strict=True) if x != 0.0}
    loss = item.impermanent_loss(e.price)
    return PositionRisk(
        account=e.accounts[account],
        venue=e.venues[account],
        name=item.name,
        kind=item.kind,
        quantity=quantity,
        unit=item.quantity_unit,
        value=quantity * float(e.rows.value[row]),
        settlement=item.settlement,
        value_settlement=quantity * float(e.rows.premium[row]),
        notional=abs(quantity) * float(e.rows.notional[row]),
        carry=quantity * float(e.rows.carry[row]),
        greeks=greeks,
        impermanent_loss=None if loss is None else quantity * loss.loss,
        impermanent_share=None if loss is None else loss.share,
    )
