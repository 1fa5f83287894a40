"""Accounts whose requirement no rule knows: a requirement of 0 would satisfy any limit there."""

from __future__ import annotations

from hedgeopt.models.arrays import Exposures

__all__ = ["unknown_margin"]


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
