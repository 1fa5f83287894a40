"""The tail that a proposal promises: its sample, and draws of the same model that the optimizer never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.promised import PromisedTail, promised_tail, with_fresh
from hedgeopt.measures.risk import scenario_losses
from hedgeopt.models.arrays import Exposures

__all__ = ["fresh_policy", "promise_of"]

_DRAWN = ("parametric", "regime")


def promise_of(
    book: Book, market: Market, policy: Policy, e: Exposures, x: np.ndarray, stress: dict[str, float]
) -> PromisedTail | None:
    """The promise of trades x (N,) that were chosen on exposures ``e``; None without a sample.

    Fresh draws are those of the next seed, as many as the sample. ``stress`` are P&Ls after trading, in the report's unit.
    """
    if e.scenarios is not None and e.scenarios.still:
        return None
    settings = policy.scenarios
    views = bool(getattr(settings, "views", ()))
    kind = str(settings.kind)
    losses = scenario_losses(e, x) if e.n_candidates else scenario_losses(e)
    promise = promised_tail(e, losses, stress, kind=kind, views=views, seed=settings.seed)
    if kind not in _DRAWN:
        return promise
    again = fresh_policy(policy)
    other, then = _others(book, market, again, e, x)
    return with_fresh(promise, other, then, again.scenarios.seed)


def fresh_policy(policy: Policy) -> Policy:
    """The policy with the next seed."""
    return policy.model_copy(update={"scenarios": policy.scenarios.model_copy(update={"seed": policy.scenarios.seed + 1})})


def _others(book: Book, market: Market, policy: Policy, e: Exposures, x: np.ndarray) -> tuple[Exposures, np.ndarray]:
    """Exposures of the traded instruments alone under ``policy``, and the losses (S,) of the same trades there."""
    items = [e.rows.instruments[row] for row in e.candidate.tolist()]
    sent = set(e.links.candidate.tolist())
    by_id = {items[i].id: items[i] for i in np.flatnonzero(x).tolist() if i not in sent}
    traded: Sequence[Any] = [by_id[name] for name in sorted(by_id)]  # their order is that of the draws
    other = expose(book, market, policy, candidates=traded, stressed=False, check_names=False)
    if not other.n_candidates:
        return other, scenario_losses(other)
    names = [e.accounts[e.rows.account[row]] for row in e.candidate.tolist()]
    amount = {(names[i], items[i].name): float(x[i]) for i in np.flatnonzero(x).tolist()}
    mine = [
        amount.get((other.accounts[other.rows.account[row]], other.rows.instruments[row].name), 0.0)
        for row in other.candidate.tolist()
    ]
    return other, scenario_losses(other, np.array(mine))
