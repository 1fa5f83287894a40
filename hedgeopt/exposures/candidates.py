"""Choosing the instruments a policy may trade."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.resolve import Holdings, underlying_of
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.models.pricing.family import MarketView
from hedgeopt.models.pricing.instrument import has

__all__ = ["Screens", "choose_candidates", "screens"]


@dataclass(frozen=True)
class Screens:
    """Every quoted instrument in the market's order, and which rule lets it pass.

    Attributes
    ----------
    items
        L instruments.
    passes
        (L,) bool by rule.
    days, spread, delta : (L,)
        To expiry (NaN without one), relative quoted spread, absolute Black-76 delta (NaN of what is no option).
    """

    items: list[Any]
    passes: dict[str, np.ndarray]
    days: np.ndarray
    spread: np.ndarray
    delta: np.ndarray

    @property
    def keep(self) -> np.ndarray:
        """(L,) bool: those that pass every rule."""
        return np.asarray(np.logical_and.reduce(list(self.passes.values())))


def choose_candidates(holdings: Holdings, rules: Candidates) -> list[Any]:
    """Quoted instruments that pass the policy's rules, in the market's order; see :func:`screens`.

    Raises
    ------
    InputError
        When nothing passes: the message says which rule removed the most.
    """
    found = screens(holdings, rules)
    if not found.keep.any():
        tests = found.passes
        harshest = min(tests, key=lambda name: int(tests[name].sum()))
        fix = f"loosen {harshest} ({int(tests[harshest].sum())} of {len(found.items)} pass it)"
        if not (set(rules.underlyings) or holdings.underlyings):
            fix = 'the book holds no coin and no position to hedge: name candidates.underlyings, such as ["BTC"]'
        raise InputError(f"no instrument of {len(found.items)} may be traded", file="policy", field="candidates", fix=fix)
    return [item for item, kept in zip(found.items, found.keep, strict=True) if kept]


def screens(holdings: Holdings, rules: Candidates) -> Screens:
    """What each rule of a policy says of each quoted instrument.

    An instrument without any quote is kept only where ``mark_half_spread`` allows it. Options are screened by Black-76
    delta from the mark vol. What the book holds passes the screens of days, delta and spread unless ``held`` is off: a
    position that has drifted out of them must still be closable; ``do_not_trade`` counts for all. An instrument that the
    market calls doubtful (quotes too good to be true, a mark that its own vol contradicts) is never offered, held or not.
    """
    market = holdings.market
    underlyings = set(rules.underlyings) or holdings.underlyings
    items = list(holdings.listed.values())
    ids = [item.id for item in items]
    place = market.places(ids)
    bid, ask = market.columns["bid_price"][place], market.columns["ask_price"][place]
    both, none = ~np.isnan(bid) & ~np.isnan(ask), np.isnan(bid) & np.isnan(ask)
    option = np.array([item.nature.option for item in items], bool)
    assumed = none & ~option if rules.mark_half_spread is not None else np.zeros(len(items), bool)
    now = market.timestamp
    days = np.array([365.0 * item.years_from(now) if has(item, "expiry") else np.nan for item in items])
    spread = np.where(both, (ask - bid) / np.maximum(0.5 * (ask + bid), 1e-300), 0.0)
    delta = _delta(items, market, option)
    held = holdings.ids if rules.held else frozenset()
    own = np.array([item.id in held for item in items], bool)
    venues = {account.venue for account in holdings.accounts if account.tradable and not account.paused}
    tests = {
        "kinds": np.array([item.kind in rules.kinds for item in items], bool),
        "underlyings": np.array([underlying_of(item) in underlyings for item in items], bool),
        "names": np.array([not rules.names or any(fnmatchcase(item.name, n) for n in rules.names) for item in items], bool),
        "do_not_trade": np.array([not any(fnmatchcase(item.name, n) for n in rules.do_not_trade) for item in items], bool),
        "venues with a tradable account": np.array([item.venue in venues for item in items], bool),
        "quotes that agree with marks": np.array([key not in holdings.doubtful for key in ids], bool),
        "two_sided": both | assumed if rules.two_sided else ~none | assumed,
        "min_days, max_days": own | np.isnan(days) | ((days >= rules.min_days) & (days <= rules.max_days)),
        "max_relative_spread": own | ~option | (spread <= rules.max_relative_spread),
        "min_delta": own | ~option | ((delta >= rules.min_delta) & (delta <= 1.0 - rules.min_delta)),
    }
    return Screens(items, tests, days, spread, delta)


def _delta(items: list[Any], market: MarketView, option: np.ndarray) -> np.ndarray:
    """(L,) absolute delta of options."""
    from hedgeopt.models.pricing.black76 import greeks

    found = np.full(len(items), np.nan)
    chosen = [item for item, is_option in zip(items, option, strict=True) if is_option]
    if not chosen:
        return found
    ids = [item.id for item in chosen]
    found[option] = np.abs(
        greeks(
            market.quoted("underlying_price", ids),
            np.array([item.strike for item in chosen]),
            np.array([item.years_from(market.timestamp) for item in chosen]),
            market.quoted("mark_iv", ids),
            np.array([item.right == "call" for item in chosen]),
        ).delta
    )
    return found
