"""Where an asset is not lent, purchases in it are paid from collateral."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, PlainSide, Side
from hedgeopt.constraints.plain_rules import paid, purse_title
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundTerm, TradeVariables, put
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["PaidFor", "purses"]


@dataclass(frozen=True)
class Purse:
    """Means of payment of an account: one asset that it may not owe, or, where nothing is lent, all dollar assets together.

    ``bought`` are the candidates that are paid from it; ``links`` of the exposures touch it, with ``signs`` -1 out and the
    share that arrives in.
    """

    account: int
    name: str
    assets: tuple[int, ...]
    bought: np.ndarray
    links: np.ndarray
    signs: np.ndarray


def purses(e: Exposures) -> list[Purse]:
    """Every purse that something may be bought from."""
    dollars, found = dollar_assets(), []
    sent = set(e.links.candidate.tolist())
    for c, model in enumerate(e.margins.models):
        bought: dict[str, list[int]] = {}
        for i, row in enumerate(e.candidate.tolist()):
            item = e.rows.instruments[row]
            if e.rows.account[row] != c or i in sent or item.nature.paid not in ("premium", "owned"):
                continue
            if not model.lent(item.settlement):
                together = not model.lends and item.settlement in dollars
                bought.setdefault("dollars" if together else item.settlement, []).append(i)
        for name, members in bought.items():
            assets = tuple(
                a for a, asset in enumerate(e.assets) if asset == name or (name == "dollars" and asset in dollars)
            )
            out, inward = e.links.source == c, e.links.target == c
            touch = np.flatnonzero((out | inward) & np.isin(e.links.asset, assets))
            signs = np.where(inward[touch], e.links.arrives[touch], 0.0) - out[touch]
            found.append(Purse(c, purse_title(name, e.accounts[c], model), assets, np.array(members), touch, signs))
    return found


class PaidFor(Constraint):
    """What an account may not owe is paid from its collateral: value bought, costs and transfers out are no more.

    ``sum value x + cost_buy max(x, 0) + cost_sell max(-x, 0) - transfers in + out <= max(posted, 0)``, USD, per account and
    settlement asset; where nothing is lent, dollar assets count together. What is sold pays too. Added to every program in
    which an account may buy something in an asset that its margin model does not lend
    (:meth:`~hedgeopt.models.margin.model.MarginModel.lent`): unified accounts lend what a table gives a rate for.
    """

    source: ClassVar[str] = "assets without a loan are paid from what is posted"

    kind: Literal["paid_for"] = "paid_for"

    @property
    def name(self) -> str:
        """``purchases are paid for``."""
        return "purchases are paid for"

    def plain_sides(self, e: Exposures, x: np.ndarray, *, everywhere: bool = False) -> list[PlainSide]:
        """What every account owes, of assets that it is not lent, after its trades, costs and transfers."""
        return list(paid(e, x))

    def bind(
        self, trades: TradeVariables, e: Exposures, term: Callable[[Term], BoundTerm], *, slack: bool = False
    ) -> BoundConstraint:
        """One linear inequality per purse."""
        return _BoundPaidFor(trades, e)


class _BoundPaidFor(BoundConstraint):
    def __init__(self, trades: TradeVariables, e: Exposures) -> None:
        import cvxpy as cp

        self._purses = purses(e)
        shape = len(self._purses), e.n_candidates
        self._buy, self._sell = cp.Parameter(shape), cp.Parameter(shape)
        self._posted = cp.Parameter(len(self._purses), nonneg=True)
        # never eased: no price makes money appear, and standing still always meets it
        spent = self._buy @ trades.buy + self._sell @ trades.sell
        self._fills, lines = trades.fills, [spent[k] for k in range(len(self._purses))]
        if self._fills is not None:
            self._depth = [cp.Parameter(self._fills.n_weights, nonneg=True) for _ in self._purses]
            lines = [line + self._fills.of(depth) for line, depth in zip(lines, self._depth, strict=True)]
        self.constraints: list[cp.Constraint] = [line <= self._posted[k] for k, line in enumerate(lines)]

    @staticmethod
    def _paid(e: Exposures, purse: Purse) -> tuple[np.ndarray, np.ndarray]:
        """(N,) USD that a unit bought, and a unit sold, takes from the purse."""
        buy, sell = np.zeros(e.n_candidates), np.zeros(e.n_candidates)
        value = e.rows.value[e.candidate[purse.bought]]
        buy[purse.bought] = value + e.cost_buy[purse.bought]
        sell[purse.bought] = -value + e.cost_sell[purse.bought]
        moved = e.links.candidate[purse.links]
        buy[moved] = -purse.signs * e.prices[e.links.asset[purse.links]]
        return buy, sell

    @staticmethod
    def _limit(e: Exposures, purse: Purse) -> float:
        at = list(purse.assets)
        return max(float(e.collateral[purse.account, at] @ e.prices[at]), 0.0)

    def _unit(self, e: Exposures, purse: Purse) -> float:
        return max(self._limit(e, purse), 1.0)

    def update(self, e: Exposures, scale: np.ndarray, tighten: Mapping[str, float]) -> None:
        units = np.array([self._unit(e, purse) for purse in self._purses])
        paid = [self._paid(e, purse) for purse in self._purses]
        put(self._buy, np.stack([buy for buy, _ in paid]) * scale / units[:, None])
        put(self._sell, np.stack([sell for _, sell in paid]) * scale / units[:, None])
        posted = np.array([self._limit(e, purse) - tighten.get(purse.name, 0.0) for purse in self._purses])
        put(self._posted, np.maximum(posted, 0.0) / units)
        if self._fills is not None and e.depth is not None:
            for depth, purse, unit in zip(self._depth, self._purses, units, strict=True):
                put(depth, self._fills.weights(e.depth, self._pays(e, purse)) / unit)

    @staticmethod
    def _pays(e: Exposures, purse: Purse) -> np.ndarray:
        return np.isin(np.arange(e.n_candidates), purse.bought)

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """USD spent against USD posted."""
        found = []
        for purse, row in zip(self._purses, self.constraints, strict=True):
            buy, sell = self._paid(e, purse)
            parts = np.where(x > 0, buy * x, -sell * x)
            if e.depth is not None:
                parts = parts + np.where(self._pays(e, purse), e.depth.extra(x), 0.0)
            limit, dual = self._limit(e, purse), row.dual_value
            price = 0.0 if dual is None else max(float(np.sum(dual)), 0.0) / self._unit(e, purse)
            size = float(np.abs(parts).sum()) + limit
            found.append(Side(purse.name, "USD", float(parts.sum()), limit, 1, price, size))
        return found

    def put_duals(self, e: Exposures, duals: np.ndarray) -> None:
        """Set the shadow prices, per USD."""
        for purse, row, dual in zip(self._purses, self.constraints, duals, strict=True):
            row.dual_variables[0].save_value(np.array(float(dual) * self._unit(e, purse)))

    def minorant(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """Exact: ``buy max(x, 0) + sell max(-x, 0) = -sell x + (buy + sell) max(x, 0)``."""
        total = Separable(np.zeros(e.n_candidates))
        for purse, side in zip(self._purses, self.sides(e, x), strict=True):
            if side.dual > 0.0:
                buy, sell = self._paid(e, purse)
                price, bend = side.dual, np.zeros(e.n_candidates)
                bend[purse.bought] = price * (buy + sell)[purse.bought]
                slope = np.zeros(e.n_candidates)
                slope[purse.bought] = -price * sell[purse.bought]
                moved = e.links.candidate[purse.links]
                slope[moved] = price * buy[moved]  # transfers only go forward
                kinks = np.zeros((1, e.n_candidates))
                total += Separable(slope, -price * side.limit, bend[None, :], kinks)
                if e.depth is not None:
                    total += e.depth.minorant(x, price * self._pays(e, purse))
        return total
