"""Exposures with fewer candidates: those that a list of trades touches, so that thousands of partial lists are quick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.rows import Links

__all__ = ["same_instruments", "with_candidates"]


def with_candidates(e: Exposures, keep: np.ndarray) -> Exposures:
    """The exposures with candidates ``keep`` (K,) alone, in that order; rows, accounts and scenarios stay.

    A trade vector (K,) of it means the vector (N,) that is 0 elsewhere. For the verifier, who reads ladders and impact from
    the market itself: the program's own arrays of them are left out.
    """
    place = {int(i): k for k, i in enumerate(keep)}
    inside = [t for t, i in enumerate(e.links.candidate.tolist()) if i in place]
    links = Links(
        np.array([place[int(e.links.candidate[t])] for t in inside], np.int64),
        *(getattr(e.links, name)[inside] for name in ("source", "target", "asset", "arrives")),
    )
    by_candidate = ("candidate", "lower", "upper", "cost_buy", "cost_sell", "fee", "open_interest")
    last = ("pnl", "stress_pnl")
    changed: dict[str, Any] = {name: getattr(e, name)[keep] for name in by_candidate}
    changed |= {name: np.ascontiguousarray(getattr(e, name)[:, keep]) for name in last}
    return replace(e, **changed, trade_greeks=e.trade_greeks[:, keep], links=links, depth=None)


def same_instruments(e: Exposures, keep: np.ndarray) -> np.ndarray:
    """Candidates ``keep``, then all others of the same instruments: accounts share an instrument's ladder, or its impact."""
    ids = [item.id for item in e.rows.instruments]
    sent, chosen = set(e.links.candidate.tolist()), set(keep.tolist())
    wanted = {ids[e.candidate[i]] for i in chosen - sent}
    rows = e.candidate.tolist()
    more = [i for i in range(e.n_candidates) if i not in chosen and i not in sent and ids[rows[i]] in wanted]
    return np.array([*keep.tolist(), *more], np.int64)
