"""Positions that no market quotes: OTC and unlisted options, expired or delisted contracts, unknown names.

An option is valued by the surface of its underlying (:class:`~hedgeopt.models.surface.surface.VolSurface`) at any strike and
expiry, or by the vol and forward that the book gives with it; a perpetual at the index, a future at the forward curve.
What has expired, cannot be read or has no price is set aside with its size. A note names every choice.

The forward at an expiry that nobody quotes: ``ln(F/S)`` is linear between the index (T = 0) and the quoted expiries.
Beyond the last one it grows at its rate, at most 25 % a year either way, up to four times its term; where that term is
below 7 days (a basis of hours is the noise of two quotes, not a rate) it stays. Vols are taken from the surface up to four
times the term of its last expiry, where the standard deviation of the price is twice what any quote tells; beyond, the book
must give its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.inputs.payloads.deribit_names import is_combo, legs_of
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.pricing.market_arrays import MarketArrays
from hedgeopt.models.surface.surface import VolSurface
from hedgeopt.venues.known import parser

__all__ = ["BOOK_LEGS", "COMBO", "Aside", "QuotedCurve", "named_instrument", "untold_combo", "why_expired"]

COMBO = "is a combo whose name does not tell its legs"
BOOK_LEGS = "book its legs, with their signs from public/get_combo_details, or import that reply with the positions"

_NEAR = 0.5 / (365.0 * 24.0)
"""Years within which two expiries are one: half an hour."""
_RATE_FROM, _LARGEST_RATE = 7.0 / 365.0, 0.25
"""Shortest term whose basis tells a rate, years; largest rate carried beyond the last expiry, a year."""
_REACH = 4.0
"""Terms of the last expiry up to which its vols and its rate are carried on."""


@dataclass(frozen=True)
class Aside:
    """A position or collateral that is not valued: where it is, its size, and why."""

    account: str
    name: str
    quantity: float
    why: str

    @property
    def sentence(self) -> str:
        """For the notes of reports."""
        return f"set aside, not in any figure: {self.quantity:g} {self.name} of account {self.account}: {self.why}"


def untold_combo(venue: str, name: str) -> bool:
    """Whether it names a combo without telling its legs; others become their legs where books are read."""
    return venue == "deribit" and is_combo(name) and legs_of(name) is None


def named_instrument(venue: str, name: str) -> Any | str:
    """The instrument that a venue's name stands for, or why it stands for none."""
    if untold_combo(venue, name):
        return f"{COMBO}; {BOOK_LEGS}"
    try:
        return parser(venue)(name)
    except InputError as error:
        return f"the market does not hold it, and {error.problem}"


def why_expired(item: Any, now: datetime) -> str | None:
    """Why a contract that has expired is worth nothing more; None where it has not."""
    if has(item, "expiry") and item.expiry <= now:
        return f"expired {item.expiry:%Y-%m-%d %H:%M} UTC; its payoff is settled into collateral"
    return None


class QuotedCurve:
    """Forwards and vols of one underlying from the quoted options and futures on it."""

    def __init__(self, underlying: str, listed: Sequence[Any], market: MarketArrays) -> None:
        self.underlying, self.index = underlying, market.price(underlying)
        self.surface: VolSurface | None = None
        self.venue = ""
        options = [item for item in listed if item.nature.option and item.underlying == underlying]
        self.forwards: dict[float, float] = {0.0: self.index}
        for venue in sorted({item.venue for item in options}, key=lambda v: -sum(item.venue == v for item in options)):
            self._read([item for item in options if item.venue == venue], market)
            if self.surface is not None:
                self.venue = venue
                break
        for item in listed:
            dated = item.nature.margined and item.nature.payoff == "linear" and item.nature.expires
            if dated and item.underlying == underlying:
                mark, years = market.quote("mark_price", item.id), item.years_from(market.timestamp)
                if mark > 0 and years > 0 and self._listed(years) is None:
                    self.forwards[years] = mark

    def _read(self, options: Sequence[Any], market: MarketArrays) -> None:
        ids = [item.id for item in options]
        vol, forward = market.quoted("mark_iv", ids), market.quoted("underlying_price", ids)
        years = np.array([item.years_from(market.timestamp) for item in options])
        good = (vol > 0) & (forward > 0) & (years > 0)
        if not good.any():
            return
        strike = np.array([item.strike for item in options])[good]
        call = np.array([item.right == "call" for item in options])[good]
        vol, forward, years = vol[good], forward[good], years[good]
        for tenor in np.unique(years):  # rows of one expiry were quoted moments apart
            at = years == tenor
            forward[at] = self.forwards[float(tenor)] = float(np.median(forward[at]))
        right = np.where(call, 1, 0)
        _, first = np.unique(np.column_stack([years, strike, right]), axis=0, return_index=True)
        self.surface = VolSurface.from_chain(forward[first], strike[first], years[first], vol[first], call[first])

    def _listed(self, years: float) -> float | None:
        return next((known for known in self.forwards if known > 0 and abs(known - years) < _NEAR), None)

    def forward(self, years: float) -> tuple[float, str]:
        """Forward at ``years``, and its source in words."""
        known = self._listed(years)
        if known is not None:
            return self.forwards[known], "of the listed expiry"
        tenors = np.array(sorted(self.forwards))
        basis = np.log(np.array([self.forwards[t] for t in tenors]) / self.index)
        if len(tenors) == 1:
            return self.index, "the index, as no expiry is quoted"
        if years > tenors[-1]:
            return self._beyond(years, float(tenors[-1]), float(basis[-1]))
        return float(self.index * np.exp(np.interp(years, tenors, basis))), "between the quoted expiries"

    def _beyond(self, years: float, last: float, basis: float) -> tuple[float, str]:
        said = "extrapolated beyond the last expiry"
        if last < _RATE_FROM:
            kept = f"whose basis of {100 * np.expm1(basis):.2g} % is kept, as {_days(last)} tell no rate"
            return float(self.index * np.exp(basis)), f"{said}, {kept}"
        told = basis / last
        rate = float(np.clip(told, -_LARGEST_RATE, _LARGEST_RATE))
        said += f" at {100 * rate:.3g} % a year" + (
            f", the most that is carried on of its {100 * told:.3g} %" * (rate != told)
        )
        if years > _REACH * last:
            said += f", for {_REACH:g} times its term"
        return float(self.index * np.exp(basis + rate * (min(years, _REACH * last) - last))), said

    def reaches(self, years: float) -> bool:
        """Whether the surface tells a vol at this tenor."""
        return self.surface is not None and years <= _REACH * self.surface.smiles[-1].years + _NEAR

    def vol_near(self, strike: float, years: float, forward: float) -> float:
        """Vol at a strike and tenor; where the surface does not reach, at the money of its last expiry."""
        if self.surface is None or self.reaches(years):
            return self.vol(strike, years, forward)[0]
        last = self.surface.smiles[-1]
        return float(self.surface.vol(last.forward, last.years, last.forward))

    def vol(self, strike: float, years: float, forward: float) -> tuple[float, str]:
        """Vol at a strike and tenor, and its source in words."""
        if self.surface is None:
            raise InputError("no surface", field=self.underlying)
        smiles = self.surface.smiles
        said = [f"from the surface of {self.underlying} at {self.venue}"]
        near = min(smiles, key=lambda smile: abs(smile.years - years))
        if abs(near.years - years) < _NEAR:
            years = near.years
        k = np.log(strike / forward)
        low, high = float(near.log_moneyness[0]), float(near.log_moneyness[-1])
        if not low - 1e-9 <= k <= high + 1e-9:
            edge = near.strike[0] if k < low else near.strike[-1]
            said.append(f"extrapolated beyond strike {edge:,.0f}")
        if years > smiles[-1].years + _NEAR or years < smiles[0].years - _NEAR:
            edge = "last" if years > smiles[-1].years else "first"
            said.append(f"extrapolated beyond the {edge} quoted expiry")
        return float(self.surface.vol(strike, years, forward)), ", ".join(said)

    def quotes(self, item: Any, now: datetime) -> tuple[dict[str, float], str]:
        """Columns that pricing reads for an instrument nobody quotes, and a sentence on their source.

        Raises
        ------
        InputError
            When nothing is known to value it by.
        """
        if item.nature.option:
            return self._option(item, now)
        if item.nature.perpetual:
            return {"mark_price": self.index}, f"{item.name}: not quoted, valued at the index {self.index:,.6g}"
        if item.nature.payoff == "linear" and has(item, "expiry"):
            forward, source = self.forward(item.years_from(now))
            return {"mark_price": forward}, f"{item.name}: not quoted, valued at the forward {forward:,.6g} ({source})"
        raise InputError(f"nobody quotes {item.name}, a {item.kind}")

    def _option(self, item: Any, now: datetime) -> tuple[dict[str, float], str]:
        years = item.years_from(now)
        forward, where = (item.forward, "given") if item.forward is not None else self.forward(years)
        if item.vol is not None:
            vol, source = item.vol, "given"
        elif self.surface is None:
            raise InputError(
                f"{item.name} has no quote, and no option on {self.underlying} has one to make a surface of",
                file="book",
                field=item.name,
                fix="give vol (and forward) with the instrument in the book, or a market with options on it",
            )
        elif not self.reaches(years):
            last = self.surface.smiles[-1].years
            raise InputError(
                f"{item.name} expires in {_days(years)}, more than {_REACH:g} times the {_days(last)} of the last quoted "
                f"expiry of options on {self.underlying}: they tell no vol for it",
                file="book",
                field=item.name,
                fix="give vol (and forward) with the instrument in the book, or a market with later expiries",
            )
        else:
            vol, source = self.vol(item.strike, years, forward)
        found = {"underlying_price": float(forward), "mark_iv": float(vol)}
        return (
            found,
            f"{item.name}: not quoted, valued at vol {100 * vol:.4g} % ({source}) and forward {forward:,.6g} ({where})",
        )


def _days(years: float) -> str:
    days = 365.0 * years
    return f"{24.0 * days:.3g} hours" if days < 2.0 else f"{days:,.4g} days"
