"""Which trades of a search need a boolean: those that are counted, and those with a least size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hedgeopt.constraints.max_new_instruments import MaxNewInstruments
from hedgeopt.constraints.max_trades import MaxTrades
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.lots.choice import LotChoice
from hedgeopt.program.program import Program
from hedgeopt.program.tickets import tickets_of

__all__ = ["LotGates", "gates_of"]


@dataclass(frozen=True)
class LotGates:
    """``sent_g`` is 1 where a trade is made: ``least_g sent_g <= size_g <= most_g sent_g``, in steps.

    Attributes
    ----------
    at : (G,)
        Place in the choice.
    most, least : (G,)
    trades
        Most trades at all; none: any number.
    new : (G,)
        Number of the instrument, where it is one that nobody holds; else -1.
    names, fresh
        How many such instruments there are, and how many at most may be traded; none: any number.
    facing
        Places of buys and of sells of one instrument in several accounts: one of the two sides stays at nothing, since the
        venue would match the desk with itself.
    ticket : (G,) or None
        What sending it adds to the objective, whatever its size; none: nothing.
    """

    at: np.ndarray
    most: np.ndarray
    least: np.ndarray
    trades: int | None
    new: np.ndarray
    names: int
    fresh: int | None
    facing: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    ticket: np.ndarray | None = None


def gates_of(choice: LotChoice, e: Exposures, program: Program) -> LotGates:
    """The booleans of a search; none where nothing is counted and every size down to one lot may be sent."""
    rules = program.policy.subject_to
    trades = min((rule.most for rule in rules if isinstance(rule, MaxTrades)), default=None)
    fresh = min((rule.most for rule in rules if isinstance(rule, MaxNewInstruments)), default=None)
    asked = np.where(choice.whole, choice.least > 1.0, choice.least > 0.0)
    ticket = tickets_of(program.policy, e)[choice.at]
    every = trades is not None or fresh is not None or ticket.any()
    at = np.arange(len(choice.at)) if every else np.flatnonzero(asked)
    least = np.where(choice.whole, np.maximum(choice.least, 1.0), choice.least)[at]
    names = [e.rows.instruments[e.candidate[i]].id for i in choice.at[at].tolist()]
    owned = {e.rows.instruments[row].id for row in np.flatnonzero(e.rows.quantity).tolist()}
    numbers = {name: k for k, name in enumerate(sorted(set(names) - owned))}
    new = np.array([numbers.get(name, -1) for name in names], int)
    return LotGates(
        at,
        choice.most[at],
        least,
        trades,
        new,
        len(numbers),
        fresh,
        tuple(_facing(choice, e)),
        ticket[at] if ticket.any() else None,
    )


def _facing(choice: LotChoice, e: Exposures) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Buys and sells, by instrument, where more than one account may trade it."""
    found: dict[str, list[int]] = {}
    for k, i in enumerate(choice.at.tolist()):
        found.setdefault(e.rows.instruments[e.candidate[i]].id, []).append(k)
    for places in found.values():
        mine = np.array(places)
        buys, sells = mine[choice.direction[mine] > 0], mine[choice.direction[mine] < 0]
        if len(set(choice.at[mine].tolist())) > 1 and len(buys) and len(sells):
            yield buys, sells
