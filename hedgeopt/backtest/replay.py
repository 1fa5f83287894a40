"""Market snapshots in time order; the engine asks for the next one only when it is done with the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hedgeopt.errors import InputError
from hedgeopt.inputs.market import Market

__all__ = ["in_order"]


def in_order(markets: Iterable[Market]) -> Iterator[Market]:
    """The same snapshots, one at a time; refused where time stands still or runs back, or when there is none.

    Raises
    ------
    InputError
        Naming the source and the offending moment.
    """
    last: Market | None = None
    for market in markets:
        if last is not None and market.timestamp == last.timestamp:
            raise InputError(
                "appears more than once",
                file=market.source,
                field="timestamp",
                value=market.timestamp.isoformat(),
                fix="keep one snapshot per moment",
            )
        if last is not None and market.timestamp < last.timestamp:
            raise InputError(
                f"lies before the snapshot it follows ({last.timestamp.isoformat()})",
                file=market.source,
                field="timestamp",
                value=market.timestamp.isoformat(),
                fix="sort the snapshots by time",
            )
        last = market
        yield market
    if last is None:
        raise InputError("holds no snapshot in the period", field="replay", fix="check start and end against the files")
