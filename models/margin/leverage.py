"""Initial margin by the leverage that an account has chosen: the whole notional over it.

``IM = |N| / L`` with ``L`` the chosen leverage, and at most what the venue allows for a position of that notional. A
position may not grow beyond the largest notional that its leverage allows. Only maintenance is marginal by tier.

Vectors: 15m USD of BTC at 10x needs 1,500,000; Hyperliquid, BTC, 200m at 20x needs 10,000,000.
Sources: Binance, "Leverage and Margin of USDⓈ-M Futures"; hyperliquid.gitbook.io, margin tiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hedgeopt.errors import InputError

__all__ = ["Allowed", "Leverage", "read_leverage"]


@dataclass(frozen=True)
class Allowed:
    """Largest leverage of one market: ``leverage[n]`` for a notional (USD) up to ``up_to[n]``, both by size, falling."""

    up_to: tuple[float, ...]
    leverage: tuple[float, ...]

    def at(self, notional: float) -> float:
        """Largest leverage of a position; beyond the last bound that of the last step."""
        n = int(np.searchsorted(self.up_to, abs(notional), side="left"))
        return self.leverage[min(n, len(self.leverage) - 1)]

    def largest_notional(self, leverage: float) -> float:
        """USD that a position at this leverage may reach; 0 where no position may have it."""
        return max((u for u, most in zip(self.up_to, self.leverage, strict=True) if most >= leverage), default=0.0)

    @property
    def most(self) -> float:
        """Largest leverage of the smallest position."""
        return self.leverage[0]


@dataclass(frozen=True)
class Leverage:
    """Leverage that an account has chosen: by underlying, for all others, or none (the largest that each size allows)."""

    others: float | None = None
    by_underlying: Mapping[str, float] = field(default_factory=dict)

    def of(self, underlying: str) -> float | None:
        """Leverage chosen for a market."""
        return self.by_underlying.get(underlying, self.others)

    def check(self, markets: Mapping[str, Allowed], venue: str) -> Leverage:
        """The same, or an error for a market that is unknown or a leverage that it does not allow."""
        for underlying, chosen in self.by_underlying.items():
            if underlying not in markets:
                raise InputError(
                    f"{venue} has no margin tier for {underlying}",
                    file="book",
                    field="margin",
                    value=f"{underlying}={chosen:g}",
                    fix=f"mend the name, or add {underlying} to a table {venue}.toml of your own beside the policy "
                    f"(known: {', '.join(sorted(markets))})",
                )
            if chosen > markets[underlying].most:
                raise _too_much(venue, f"{underlying}={chosen:g}", markets[underlying].most)
        most = max(allowed.most for allowed in markets.values())
        if self.others is not None and self.others > most:
            raise _too_much(venue, f"{self.others:g}", most)
        return self


def _too_much(venue: str, value: str, most: float) -> InputError:
    return InputError(
        f"{venue} does not allow this leverage", file="book", field="margin", value=value, fix=f"choose at most {most:g}"
    )


def read_leverage(option: str | None) -> Leverage:
    """Read the part after the colon of a margin name: ``10``, ``BTC=10,ETH=5``, or ``10,BTC=5``.

    Raises
    ------
    InputError
        For anything but whole numbers from 1 on, and for a market named twice.
    """
    if option is None:
        return Leverage()
    others: float | None = None
    chosen: dict[str, float] = {}
    for part in option.split(","):
        name, named, text = part.rpartition("=")
        name = name.strip()
        if (
            not text.strip().isascii()
            or not text.strip().isdigit()
            or not 1 <= int(text) <= 1000
            or bool(named) != bool(name)
        ):
            raise _unreadable(option)
        if name in chosen or (not named and others is not None):
            raise _unreadable(option)
        if named:
            chosen[name] = float(text)
        else:
            others = float(text)
    return Leverage(others, chosen)


def _unreadable(option: str) -> InputError:
    return InputError(
        "after the colon comes the chosen leverage",
        file="book",
        field="margin",
        value=option,
        fix="write a whole number from 1 on, such as hyperliquid:10, or one per coin: hyperliquid:BTC=10,ETH=5",
    )
