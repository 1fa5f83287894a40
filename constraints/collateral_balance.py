"""No account sends collateral that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import numpy as np

from hedgeopt.constraints.bound_sides import BoundSides
from hedgeopt.constraints.constraint import BoundConstraint, Constraint, LinkNode, PlainSide, Side, shadow_price
from hedgeopt.constraints.equity_covers import Withdrawal
from hedgeopt.constraints.plain_rules import balances, withdrawn
from hedgeopt.constraints.rows import LinearConstraint, Row
from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables
from hedgeopt.models.margin.effects import collateral_effect
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.unknown import unknown_margin
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

__all__ = ["CollateralBalance", "Withdrawals"]


class CollateralBalance(LinearConstraint):
    """Transfers of an asset out of an account are at most its collateral, less premiums paid, plus arrivals in time.

    Where nothing leaves, nothing is asked (:mod:`hedgeopt.program.branches`). Added to every program whose book has links.
    Premium received for options sold may be sent on; a debt may be repaid but not drawn: where an account owes the asset,
    nothing leaves.
    """

    source: ClassVar[str] = "flow conservation"

    kind: Literal["collateral_balance"] = "collateral_balance"

    @property
    def name(self) -> str:
        """``collateral balance``."""
        return "collateral balance"

    def rows(self, e: Exposures) -> list[Row]:
        """One per account and asset that links lead out of; never relaxed: no price makes collateral appear."""
        everything, found = np.arange(e.n_candidates), []
        for c, a in nodes_of(e):
            out, posted = -collateral_effect(e, c, a, everything), float(e.collateral[c, a])
            unit = max(abs(posted), 1e-12)
            name = f"{e.assets[a]} of {e.accounts[c]}"
            row = Row(name, e.assets[a], out, max(posted, 0.0), scale=unit, eased=None, innermost=0.0, node=(c, a))
            found.append(row)
        return found

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """The remainder of every asset that is sent."""
        return list(balances(e, x))


def nodes_of(e: Exposures) -> list[LinkNode]:
    """Every account and asset with a link out of it, in order."""
    return sorted({(int(c), int(a)) for c, a in zip(e.links.source, e.links.asset, strict=True)})


class Withdrawals(Constraint):
    """No account that collateral leaves ends up with less equity than initial margin, unless it was short before.

    Venues refuse such withdrawals. Links out of an account whose margin no rule knows are refused, where it holds or may
    trade what needs margin. Where nothing leaves, nothing is asked (:mod:`hedgeopt.program.branches`). Added to
    every program whose book has links.
    """

    source: ClassVar[str] = "venues' withdrawal rules"

    kind: Literal["withdrawals"] = "withdrawals"

    @property
    def name(self) -> str:
        """``withdrawals``."""
        return "withdrawals"

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """Initial margin by the venue's rule, or the account as short as it was, wherever collateral leaves."""
        return list(withdrawn(e, x, everywhere))

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One convex inequality per account with an outgoing link."""

        def encoding(now: Exposures, c: int) -> Encoding:
            unknown = unknown_margin(now, c)
            if unknown is not None:
                raise InputError(
                    f"lead out of account {now.accounts[c]}, where {unknown[0]}: what may leave is not known either",
                    file="book",
                    field="links",
                    value=now.accounts[c],
                    fix="name the account's margin model, or take its links out",
                )
            return now.margins.encoding(c, "initial", counted=1.0)

        nodes: dict[int, set[tuple[int, int]]] = {}
        for c, a in zip(e.links.source.tolist(), e.links.asset.tolist(), strict=True):
            nodes.setdefault(c, set()).add((c, a))
        parts = {
            frozenset(nodes[c]): BoundSides(
                trades, e, [Withdrawal(f"withdrawal {e.accounts[c]}", (c,), encoding, None)], slack
            )
            for c in sorted(nodes)
        }
        return _BoundWithdrawals(parts)


class _BoundWithdrawals(BoundConstraint):
    """One cover per source account; off where all assets that may leave it are."""

    def __init__(self, parts: Mapping[frozenset[LinkNode], BoundSides]) -> None:
        self._parts = parts
        self.slack_cost = sum(part.slack_cost for part in parts.values())
        self.switch(frozenset())

    def switch(self, off: frozenset[LinkNode]) -> None:
        """Leave out the accounts whose nodes are all in ``off``."""
        self._off, self._on = off, [part for nodes, part in self._parts.items() if nodes - off]
        self.constraints = [row for part in self._on for row in part.constraints]
        self.auxiliary = [row for part in self._on for row in part.auxiliary]

    def priced(self) -> set[LinkNode]:
        """Nodes of accounts whose rule has a shadow price."""
        on = [(nodes, part) for nodes, part in self._parts.items() if nodes - self._off]
        return {node for nodes, part in on for node in nodes if shadow_price(part.constraints[0]) > 0.0}

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        for part in self._parts.values():
            part.update(e, scale, tighten)

    def refine(self, e: Exposures, x: np.ndarray, scale: np.ndarray) -> bool:
        """Sharpen approximations around trades x."""
        changed = [part.refine(e, x, scale) for part in self._on]
        return any(changed)

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        """Make encodings exact at trades x."""
        changed = [part.anchor(e, x) for part in self._on]
        return any(changed)

    def forget(self, tight: bool = False) -> None:
        """Back to the encodings of the start."""
        for part in self._parts.values():
            part.forget(tight)

    def domain(self, e: Exposures) -> np.ndarray:
        """(N,) sizes of position up to which the rules that are on hold as they are encoded."""
        return np.min([np.full(e.n_candidates, np.inf), *(part.domain(e) for part in self._on)], axis=0)

    def near(self, e: Exposures) -> set[int]:
        """See :meth:`BoundSides.near`."""
        return {c for part in self._on for c in part.near(e)}

    def jumping(self, e: Exposures) -> set[int]:
        """Accounts whose requirements jump within the trade limits."""
        return {c for part in self._on for c in part.jumping(e)}

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Requirement against equity of each account."""
        return [side for part in self._on for side in part.sides(e, x)]

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        total = Separable(np.zeros(e.n_candidates))
        for part in self._on:
            total += part.minorant(e, x, tails)
        return total
