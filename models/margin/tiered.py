"""What venues with tiers per market share: requirement and encoding from one table of tiers per position."""

from __future__ import annotations

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.model import Kind, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiers import Tiers, encode_tiers

__all__ = ["Tiered"]


class Tiered:
    """Cross margin where every perpetual or future needs its own share of notional and nothing offsets."""

    name: str
    source: str
    venue: str
    kinds: tuple[str, ...] = ("perpetual", "future", "spot", "pegged")

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """The tiers of one position."""
        raise NotImplementedError

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Position by position: the tier that its notional falls into."""
        refuse_unknown_rows(state, self.name, self.kinds, owed=quantity)
        parts: dict[str, float] = {}
        maintenance = 0.0
        for at in np.flatnonzero(state.linear & (quantity != 0)).tolist():
            notional = float(state.notional[at] * quantity[at])
            name = f"{state.underlying[at]} {state.kind[at]}s"
            parts[name] = parts.get(name, 0.0) + self.tiers(state, at, "initial").margin(notional)
            maintenance += self.tiers(state, at, "maintenance").margin(notional)
        return Requirement(sum(parts.values()), maintenance, parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """The largest line per position."""
        refuse_unknown_rows(state, self.name, self.kinds)
        return encode_tiers(state, lambda row: self.tiers(state, row, kind))

    def reads(self, state: State, collateral: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Tiers of each underlying, and haircuts."""
        own = [(self.venue, name) for underlying in state.underlyings for name in self.parameters(underlying)]
        return (*own, *haircuts_read(self.venue, state, collateral))

    def parameters(self, underlying: str) -> tuple[str, ...]:
        """Parameters of the venue's table that the tiers of one underlying are."""
        raise NotImplementedError

    def haircut(self, state: State, kind: Kind) -> np.ndarray:
        """From the venue's table, initial margin only."""
        return haircuts(self.venue, state, kind)

    def market(self, table: dict[str, object], state: State, row: int) -> object:
        """Entry of the row's underlying, or an error that names the known ones."""
        found = table.get(state.underlying[row])
        if found is None:
            raise InputError(
                f"no margin tier for {state.underlying[row]}",
                file=f"models/data/{self.venue}.toml",
                field=state.names[row],
                fix=f"known: {', '.join(sorted(table))}",
            )
        return found
