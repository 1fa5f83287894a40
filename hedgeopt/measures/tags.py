"""The book by tag: equity, delta and stress of the accounts of each strategy or book of a firm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hedgeopt.inputs.book import Book
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import greek

__all__ = ["by_tag"]


def by_tag(exposures: Exposures, book: Book) -> pd.DataFrame:
    """A row per tag, and ``all`` for the whole book; accounts of several tags count in each.

    Columns: ``accounts``, ``equity`` (USD), ``delta ASSET`` (coins, collateral included), ``worst stress`` (its name) and
    ``stress`` (USD of P&L in it; NaN without stress scenarios).
    """
    e = exposures
    tags = dict.fromkeys(tag for account in book.accounts for tag in account.tags)
    assets = [a for a, name in enumerate(e.assets) if name not in dollar_assets() and not is_peg(name)]
    delta = e.rows.greeks[greek("delta")] * e.rows.quantity[:, None]
    rows = {}
    for tag in [*tags, "all"]:
        mine = np.array([tag == "all" or tag in account.tags for account in book.accounts], bool)
        total = delta[mine[e.rows.account]].sum(axis=0) + (
            0.0 if e.collateral_delta is None else e.collateral_delta[mine].sum(axis=0)
        )
        row: dict[str, object] = {"accounts": int(mine.sum()), "equity": float(e.equity[mine].sum())}
        row |= {f"delta {e.assets[a]}": float(total[a]) for a in assets}
        pnl = e.stress_account_pnl[:, mine].sum(axis=1)
        known = len(pnl) > 0
        row["worst stress"] = e.stress[int(pnl.argmin())] if known and e.stress else "none"
        row["stress"] = float(pnl.min()) if known else float("nan")
        rows[tag] = row
    return pd.DataFrame.from_dict(rows, orient="index")
