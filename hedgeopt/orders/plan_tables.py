"""The tables of a plan: its legs in order, the pieces that are sent, and every state on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hedgeopt.files.plain import ColumnKinds
from hedgeopt.orders.failing import without_each
from hedgeopt.orders.identity import client_id
from hedgeopt.orders.legs import ListedLegs
from hedgeopt.orders.ordering import LegPart, states_of
from hedgeopt.orders.prefixes import LimitWatch

__all__ = ["LEGS", "PIECES", "STATES", "legs_table", "pieces_table", "states_table"]

LEGS = ColumnKinds(
    leg="number", account="text", venue="text", instrument="text", side="text", quantity="number", unit="text",
    quote="number", quote_size="number", limit_price="number", tick="number", lot="number", min_size="number", usd="number",
    reduce_only="truth", wait_hours="number", client_id="text", if_it_fails="text",
)  # fmt: skip
"""Columns of :attr:`ExecutionPlan.legs`, in order."""
PIECES = ColumnKinds(
    piece="number", leg="number", round="number", minutes="number", side="text", quantity="number", client_id="text"
)
"""Columns of :attr:`ExecutionPlan.pieces`."""
STATES = ColumnKinds(piece="number", leg="number", filled="number", allowed="truth", limit="text", value="number",
                     bound="number", unit="text")  # fmt: skip
"""Columns of :attr:`ExecutionPlan.states`."""


def legs_table(
    listed: ListedLegs, order: Sequence[int], pieces: Sequence[LegPart], watch: LimitWatch, digest: str
) -> pd.DataFrame:
    """The table of :data:`LEGS`."""
    failed = without_each(watch, pieces, order, len(listed.x), listed.sent)
    columns: dict[str, list[Any]] = {name: [] for name in LEGS}
    for number, leg in enumerate(order, start=1):
        one = listed.legs[leg]
        row = {
            "leg": number, "account": one.account, "venue": one.venue, "instrument": one.instrument, "side": one.side,
            "quantity": one.quantity, "unit": one.unit, "quote": one.quote, "quote_size": one.shown,
            "limit_price": one.limit, "tick": one.tick, "lot": one.lot, "min_size": one.least, "usd": one.usd,
            "reduce_only": one.reduces, "wait_hours": one.wait_hours,
            "client_id": client_id(digest, one.account, one.instrument), "if_it_fails": failed[leg],
        }  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return LEGS.of(columns)


def pieces_table(
    listed: ListedLegs, order: Sequence[int], pieces: Sequence[LegPart], digest: str, minutes: float, rounds: int | None
) -> pd.DataFrame:
    """The table of :data:`PIECES`."""
    columns: dict[str, list[Any]] = {name: [] for name in PIECES}
    place = {leg: number for number, leg in enumerate(order, start=1)}
    several = rounds is not None and rounds > 1
    for number, piece in enumerate(pieces, start=1):
        one = listed.legs[piece.leg]
        more = (piece.round, rounds) if several and not one.is_transfer else ()
        row = {
            "piece": number, "leg": place[piece.leg], "round": piece.round, "side": one.side,
            "quantity": abs(piece.quantity), "minutes": (piece.round - 1) * minutes / rounds if rounds else 0.0,
            "client_id": client_id(digest, one.account, one.instrument, *more),
        }  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return PIECES.of(columns)


def states_table(watch: LimitWatch, listed: ListedLegs, order: Sequence[int], pieces: Sequence[LegPart]) -> pd.DataFrame:
    """The table of :data:`STATES`."""
    columns: dict[str, list[Any]] = {name: [] for name in STATES}
    place = {leg: number for number, leg in enumerate(order, start=1)}
    for k, filled, x, moving in states_of(pieces, len(listed.x), listed.sent):
        found = watch.excesses(x, on_its_way=moving if moving.any() else None)
        worst = found[0] if found else None
        row = {
            "piece": k + 1, "leg": place[pieces[k].leg], "filled": filled, "allowed": worst is None,
            "limit": "" if worst is None else worst.limit, "value": float("nan") if worst is None else worst.value,
            "bound": float("nan") if worst is None else worst.allowed, "unit": "" if worst is None else worst.unit,
        }  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return STATES.of(columns)
