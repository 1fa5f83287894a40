"""The arrays that pass from exposures to terms, constraints, program and certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.files.calls import strict_class
from hedgeopt.files.counted import many
from hedgeopt.models.numeraire import gain_in
from hedgeopt.models.rows import Links, Rows

if TYPE_CHECKING:
    from hedgeopt.models.costs.depth import Depth
    from hedgeopt.models.costs.quotes import FeeTerms
    from hedgeopt.models.costs.unwind import UnwindCost
    from hedgeopt.models.margin.margins import Margins
    from hedgeopt.models.numeraire import Numeraire
    from hedgeopt.models.pricing.market_arrays import MarketArrays
    from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["Exposures"]


@strict_class
@dataclass(frozen=True, eq=False)
class Exposures:
    """A book and its market as arrays; everything downstream reads only these.

    Trades are a vector x (N,), one entry per candidate, in the candidate's quantity unit: positive buys.
    Positions after trading are ``rows.quantity`` plus x at ``candidate``.

    Attributes
    ----------
    timestamp, horizon_days
        Moment of the snapshot and risk horizon.
    assets
        A assets in column order.
    prices : (A,)
        USD price of each asset.
    accounts, venues, chains, counterparties
        C account names, and the venue, chain (or None) and counterparty of each.
    equity : (C,)
        USD: collateral at index prices plus option and spot values.
    collateral : (C, A)
        Units of each asset posted.
    rows
        Held and tradable (account, instrument) pairs.
    candidate : (N,) int
        Row of each candidate.
    lower, upper : (N,)
        Trade limits from quotes: ``lower <= 0 <= upper``; 0 on a side without a quote. Infinite where nothing limits.
    cost_buy, cost_sell : (N,)
        USD per unit bought or sold (half-spread plus fee), non-negative; NaN never: 0 where the side is closed.
    fee : (N,)
        The part of either cost that is exchange fee, USD per unit.
    trade_greeks : (7, N, A)
        Change of the book's Greeks per unit traded: ``rows.greeks`` less the premium leg in delta.
    open_interest : (N,)
        Units outstanding; NaN where the market gives none.
    base_pnl : (S,), pnl : (S, N)
        USD P&L over the horizon: of the present book with its collateral, and per unit traded (premium leg included).
    probabilities : (S,) or None
        Scenario weights; None means equal.
    stress : tuple of K names
    stress_base : (K,), stress_pnl : (K, N)
        The same under the named stress scenarios.
    stress_account_pnl : (K, C)
        USD P&L of each account's present holdings under each stress.
    stress_prices : (K, A)
        USD price of each asset in each stress.
    links
        Candidates that move collateral between accounts instead of trading.
    margins
        Margin model of each account, with its requirement now and in every stress.
    market
        Prices and quotes of the moment as plain arrays, for what is revalued later (profiles, distance to liquidation).
    notes
        Assumptions made where data were missing, each to be shown to the reader, and the caveats.
    caveats
        Packaged numbers behind these arrays that nobody has verified, or that are past their shelf life.
    scenarios
        The sample that ``base_pnl`` and ``pnl`` were revalued in; None where nobody said.
    collateral_delta : (C, A) or None
        See :attr:`coin_delta`; None where no collateral is pegged to another asset.
    stress_unwind_sell, stress_unwind_buy : (K, M) or None
        USD per unit to sell a long or buy back a short of each row under each stress: half-spread times the scenario's
        multiplier, plus fee; 0 where the venue is halted and nothing can be unwound.
    account_pnl : (S, C) or None
        USD P&L of each account's present holdings in each scenario, as the policy counts it; adds up to ``base_pnl``.
    tags
        Tags of each account.
    flows
        Known flows of collateral to come: account, asset column, amount, the day on which it counts (0: now), and whether it
        is locked in what is posted until then (True) or comes from outside.
    depth
        Ladders of candidates: costs beyond ``cost_buy`` and ``cost_sell``, which are those of the best level then.
    mark_half_spread
        Half-spread as a share of price that instruments with a mark and no quotes are assumed to have; None: none.
    fee_terms
        Tier of each account at its venue, and whether orders pay as makers.
    numeraire
        The asset that the policy counts in; None: USD. ``base_pnl``, ``pnl`` and ``collateral_delta`` are in terms of it
        then, in dollars of its price today; stress arrays are in dollars, and :meth:`stress_gain` in terms of it.
    """

    timestamp: datetime
    horizon_days: float
    assets: tuple[str, ...]
    prices: np.ndarray
    accounts: tuple[str, ...]
    venues: tuple[str, ...]
    chains: tuple[str | None, ...]
    counterparties: tuple[str, ...]
    equity: np.ndarray
    collateral: np.ndarray
    rows: Rows
    candidate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    cost_buy: np.ndarray
    cost_sell: np.ndarray
    fee: np.ndarray
    trade_greeks: np.ndarray
    open_interest: np.ndarray
    base_pnl: np.ndarray
    pnl: np.ndarray
    probabilities: np.ndarray | None
    stress: tuple[str, ...]
    stress_base: np.ndarray
    stress_pnl: np.ndarray
    stress_account_pnl: np.ndarray
    stress_prices: np.ndarray
    links: Links
    margins: Margins
    market: MarketArrays
    notes: tuple[str, ...] = ()
    stress_unwind_sell: np.ndarray | None = None
    stress_unwind_buy: np.ndarray | None = None
    collateral_delta: np.ndarray | None = None
    caveats: tuple[str, ...] = ()
    scenarios: ScenarioSet | None = None
    numeraire: Numeraire | None = None
    account_pnl: np.ndarray | None = None
    tags: tuple[tuple[str, ...], ...] = ()
    depth: Depth | None = None
    flows: tuple[tuple[int, int, float, int, bool], ...] = ()
    mark_half_spread: float | None = None
    fee_terms: tuple[FeeTerms, ...] = ()

    @cached_property
    def leaving(self) -> UnwindCost:
        """Half-spreads and fees of leaving each row at today's quotes; scenarios multiply the spreads."""
        from hedgeopt.models.costs.unwind import unwind_cost

        rows, half = self.rows, self.mark_half_spread
        return unwind_cost(rows.instruments, self.market, rows.notional, rows.value, mark_half_spread=half)

    def trade_cost(self, x: np.ndarray) -> np.ndarray:
        """(N,) USD that trades x (N,) cost: half-spread and fee of the best quotes, and what walking a ladder adds."""
        linear = self.cost_buy * np.maximum(x, 0.0) + self.cost_sell * np.maximum(-x, 0.0)
        return linear if self.depth is None else linear + self.depth.extra(x)

    def trade_fee(self, x: np.ndarray) -> np.ndarray:
        """(N,) the part of :meth:`trade_cost` that is exchange fee."""
        linear = self.fee * np.abs(x)
        return linear if self.depth is None else linear + self.depth.fees(x, self.fee)

    def cost_parts(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """(N,) USD of trades x (N,) by component; the first three add up to :meth:`trade_cost`.

        half_spread to the best quote, depth beyond it (without fees), fee, gas (whatever the size), and carry over the
        horizon, negative where it is income.
        """
        fee, cost = self.trade_fee(x), self.trade_cost(x)
        if self.depth is None:
            depth = gas = np.zeros(self.n_candidates)
        else:
            depth = self.depth.extra(x) - self.depth.dearer_fees(x)
            gas = np.where(x != 0.0, self.depth.gas, 0.0)
        carry = -self.rows.carry[self.candidate] * self.horizon_days * x
        return {"half_spread": cost - fee - depth, "depth": depth, "fee": fee, "gas": gas, "carry": carry}

    def stress_gain(self, k: int) -> tuple[np.ndarray, np.ndarray, float]:
        """P&L of each account (C,) and per unit traded (N,) in stress k as the policy counts it, and the scenario's factor.

        In dollars; in terms of a numeraire that costs N today and N_k in the scenario ``(E + P) f - E`` and ``f p``,
        ``f = N / N_k``, in dollars of today's N.
        """
        if self.numeraire is None:
            return self.stress_account_pnl[k], self.stress_pnl[k], 1.0
        factor = float(self.numeraire.stress_factor[k])
        return gain_in(self.equity, self.stress_account_pnl[k], factor), self.stress_pnl[k] * factor, factor

    @property
    def coin_delta(self) -> np.ndarray:
        """(C, A) delta of the posted collateral: its units, those of pegged assets moved to underlying and peg factor."""
        return self.collateral if self.collateral_delta is None else self.collateral_delta

    @property
    def n_candidates(self) -> int:
        """N, the length of a trade vector."""
        return len(self.candidate)

    @property
    def held(self) -> np.ndarray:
        """(N,) bool: candidates in which a position is held now."""
        return self.rows.quantity[self.candidate] != 0.0

    @cached_property
    def paid_in(self) -> np.ndarray:
        """(N,) column of the asset that each candidate's premium is paid in; -1 without a premium or such an asset."""
        column = {name: a for a, name in enumerate(self.assets)}
        items = (self.rows.instruments[row] for row in self.candidate.tolist())
        found = np.array([column.get(getattr(item, "settlement", ""), -1) for item in items], np.int64)
        return np.where(self.rows.premium[self.candidate] != 0.0, found, -1)

    def positions(self, trades: np.ndarray) -> np.ndarray:
        """(M,) quantities after trading x."""
        after = self.rows.quantity.copy()
        after[self.candidate] += trades
        return after

    def price(self, asset: str) -> float:
        """USD price of an asset; raises KeyError when the exposures do not hold it."""
        return float(self.prices[self.asset(asset)])

    def asset(self, name: str) -> int:
        """Column of an asset; raises KeyError when the exposures do not hold it."""
        if name not in self.assets:
            raise KeyError(name)
        return self.assets.index(name)

    def __repr__(self) -> str:
        """One line: the sizes of the arrays."""
        sizes = f"{many(self.n_candidates, 'candidate')}, {many(len(self.rows), 'row')}"
        sizes += f", {many(len(self.accounts), 'account')}"
        return f"Exposures({self.timestamp:%Y-%m-%d %H:%M:%S %Z}, {sizes}, {many(len(self.base_pnl), 'scenario')})"

    def structure(self) -> tuple[Any, ...]:
        """What a compiled program depends on; equal structures can share one program."""
        return (
            self.assets,
            self.accounts,
            self.venues,
            tuple(item.name for item in self.rows.instruments),
            tuple(self.rows.account.tolist()),
            tuple(self.candidate.tolist()),
            self.pnl.shape,
            self.probabilities is None,
            self.stress,
            self.margins.names,
            tuple(self.links.arrives.tolist()),
            tuple(np.flatnonzero(self.held).tolist()),
            self.tags,
            None if self.numeraire is None else (self.numeraire.asset, self.numeraire.price),
            None if self.depth is None else self.depth.key,
        )
