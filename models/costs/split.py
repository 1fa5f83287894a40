"""The cheapest way to split one order over several ladders, in closed form.

At the best split all places that trade stop at one price ``m``, the shadow price of the balance. A level whose first price
``p`` is below it is taken whole, or up to ``Y (1 - sqrt(p / m))`` where its price moves (``p Y^2 / (Y - d)^2 = m``). Between
two neighbouring prices of the merged ladders the order fixes ``sqrt(m) = sum Y sqrt(p) / (sum Y + taken whole - order)``.

Source: Angeris, Chitra, Evans and Boyd, Optimal routing for constant function market makers, arXiv 2204.05238, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.models.costs.ladder import Levels

__all__ = ["SplitOrder", "paid_for_split", "split_order"]


@strict_class
@dataclass(frozen=True, eq=False)
class SplitOrder:
    """An order over several ladders.

    Attributes
    ----------
    amounts : (V,)
        Units bought (or sold) at each.
    price
        Price at which all of them stop, in quote units.
    paid
        Quote units paid for the whole (or received).
    """

    amounts: np.ndarray
    price: float
    paid: float


@strict_call
def split_order(sides: Sequence[Levels], amount: float, *, buy: bool = True) -> SplitOrder:
    """The cheapest purchase of ``amount`` units from asks, or the best sale to bids, of ladders in one unit and quote.

    Raises
    ------
    InputError
        For an order below 0, or above what all ladders hold.
    """
    most = sum(side.total for side in sides)
    if not 0.0 <= amount <= most * (1.0 + 1e-12):
        raise InputError("is not within the ladders", field="amount", value=amount, fix=f"they hold {most:g} units")
    amount = min(amount, most)
    who = np.concatenate([np.full(len(side), k) for k, side in enumerate(sides)]).astype(int)
    price, size, reserve = (np.concatenate([getattr(side, name) for side in sides]) for name in ("price", "size", "reserve"))
    sign = 1.0 if buy else -1.0
    last = price / (1.0 - sign * size / reserve) ** 2
    at = sign * np.unique(sign * np.concatenate([price, last]))  # in the order in which they are reached
    taken = [_up_to(m, price, size, reserve, sign, through=True).sum() for m in at]
    k = int(np.searchsorted(taken, amount * (1.0 - 1e-15)))
    k = min(k, len(at) - 1)
    before = _up_to(at[k], price, size, reserve, sign, through=False)
    if before.sum() <= amount:  # levels at this very price give the rest
        d, here = before, _up_to(at[k], price, size, reserve, sign, through=True) - before
        rest, room = amount - before.sum(), here.sum()
        d = d + (here * (rest / room) if room > 0.0 else 0.0)
        stop = float(at[k])
    else:
        low = at[k - 1]
        moving = np.isfinite(reserve) & (sign * price <= sign * low) & (sign * last > sign * low)
        whole = _up_to(low, price, size, reserve, sign, through=True)[~moving].sum()
        root = np.sum(reserve[moving] * np.sqrt(price[moving])) / (np.sum(reserve[moving]) - sign * (amount - whole))
        stop = float(root**2)
        d = _up_to(stop, price, size, reserve, sign, through=False)
    amounts = np.bincount(who, d, minlength=len(sides))
    return SplitOrder(amounts, stop, float(np.sum(_paid(d, price, reserve, sign))))


def paid_for_split(sides: Sequence[Levels], amounts: np.ndarray, *, buy: bool = True) -> float:
    """Quote units that ``amounts`` (V,) pay (or bring) at the ladders, each walked from its best level."""
    sign, total = 1.0 if buy else -1.0, 0.0
    for side, amount in zip(sides, amounts.tolist(), strict=True):
        start = np.concatenate([[0.0], np.cumsum(side.size)[:-1]]) if len(side) else np.zeros(0)
        d = np.clip(amount - start, 0.0, side.size)
        total += float(np.sum(_paid(d, side.price, side.reserve, sign)))
    return total


def _paid(d: np.ndarray, price: np.ndarray, reserve: np.ndarray, sign: float) -> np.ndarray:
    return price * d / (1.0 - sign * d / reserve)


def _up_to(m: float, price: np.ndarray, size: np.ndarray, reserve: np.ndarray, sign: float, *, through: bool) -> np.ndarray:
    """Units of each level up to the price ``m``; with ``through`` also of flat levels at it."""
    flat = ~np.isfinite(reserve)
    reached = sign * price <= sign * m if through else sign * price < sign * m
    with np.errstate(invalid="ignore"):
        moved = np.clip(sign * reserve * (1.0 - np.sqrt(price / m)), 0.0, size)
    return np.where(flat, np.where(reached, size, 0.0), np.where(flat, 0.0, moved))
