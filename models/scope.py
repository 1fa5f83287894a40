"""Terms of one strategy: which accounts count, and what a trade or transfer changes in them.

``of`` names accounts or their tags, ``*`` allowed; empty is the whole book. A transfer of collateral changes nothing in the
whole book, and takes its asset out of one strategy and into another.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

import numpy as np
from pydantic import Field, StringConstraints

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures

__all__ = ["Of", "Scope", "called", "of_accounts", "scope_of", "scoped_equity"]

Of = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...],
    Field(
        exclude_if=lambda value: not value,
        description="accounts or tags, * allowed, whose part counts; empty: the whole book",
    ),
]


@dataclass(frozen=True, eq=False)
class Scope:
    """The accounts that count.

    Attributes
    ----------
    accounts : (C,) bool
    rows : (M,), candidates : (N,)
        1 where a position or trade is in one of them; 0 for transfers.
    sent : (T,)
        1 for a transfer into them, -1 out of them, 0 within or elsewhere.
    """

    accounts: np.ndarray
    rows: np.ndarray
    candidates: np.ndarray
    sent: np.ndarray

    def with_transfers(self, e: Exposures, per_unit: np.ndarray, gain: np.ndarray) -> np.ndarray:
        """``per_unit`` (…, N) inside the scope, with ``gain`` (…, T) of each transfer's asset where one enters or leaves."""
        found = per_unit * self.candidates
        found[..., e.links.candidate] = gain * self.sent
        return np.asarray(found)


def scope_of(e: Exposures, of: tuple[str, ...]) -> Scope | None:
    """The scope that a term names; None for the whole book.

    Raises
    ------
    InputError
        For a word that is no account and no tag of the book.
    """
    if not of:
        return None
    tags = e.tags or ((),) * len(e.accounts)
    words = [(name, *own) for name, own in zip(e.accounts, tags, strict=True)]
    for pattern in of:
        if not any(fnmatchcase(word, pattern) for mine in words for word in mine):
            fix = advice(pattern, dict.fromkeys(word for mine in words for word in mine))
            raise InputError("names no account and no tag", file="policy", field="of", value=pattern, fix=fix)
    return of_accounts(e, np.array([any(fnmatchcase(w, p) for w in mine for p in of) for mine in words], bool))


def of_accounts(e: Exposures, accounts: np.ndarray) -> Scope:
    """The scope of accounts (C,) bool."""
    rows = accounts[e.rows.account].astype(float)
    candidates = rows[e.candidate]
    candidates[e.links.candidate] = 0.0
    into, out = accounts[e.links.target].astype(float), accounts[e.links.source].astype(float)
    return Scope(accounts, rows, candidates, into - out)


def scoped_equity(e: Exposures, scope: Scope | None) -> float:
    """USD of equity before trading, of the whole book or of the accounts that count.

    Raises
    ------
    InputError
        Where it is not positive: a share of it means nothing.
    """
    equity = float(e.equity.sum() if scope is None else e.equity[scope.accounts].sum())
    if equity <= 0:
        raise InputError(
            "leverage has no meaning: equity is not positive",
            file="book",
            field="collateral",
            value=f"{equity:,.0f} USD",
            fix="post collateral, or limit exposures in USD instead",
        )
    return equity


def called(name: str, of: tuple[str, ...]) -> str:
    """Such as ``delta BTC of vol``."""
    return f"{name} of {', '.join(of)}" if of else name
