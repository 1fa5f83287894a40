"""Accounts whose requirement no rule knows: a requirement of 0 would satisfy any limit there."""

from __future__ import annotations

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.unmargined import Lacking

__all__ = ["requirement_unknown", "unknown_margin"]


def unknown_margin(e: Exposures, account: int) -> tuple[str, bool] | None:
    """What needs margin in an account that no rule covers, and whether it is held (else it may be traded); None: nothing."""
    if e.margins.models[account].knows_requirement:
        return None
    traded = set(e.candidate.tolist())
    for row in e.margins.rows[account].tolist():
        nature, quantity, name = e.rows.instruments[row].nature, e.rows.quantity[row], e.rows.instruments[row].name
        held = bool(quantity != 0.0 if nature.margined else quantity < 0.0)
        if held or (row in traded and nature.short == "margin"):
            unknown = f"no rule knows the margin (margin {e.margins.names[account]})"
            return f"{name} {'is held' if held else 'may be traded'} and {unknown}", held
    return None


def requirement_unknown(e: Exposures, account: int, held: np.ndarray) -> bool:
    """Whether positions (M,) need margin there that no rule knows, or whose rule lacks a number: never 0 in a report."""
    model = e.margins.models[account]
    if model.knows_requirement:
        return False
    rows = e.margins.rows[account].tolist()
    needs = ((e.rows.instruments[row].nature, held[row]) for row in rows)
    return isinstance(model, Lacking) or any(
        bool(z != 0.0 if nature.margined else z < 0.0 and nature.short == "margin") for nature, z in needs
    )
