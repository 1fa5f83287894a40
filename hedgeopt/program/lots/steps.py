"""Sizes that a venue takes, of the candidates of a program."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from hedgeopt.constraints.min_trade import MinTrade
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures

__all__ = ["WHOLE", "facing", "in_whole_lots", "lots_of", "require_lots", "rounded", "smallest_orders", "times"]

WHOLE = 1e-9
"""A lot counts as whole to this share of it."""


def lots_of(e: Exposures) -> np.ndarray:
    """(N,) step of each candidate: 0 where any size is traded, as with transfers of collateral; NaN where unknown."""
    lot = e.rows.lot[e.candidate].copy()
    lot[e.links.candidate] = 0.0
    return np.asarray(lot)


def smallest_orders(e: Exposures, policy: Policy | None = None) -> np.ndarray:
    """(N,) smallest order of each candidate in its quantity unit, by venue and, where given, the policy's own limits."""
    found = np.nan_to_num(e.rows.minimum_size[e.candidate])
    for rule in () if policy is None else policy.subject_to:
        if isinstance(rule, MinTrade):
            found = np.maximum(found, rule.usd / e.rows.notional[e.candidate])
    found[e.links.candidate] = 0.0
    return np.asarray(found)


def in_whole_lots(e: Exposures, x: np.ndarray) -> np.ndarray:
    """(N,) whether each trade is nothing, or whole lots and no less than the smallest order; transfers always are."""
    lot = lots_of(e)
    size = np.abs(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        count = np.where(lot > 0.0, size / lot, 0.0)
        whole = (lot >= 0.0) & (np.abs(count - np.round(count)) <= WHOLE * np.maximum(count, 1.0))
    return np.asarray((x == 0.0) | (whole & (size >= smallest_orders(e) * (1.0 - WHOLE))))


def facing(e: Exposures, x: np.ndarray) -> str:
    """The first instrument that one account buys and another of the same venue sells, which would meet; empty without."""
    sides: dict[str, float] = {}
    sent = set(e.links.candidate.tolist())
    for i in np.flatnonzero(x).tolist():
        item = e.rows.instruments[e.candidate[i]]
        if i not in sent and sides.setdefault(item.id, float(np.sign(x[i]))) != np.sign(x[i]):
            return str(item.name)
    return ""


def require_lots(e: Exposures, x: np.ndarray) -> None:
    """Refuse a list that trades something whose lot nobody knows.

    Raises
    ------
    InputError
        Names the first such instrument, and what to do.
    """
    unknown = np.flatnonzero((x != 0.0) & np.isnan(lots_of(e)))
    if len(unknown):
        item = e.rows.instruments[e.candidate[unknown[0]]]
        where = f"[lots.{item.kind}] in the table of {item.venue} (lot = 0 there: any size)"
        raise InputError(
            f"has no known lot ({many(len(unknown), 'trade')} without)", field="lot", value=item.id,
            fix=f'give a column lot in the market file, or {where}, or set lots = "ideal" in the policy',
        )  # fmt: skip


def rounded(e: Exposures, x: np.ndarray, to: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(N,) trades in lots by a rule on their counts, nothing where that is below the smallest order; transfers stay."""
    lot = lots_of(e)
    with np.errstate(invalid="ignore", divide="ignore"):
        counts = to(np.where(lot > 0.0, x / lot, 0.0))
    sizes = [times(step, int(count)) if step > 0.0 else 0.0 for step, count in zip(lot, counts, strict=True)]
    found = np.where(lot == 0.0, x, sizes)
    return np.asarray(np.where(in_whole_lots(e, found), found, 0.0))


def times(lot: float, count: int) -> float:
    """``count`` lots as one would write them: 20.1, not 20.100000000000001."""
    return float(Fraction(str(float(lot))) * count)
