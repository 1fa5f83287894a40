"""Margin utilisation of a venue as a term."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.margin.after import AccountAfter
from hedgeopt.models.margin.bind import BoundEncoding
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.unknown import unknown_margin
from hedgeopt.models.scope import Of, called, scope_of
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import RequirementOf, Term

__all__ = ["Margin", "account_requirement", "limited_encoding", "matching_accounts"]


def account_requirement(e: Exposures, account: int, quantity: np.ndarray, kind: Literal["initial", "maintenance"]) -> float:
    """Margin required by one account in USD for positions ``quantity`` (M,), with the collateral posted now."""
    return e.margins.requirement(account, quantity, e.collateral[account]).of(kind)


def matching_accounts(
    e: Exposures, venue: str | None, account: str | None, field: str, of: tuple[str, ...] = ()
) -> list[int]:
    """Accounts of a venue (none: all), or the one named, among those that ``of`` names (empty: all).

    Raises
    ------
    InputError
        When there is none.
    """
    scope = scope_of(e, of)
    everywhere = [
        i
        for i, (where, name) in enumerate(zip(e.venues, e.accounts, strict=True))
        if venue in (None, where) and account in (None, name)
    ]
    found = [i for i in everywhere if scope is None or scope.accounts[i]]
    if everywhere and not found:
        raise InputError(
            "names no account of the venue",
            file="policy",
            field=f"{field}.of",
            value=", ".join(of),
            fix=f"accounts there: {', '.join(e.accounts[i] for i in everywhere)}",
        )
    if not found:
        # an account is looked for at its venue, when that exists
        here = [name for where, name in zip(e.venues, e.accounts, strict=True) if venue in (None, where)]
        places = (here or e.accounts) if account and (here or venue is None) else sorted(set(e.venues))
        wrong = account if account and (here or venue is None) else venue
        raise InputError(
            "names a venue or account that the book does not hold",
            file="policy",
            field=field,
            value=wrong,
            fix=advice(wrong or "", places),
        )
    return found


def limited_encoding(
    e: Exposures,
    account: int,
    kind: Literal["initial", "maintenance"],
    field: str,
    stress: int | None = None,
    *,
    counted: float = 0.0,
    health: float = 1.0,
) -> Encoding:
    """:meth:`Margins.encoding` for a limit on margin, which the policy's ``field`` names.

    Raises
    ------
    InputError
        Where no rule knows the account's requirement, and it holds or may trade what needs margin: 0 would satisfy any
        limit.
    """
    unknown = unknown_margin(e, account)
    if unknown is not None:
        why, held = unknown
        raise InputError(
            f"covers account {e.accounts[account]}, where {why}",
            file="policy",
            field=field,
            value=e.accounts[account],
            fix="name the account's margin model in the book, or exclude the account: limit the others by their "
            "venue or account" + ("" if held else ", or set tradable = false on it"),
        )
    _refuse_unpriced_debt(e, account)
    return e.margins.encoding(account, kind, stress, counted=counted, health=health)


def _refuse_unpriced_debt(e: Exposures, account: int) -> None:
    """Raise where an account owes an asset whose loan its rule can't price, and no transfer may repay it."""
    owed = np.flatnonzero((e.collateral[account] < 0.0) & (e.prices > 0.0))
    repaid = e.links.asset[e.links.target == account]
    if len(owed) and not np.isin(owed, repaid).all():
        e.margins.requirement(account, e.rows.quantity, e.collateral[account])


class _BoundMargin(BoundTerm):
    """The largest of requirement over equity among the matching accounts."""

    def __init__(self, trades: TradeVariables, e: Exposures, spec: Margin) -> None:
        import cvxpy as cp

        self._accounts = matching_accounts(e, spec.venue, spec.account, "margin", spec.of)
        self._kind = spec.requirement
        self._bound = [BoundEncoding(trades, e, c, self._getter(c)) for c in self._accounts]
        # one variable in USD per account, times a parameter: a parameter times the whole requirement would not be DPP
        self._need = cp.Variable(len(self._bound))
        self._share = cp.Parameter(len(self._bound), nonneg=True)
        ratios = cp.multiply(self._share, self._need)
        self.expression = cp.sum(ratios) if len(self._bound) == 1 else cp.max(ratios)
        self.auxiliary = [row for bound in self._bound for row in bound.constraints]
        self.auxiliary += [bound.expression <= self._need[k] for k, bound in enumerate(self._bound)]

    def _getter(self, account: int) -> Callable[[Exposures], Encoding]:
        return lambda e: limited_encoding(e, account, self._kind, "margin")

    def _equity(self, e: Exposures, account: int) -> float:
        equity = float(e.equity[account])
        if equity <= 0:
            raise InputError(
                "margin utilisation has no meaning: equity is not positive",
                file="book",
                field=f"account {e.accounts[account]}",
                value=f"{equity:,.0f} USD",
                fix="post collateral, or set a margin_utilisation constraint, which takes negative equity",
            )
        return equity

    def update(self, e: Exposures, scale: np.ndarray) -> None:
        for bound in self._bound:
            bound.update(e, scale)
        self._share.value = 1.0 / np.array([self._equity(e, account) for account in self._accounts])

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        changed = [bound.refine(e, x, scale) for bound in self._bound]  # every one, not only until the first
        return any(changed)

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        changed = [bound.anchor(e, x) for bound in self._bound]
        return any(changed)

    def forget(self, tight: bool = False) -> None:
        for bound in self._bound:
            bound.forget(tight)

    def near(self, e: Exposures) -> set[int]:
        return {bound.account for bound in self._bound if bound.local(e)}

    def jumping(self, e: Exposures) -> set[int]:
        return {bound.account for bound in self._bound if bound.jumps(e)}

    def domain(self, e: Exposures) -> np.ndarray:
        return np.min([bound.domain(e) for bound in self._bound], axis=0)

    def evaluate(self, e: Exposures, x: np.ndarray) -> float:
        ratios = [b.evaluate(e, x) / self._equity(e, c) for c, b in zip(self._accounts, self._bound, strict=True)]
        return max(ratios)

    def size(self, e: Exposures, x: np.ndarray) -> float:
        return max(b.size(e, x) / self._equity(e, c) for c, b in zip(self._accounts, self._bound, strict=True))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        ratios = [b.evaluate(e, x) / self._equity(e, c) for c, b in zip(self._accounts, self._bound, strict=True)]
        worst = int(np.argmax(ratios))
        return self._bound[worst].minorant(e, x).scaled(1.0 / self._equity(e, self._accounts[worst]))


class Margin(Term):
    """Margin required at a venue over equity there: 0.6 means that 60 % of equity is tied up.

    With several accounts at the venue (or those of them that ``of`` names) the worst one counts, unless ``account`` names
    one. Rules: the account's margin model
    (:mod:`hedgeopt.models.margin.rules`). As a number and in the objective, equity is that before trading and transfers: the
    ratio to equity after them is not convex. Limited (``Margin("deribit") <= 0.6``) it is the ``margin_utilisation``
    constraint, whose equity counts trades, transfers, costs and haircuts. Either way accounts on portfolio margin keep their
    delta below the kink of the delta shock, up to which it is convex.
    """

    unit: ClassVar[str] = "share of equity"
    source: ClassVar[str] = "the account's margin model, models/data/*.toml"

    kind: Literal["margin"] = "margin"
    venue: str = Field(min_length=1, description="accounts of this venue")
    account: str | None = Field(default=None, description="one account of the venue; none: the worst of them")
    of: Of = ()
    requirement: Literal["initial", "maintenance"] = Field(default="initial", description="which margin")

    def __init__(self, venue: str | None = None, **data: object) -> None:
        super().__init__(**({} if venue is None else {"venue": venue}), **data)

    @property
    def name(self) -> str:
        """Such as ``margin deribit``."""
        what = "margin" if self.requirement == "initial" else "maintenance margin"
        return called(f"{what} {self.venue}" + (f" {self.account}" if self.account else ""), self.of)

    @property
    def requirement_of(self) -> RequirementOf:
        """The venue's accounts, or the one named."""
        return RequirementOf(self.venue, self.account, self.requirement, self.of)

    def plain(self, e: Exposures, x: np.ndarray) -> float:
        """The largest requirement by the venue's rule over equity before trading."""
        found = matching_accounts(e, self.venue, self.account, "margin", self.of)
        return max(AccountAfter.of(e, c, x).need(self.requirement) / float(e.equity[c]) for c in found)

    def bind(self, trades: TradeVariables, e: Exposures) -> _BoundMargin:
        """Piecewise linear in positions."""
        return _BoundMargin(trades, e, self)
