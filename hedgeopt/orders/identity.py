"""Client order ids: the same order of the same proposal has the same id, whenever and wherever it is exported.

An id is 24 hexadecimal digits of a hash of proposal, account and instrument, then four of the round and four of how many
rounds there are (0 and 0 of a whole leg). So the leg of an id is looked up, however many rounds it was sent in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

__all__ = ["MOST_ROUNDS", "client_id", "leg_of_id", "legs_by_id"]

MOST_ROUNDS = 1_000
"""Rounds that a plan may have."""
_LEG, _ID = 24, re.compile("[0-9a-f]{32}")


def client_id(digest: str, account: str, instrument: str, place: int = 0, rounds: int = 0) -> str:
    """32 hexadecimal digits of a leg, or of its part in round ``place`` of ``rounds``."""
    leg = hashlib.sha256("|".join([digest, account, instrument]).encode()).hexdigest()[:_LEG]
    return f"{leg}{place:04x}{rounds:04x}"


def legs_by_id(digest: str, legs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Account and instrument of each leg, by the part of an id that is the leg's."""
    return {client_id(digest, *leg)[:_LEG]: leg for leg in legs}


def leg_of_id(told: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """The leg that an id is of, with or without ``0x``; None where no plan of this proposal gives it."""
    found = told.lower().removeprefix("0x")
    if not _ID.fullmatch(found):
        return None
    place, rounds = int(found[_LEG : _LEG + 4], 16), int(found[_LEG + 4 :], 16)
    planned = place == rounds == 0 or (1 <= place <= rounds and 2 <= rounds <= MOST_ROUNDS)
    return known.get(found[:_LEG]) if planned else None
