"""The book by tag: equity, Greeks, tail and stress of the accounts of each strategy or book of a firm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hedgeopt.files.calls import strict_call
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.effects import equity_after
from hedgeopt.models.numeraire import money_power
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.models.risk.cvar import ScopedPnl, tail_loss
from hedgeopt.models.risk.greeks import net_greek, trade_greek
from hedgeopt.models.risk.stress import scoped_stress
from hedgeopt.models.scope import of_accounts

__all__ = ["TagRisk", "by_tag", "tag_risks"]

_GREEKS = ("delta", "gamma", "vega")
_LEVEL = 0.99


@dataclass(frozen=True)
class TagRisk:
    """Accounts of one tag, or ``all``; an account of several tags counts in each.

    Attributes
    ----------
    accounts
        How many.
    equity
        In the report's unit, as ``cvar`` (at 99 % over the horizon; None where exposures tell no P&L by account) and
        ``stress``: P&L in ``worst_stress``, None without stress scenarios.
    greeks
        Delta (collateral included), gamma and vega by asset.
    """

    tag: str
    accounts: int
    equity: float
    greeks: dict[str, dict[str, float]]
    cvar: float | None
    worst_stress: str
    stress: float | None


def tag_risks(e: Exposures, trades: np.ndarray | None = None) -> tuple[TagRisk, ...]:
    """One entry per tag in the book's order, then ``all``; none for a book without tags. After trades (N,) when given."""
    tags = dict.fromkeys(tag for mine in e.tags for tag in mine)
    x = np.zeros(e.n_candidates) if trades is None else trades
    return tuple(_one(e, tag, x) for tag in (*tags, "all")) if tags else ()


def _one(e: Exposures, tag: str, x: np.ndarray) -> TagRisk:
    inside = np.array([tag == "all" or tag in mine for mine in e.tags], bool)
    scope, price = of_accounts(e, inside), 1.0 if e.numeraire is None else e.numeraire.price
    greeks: dict[str, dict[str, float]] = {}
    for asset in e.assets:
        if asset not in dollar_assets() and not is_peg(asset):
            told = {g: net_greek(e, g, asset, scope) + float(trade_greek(e, g, asset, scope) @ x) for g in _GREEKS}
            greeks[asset] = {name: value / price ** money_power(GREEK_UNITS[name]) for name, value in told.items()}
    stress = []
    for k in range(len(e.stress)):
        accounts, per_trade = scoped_stress(e, k, scope)
        stress.append(float(accounts.sum() + per_trade @ x) / price)
    cvar = None
    if e.account_pnl is not None and e.scenarios is not None and not e.scenarios.still:
        scoped = ScopedPnl.of(e, scope)
        cvar = tail_loss(-(scoped.at(x) if x.any() else scoped.base), _LEVEL, e.probabilities) / price
    return TagRisk(
        tag=tag,
        accounts=int(inside.sum()),
        equity=sum(equity_after(e, c, x) for c in np.flatnonzero(inside).tolist()) / price,
        greeks=greeks,
        cvar=cvar,
        worst_stress=e.stress[int(np.argmin(stress))] if stress else "none",
        stress=min(stress, default=None),
    )


@strict_call
def by_tag(exposures: Exposures) -> pd.DataFrame:
    """A row per tag, and ``all`` for the whole book; accounts of several tags count in each.

    Columns: ``accounts``, ``equity`` (USD), ``delta``, ``gamma`` and ``vega ASSET`` (delta counts collateral), ``cvar 0.99``
    (USD), ``worst stress`` (its name) and ``stress`` (USD of P&L in it; NaN without stress scenarios). Under a numeraire USD
    is a unit of that.
    """
    rows = {}
    for one in tag_risks(exposures) or (_one(exposures, "all", np.zeros(exposures.n_candidates)),):
        greeks = {f"{name} {asset}": own[name] for name in _GREEKS for asset, own in one.greeks.items()}
        rows[one.tag] = {
            "accounts": one.accounts,
            "equity": one.equity,
            **greeks,
            "cvar 0.99": float("nan") if one.cvar is None else one.cvar,
            "worst stress": one.worst_stress,
            "stress": float("nan") if one.stress is None else one.stress,
        }
    return pd.DataFrame.from_dict(rows, orient="index")
