"""Which candidates a limit applies to."""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures

__all__ = ["Selection", "selected"]

Selection = tuple[str, ...]
"""Kinds (``option``, ``perpetual``) or names with ``*`` as a wildcard; empty means every instrument (not transfers)."""


def selected(only: Selection, e: Exposures) -> np.ndarray:
    """(N,) bool: candidates whose kind or name matches any pattern.

    Raises
    ------
    InputError
        When a pattern matches nothing: a limit that applies to no instrument is a mistake.
    """
    items = [e.rows.instruments[row] for row in e.candidate]
    if not only:
        return np.array([not item.nature.transfer for item in items], bool)
    hit = np.zeros(len(items), bool)
    for pattern in only:
        match = np.array([item.kind == pattern or fnmatchcase(item.name, pattern) for item in items], bool)
        if not match.any():
            raise InputError(
                "matches no candidate",
                file="policy",
                field="only",
                value=pattern,
                fix="give a kind or a name, * allowed; " + advice(pattern, [k for i in items for k in (i.kind, i.name)]),
            )
        hit |= match
    return hit
