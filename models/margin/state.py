"""One account's instruments in one state of the market, as arrays: what margin rules read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from hedgeopt.models.pricing.nature import Nature

__all__ = ["State"]

_LASTING = (
    "option",
    "linear",
    "margined",
    "curved",
    "powers",
    "perpetual",
    "owned",
    "derivative",
    "kind",
    "underlyings",
    "by_underlying",
    "by_settlement",
    "_of",
)


@dataclass(frozen=True, eq=False)
class State:
    """R instruments that an account holds or may hold, with the prices of one moment or of one stress scenario.

    Attributes
    ----------
    venue, account
        For messages.
    names, underlying, settlement : R strings each
    nature : R records
        What each instrument is.
    inverse : (R,) bool
        Settled in the underlying coin.
    index, settlement_price : (R,)
        USD prices of the underlying and of the settlement asset.
    mark : (R,)
        In the venue's quote unit: coin for inverse options, USD (or the settlement dollar) otherwise.
    value : (R,)
        USD that one unit held is worth; 0 for perpetuals and futures.
    forward, strike, years, vol : (R,)
        Of options (forward in USD, vol as a decimal); ``years`` of futures too. NaN elsewhere.
    is_call : (R,) bool
    open_interest : (R,)
        Units outstanding; NaN where the market gives none.
    assets, prices
        A collateral assets and their USD prices (A,).
    ltv, threshold, bonus : (R,)
        Share of a deposit's value that may be borrowed, at which debt is liquidated, and what a liquidator gains (e-mode
        decided); 0 elsewhere.
    rate, average : (R,) or empty
        Annual interest rate of the expiry, and the average of the index since its settlement window opened, where the
        market gives them; read :attr:`rates` and :attr:`averages`, which are NaN elsewhere.
    power : (R,) or empty
        Power of the index that a curved contract's mark follows, as the instrument declares it; read :attr:`powers`.
    funding : (R,) or empty
        Share of notional that a long perpetual pays per 8 hours; read :attr:`fundings`.
    """

    venue: str
    account: str
    names: tuple[str, ...]
    nature: tuple[Nature, ...]
    underlying: tuple[str, ...]
    settlement: tuple[str, ...]
    inverse: np.ndarray
    index: np.ndarray
    settlement_price: np.ndarray
    mark: np.ndarray
    value: np.ndarray
    forward: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    vol: np.ndarray
    is_call: np.ndarray
    open_interest: np.ndarray
    assets: tuple[str, ...] = ()
    prices: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ltv: np.ndarray = field(default_factory=lambda: np.zeros(0))
    threshold: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bonus: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rate: np.ndarray = field(default_factory=lambda: np.zeros(0))
    average: np.ndarray = field(default_factory=lambda: np.zeros(0))
    power: np.ndarray = field(default_factory=lambda: np.zeros(0))
    funding: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def kind(self) -> tuple[str, ...]:
        """Class of each row in margin rules: its ``margin_class``."""
        return tuple(nature.margin_class for nature in self.nature)

    @cached_property
    def rates(self) -> np.ndarray:
        """(R,) annual interest rates; NaN where the market gives none."""
        return self.rate if len(self.rate) else np.full(len(self), np.nan)

    @cached_property
    def averages(self) -> np.ndarray:
        """(R,) averages of the index so far, USD; NaN where the market gives none."""
        return self.average if len(self.average) else np.full(len(self), np.nan)

    @cached_property
    def fundings(self) -> np.ndarray:
        """(R,) shares of notional that a long pays per 8 hours; NaN where the market gives none."""
        return self.funding if len(self.funding) else np.full(len(self), np.nan)

    @cached_property
    def powers(self) -> np.ndarray:
        """(R,) powers p of the index: a move m makes the mark ``(1 + m)^p`` times itself; 1 if linear, NaN if undeclared."""
        declared = self.power if len(self.power) else np.full(len(self), np.nan)
        return np.where(self.linear, 1.0, np.where(self.curved, declared, np.nan))

    @cached_property
    def option(self) -> np.ndarray:
        """(R,) bool: options."""
        return np.array([nature.option for nature in self.nature], bool)

    @cached_property
    def perpetual(self) -> np.ndarray:
        """(R,) bool: perpetuals."""
        return np.array([nature.perpetual for nature in self.nature], bool)

    @cached_property
    def linear(self) -> np.ndarray:
        """(R,) bool: perpetuals and dated futures."""
        return np.array([nature.margined and nature.payoff == "linear" for nature in self.nature], bool)

    @cached_property
    def margined(self) -> np.ndarray:
        """(R,) bool: contracts whose P&L is settled into collateral, linear or curved."""
        return np.array([nature.margined for nature in self.nature], bool)

    @cached_property
    def curved(self) -> np.ndarray:
        """(R,) bool: margined contracts that are not linear."""
        return self.margined & ~self.linear

    @cached_property
    def owned(self) -> np.ndarray:
        """(R,) bool: paid for in full (spot, pool shares, deposits)."""
        return np.array([nature.paid == "owned" for nature in self.nature], bool)

    @cached_property
    def derivative(self) -> np.ndarray:
        """(R,) bool: margined by a venue."""
        return np.array([nature.derivative for nature in self.nature], bool)

    @cached_property
    def by_underlying(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Every underlying once, and (R,) which of them each row has."""
        return _codes(self.underlying)

    @cached_property
    def by_settlement(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Every settlement asset once, and (R,) which of them each row has."""
        return _codes(self.settlement)

    @cached_property
    def coins(self) -> np.ndarray:
        """(R,) coins of underlying in one unit of a perpetual or future; 1 elsewhere."""
        coin = self.linear & self.inverse
        return np.where(coin, 1.0 / np.where(coin & (self.mark > 0), self.mark, 1.0), 1.0)

    @cached_property
    def notional(self) -> np.ndarray:
        """(R,) USD value of the underlying of one unit at the mark: what tiers and rates apply to; 0 for options.

        Of a curved contract it is its mark, which is in USD where it settles in its coin.
        """
        usd = np.where(self.inverse, self.index * self.coins, self.mark * self.settlement_price)
        curve = self.mark * np.where(self.inverse, 1.0, self.settlement_price)
        return np.where(self.linear, usd, np.where(self.curved, curve, 0.0))

    def of(self, underlying: str) -> np.ndarray:
        """Rows of derivatives on one underlying."""
        if underlying not in self._of:
            names, code = self.by_underlying
            mine = code == names.index(underlying) if underlying in names else np.zeros(len(self), bool)
            self._of[underlying] = np.flatnonzero(mine & self.derivative)
        return self._of[underlying]

    @cached_property
    def _of(self) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def underlyings(self) -> tuple[str, ...]:
        """Underlyings of the derivatives, in order of first use."""
        return tuple(dict.fromkeys(u for u, mine in zip(self.underlying, self.derivative.tolist(), strict=True) if mine))

    @property
    def days(self) -> np.ndarray:
        """(R,) days to expiry; NaN without one."""
        return 365.0 * self.years

    def with_prices(
        self,
        *,
        index: np.ndarray,
        settlement_price: np.ndarray,
        mark: np.ndarray,
        value: np.ndarray,
        forward: np.ndarray,
        vol: np.ndarray,
        years: np.ndarray,
        prices: np.ndarray,
    ) -> State:
        """The same instruments in another market; what does not depend on it is worked out once for all of them."""
        found = replace(
            self,
            index=index,
            settlement_price=settlement_price,
            mark=mark,
            value=value,
            forward=forward,
            vol=vol,
            years=years,
            prices=prices,
        )
        for name in _LASTING:
            found.__dict__[name] = getattr(self, name)
        return found


def _codes(names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    once = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return tuple(once), np.array([once[name] for name in names], np.int64)
