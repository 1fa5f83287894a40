"""Haircuts: the share of posted collateral that counts."""

from __future__ import annotations

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking, table
from hedgeopt.models.margin.state import State

__all__ = ["haircuts", "haircuts_read", "lost_value"]


def haircuts(venue: str, state: State, kind: str) -> np.ndarray:
    """(A,) share of each asset's value that the venue does not count for initial margin; zero for maintenance.

    An asset missing from the venue's table counts as unknown: NaN, which :func:`lost_value` and the binder refuse as soon
    as the account holds any.
    """
    if kind == "maintenance":
        return np.zeros(len(state.assets))
    known = table(venue)["haircut"]
    return np.array([float(known.get(asset, np.nan)) for asset in state.assets])


def haircuts_read(venue: str, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
    """The haircuts that the collateral posted needs, for ``MarginModel.reads``."""
    return tuple((venue, f"haircut.{asset}") for asset, n in zip(state.assets, collateral, strict=True) if n > 0)


def lost_value(state: State, rates: np.ndarray, collateral: np.ndarray, table_name: str | None = None) -> float:
    """USD of collateral that does not count: ``sum_a rate_a price_a max(n_a, 0)``.

    Raises
    ------
    InputError
        When the account holds an asset whose haircut is unknown; names ``table_name``, else the table of the venue.
    """
    held = np.maximum(collateral, 0.0)
    refuse_unknown_collateral(state, rates, held, table_name)
    return float(np.nan_to_num(rates) * state.prices @ held)


def refuse_unknown_collateral(state: State, rates: np.ndarray, held: np.ndarray, table_name: str | None = None) -> None:
    """Raise for collateral that the venue's table (or the one named: a venue's, or a file NAME.toml) does not know."""
    bad = np.isnan(rates) & (held > 0)
    if bad.any():
        asset = state.assets[int(np.flatnonzero(bad)[0])]
        known = ", ".join(name for name, rate in zip(state.assets, rates, strict=True) if not np.isnan(rate))
        problem = f"{asset} of account {state.account} is no known collateral at {state.venue}"
        line, instead = f"[haircut] {asset} = SHARE", f"hold {asset} in another account"
        if table_name is not None and table_name.endswith(".toml"):
            fix = f"add {line}, or {instead}" + (f" (known: {known})" if known else "")
            raise InputError(problem, file=table_name, field="haircut", value=asset, fix=fix)
        name = table_name or state.venue
        raise lacking(name, problem, field="haircut", value=asset, line=line, known=known, instead=instead)
