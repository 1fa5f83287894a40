"""Venues with tiers per market: requirement and encoding from one table of tiers per position."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.data import lacking
from hedgeopt.models.margin.collateral import haircuts, haircuts_read
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.leverage import Allowed, Leverage
from hedgeopt.models.margin.model import Kind, MarginModel, Requirement, refuse_unknown_rows
from hedgeopt.models.margin.state import State
from hedgeopt.models.margin.tiers import Tiers, encode_tiers

__all__ = ["Leveraged", "Tiered"]

_INSIDE = 1.0 - 1e-12
"""Share of a bracket's end that positions in units keep to: beyond it by rounding alone they would count in the next."""


class Tiered(MarginModel):
    """Cross margin where every perpetual or future needs its own share of notional and nothing offsets."""

    name: str
    source: str
    venue: str
    kinds: tuple[str, ...] = ("perpetual", "spot", "pegged")
    entries: str
    """Section of the venue's table with an entry by underlying."""
    entry: str
    """Such an entry as a user may write it, for messages."""

    def check(self, state: State, owed: np.ndarray | None = None) -> None:
        """Refuse what the table is not of: other families, and contracts that settle in their coin.

        ``owed`` (R,) are quantities whose debts are refused too.
        """
        refuse_unknown_rows(state, self.name, self.kinds, owed=owed)
        coin = np.flatnonzero(state.inverse & ~state.owned)
        if len(coin):
            raise InputError(
                f"{state.names[int(coin[0])]} settles in its coin; {self.venue}'s tiers are of dollar-settled perpetuals",
                file="book",
                field=f"account {state.account}",
                fix="hold it in an account with another margin model (table:FILE.toml for one of your own)",
            )

    def tiers(self, state: State, row: int, kind: Kind) -> Tiers:
        """The tiers of one position."""
        raise NotImplementedError

    def margin(self, state: State, row: int, kind: Kind, notional: float) -> float:
        """USD for one position of a notional (USD, of either sign)."""
        return self.tiers(state, row, kind).margin(notional)

    def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Requirement:
        """Position by position: the tier that its notional falls into."""
        self.check(state, quantity)
        parts: dict[str, float] = {}
        maintenance = 0.0
        for at in np.flatnonzero(state.linear & (quantity != 0)).tolist():
            notional = float(state.notional[at] * quantity[at])
            name = f"{state.underlying[at]} {state.kind[at]}s"
            parts[name] = parts.get(name, 0.0) + self.margin(state, at, "initial", notional)
            maintenance += self.margin(state, at, "maintenance", notional)
        return Requirement(sum(parts.values()), maintenance, parts)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """The largest line per position."""
        self.check(state)
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
        coin = state.underlying[row]
        found = table.get(coin)
        if found is None:
            raise lacking(
                self.venue,
                f"{state.names[row]}: no margin tier for {coin}",
                field=self.entries,
                line=f"[{self.entries}] {coin} = {self.entry}",
                known=", ".join(sorted(table)),
            )
        return found


class Leveraged(Tiered):
    """Maintenance by tier, initial margin by chosen leverage: see :mod:`hedgeopt.models.margin.leverage`.

    Parameters
    ----------
    leverage
        What the account chose: one number for every market, a :class:`Leverage`, or None: the largest that a position's
        size allows. A position that is larger than its leverage allows counts at the largest leverage of its size. A program
        starts at the leverage of what is held, or of the largest size within reach, and once a solution is known takes that
        of its bracket, which it then stays within; bounds rest on the hull of all brackets within reach.
    """

    def __init__(self, leverage: float | Leverage | None = None) -> None:
        chosen = leverage if isinstance(leverage, Leverage) else Leverage(leverage)
        self.leverage = chosen.check(self.markets(), self.venue)

    def allowed(self, underlying: str) -> Allowed:
        """Largest leverage by notional of one market."""
        raise NotImplementedError

    def markets(self) -> dict[str, Allowed]:
        """:meth:`allowed` of every market that the venue's table knows."""
        raise NotImplementedError

    def knows(self, underlying: str) -> bool:
        """Whether the venue's table has an entry for a market."""
        return underlying in self.markets()

    def chosen(self, underlying: str, notional: float = 0.0) -> float:
        """Leverage that a position of a notional (USD) counts at."""
        most, chosen = self.allowed(underlying).at(notional), self.leverage.of(underlying)
        return most if chosen is None else min(chosen, most)

    def largest_notional(self, underlying: str, held: float = 0.0) -> float:
        """USD that a position may reach at the leverage that it counts at; without a choice: at the least that there is."""
        allowed = self.allowed(underlying)
        free = self.leverage.of(underlying) is None
        return allowed.largest_notional(min(allowed.leverage) if free else self.chosen(underlying, held))

    def margin(self, state: State, row: int, kind: Kind, notional: float) -> float:
        """Whole notional over leverage, or the tier's maintenance."""
        if kind == "initial":
            self.tiers(state, row, "maintenance")  # an unknown market is refused
            return abs(notional) / self.chosen(state.underlying[row], notional)
        return super().margin(state, row, kind, notional)

    def encode(self, state: State, kind: Kind) -> Encoding:
        """One line per position at the leverage that it counts at, up to the largest notional of that leverage."""
        if kind == "maintenance":
            return super().encode(state, kind)
        self.check(state)

        def at(quantity: np.ndarray, reach: np.ndarray | None = None) -> Encoding:
            return self._encode_at(state, np.abs(quantity) if reach is None else np.maximum(np.abs(quantity), reach))

        return replace(at(np.zeros(len(state))), anchor=at)

    def _encode_at(self, state: State, size: np.ndarray) -> Encoding:
        """Every position at the leverage of a size (R,), in units: nowhere below the rule up to ``largest`` of that."""
        slopes, largest = np.zeros((len(state), 1)), np.full(len(state), np.inf)
        for row in np.flatnonzero(state.linear).tolist():
            self.tiers(state, row, "maintenance")  # an unknown market is refused
            unit = float(state.notional[row])
            leverage = self.chosen(state.underlying[row], unit * float(size[row]))
            slopes[row] = unit / leverage
            end = self.allowed(state.underlying[row]).largest_notional(leverage)
            largest[row] = max(_INSIDE * end / unit, float(size[row]))
        zero = Encoding.zero(len(state), len(state.assets))

        def hull(smallest: np.ndarray, largest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self._hull(state, smallest, largest)

        return replace(zero, slopes=slopes, largest=largest, hull=hull)

    def _hull(self, state: State, smallest: np.ndarray, largest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes and deductions (R, L) of the convex hull of the rule, which jumps where the allowed leverage falls.

        For positions of sizes between ``smallest`` and ``largest`` (R,), in units; exact where all of them count at the same
        leverage. Else its corners are the largest notionals of each leverage and the largest size.
        """
        found = []
        for row in range(len(state)):
            lines = [(0.0, 0.0)]
            if state.linear[row]:
                unit = float(state.notional[row])
                least, most = unit * float(smallest[row]), unit * float(largest[row])
                rates = self._hull_of(state.underlying[row], least, most)
                lines = [(unit * slope, drop) for slope, drop in rates]
            found.append(lines)
        width = max((len(lines) for lines in found), default=1)
        padded = np.array([[*lines, *[lines[-1]] * (width - len(lines))] for lines in found]).reshape(-1, width, 2)
        return padded[:, :, 0], padded[:, :, 1]

    def _hull_of(self, coin: str, least: float, most: float) -> list[tuple[float, float]]:
        """Lines ``slope N - deduction`` below ``N / leverage of N`` for notionals of ``least`` to ``most`` (USD, or inf)."""
        first, last = self.chosen(coin, least), self.chosen(coin, max(least, _INSIDE * most))
        lines = [(1.0 / first, 0.0)]
        if last == first:
            return lines
        inside = [end for end in self.allowed(coin).up_to if least <= end < _INSIDE * most and np.isfinite(end)]
        ends = [end for end in inside if self.chosen(coin, end) != first]
        ends = [max(end for end in inside if self.chosen(coin, end) == first), *ends, *([most] if np.isfinite(most) else [])]
        values, at = [end / max(self.chosen(coin, end), last) for end in ends], 0
        while at < len(ends):  # the flattest step leads along the hull
            slopes = [(values[k] - values[at]) / (ends[k] - ends[at]) for k in range(at + 1, len(ends))]
            slopes += [] if np.isfinite(most) else [1.0 / last]
            if not slopes:
                break
            best = int(np.argmin(slopes))
            lines.append((slopes[best], max(slopes[best] * ends[at] - values[at], 0.0)))
            at += 1 + best
        return lines

    def opens(self, state: State, row: int) -> bool:
        """Where the table has an entry for its coin."""
        return not state.linear[row] or self.knows(state.underlying[row])

    def largest(self, state: State, quantity: np.ndarray, rows: Iterable[int]) -> np.ndarray:
        """(R,) units that a position may reach of either sign; infinite where no leverage is chosen.

        Of ``rows`` only; an unknown market among them is refused where it is held, and else may not be opened.
        """
        found = np.full(len(state), np.inf)
        for row in rows:
            if state.linear[row]:
                if quantity[row] == 0.0 and not self.opens(state, row):
                    found[row] = 0.0
                    continue
                self.tiers(state, row, "maintenance")
                held = float(state.notional[row] * quantity[row])
                bound = self.largest_notional(state.underlying[row], held)
                found[row] = max(_INSIDE * bound / float(state.notional[row]), abs(float(quantity[row])))
        return found
