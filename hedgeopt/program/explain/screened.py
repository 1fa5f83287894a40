"""Why an instrument is no candidate: the rule that leaves it out, with its number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.exposures.candidates import Screens, screens
from hedgeopt.exposures.resolve import Holdings
from hedgeopt.files.names import advice
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.inputs.policy import Policy

__all__ = ["why_screened"]


def why_screened(holdings: Holdings, policy: Policy, name: str) -> str:
    """One line, such as ``BTC-7MAR26-90000-C is no candidate: 0.9 days to expiry, and candidates.min_days is 2``.

    Raises
    ------
    InputError
        Of a name that the market does not list, with the nearest one.
    """
    found = screens(holdings, policy.candidates)
    at = [k for k, item in enumerate(found.items) if item.name == name]
    if not at:
        known = [item.name for item in found.items]
        raise InputError("is not listed by the market", field="instrument", value=name, fix=advice(name, known))
    reasons = list(_reasons(found, holdings, policy.candidates, at[0]))
    if not reasons:
        return f"{name} passes every rule of candidates"
    return f"{name} is no candidate: {'; '.join(reasons)}"


def _reasons(found: Screens, holdings: Holdings, rules: Candidates, k: int) -> Iterator[str]:
    item = found.items[k]
    market = holdings.market
    place = market.places([item.id])
    bid, ask = (float(market.columns[name][place][0]) for name in ("bid_price", "ask_price"))
    quotes = f"bid {bid:g}, ask {ask:g}".replace("nan", "none")
    said = {
        "kinds": f"it is of kind {item.kind}, and candidates.kinds is {', '.join(rules.kinds)}",
        "underlyings": "its underlying is neither in candidates.underlyings nor held by the book",
        "names": f"candidates.names is {', '.join(rules.names)}",
        "do_not_trade": f"candidates.do_not_trade is {', '.join(rules.do_not_trade)}",
        "venues with a tradable account": f"no tradable account of the book is at {item.venue}",
        "quotes that agree with marks": f"its quotes are doubtful ({holdings.doubtful.get(item.id, 'they contradict it')})",
        "two_sided": f"{quotes}, and candidates.two_sided asks for both" if rules.two_sided else f"no quote ({quotes})",
        "min_days, max_days": (
            f"{found.days[k]:.3g} days to expiry, and candidates.min_days is {rules.min_days:g}"
            if found.days[k] < rules.min_days
            else f"{found.days[k]:.4g} days to expiry, and candidates.max_days is {rules.max_days:g}"
        ),
        "max_relative_spread": (
            f"a spread of {found.spread[k]:.1%} of mid, and candidates.max_relative_spread is "
            f"{rules.max_relative_spread:.1%}"
        ),
        "min_delta": (
            f"an absolute delta of {found.delta[k]:.4f}, and candidates.min_delta is {rules.min_delta:g}"
            if np.isfinite(found.delta[k])
            else "its delta is not known"
        ),
    }
    for rule, passes in found.passes.items():
        if not passes[k]:
            yield said[rule]
