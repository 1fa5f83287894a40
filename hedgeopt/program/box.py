"""Range of each trade: the tightest of quotes, the policy's size limits, and the venues' caps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures

__all__ = ["Box", "narrowed", "trade_box"]

_VENUE = "largest notional at the chosen leverage"
_MARKET = "quoted depth, or what is held"  # the last, which is where -1 points


@dataclass(frozen=True)
class Box:
    """Trade limits (N,) and which size limit sets each side; -1 where the market's quotes do."""

    lower: np.ndarray
    upper: np.ndarray
    lower_from: np.ndarray
    upper_from: np.ndarray
    names: tuple[str, ...]

    def binding(self, x: np.ndarray) -> dict[str, list[int]]:
        """Candidates at their limit (to 1e-9 of it), by the name of the limit that set it; closed sides do not count."""
        found: dict[str, list[int]] = {}
        for bound, source, room in (
            (self.lower, self.lower_from, x - self.lower),
            (self.upper, self.upper_from, self.upper - x),
        ):
            for i in np.flatnonzero((room <= 1e-9 * np.abs(bound)) & (bound != 0.0)):
                found.setdefault(self.names[source[i]], []).append(int(i))
        return found


def trade_box(policy: Policy, e: Exposures) -> Box:
    """The tightest box of quotes, the policy's size limits, and its order notional default."""
    lower, upper = e.lower.copy(), e.upper.copy()
    lower_from = upper_from = np.full(e.n_candidates, -1)
    lower_from, upper_from = lower_from.copy(), upper_from.copy()
    rules = [rule for rule in policy.subject_to if isinstance(rule, BoxConstraint)]
    default = policy.candidates.max_order_notional / e.rows.notional[e.candidate]
    default[e.links.candidate] = np.inf  # transfers are bounded by what is posted
    boxes = [(rule.name, *rule.box(e)) for rule in rules] + [("candidates.max_order_notional", -default, default)]
    boxes += [(_VENUE, *_venue_box(e))]
    for k, (_, low, high) in enumerate(boxes):
        tighter_low, tighter_high = low > lower, high < upper
        lower, upper = np.where(tighter_low, low, lower), np.where(tighter_high, high, upper)
        lower_from[tighter_low], upper_from[tighter_high] = k, k
    return Box(lower, upper, lower_from, upper_from, (*(name for name, _, _ in boxes), _MARKET))


def _venue_box(e: Exposures) -> tuple[np.ndarray, np.ndarray]:
    """Trades (N,) that leave every position within its venue's cap at the account's leverage."""
    largest = np.full(len(e.rows), np.inf)
    for c in range(len(e.accounts)):
        largest = np.minimum(largest, e.margins.largest(c, e.rows.quantity, e.candidate))
    at, held = largest[e.candidate], e.rows.quantity[e.candidate]
    return -at - held, at - held


def narrowed(box: Box, e: Exposures, largest: np.ndarray) -> Box:
    """The box cut to positions of ``largest`` (N,) size, which the venues' rules set."""
    held = e.rows.quantity[e.candidate]
    low, high = -largest - held, largest - held
    tighter_low, tighter_high = low > box.lower, high < box.upper
    if not tighter_low.any() and not tighter_high.any():
        return box
    source = box.names.index(_VENUE)
    return replace(
        box,
        lower=np.maximum(box.lower, low),
        upper=np.minimum(box.upper, high),
        lower_from=np.where(tighter_low, source, box.lower_from),
        upper_from=np.where(tighter_high, source, box.upper_from),
    )
