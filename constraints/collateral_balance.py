"""No account sends collateral that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, Side, shadow_price
from hedgeopt.constraints.equity_covers import BoundSides, Withdrawal
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.effects import collateral_effect
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import BoundTerm, Term, TradeVariables

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["CollateralBalance", "Withdrawals"]


class CollateralBalance(Constraint):
    """Where something of an asset leaves an account: no more than it posts, less premiums paid, plus what arrives in time.

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

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One linear inequality per account and asset that links lead out of."""
        return _BoundBalance(trades, e, slack=slack)


class Withdrawals(Constraint):
    """No account that collateral leaves ends up with less equity than initial margin, unless it was short before.

    Venues refuse such withdrawals. Where nothing leaves, nothing is asked (:mod:`hedgeopt.program.branches`). Added to
    every program whose book has links.
    """

    source: ClassVar[str] = "venues' withdrawal rules"

    kind: Literal["withdrawals"] = "withdrawals"

    @property
    def name(self) -> str:
        """``withdrawals``."""
        return "withdrawals"

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One convex inequality per account with an outgoing link."""

        def encoding(now: Exposures, c: int) -> Encoding:
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


class _BoundWithdrawals:
    """One cover per source account; off where all assets that may leave it are."""

    def __init__(self, parts: Mapping[frozenset[tuple[int, int]], BoundSides]) -> None:
        self._parts = parts
        self._off: frozenset[tuple[int, int]] = frozenset()

    def switch(self, off: frozenset[tuple[int, int]]) -> None:
        """Leave out the accounts whose nodes are all in ``off``."""
        self._off = off

    def priced(self) -> set[tuple[int, int]]:
        """Nodes of accounts whose rule has a shadow price."""
        rows = ((nodes, part.constraints[0].dual_value) for nodes, part in self._parts.items() if nodes - self._off)
        return {node for nodes, dual in rows for node in nodes if dual is not None and float(np.sum(dual)) > 0.0}

    @property
    def _on(self) -> list[BoundSides]:
        return [part for nodes, part in self._parts.items() if nodes - self._off]

    @property
    def constraints(self) -> list[cp.Constraint]:
        """One inequality per account."""
        return [row for part in self._on for row in part.constraints]

    @property
    def auxiliary(self) -> list[cp.Constraint]:
        """What defines the requirements' own variables."""
        return [row for part in self._on for row in part.auxiliary]

    @property
    def slack_cost(self) -> cp.Expression:
        """Price of the accounts' slacks, of an elastic program."""
        return sum(part.slack_cost for part in self._parts.values())

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


class _BoundBalance:
    def __init__(self, trades: TradeVariables, e: Exposures, *, slack: bool) -> None:
        import cvxpy as cp

        links = e.links
        self._nodes = sorted({(int(c), int(a)) for c, a in zip(links.source, links.asset, strict=True)})
        self._everything = np.arange(e.n_candidates)
        self._rows = cp.Parameter((len(self._nodes), e.n_candidates))
        self._held = cp.Parameter(len(self._nodes), nonneg=True)
        # never eased: no price makes collateral appear
        self.slack_cost: cp.Expression | None = cp.Constant(0.0) if slack else None
        left = -self._rows @ trades.net
        self._all = [left[k] <= self._held[k] for k in range(len(self._nodes))]
        self._off: frozenset[tuple[int, int]] = frozenset()

    def switch(self, off: frozenset[tuple[int, int]]) -> None:
        """Leave out the accounts and assets in ``off``."""
        self._off = off

    def priced(self) -> set[tuple[int, int]]:
        """Accounts and assets whose rule has a shadow price."""
        return {node for node, row in self._on if row.dual_value is not None and float(np.sum(row.dual_value)) > 0.0}

    @property
    def _on(self) -> list[tuple[tuple[int, int], cp.Constraint]]:
        return [(node, row) for node, row in zip(self._nodes, self._all, strict=True) if node not in self._off]

    @property
    def constraints(self) -> list[cp.Constraint]:
        """One inequality per account and asset."""
        return [row for _, row in self._on]

    def _row(self, e: Exposures, account: int, asset: int) -> np.ndarray:
        return collateral_effect(e, account, asset, self._everything)

    def _unit(self, e: Exposures, account: int, asset: int) -> float:
        return max(abs(float(e.collateral[account, asset])), 1e-12)

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        units = np.array([self._unit(e, *node) for node in self._nodes])
        self._rows.value = np.stack([self._row(e, *node) for node in self._nodes]) * scale / units[:, None]
        held = np.array([max(float(e.collateral[node]), 0.0) for node in self._nodes])
        names = [self._name(e, *node) for node in self._nodes]
        self._held.value = np.maximum(held - [tighten.get(name, 0.0) for name in names], 0.0) / units

    def _name(self, e: Exposures, account: int, asset: int) -> str:
        return f"{e.assets[asset]} of {e.accounts[account]}"

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Net outflow against the amount posted, asset units; duals in USD per unit."""
        found = []
        for node, row in self._on:
            effects = self._row(e, *node)
            outflow, size = -float(effects @ x), float(np.abs(effects) @ np.abs(x))
            dual = shadow_price(row)
            limit = max(float(e.collateral[node]), 0.0)
            price = dual / self._unit(e, *node)
            found.append(Side(self._name(e, *node), e.assets[node[1]], outflow, limit, 1, price, size))
        return found

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        total = Separable(np.zeros(e.n_candidates))
        for (node, _), side in zip(self._on, self.sides(e, x), strict=True):
            total += Separable(-side.dual * self._row(e, *node), -side.dual * side.limit)
        return total
